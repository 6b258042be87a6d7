"""How far a transfer of files is: bars on a terminal, one line for each file when the output is a file.

Whoever moves files tells a `Progress` (from any thread): `expect` how much there will be, then for each file
`begin`, `advance` with the bytes that were moved, and `end`. `SILENT` takes it and says nothing.

Lines are `NAME  1.2 MB in 0.3 s`, or `NAME  NOTE` where a note says it all (`is there already`). After
`LINES` of them the rest are counted: ten thousand files make no ten thousand lines. The last line counts them
all. The bars (of the whole, and of at most `CURRENT` files) are drawn `PER_SECOND` times a second, whatever
number of files or bytes comes.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from neurocaas.layout import animated, bar, cell, fitted, padded, wide
from neurocaas.protocol.units import duration, rate, size

LINES = 20
"""So many files have a line of their own; the rest are counted."""

CURRENT = 4
"""So many files have a bar of their own at a time."""

PER_SECOND = 8
EVERY = 1000
"""Of those that are counted, a line comes for so many of them."""

_NAME, _BAR = 32, 24


class Progress(Protocol):
    """What is told of a transfer. Safe to call from several threads; `name` is the file's, and tells files
    apart.
    """

    def expect(self, files: int, total_bytes: int) -> None:
        """So many more files will come, with so many bytes in all: for the time that is left. May be left
        out, or come several times."""

    def begin(self, name: str, total_bytes: int) -> None: ...

    def advance(self, name: str, bytes: int) -> None:  # noqa: A002  (the word for it)
        """So many more bytes of it were moved."""

    def end(self, name: str, note: str = "") -> None:
        """It is done; `note` is said of it in place of its time."""


class _Silent:
    def expect(self, files: int, total_bytes: int) -> None: ...

    def begin(self, name: str, total_bytes: int) -> None: ...

    def advance(self, name: str, bytes: int) -> None: ...  # noqa: A002

    def end(self, name: str, note: str = "") -> None: ...


SILENT: Progress = _Silent()


@dataclass
class _Moving:
    total: int
    since: float
    done: int = 0


@dataclass
class Transfers:
    """What is known of the files of a transfer, and the lines that say it. `tell` gets those; `clock` is a
    monotonic time in seconds."""

    tell: Any
    clock: Any = time.monotonic
    moving: dict[str, _Moving] = field(default_factory=dict)
    files: int = 0
    expected: int = 0
    expected_bytes: int = 0
    bytes: int = 0
    ended_bytes: int = 0
    told: int = 0
    begun: float | None = None
    _lock: Any = field(default_factory=threading.RLock)

    def expect(self, files: int, total_bytes: int) -> None:
        with self._lock:
            self.expected += files
            self.expected_bytes += total_bytes

    def begin(self, name: str, total_bytes: int) -> None:
        with self._lock:
            now = self.clock()
            self.begun = now if self.begun is None else self.begun
            self.moving[name] = _Moving(total_bytes, now)

    def advance(self, name: str, bytes: int) -> None:  # noqa: A002
        with self._lock:
            self.bytes += bytes
            if name in self.moving:
                self.moving[name].done += bytes

    def end(self, name: str, note: str = "") -> None:
        with self._lock:
            one = self.moving.pop(name, None) or _Moving(0, self.clock())
            self.files += 1
            self.ended_bytes += one.total
            if self.told < LINES:
                self.told += 1
                took = f"{size(one.total)} in {duration(self.clock() - one.since, tenths=True)}"
                self.tell(f"{cell(name)}  {cell(note) or took}")
            elif self.files % EVERY == 0:
                self.tell(self.count())

    def count(self) -> str:
        """All that has ended, in one line."""
        took = self.clock() - (self.clock() if self.begun is None else self.begun)
        moved = f"{size(self.bytes)} in {duration(took, tenths=True)}"
        fast = f" ({rate(self.bytes, took)})" if self.bytes and round(took, 1) > 0 else ""
        of = f" of {self.expected}" if self.expected > self.files else ""
        return f"{self.files}{of} files  {moved}{fast}"

    def close(self) -> None:
        """The line that counts them all, where there were several."""
        with self._lock:
            if self.files > 1:
                self.tell(self.count())

    def screen(self, width: int, *, ascii_only: bool = False) -> list[str]:
        """The bars: of each of the files that have moved the longest, then of the whole."""
        with self._lock:
            now = self.clock()
            shown = list(self.moving.items())[:CURRENT]
            lines = [
                _line(name, one.done, one.total, now - one.since, width, ascii_only) for name, one in shown
            ]
            every = self.moving.values()
            total = max(self.expected_bytes, self.ended_bytes + sum(one.total for one in every))
            done = self.ended_bytes + sum(min(one.done, one.total) for one in every)
            files = max(self.expected, self.files + len(every))
            if files > 1:
                more = f", {len(every) - len(shown)} more" if len(every) > len(shown) else ""
                took = now - (now if self.begun is None else self.begun)
                name = f"{self.files} of {files} files{more}"
                lines.append(_line(name, done, total, took, width, ascii_only, moved=self.bytes))
            return lines


def _line(
    name: str, done: int, total: int, took: float, width: int, ascii_only: bool, *, moved: int | None = None
) -> str:
    """`name  ████░░░  12.0 of 30.0 MB  4.0 MB/s  5 s left`, with less where it is narrow. `moved`: of `done`,
    what was sent or fetched now, by which the rate goes."""
    now = done if moved is None else moved
    fraction = min(1.0, done / total) if total else 0.0
    left = (total - done) * took / now if now and total > done and took > 1 else None
    parts = [
        f"{int(fraction * 100):3d} %",
        f"{size(done)} of {size(total)}",
        rate(now, took) if took > 1 and now else "",
        f"{duration(left)} left" if left is not None else "",
    ]
    room = min(_NAME, max(12, width // 3))
    said = [part for part in parts if part]
    while len(said) > 1 and room + 2 + wide("  ".join(said)) > width:
        del said[1]  # the percentage and the time left stay longest
    text = "  ".join(said)
    space = min(_BAR, width - room - wide(text) - 4)
    drawn = f"{bar(fraction, space, ascii_only=ascii_only)}  " if space >= 6 else ""
    return fitted(f"{padded(fitted(cell(name), room, middle=True), room)}  {drawn}{text}", width)


class _Screen:
    """What rich draws, as wide as the window is at the moment."""

    def __init__(self, transfers: Transfers) -> None:
        self._transfers = transfers

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        from rich.text import Text

        for line in self._transfers.screen(options.max_width, ascii_only=options.ascii_only):
            yield Text(line, no_wrap=True, overflow="crop")


@contextmanager
def shown(out: TextIO | None = None) -> Iterator[Progress]:
    """The progress of a transfer on `out` (standard error by default) for the time of a `with`. The bars go
    when it ends, however it ends; the lines stay."""
    stream = out or sys.stderr
    if not animated(stream):

        def write(line: str) -> None:
            stream.write(line + "\n")
            stream.flush()

        transfers = Transfers(write)
        try:
            yield transfers
        finally:
            transfers.close()
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    transfers = Transfers(lambda line: console.print(line, soft_wrap=True))
    try:
        with Live(_Screen(transfers), console=console, refresh_per_second=PER_SECOND, transient=True):
            yield transfers
    finally:
        transfers.close()
