"""One read of a file that is sent: what is read is hashed as it is handed out, so the digest is that of the
bytes that went.

A file that somebody writes to meanwhile shows it by its size, its times or its inode, looked at before and
after; it is read again, and after `READS` reads sent as it was read last, and told as one that changed. A
read ends where the file ended when it began, however fast the file grows.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

READS = 3
PAUSE = 0.2
"""Seconds between two reads of a file that changes."""

_TICK = 0.02
"""Seconds. File systems take times from a clock that ticks each 4 to 10 ms: of two writes in one tick the
second leaves no mark, so a file is left alone until its last write is older."""


class FileReading:
    """A file, opened and looked at. `size` is where the read ends. `last`: it is sent even if it changes.
    Raises OSError where there is no file that can be read."""

    def __init__(self, path: Path, *, last: bool = True) -> None:
        self.path = path
        self._last = last
        self._file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
        self._before = os.fstat(self._file.fileno())
        if not stat.S_ISREG(self._before.st_mode):
            self._file.close()
            raise OSError(errno.EINVAL, "it is no file any more", str(path))
        if 0 <= time.time() - self._before.st_mtime < _TICK:
            time.sleep(_TICK)
            self._before = os.fstat(self._file.fileno())
        self.size = self._before.st_size
        self.bytes = 0
        self._digest = hashlib.sha256()

    def __enter__(self) -> FileReading:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, most: int) -> bytes:
        """The next `most` bytes; fewer at the end, none behind it."""
        wanted = min(most, self.size - self.bytes)
        block = self._file.read(wanted) or b""
        if 0 < len(block) < wanted:  # a signal, or a file system that gives less at a time
            pieces = [block]
            while wanted > sum(map(len, pieces)) and (
                piece := self._file.read(wanted - sum(map(len, pieces)))
            ):
                pieces.append(piece)
            block = b"".join(pieces)
        self._digest.update(block)
        self.bytes += len(block)
        return block

    @property
    def sha256(self) -> str:
        """Of all that was read so far."""
        return self._digest.hexdigest()

    @property
    def changed(self) -> bool:
        """Whether the file is another than when the read began, or ended before its end."""
        try:
            now = [os.fstat(self._file.fileno()), os.stat(self.path)]
        except FileNotFoundError:
            return True
        return self.bytes != self.size or any(_look(one) != _look(self._before) for one in now)

    @property
    def again(self) -> bool:
        """Whether the file has to be read once more."""
        return not self._last and self.changed


def readings(path: Path) -> Iterator[FileReading]:
    """Up to READS reads of a file; whoever has sent one takes no more of them."""
    for number in range(1, READS + 1):
        if number > 1:
            time.sleep(PAUSE)
        with FileReading(path, last=number == READS) as reading:
            yield reading


class BufferRoom:
    """Memory for what was read and not yet sent, `size` bytes for all files together."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait for `size` bytes. More than there are is let in when nothing else is."""
        with self._changed:
            self._changed.wait_for(lambda: self._left >= min(size, self._size))
            self._left -= size

    def give(self, size: int) -> None:
        with self._changed:
            self._left += size
            self._changed.notify_all()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        self.take(size)
        try:
            yield
        finally:
            self.give(size)


def _look(of: os.stat_result) -> tuple[int, ...]:
    return (of.st_dev, of.st_ino, of.st_size, of.st_mtime_ns, of.st_ctime_ns)
