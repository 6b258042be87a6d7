"""Progress of one long step, for people: what happens, how long it usually takes, how long it has taken
(standard library only).
"""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self, TextIO


def duration(seconds: float) -> str:
    """`7 s`, `4 min 05 s`."""
    whole = int(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def last_line(text: str) -> str:
    """The last line that is not blank: where programs put the reason why they gave up."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


class Progress:
    """Says what is being done; while a step runs, shows the elapsed time (in place on a terminal, else a line
    every half minute).
    """

    def __init__(self, stream: TextIO | None = None, *, every: float | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._terminal = self._stream.isatty()
        self._every = every if every is not None else (1.0 if self._terminal else 30.0)

    def say(self, text: str) -> None:
        """One line."""
        self._write(f"{text}\n")

    def step(self, title: str, usually: str) -> _Step:
        """A step as a context manager; `usually` is the time it takes on an ordinary machine, such as "1-2
        minutes".
        """
        return _Step(self, f"{title} (usually {usually})")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class _Step:
    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._title = title
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._progress._write(f"{self._title} ..." + ("" if self._progress._terminal else "\n"))
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._ticker.join()
        outcome = "done in" if kind is None else "stopped after"
        start = "\r" if self._progress._terminal else ""
        self._progress._write(f"{start}{self._title} ... {outcome} {self._elapsed()}\n")

    def _elapsed(self) -> str:
        return duration(time.monotonic() - self._started)

    def _tick(self) -> None:
        while not self._ended.wait(self._progress._every):
            text = f"{self._title} ... {self._elapsed()}"
            self._progress._write(f"\r{text}" if self._progress._terminal else f"{text}\n")
