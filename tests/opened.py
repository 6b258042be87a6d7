"""A plugin of pytest: which files of the checkout the tests of closed rooms open beside those that they name.

It hears each `open` of the process while a test of the room runs. What the room's programs import is the
matter of the walls between rooms; what other processes open is not heard.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.closed import CLOSED, ClosedRoom, stands_on

_OURS = (".git", ".local", ".venv")
"""Folders of a checkout that are no sources."""
_READERS = frozenset({"hypothesis.internal.constants_ast", "linecache"})
"""Modules that read the sources of whatever happens to be loaded, also by tests of other rooms."""


class OpenedFiles:
    """What the tests of each room opened."""

    def __init__(self, root: Path) -> None:
        self._root = f"{root}{os.sep}"
        self._now: tuple[str, ClosedRoom] | None = None
        self.found: dict[str, set[str]] = {room: set() for room in CLOSED}

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook of Python."""
        if event != "open" or self._now is None:
            return
        path = arguments[0]
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str):
            return
        path = os.path.abspath(path)
        if not path.startswith(self._root):
            return
        name, room = self._now
        inside = Path(path[len(self._root) :])
        known = not inside.parts or inside.parts[0] in _OURS or stands_on(room, inside)
        # Where there is no file, the name was of an opened folder, of which Python does not tell.
        if not known and os.path.isfile(path) and not _by_a_reader():
            self.found[name].add(str(inside))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._now = next(
            ((name, room) for name, room in CLOSED.items() if item.nodeid.startswith(f"{room.folder}/")), None
        )
        try:
            return (yield)
        finally:
            self._now = None

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["opened"] = {
                room: sorted(found) for room, found in self.found.items()
            }


def _by_a_reader() -> bool:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__") in _READERS:
            return True
        frame = frame.f_back
    return False


def pytest_configure(config: pytest.Config) -> None:
    opened = OpenedFiles(config.rootpath)
    config.pluginmanager.register(opened, "opened-files")
    sys.addaudithook(opened.hear)
