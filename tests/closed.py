"""Closed rooms: their tests see no other files of the checkout than those named here, the packages in the
environment, this host, and the variables. Their digest is of all that.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from localcloud.bubblewrap import find_bubblewrap
from localcloud.sandbox import base


@dataclass(frozen=True)
class ClosedRoom:
    """A room of tests, and what it stands on."""

    folder: str
    """Of its tests."""
    stands_on: tuple[str, ...]
    """Files, and folders with all in them."""


CLOSED = {
    "localcloud": ClosedRoom(
        "localcloud/tests",
        (
            "awstoe",
            "localcloud",
            "requirements",
            "pyproject.toml",
            "Makefile",
            "tests/closed.py",
            "tests/opened.py",
            "tests/order.py",
            "tests/passed.py",
            "tests/run.py",
        ),
    )
}
IGNORED = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", "build"})
"""Folders that tools make beside sources."""
OF_A_TERMINAL = re.compile(
    r"_|PWD|OLDPWD|SHLVL|TERM\w*|COLUMNS|LINES|PS\d|LS_COLORS|COLORTERM|WINDOWID|TMUX\w*|STY|DISPLAY|XAUTHORITY"
    r"|WAYLAND_DISPLAY|(SSH|VSCODE|KITTY|ITERM|GNOME|DBUS|GPG|SYSTEMD|DESKTOP)_\w+|XDG_(SESSION|RUNTIME|SEAT|VTNR)\w*"
    r"|INVOCATION_ID|JOURNAL_STREAM|MAKE\w*|MFLAGS|HISTFILE|PROMPT\w*"
)
"""Variables that differ from window to window and are nothing to a test. Each other variable counts."""
PROGRAMS = ("bash", "curl", "git", "go", "pulumi", "tar", "uv")
"""Programs that tests take from PATH; those of `/usr` change with the host's packages."""


def digest(root: Path, room: ClosedRoom, variables: Mapping[str, str]) -> str:
    """Of all that the room stands on."""
    total = hashlib.sha256()
    for part in (*_files(root, room), *_python(), *_host(), *_said(variables)):
        total.update(part.encode("utf-8", "surrogateescape") + b"\n")
    return total.hexdigest()


def is_ignored(path: Path) -> bool:
    """Whether a tool has made it, so that no test depends on it."""
    return path.suffix in (".pyc", ".egg-info") or not IGNORED.isdisjoint(path.parts)


def stands_on(room: ClosedRoom, path: Path) -> bool:
    """Whether a path, from the checkout's folder, is one that the room names, or is ignored."""
    named = any(path.is_relative_to(name) for name in room.stands_on)
    return named or is_ignored(path)


def _files(root: Path, room: ClosedRoom) -> Iterator[str]:
    for name in room.stands_on:
        place = root / name
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if not path.is_dir() and not is_ignored(path.relative_to(root)):
                yield _file(path, path.relative_to(root))


def _file(path: Path, name: Path) -> str:
    link = os.readlink(path) if path.is_symlink() else ""
    try:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        runs = os.access(path, os.X_OK)
    except OSError:
        content, runs = "", False
    return f"file\0{name}\0{link}\0{runs}\0{content}"


def _python() -> Iterator[str]:
    yield f"python\0{sys.version}\0{sys.base_prefix}\0{sys.flags}"
    for place in sys.path:
        if "site-packages" in place or "dist-packages" in place:
            with suppress(OSError):
                yield from sorted(f"package\0{name}" for name in os.listdir(place) if name.endswith("-info"))


def _host() -> Iterator[str]:
    system = os.uname()
    yield f"host\0{system.sysname}\0{system.release}\0{system.machine}\0{os.getuid()}\0{os.cpu_count()}"
    with suppress(OSError):
        yield Path("/etc/machine-id").read_text()
    yield base.fingerprint(user_namespace=os.getuid() != 0)
    for program in (*map(shutil.which, PROGRAMS), find_bubblewrap()):
        if program is not None:
            seen = os.stat(program)
            yield f"program\0{program}\0{seen.st_size}\0{seen.st_mtime_ns}"


def _said(variables: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(variables):
        if not OF_A_TERMINAL.fullmatch(name):
            yield f"variable\0{name}\0{variables[name]}"
