"""Follows a growing log file: its last lines for the status, its progress lines, and what is not yet sent."""

from __future__ import annotations

import re
from pathlib import Path

from neurocaas.protocol.status import LINE_CHARS
from neurocaas.protocol.status import LINES as TAIL_LINES

TAIL_BYTES = 16 << 10
_READ = 1 << 20
_PROGRESS = re.compile(rb"^::progress[ \t]+([0-9.eE+-]+)(?:[ \t]+([^\r\n]*))?(?=[\r\n])", re.MULTILINE)


class ScriptLog:
    """One of the two output files of a script. `poll` reads what is new; everything else looks at what was
    read.

    A line is what a terminal would show in the end: of text separated by carriage returns (progress bars)
    only the last piece counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.progress: tuple[float, str] | None = None
        self._lines = 0
        self._tail = b""

    def poll(self) -> bool:
        """Read what was added. True when there was something. A file that cannot be read has nothing new."""
        start = self.size
        try:
            with self.path.open("rb") as file:
                file.seek(self.size)
                while block := file.read(_READ):
                    self._take(block)
        except OSError:
            return False
        return self.size != start

    def _take(self, block: bytes) -> None:
        self.size += len(block)
        fresh = self._tail.rpartition(b"\n")[2] + block
        if b"::progress" in fresh:
            for found in _PROGRESS.finditer(fresh):
                self._progress(found[1], found[2] or b"")
        text = self._tail + block
        keep = text[-TAIL_BYTES:]
        cut = len(text) - len(keep)
        if cut and text[cut - 1 : cut] != b"\n" and b"\n" in keep:  # begin with a whole line
            keep = keep[keep.index(b"\n") + 1 :]
        self._lines += text.count(b"\n") - keep.count(b"\n")
        self._tail = keep

    def _progress(self, number: bytes, text: bytes) -> None:
        try:
            value = float(number)
        except ValueError:
            return
        if 0 <= value <= 1:
            self.progress = (value, text.decode("utf-8", "replace").strip()[:LINE_CHARS])

    def text(self) -> list[str]:
        """The last 16 KiB in lines, none of them cut."""
        return [_whole(line) for line in self._tail.split(b"\n")]

    def tail(self) -> dict[str, str]:
        """The last lines (at most 50, 16 KiB, 500 characters each), by their number in the file, from "0"."""
        lines = self._tail.split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        first = self._lines
        skipped = max(0, len(lines) - TAIL_LINES)
        return {str(first + skipped + number): _shown(line) for number, line in enumerate(lines[skipped:])}


def _shown(line: bytes) -> str:
    return _whole(line)[:LINE_CHARS]


def _whole(line: bytes) -> str:
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace")
