"""A person at a terminal: a program in a pseudo-terminal, lines typed into it, and waiting for what it
shows.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path


class Terminal:
    """`seen` is everything that was shown; `wait` looks at what came after the last wait."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self._descriptor, self.process = descriptor, process
        self.seen = ""
        self._read_up_to = 0

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait(self, text: str, seconds: float = 120) -> str:
        """What is shown up to and with `text`. AssertionError when the time is over, or the program ends
        without it.
        """
        end = time.monotonic() + seconds
        while (place := self.seen.find(text, self._read_up_to)) < 0:
            if time.monotonic() > end or not self._more():
                raise AssertionError(f"{text!r} did not come; shown: {self.seen[-3000:]}")
        shown = self.seen[self._read_up_to : place + len(text)]
        self._read_up_to = place + len(text)
        return shown

    def end(self, seconds: float = 120) -> int:
        """The exit status, once the program is gone; what it shows until then is in `seen`."""
        end = time.monotonic() + seconds
        while self._more() and time.monotonic() < end:
            pass
        return self.process.wait(max(0.1, end - time.monotonic()))

    def _more(self) -> bool:
        if not select.select([self._descriptor], [], [], 1)[0]:
            return True
        try:
            data = os.read(self._descriptor, 1 << 16)
        except OSError:  # nobody is left at the other end
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)


@contextlib.contextmanager
def terminal(command: list[str], cwd: Path, environ: Mapping[str, str]) -> Iterator[Terminal]:
    """`command` in a terminal of 50 lines of 200 columns. It is killed when the body ends."""
    # of the terminal that tests run in
    environ = {name: value for name, value in environ.items() if name not in ("COLUMNS", "LINES")}
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    try:
        process = subprocess.Popen(
            command, cwd=cwd, env=environ, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
        )
        os.close(inner)
        yield Terminal(outer, process)
    finally:
        process.kill()
        process.wait()
        os.close(outer)
