"""A person's terminal, joined to the pseudo-terminal of a shell elsewhere."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def relay(outer: int) -> Iterator[None]:
    """While the block runs, what is typed goes to the pseudo-terminal `outer`, and what it shows is shown.
    Closes `outer`.
    """
    source, target = sys.stdin.fileno(), sys.stdout.fileno()
    is_terminal = os.isatty(source)
    before = termios.tcgetattr(source) if is_terminal else None
    stop_read, stop_write = os.pipe()

    def resize(*_: Any) -> None:
        with contextlib.suppress(OSError):
            fcntl.ioctl(outer, termios.TIOCSWINSZ, fcntl.ioctl(source, termios.TIOCGWINSZ, b"\0" * 8))

    def copy() -> None:
        sources = {source, outer, stop_read}
        while True:
            for ready in select.select(list(sources), [], [])[0]:
                if ready == stop_read:
                    return
                try:
                    data = os.read(ready, 1 << 16)
                except OSError:  # the shell closed its end
                    data = b""
                if not data:
                    sources.discard(ready)
                elif ready == source:
                    os.write(outer, data)
                else:
                    os.write(target, data)

    previous = signal.signal(signal.SIGWINCH, resize) if is_terminal else None
    thread = threading.Thread(target=copy, daemon=True)
    try:
        if is_terminal:
            resize()
            tty.setraw(source)
        thread.start()
        yield
    finally:
        os.write(stop_write, b"x")
        thread.join(timeout=2)
        if before is not None:
            with contextlib.suppress(termios.error):  # it is closed
                termios.tcsetattr(source, termios.TCSADRAIN, before)
            signal.signal(signal.SIGWINCH, previous)
        for descriptor in (outer, stop_read, stop_write):
            os.close(descriptor)
