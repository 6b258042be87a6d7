"""Full logs in the bucket, as pieces that are written once: nobody sends a long log twice.

Of an output that has more than `keep` bytes, half of them are of its beginning, which is sent while it grows,
and half of its end, which is sent at the end; between them one line says what is left out
(`neurocaas.protocol.log_gap`). What is left out goes from the disk, too.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from neurocaas.protocol.log_gap import KEEP_MIB, gap_line

from .logs import ScriptLog
from .reporter import Piece, Reporter
from .storage import Location

EVERY, SMALLEST, LARGEST = 60.0, 1 << 20, 8 << 20
"""A piece is sent each minute or mebibyte, whichever is first; none is larger than 8 MiB."""

SLOWER = 500
"""After so many pieces of time they come half as often, after twice as many a third: a month of minutes
would be more than an attempt has numbers for.
"""

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
        keep: int = KEEP_MIB << 20,
    ) -> None:
        self._reporter = reporter
        self._keep = keep
        self._cuts: dict[str, int] = {}
        self._rounds = 0
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
        due = everything or now - self._queued_at >= EVERY * (1 + self._rounds // SLOWER)
        if due:
            self._queued_at, self._rounds = now, self._rounds + 1
        for name, log in self._logs.items():
            number, start = self._queued.get(name, (self._first, 0))
            size, head = log.size, self._keep // 2
            if size > head and not everything:
                size = self._cut(name, log, head)
            elif size - start > self._keep - min(start, head):
                number, start = self._leave_out(name, log, number, start)
            if due or size - start >= SMALLEST:
                self._queued[name] = self._send_file(name, log, number, start, size)
            if log.size > self._keep:
                log.make_room(head, log.size - (self._keep - head))

    def _send_file(self, name: str, log: ScriptLog, number: int, start: int, end: int) -> tuple[int, int]:
        """Queue the file from byte `start` to byte `end`; the next piece's number, and where it begins."""
        while start < end:
            upto = min(end, start + LARGEST)
            self._put(name, number, Piece(log.path, start, upto), upto)
            number, start = number + 1, upto
        return number, start

    def _leave_out(self, name: str, log: ScriptLog, number: int, start: int) -> tuple[int, int]:
        """Queue the rest of the beginning, and the line that stands for what is left out."""
        head = self._keep // 2
        number, begin = self._send_file(name, log, number, start, max(start, self._cut(name, log, head)))
        tail = _after_line(log.path, log.size - (self._keep - head), log.size)
        lines, exact = _lines_between(log, begin, tail)
        # a line so long that the beginning ends in it: the gap has a line of its own all the same
        cut = b"\n" if begin and _read(log.path, begin - 1, begin) != b"\n" else b""
        self._put(name, number, cut + gap_line(tail - begin, lines, self._keep, exact=exact), tail)
        return number + 1, tail

    def _cut(self, name: str, log: ScriptLog, head: int) -> int:
        """Where the beginning ends: behind the last whole line of its bytes."""
        if name not in self._cuts:
            self._cuts[name] = _line_end(log.path, head)
        return self._cuts[name]

    def _put(self, name: str, number: int, body: bytes | Piece, end: int) -> None:
        place = self._place.below(f"{name}.{number:05d}")
        self._reporter.put(place, body, partial(self._mark, name, (number + 1, end)))

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


_LINE_LOOK = 64 << 10
"""A line that is longer is cut."""


def _line_end(path: Path, end: int) -> int:
    """The byte behind the last line break before byte `end`; `end` when there is none near it."""
    block = _read(path, max(0, end - _LINE_LOOK), end)
    found = block.rfind(b"\n")
    return end if found < 0 else end - len(block) + found + 1


def _after_line(path: Path, start: int, end: int) -> int:
    """Where the first line begins from byte `start` on; `start` when there is none near it."""
    found = _read(path, start - 1, min(end, start + _LINE_LOOK)).find(b"\n")
    return start if found < 0 else start + found


def _lines_between(log: ScriptLog, begin: int, end: int) -> tuple[int, bool]:
    """How many lines a log has between two places, from all its lines and those of the two sides; and
    whether that is exact."""
    outside = sum(
        _read(log.path, at, min(at + (1 << 20), last)).count(b"\n")
        for first, last in ((0, begin), (end, log.size))
        for at in range(first, last, 1 << 20)
    )
    lines = log.lines - outside
    return max(1, lines), log.counted and lines > 0


def _read(path: Path, start: int, end: int) -> bytes:
    try:
        return Piece(path, start, end).read()
    except OSError:
        return b""
