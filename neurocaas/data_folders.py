"""A folder on this computer as data: which of its files are, what is left out, and what is wrong with it, all
at once and before anything is uploaded.

What operating systems and programs leave behind is left out, and said. A link to a file counts as that file
(data sets of git-annex are made of such), and a link to a folder inside the folder as that folder. What
cannot be taken: a link to nowhere, in a circle or to a folder outside; a file that cannot be read; what is no
file (a socket, a pipe); names that S3 cannot have; and names that are one on macOS or Windows, because they
differ in capitals or in how an accent is written: whoever fetches results by them there would get one.
"""

from __future__ import annotations

import glob
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from neurocaas.errors import AnalysisError, raise_all
from neurocaas.protocol.ignored import is_ignored
from neurocaas.protocol.names import key_fault
from neurocaas.protocol.problems import shown

_SHOWN = 5
"""So many names are told of each kind of fault."""


@dataclass(frozen=True)
class DataFolder:
    """`names` of its files by their paths with '/', sorted; `left_out` are those of files, and of folders
    with a '/' at the end, that are no data."""

    names: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def files_below(path: Path, ignore: Sequence[str]) -> DataFolder:
    """The files of a folder. Raises AnalysisError with all that is wrong, and when there is no data in it."""
    look = _Look(path, ignore)
    look.walk(path, "", (os.path.realpath(path),))
    errors = look.errors()
    if not look.names and not errors:
        left = f", only {summary(look.left_out)}" if look.left_out else ""
        errors.append(
            AnalysisError(
                f"no data in {path}{left}", "a folder with files in it", "name another, or each of its files"
            )
        )
    raise_all(errors)
    return DataFolder(tuple(sorted(look.names)), tuple(look.left_out))


def summary(names: Sequence[str]) -> str:
    """`.DS_Store (3), Thumbs.db`: what was left out, by name."""
    counts = Counter(shown_name(name) for name in names)
    told = [f"{name} ({count})" if count > 1 else name for name, count in counts.most_common(_SHOWN)]
    rest = sum(counts.values()) - sum(count for _, count in counts.most_common(_SHOWN))
    return ", ".join(told) + (f" and {rest} more" if rest else "")


def shown_name(name: str) -> str:
    """A left out file by its own name."""
    return name.rstrip("/").rpartition("/")[2] + ("/" if name.endswith("/") else "")


@dataclass
class _Look:
    root: Path
    ignore: Sequence[str]
    names: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def fault(self, kind: str, name: str) -> None:
        self.faults.setdefault(kind, []).append(shown(name or "."))

    def walk(self, folder: Path, below: str, above: tuple[str, ...]) -> None:
        """`above`: the real paths of the folders on the way, this one's last."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            self.fault(_UNREADABLE, below)
            return
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                self._folder(entry, name, above)
            elif entry.is_symlink() and os.path.isdir(entry.path):
                if is_ignored(name, self.ignore):
                    self.left_out.append(f"{name}/")
                else:
                    self._linked(entry, name, above)
            elif is_ignored(name, self.ignore):
                self.left_out.append(name)
            else:
                self._file(entry, name)

    def _folder(self, entry: os.DirEntry[str], name: str, above: tuple[str, ...]) -> None:
        if is_ignored(name, self.ignore):
            self.left_out.append(f"{name}/")
        else:
            self.walk(Path(entry.path), f"{name}/", (*above, os.path.realpath(entry.path)))

    def _linked(self, entry: os.DirEntry[str], name: str, above: tuple[str, ...]) -> None:
        real = os.path.realpath(entry.path)
        if real in above:
            self.fault(_CIRCLE, name)
        elif Path(real).is_relative_to(above[0]):
            self.walk(Path(entry.path), f"{name}/", (*above, real))
        else:
            self.fault(_OUTSIDE, name)

    def _file(self, entry: os.DirEntry[str], name: str) -> None:
        try:
            mode = entry.stat().st_mode
        except OSError:  # of a link in a circle too
            self.fault(_NOWHERE if entry.is_symlink() else _UNREADABLE, name)
            return
        if not stat.S_ISREG(mode):
            self.fault(_SPECIAL, name)
        elif not os.access(entry.path, os.R_OK):
            self.fault(_UNREADABLE, name)
        elif (wrong := key_fault(name)) is not None:
            self.fault(_NAMES, f"{name}: {wrong}")
        else:
            self.names.append(name)

    def errors(self) -> list[AnalysisError]:
        for pair in _twins(self.names):
            self.faults.setdefault(_TWINS, []).append(" and ".join(map(shown, pair)))
        return [
            AnalysisError(
                f"{kind} in {self.root}: {', '.join(names[:_SHOWN])}"
                + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""),
                *_HELP[kind],
            )
            for kind, names in self.faults.items()
        ]


_UNREADABLE = "what cannot be read"
_SPECIAL = "what is no file that can be read"
_NOWHERE = "links to nowhere"
_CIRCLE = "links in a circle"
_OUTSIDE = "links to folders outside"
_NAMES = "names that cannot be uploaded"
_TWINS = "names that are one on macOS or Windows"
_HELP = {
    _UNREADABLE: ("files and folders that you may read", "change their mode, or take them away"),
    _SPECIAL: ("files and folders", "take away sockets, pipes and devices"),
    _NOWHERE: ("links to files that are there", "get what they point to, or take them away"),
    _CIRCLE: ("links that do not lead back", "take them away"),
    _OUTSIDE: ("links to folders inside the folder", "name those folders themselves, or copy them"),
    _NAMES: ("files with names without control characters", "rename them, or take them away"),
    _TWINS: ("names that differ in more than capitals or accents", "rename one of each pair"),
}


def _twins(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of paths, or of folders on the way to them, that a folding file system takes for one."""
    first = dict[str, str]()
    told = set[str]()
    for name in names:
        parts = name.split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
            other = first.setdefault(folded, path)
            if other != path:
                if folded not in told:
                    told.add(folded)
                    yield other, path
                break  # what is below them is told with them


def expanded(paths: Sequence[str]) -> list[str]:
    """Paths with `*`, `?` or `[…]` in them, which no shell has expanded, as the files that they mean; every
    other as it is. Raises AnalysisError for a pattern that means none."""
    found, errors = list[str](), list[AnalysisError]()
    for path in paths:
        if os.path.lexists(path) or not glob.has_magic(path):
            found.append(path)
            continue
        names = sorted(glob.glob(path, recursive=True))
        found += names
        if not names:
            errors.append(
                AnalysisError(
                    f"no file is meant by {path!r}", "a pattern of files that are here", "check the pattern"
                )
            )
    raise_all(errors)
    return list(dict.fromkeys(found))


def is_readable(path: Path) -> bool:
    """Whether it is a file that this person may read."""
    return path.is_file() and os.access(path, os.R_OK)
