"""Ctrl-C while a child is at work that must not be cut off: it is the child's to end, and ours to wait
for.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Start a child (`options` are Popen's) and wait for its end, however often Ctrl-C is pressed; then raise
    KeyboardInterrupt if it was.

    A child in a process group of its own does not hear the terminal: each Ctrl-C is passed on to it.
    """
    started: list[subprocess.Popen[str]] = []
    pressed = 0

    def pass_on(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if not started:
            raise KeyboardInterrupt
        pressed += 1
        with suppress(ProcessLookupError):
            if os.getpgid(started[0].pid) != os.getpgrp():
                os.kill(started[0].pid, number)

    hears = threading.current_thread() is threading.main_thread()  # signals come to the main thread only
    before = signal.signal(signal.SIGINT, pass_on) if hears else None
    try:
        started.append(subprocess.Popen(command, text=True, **options))
        with started[0] as child:
            yield child
    finally:
        if hears:
            signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt
