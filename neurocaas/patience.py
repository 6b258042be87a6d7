"""Transfers that bear with a network, or a service, that is away for minutes: what has not moved is asked for
again, until nothing at all has moved for `neurocaas.errors.PATIENCE` seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock
from typing import TypeVar

from neurocaas import errors
from neurocaas.errors import UnreachableError

T = TypeVar("T")

FIRST, LONGEST = 0.5, 15.0
"""Seconds between two tries: the first time, and at most."""


class Patience:
    """Shared by all threads of a transfer: where one of them gets through, all are patient again. `say` is
    told once when the waiting begins. `begun`: something has come through already."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say, self._lock, self._over = say, Lock(), Event()
        self._moved = time.monotonic()
        self._told = self.begun = False

    def moved(self) -> None:
        """Something has come through."""
        with self._lock:
            self._moved, self._told, self.begun = time.monotonic(), False, True

    def end(self) -> None:
        """Nobody wants the transfer any more: nothing is waited for."""
        self._over.set()

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def __call__(self, ask: Callable[[], T]) -> T:
        """What `ask` returns. Raises its UnreachableError when that has lasted too long, and all else at
        once."""
        pause, begun = FIRST, time.monotonic()
        while True:
            try:
                answer = ask()
            except UnreachableError as error:
                with self._lock:
                    since = max(self._moved, begun)
                    first, self._told = not self._told, True
                if time.monotonic() - since >= errors.PATIENCE:
                    raise
                if first and self._say is not None:
                    self._say(f"{error.got}: trying again for up to {errors.PATIENCE / 60:.0f} minutes")
                if self._over.wait(pause):
                    raise
                pause = min(2 * pause, LONGEST)
            else:
                self.moved()
                return answer
