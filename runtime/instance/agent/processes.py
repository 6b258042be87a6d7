"""The processes of a script: found wherever they have gone, and ended.

A process that makes a session of its own (`setsid`, `nohup`, a daemon) leaves its parent's process group, and
its parent may be gone. What it cannot leave is the tree: a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER)
becomes the parent of all orphans below it. Where no such process was above the script, or it was killed, the
environment that a process was started with still says whose it is (proc(5)).
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from neurocaas.protocol.printable import one_line

WAIT = 1.0
"""Seconds that processes have to end by themselves when the script has ended: the reader of its last output
does.
"""

GRACE = 5.0
"""Seconds between TERM and KILL."""

GIVE_UP = 5.0
"""Seconds after KILL: what is then there hangs in the kernel, or belongs to another user."""

STAND_IN = "neurocaas-background"
"""The name of what errorlog_background is in an analysis script: nobody's work."""

_PROC = Path("/proc")
_LOOK = 0.05
_SUBREAPER = 36
_NAMED = 5


@dataclass(frozen=True)
class Process:
    """`start` (clock ticks since the machine started) tells it from a later one of the same number."""

    pid: int
    parent: int
    start: int
    name: str

    @property
    def there(self) -> bool:
        return _stat(self.pid, self.start) is not None

    def __str__(self) -> str:
        return f"{one_line(self.name, 40)} (process {self.pid})"


def become_subreaper() -> bool:
    """Make this process the parent of orphans below it. False where that does not exist (it is Linux's)."""
    try:
        return bool(ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def below(pid: int) -> list[Process]:
    """All processes below `pid`, without itself and without the dead."""
    children: dict[int, list[Process]] = {}
    for process in _all():
        children.setdefault(process.parent, []).append(process)
    found, waiting = [], [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            found.append(child)
            waiting.append(child.pid)
    return found


def marked(mark: str) -> list[Process]:
    """The processes that were started with the variable `mark` (NAME=value), but for this one, those above it
    and those below it.
    """
    there = {process.pid: process for process in _all()}
    own = {os.getpid(), *(process.pid for process in below(os.getpid()))}
    above = os.getppid()
    while above in there:
        own.add(above)
        above = there[above].parent
    return [
        process
        for process in there.values()
        if process.pid not in own and _has(process.pid, os.fsencode(mark))
    ]


def end(found: Callable[[], Iterable[Process]], wait: float = WAIT, grace: float = GRACE) -> list[Process]:
    """Wait for the processes that `found` finds, again and again, then TERM them, and KILL those that are
    left after `grace` seconds.
    Returns those that had to be ended."""
    ended: dict[tuple[int, int], Process] = {}
    _until_gone(found, wait, lambda process: None)
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, GIVE_UP)):
        told: set[tuple[int, int]] = set()

        def tell(
            process: Process, number: signal.Signals = number, told: set[tuple[int, int]] = told
        ) -> None:
            key = (process.pid, process.start)
            if key not in told and process.there:
                told.add(key)
                ended[key] = process
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process.pid, number)

        if _until_gone(found, seconds, tell):
            break
    return [process for process in ended.values() if process.name != STAND_IN]


def told(ended: list[Process]) -> str:
    """What is said of processes that were ended (at least one)."""
    names = ", ".join(map(str, ended[:_NAMED])) + (
        f" and {len(ended) - _NAMED} more" if len(ended) > _NAMED else ""
    )
    return (
        "NeuroCAAS: still running when the script had ended, and ended before the results are saved: "
        f"{names}."
    )


def _until_gone(
    found: Callable[[], Iterable[Process]], seconds: float, tell: Callable[[Process], object]
) -> bool:
    """Whether `found` has found nothing any more within `seconds`. `tell` is given all that it finds."""
    limit = time.monotonic() + seconds
    while there := list(found()):
        for process in there:
            tell(process)
        if time.monotonic() >= limit:
            return False
        time.sleep(_LOOK)
    return True


def _all() -> Iterable[Process]:
    try:
        names = os.listdir(_PROC)
    except OSError:  # no Linux
        return
    for name in names:
        if name.isdigit() and (process := _stat(int(name))):
            yield process


def _stat(pid: int, start: int | None = None) -> Process | None:
    """From /proc/PID/stat; None when it is gone or dead, or another one than that of `start`."""
    try:
        head, _, tail = (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")
    except OSError:
        return None
    words = tail.split()
    if len(words) < 20 or words[0] in "ZX" or (start is not None and int(words[19]) != start):
        return None
    return Process(pid, int(words[1]), int(words[19]), _name(pid) or head.partition("(")[2])


def _name(pid: int) -> str | None:
    """The stand-in's own name; None for all others, whose program says more."""
    with suppress(OSError):
        if (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[0] == STAND_IN.encode():
            return STAND_IN
    return None


def _has(pid: int, mark: bytes) -> bool:
    try:
        return mark in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
