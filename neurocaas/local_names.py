"""Names of files here for keys in a bucket, which may be any text. The rule is one for all systems, so that a
folder of results can go from one to another, and each name says which key it stands for:

- `%`, `< > : " | ? * \\`, and what a terminal obeys are written as in a web address: `%3A` for `:`.
- So is a dot or a space at the end of a name, and the first letter of a name that is a device on Windows
  (`NUL.txt` → `%4EUL.txt`).
- Of names in one folder that differ only in what some systems do not tell apart (capitals, how an accent is
  written), each has its capitals and letters beyond ASCII written so.
- A name of more than 255 bytes goes on below: `begin%+/end`. A file beside a folder of the same name ends in
  `%~`; a name that is empty is `%_`.

`key_of` reads such a path back. `openable` is for paths of more than 260 characters on Windows.
"""

from __future__ import annotations

import ntpath
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote_to_bytes

from neurocaas.protocol.limits import NAME_MAX_BYTES
from neurocaas.protocol.printable import printable

_NEVER = frozenset('%<>:"|?*\\')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])\s*(?:\.|\Z)", re.IGNORECASE)
"""What is no file on Windows, whatever it ends in (Win32, "Naming Files, Paths, and Namespaces")."""
_ON, _FILE, _EMPTY = "%+", "%~", "%_"
"""A name goes on in the next part; a file beside a folder of its name; no name. Nothing else begins so."""


def local_paths(keys: Iterable[str]) -> dict[str, str]:
    """The path of each key below one folder, with `/`. No two are one file anywhere, none is a folder of
    another, and none leads out of the folder. The same keys get the same paths, whatever their order.
    """
    every = set(keys)
    below: dict[str, set[str]] = defaultdict(set)
    for key in every:
        parts = key.split("/")
        for place, name in enumerate(parts):
            below["/".join(parts[:place]) + "/" if place else ""].add(name)
    written = {above: _beside_each_other(names) for above, names in below.items()}
    paths = {}
    for key in every:
        parts, above = key.split("/"), ""
        folders = []
        for name in parts[:-1]:
            folders.append(written[above][name])
            above += f"{name}/"
        last, full = parts[-1], _is_full(written[above], parts[-1])
        name = "/".join(_parts(last, full, file=True)) if f"{key}/" in below else written[above][last]
        paths[key] = "/".join([*folders, name])
    return paths


def local_name(name: str) -> str:
    """Of one name alone, for a file or a folder that has none beside it."""
    return "/".join(_parts(name, full=False))


def key_of(path: str) -> str:
    """The key that a path of `local_paths` stands for."""
    names, begun = [], ""
    for part in path.split("/"):
        if part.endswith(_ON):
            begun += _read(part.removesuffix(_ON))
            continue
        part = part.removesuffix(_FILE)
        names.append(begun + ("" if part == _EMPTY else _read(part)))
        begun = ""
    return "/".join(names)


def openable(path: Path, system: str = os.name) -> Path:
    """The path as the system takes it, however long it is: Windows asks for an absolute one with a mark."""
    if system != "nt":
        return path
    whole = ntpath.abspath(str(path))
    if whole.startswith("\\\\?\\"):
        return path
    whole = f"UNC\\{whole[2:]}" if whole.startswith("\\\\") else whole
    return Path("\\\\?\\" + whole)


def folded(name: str) -> str:
    """The same for names that are one file on some system: as macOS and Windows compare, or more coarsely."""
    for _ in range(2):  # what capitals are made of can have capitals
        name = unicodedata.normalize("NFD", unicodedata.normalize("NFKD", name).upper().casefold())
    return name


def _beside_each_other(names: Iterable[str]) -> dict[str, str]:
    """What lies in one folder → its path there."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[folded(_parts(name, full=False)[0])].append(name)
    return {name: "/".join(_parts(name, full=len(some) > 1)) for some in alike.values() for name in some}


def _is_full(written: dict[str, str], name: str) -> bool:
    return written[name] != local_name(name)


def _parts(name: str, full: bool, *, file: bool = False) -> list[str]:
    """The parts of the path of one name. `full`: with all that systems may take for something else written
    out. `file`: beside a folder of the same name."""
    written = [_written(character, full) for character in name] or [_EMPTY]
    if file:
        written.append(_FILE)
    parts = [_whole(written)]
    if len(_bytes(parts[0])) <= NAME_MAX_BYTES:
        return parts
    parts, begun, size = [], list[str](), 0
    for one in written:
        # what is added at the end, and to a device's first letter
        if size + len(_bytes(one)) > NAME_MAX_BYTES - len(_ON) - 2:
            parts.append(_whole([*begun, _ON]))
            begun, size = [], 0
        begun.append(one)
        size += len(_bytes(one))
    return [*parts, _whole(begun)]


def _whole(written: list[str]) -> str:
    """One part of a path, which is no device and ends in no dot and no space."""
    if written[-1] in (".", " "):
        written = [*written[:-1], _escaped(written[-1])]
    if _DEVICE.match("".join(written)):
        written = [_escaped(written[0]), *written[1:]]
    return "".join(written)


def _written(character: str, full: bool) -> str:
    if character in _NEVER or printable(character, keep="") != character:
        return _escaped(character)
    return _escaped(character) if full and (not character.isascii() or character.isupper()) else character


def _escaped(text: str) -> str:
    return "".join(f"%{one:02X}" for one in _bytes(text))


def _read(part: str) -> str:
    return unquote_to_bytes(_bytes(part)).decode("utf-8", "surrogatepass")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
