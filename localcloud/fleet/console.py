"""Console logs: one file a machine, bounded, kept after the machine is gone."""

import os
import threading
from pathlib import Path

HEAD = 64 << 10
TAIL = 4 << 20


class Console:
    """Appends to a console log. The file keeps its first 64 KiB and its last 4 MiB; it may grow to twice that
    in between.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size

    def line(self, text: str) -> None:
        """Write a line of our own."""
        self.write(f"[localcloud] {text}\n".encode())

    def write(self, data: bytes) -> None:
        """Append, and cut the middle out when the file has become too long. A full disk loses output, never
        the machine.
        """
        with self._lock:
            try:
                self._file.write(data)
                self._size += len(data)
                if self._size > HEAD + 2 * TAIL:
                    self._cut()
            except (OSError, ValueError):
                return

    def _cut(self) -> None:
        with self._path.open("rb") as old:
            head = old.read(HEAD)
            old.seek(-TAIL, os.SEEK_END)
            tail = old.read()
        dropped = self._size - len(head) - len(tail)
        new = self._path.with_suffix(".cut")
        new.write_bytes(head + f"\n[localcloud] … {dropped} bytes left out …\n".encode() + tail)
        new.replace(self._path)
        self._file.close()
        self._file = self._path.open("ab", buffering=0)
        self._size = self._path.stat().st_size

    def follow(self, descriptor: int) -> threading.Thread:
        """Copy a pipe to the log in a thread until all its writers are gone; closes the descriptor."""

        def copy() -> None:
            with os.fdopen(descriptor, "rb", buffering=0) as pipe:
                while data := pipe.read(65536):
                    self.write(data)

        thread = threading.Thread(target=copy, daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()
