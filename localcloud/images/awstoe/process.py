"""Running a program the way AWSTOE does: no terminal, no input, its own process group, output line by
line.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass

KEPT_OUTPUT = 1 << 20
"""Bytes of standard output that are kept for chaining."""
KEPT_ERRORS = 200
"""Lines of standard error that are kept for messages."""


@dataclass(frozen=True)
class Finished:
    """``status`` is the exit status (negative: the signal), or None when the time was over."""

    status: int | None
    stdout: str
    stderr: tuple[str, ...]


def run(
    command: list[str],
    *,
    cwd: str,
    environment: dict[str, str],
    timeout: int | None,
    say: Callable[[str, str], None],
) -> Finished:
    """Run to the end, or until ``timeout`` seconds are over: then the whole process group is killed.
    ``say(stream, line)`` hears every line.
    """
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    kept: list[bytes] = []
    errors: list[str] = []
    size = 0

    def read(stream: str, pipe: object) -> None:
        nonlocal size
        for raw in pipe:  # type: ignore[attr-defined]
            line = raw.rstrip(b"\r\n").decode(errors="replace")
            if stream == "stdout" and size < KEPT_OUTPUT:
                kept.append(raw)
                size += len(raw)
            elif stream == "stderr":
                errors.append(line)
                del errors[:-KEPT_ERRORS]
            say(stream, line)

    threads = [
        threading.Thread(target=read, args=pair, daemon=True)
        for pair in (("stdout", process.stdout), ("stderr", process.stderr))
    ]
    for thread in threads:
        thread.start()
    status: int | None
    try:
        status = process.wait(timeout=timeout)
    except subprocess.TimeoutExpired:
        status = None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for thread in threads:  # a daemon that the script left behind may hold the pipes open: do not wait for it
        thread.join(timeout=2)
    return Finished(status, b"".join(kept).decode(errors="replace"), tuple(errors))
