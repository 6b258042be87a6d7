"""Full logs in the bucket, as pieces that are written once: nobody sends a long log twice."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from .logs import ScriptLog
from .reporter import Piece, Reporter
from .storage import Location

EVERY, SMALLEST, LARGEST = 60.0, 1 << 20, 8 << 20
"""A piece is sent each minute or mebibyte, whichever is first; none is larger than 8 MiB."""

ATTEMPT_STEP = 10_000
"""Numbers of pieces that each attempt has for itself: later attempts replace nothing, and the pieces stay in
order.
"""


class LogPieces:
    """Sends `logs` (by stream name) as `place`/{stream}.{number}. `state` is a file that remembers how far
    they are there, for another agent that has to go on."""

    def __init__(
        self,
        reporter: Reporter,
        logs: Mapping[str, ScriptLog],
        place: Location,
        state: Path,
        attempt: int = 1,
    ) -> None:
        self._reporter = reporter
        self._logs = logs
        self._place = place
        self._state = state
        self._first = ATTEMPT_STEP * (attempt - 1)
        self._sent = self._remembered()
        self._queued = dict(self._sent)
        self._queued_at = time.monotonic()

    def send(self, *, everything: bool = False) -> None:
        """Queue what is due of what the logs have read; `everything` at the end."""
        now = time.monotonic()
        due = everything or now - self._queued_at >= EVERY
        if due:
            self._queued_at = now
        for name, log in self._logs.items():
            number, start = self._queued.get(name, (self._first, 0))
            if not (due or log.size - start >= SMALLEST):
                continue
            while start < log.size:
                end = min(log.size, start + LARGEST)
                place = self._place.below(f"{name}.{number:05d}")
                number += 1
                self._reporter.put(
                    place, Piece(log.path, start, end), partial(self._mark, name, (number, end))
                )
                start = end
            self._queued[name] = (number, start)

    def _mark(self, name: str, mark: tuple[int, int]) -> None:
        self._sent[name] = mark
        with suppress(OSError):
            self._state.write_text(json.dumps(self._sent))

    def _remembered(self) -> dict[str, tuple[int, int]]:
        try:
            return {
                name: (int(number), int(end))
                for name, (number, end) in json.loads(self._state.read_text()).items()
            }
        except (OSError, ValueError):
            return {}
