"""What a command changed, read from the writable layers of a root: files, packages, clones."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from image_builder.recording.events import Content
from image_builder.recording.root import View

TEXT_LIMIT = 64 * 1024
"""Bytes of a file that a script may carry."""

DPKG_STATUS = "/var/lib/dpkg/status"
PYTHON_METADATA = re.compile(r"\.dist-info/METADATA$|/(?:site|dist)-packages/[^/]+\.egg-info/PKG-INFO$")
"""Where a distribution says its name and version; the second, where pip ran an old setup.py."""
_EXTENDED = "/var/lib/apt/extended_states"
_SIDE_EFFECTS = re.compile(
    r"\.pyc$|/__pycache__$|^/var/log(/|$)|^/root/\.cache(/|$)|^/var/cache/(apt|ldconfig|debconf|man)(/|$)|^/run/|"
    r"^/root/\.((bash|python|node_repl)_history|octave_hist|Rhistory|viminfo|lesshst|wget-hsts|selected_editor)$|"
    r"^/root/\.local/(share/nano|state)(/|$)|^/root/\.npm(/|$)|^/root/\.cargo/(registry|\.package-cache.*)(/|$)|/pkgs/cache(/|$)|"
    r"^/(dev|proc|sys|run|root/\.local|root/\.local/share)$"
)
Mark = tuple[int, int, int, int, int, int]


@dataclass(frozen=True)
class Change:
    """`kind` is added, changed or removed."""

    kind: str
    path: str


def entries(view: View) -> Iterator[tuple[str, Path, os.stat_result]]:
    """Everything in a layer: its path in the root, its file on this computer, its status."""
    prefix = view.prefix.rstrip("/")
    stack = [(view.upper, prefix)]
    while stack:
        folder, inside = stack.pop()
        try:
            with os.scandir(folder) as found:
                items = list(found)
        except OSError:
            continue  # removed meanwhile
        for item in items:
            try:
                status = item.stat(follow_symlinks=False)
            except OSError:
                continue
            path = f"{inside}/{item.name}"
            yield path, Path(item.path), status
            if stat.S_ISDIR(status.st_mode):
                stack.append((Path(item.path), path))


def is_whiteout(status: os.stat_result) -> bool:
    """Whether an entry is overlayfs's mark for something that was deleted."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def lower_status(view: View, path: str) -> tuple[Path, os.stat_result] | None:
    """What lies under a path of a layer, or None."""
    below = path.removeprefix(view.prefix.rstrip("/")).lstrip("/")
    for lower in view.lowers:
        try:
            status = os.lstat(lower / below)
        except OSError:
            continue
        return None if is_whiteout(status) else (lower / below, status)
    return None


def snapshot(views: Sequence[View]) -> dict[str, Mark]:
    """The layers' entries, with what changes when a file is touched. Folders that only hold something new are
    as they were.
    """
    marks: dict[str, Mark] = {}
    for view in views:
        for path, _, status in entries(view):
            if stat.S_ISDIR(status.st_mode):
                marks[path] = (status.st_mode, status.st_uid, status.st_gid, 0, 0, 0)
            else:
                marks[path] = (
                    status.st_mode,
                    status.st_uid,
                    status.st_gid,
                    status.st_size,
                    status.st_mtime_ns,
                    status.st_ino,
                )
    return marks


def changed(before: Mapping[str, Mark], after: Mapping[str, Mark], views: Sequence[View]) -> list[Change]:
    """What happened between two snapshots, caches and logs left out, sorted by path."""
    found = []
    for path in before.keys() | after.keys():
        if before.get(path) == after.get(path) or _SIDE_EFFECTS.search(path):
            continue
        view = view_of(views, path)
        below = lower_status(view, path)
        mark = after.get(path)
        if mark is None:
            kind = "removed" if below is None else "changed"
        elif stat.S_ISCHR(mark[0]) and path not in before:
            kind = "removed"
        elif path in before:
            kind = "changed"
        elif below is None:
            kind = "added"
        elif (
            stat.S_ISDIR(mark[0])
            and stat.S_ISDIR(below[1].st_mode)
            and stat.S_IMODE(mark[0]) == stat.S_IMODE(below[1].st_mode)
        ):
            continue  # copied up because something in it changed
        else:
            kind = "changed"
        found.append(Change(kind, path))
    return sorted(found, key=lambda change: change.path)


def view_of(views: Sequence[View], path: str) -> View:
    """The layer that a path belongs to."""
    fitting = [
        view for view in views if path == view.prefix or path.startswith(view.prefix.rstrip("/") + "/")
    ]
    return max(fitting, key=lambda view: len(view.prefix))


def place(views: Sequence[View], path: str) -> Path | None:
    """The file on this computer that the root shows at `path` (links on the way are not followed), or
    None.
    """
    view = view_of(views, path)
    own = view.upper / path.removeprefix(view.prefix.rstrip("/")).lstrip("/")
    try:
        return None if is_whiteout(os.lstat(own)) else own
    except OSError:
        below = lower_status(view, path)
        return below[0] if below else None


def content(views: Sequence[View], path: str) -> Content | None:
    """A regular file of the root; None for anything else. Owners are those that the root's own user sees (0
    for root).
    """
    file = place(views, path)
    if file is None or file.is_symlink() or not file.is_file():
        return None
    status, data = file.stat(), file.read_bytes()
    text = None
    if len(data) <= TEXT_LIMIT and b"\0" not in data:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = None
    own = os.getuid()
    uid, gid = (0, 0) if own and status.st_uid == own else (status.st_uid, status.st_gid)
    return Content(stat.S_IMODE(status.st_mode), uid, gid, hashlib.sha256(data).hexdigest(), text)


def apt_packages(views: Sequence[View]) -> dict[str, str]:
    """Installed Debian packages, name -> version; a foreign architecture is in the name ("libc6:i386")."""
    file = place(views, DPKG_STATUS)
    packages: dict[str, str] = {}
    native = ""
    for paragraph in (file.read_text(encoding="utf-8", errors="replace") if file else "").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Status|Architecture): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            architecture = fields.get("Architecture", "all")
            native = native or (architecture if fields["Package"] == "dpkg" else "")
            packages[f"{fields['Package']}:{architecture}"] = fields["Version"]
    return {
        name.removesuffix(":all").removesuffix(f":{native}"): version for name, version in packages.items()
    }


def apt_automatic(views: Sequence[View]) -> set[str]:
    """Packages that apt installed only because others need them."""
    file = place(views, _EXTENDED)
    text = file.read_text(encoding="utf-8", errors="replace") if file else ""
    return set(re.findall(r"^Package: (\S+)\n(?:[A-Z][^\n]*\n)*?Auto-Installed: 1", text, re.MULTILINE))


def python_packages(views: Sequence[View], paths: Iterable[str]) -> dict[str, str]:
    """Python distributions whose metadata are among `paths`: "<site-packages>|name" -> version. Not those
    from a URL or a folder.
    """
    found = {}
    for path in paths:
        if (
            PYTHON_METADATA.search(path)
            and (file := place(views, path))
            and not file.with_name("direct_url.json").exists()
        ):
            head = file.read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0]
            name, version = (
                re.search(r"^Name: (\S+)", head, re.MULTILINE),
                re.search(r"^Version: (\S+)", head, re.MULTILINE),
            )
            if name and version:
                found[f"{path.rsplit('/', 2)[0]}|{name[1]}"] = version[1]
    return found


def python_along(views: Sequence[View], paths: Iterable[str]) -> list[str]:
    """Metadata folders, of those among `paths`, of what pip or uv installed because something else needs it:
    these have no REQUESTED (see "Recording installed projects" of the Python packaging specifications). None
    when no folder has one, as with pip before 20.2."""
    folders = sorted(path.rpartition("/")[0] for path in paths if path.endswith(".dist-info/METADATA"))
    asked = {folder for folder in folders if place(views, f"{folder}/REQUESTED")}
    return [folder for folder in folders if folder not in asked] if asked else []


def conda_packages(views: Sequence[View], paths: Iterable[str]) -> dict[str, str]:
    """Conda packages whose record is among `paths`: that path -> `channel::name=version=build`."""
    found = {}
    for path in paths:
        if "/conda-meta/" in path and path.endswith(".json") and (file := place(views, path)):
            try:
                record = json.loads(file.read_text(encoding="utf-8"))
                found[path] = f"{record['channel']}::{record['name']}={record['version']}={record['build']}"
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return found


def commit(views: Sequence[View], folder: str) -> str | None:
    """The commit that a git working tree stands on, or None."""
    head = place(views, f"{folder}/.git/HEAD")
    if head is None:
        return None
    text = head.read_text(encoding="utf-8", errors="replace").strip()
    if text.startswith("ref: "):
        name = text.removeprefix("ref: ")
        ref = place(views, f"{folder}/.git/{name}")
        if ref is not None:
            text = ref.read_text(encoding="utf-8", errors="replace").strip()
        elif packed := place(views, f"{folder}/.git/packed-refs"):
            listed = packed.read_text(encoding="utf-8", errors="replace")
            match = re.search(rf"^([0-9a-f]{{40,64}}) {re.escape(name)}$", listed, re.MULTILINE)
            text = match[1] if match else ""
    return text if re.fullmatch(r"[0-9a-f]{40,64}", text) else None
