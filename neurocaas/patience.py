"""Transfers that bear with a network, or a service, that is away for minutes: what has not moved is asked for
again, until nothing at all has moved for `neurocaas.errors.PATIENCE` seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar

from neurocaas import errors
from neurocaas.errors import UnreachableError

T = TypeVar("T")

FIRST, LONGEST = 0.5, 15.0
"""Seconds between two tries: the first time, and at most."""


@dataclass
class Patience:
    """Shared by all threads of a transfer: where one of them gets through, all are patient again. `say` is
    told once when the waiting begins."""

    say: Callable[[str], None] | None = None
    clock: Any = time
    _moved: float | None = None
    _told: bool = False
    _lock: Any = field(default_factory=Lock)

    def moved(self) -> None:
        """Something has come through."""
        with self._lock:
            self._moved, self._told = self.clock.monotonic(), False

    def __call__(self, ask: Callable[[], T]) -> T:
        """What `ask` returns. Raises its UnreachableError when that has lasted too long, and all else at
        once."""
        pause = FIRST
        if self._moved is None:
            self.moved()
        while True:
            try:
                answer = ask()
            except UnreachableError as error:
                with self._lock:
                    begun = self._moved or self.clock.monotonic()
                    first, self._told = not self._told, True
                if self.clock.monotonic() - begun >= errors.PATIENCE:
                    raise
                if first and self.say is not None:
                    self.say(f"{error.got}: trying again for up to {errors.PATIENCE / 60:.0f} minutes")
                self.clock.sleep(pause)
                pause = min(2 * pause, LONGEST)
            else:
                self.moved()
                return answer
