"""Follows a growing log file: its last lines for the status, its progress lines, and what is not yet sent."""

from __future__ import annotations

import ctypes
import os
import re
from contextlib import suppress
from pathlib import Path

from neurocaas.protocol.status import LINE_CHARS
from neurocaas.protocol.status import LINES as TAIL_LINES

TAIL_BYTES = 16 << 10
_READ = 1 << 20
_AT_ONCE = 32 << 20
"""Bytes that one look reads. A script that prints faster is not read as a whole: the look goes on at the
end.
"""

_BLOCK = 1 << 20
_SLACK = 8 << 20
"""Room is made in blocks, and so far from what is kept of the end: the script goes on printing meanwhile."""

_KEEP_SIZE, _PUNCH_HOLE = 1, 2
"""Flags of fallocate(2)."""

_PROGRESS = re.compile(rb"^::progress[ \t]+([0-9.eE+-]+)(?:[ \t]+([^\r\n]*))?(?=[\r\n])", re.MULTILINE)


class ScriptLog:
    """One of the two output files of a script. `poll` reads what is new; everything else looks at what was
    read.

    A line is what a terminal would show in the end: of text separated by carriage returns (progress bars)
    only the last piece counts. `counted`: the numbers of lines are exact; what was too much to be read is
    reckoned with lines as long as those before.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.progress: tuple[float, str] | None = None
        self.counted = True
        self._lines = 0
        self._tail = b""
        self._freed = 0

    def poll(self) -> bool:
        """Read what was added. True when there was something. A file that cannot be read has nothing new."""
        start = self.size
        try:
            with self.path.open("rb") as file:
                there = os.fstat(file.fileno()).st_size
                if there - self.size > _AT_ONCE:
                    self._pass_over(there - self.size - TAIL_BYTES)
                file.seek(self.size)
                while self.size < there and (block := file.read(min(_READ, there - self.size))):
                    self._take(block)
        except OSError:
            return False
        return self.size != start

    def _pass_over(self, count: int) -> None:
        """Go on `count` bytes further, reading nothing."""
        seen = self._lines + self._tail.count(b"\n")
        self._lines = seen + round(count * (seen / self.size if self.size else 0.01))
        self._tail, self.counted = b"", False
        self.size += count

    @property
    def lines(self) -> int:
        """Lines so far that have an end."""
        return self._lines + self._tail.count(b"\n")

    def make_room(self, begin: int, end: int) -> None:
        """Give the disk back what lies from byte `begin` to a little before byte `end`: sizes and places in
        the file stay as they are (fallocate(2), FALLOC_FL_PUNCH_HOLE). A file system that cannot do that
        keeps it all."""
        begin = max(self._freed, -(-begin // _BLOCK) * _BLOCK)
        end = (end - _SLACK) // _BLOCK * _BLOCK
        if end <= begin:
            return
        self._freed = end
        with suppress(OSError, AttributeError):
            file = os.open(self.path, os.O_RDWR)
            try:
                offset = ctypes.c_int64
                ctypes.CDLL(None, use_errno=True).fallocate(
                    file, _KEEP_SIZE | _PUNCH_HOLE, offset(begin), offset(end - begin)
                )
            finally:
                os.close(file)

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
