"""State of our own services, and the version number that the fleet waits on."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from localcloud.aws.journal import GENERATION

STORE = "localcloud"
"""The store's name in the journal."""


class Store:
    """Named sections of plain JSON data, kept in one file. Used from the server's event loop only."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._sections: dict[str, dict[str, Any]] = {}
        self.version = int(time.time() * 1000)
        """Grows across restarts, too: a fleet that waits for news of an emulator that was killed hears of the
        next one's state.
        """
        self.dirty = False
        self._changed = asyncio.Event()
        if file.exists():
            self._sections = json.loads(file.read_text())
            self._sections.pop(GENERATION, None)

    def section(self, name: str) -> dict[str, Any]:
        """A dictionary that survives restarts; call :meth:`touch` after changing it."""
        return self._sections.setdefault(name, {})

    def touch(self) -> None:
        """The state changed: save it soon, and tell the fleet if it waits."""
        self.version += 1
        self.dirty = True
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, since: int, seconds: float, stop: asyncio.Event) -> None:
        """Return once the version exceeds ``since``, after ``seconds``, or when ``stop`` is set."""
        if self.version > since or stop.is_set():
            return
        waiters = [asyncio.ensure_future(self._changed.wait()), asyncio.ensure_future(stop.wait())]
        try:
            await asyncio.wait(waiters, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()

    def text(self, more: dict[str, Any] | None = None) -> str:
        """The whole state as text, taken at once, with ``more`` beside the sections."""
        return json.dumps({**self._sections, **(more or {})})
