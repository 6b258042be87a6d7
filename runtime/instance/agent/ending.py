"""How a script is ended before it is done, and what is said about how it ended."""

from __future__ import annotations

import os
import re
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from neurocaas.protocol.status import NONE

REFUSED = "The analysis script "
"""How run_main.sh begins to say why it does not run a script."""

_DISK_LEFT = 1 << 20
_NO_SPACE = re.compile(r"[Nn]o space left on device|ENOSPC|\bOSError: \[Errno 28\]")


class Ending:
    """TERM to the script's process group, and KILL each `grace` seconds while it is still there. `because` is
    the reason for the final status once the end has begun."""

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self.group: int | None = None
        self.because: str | None = None
        self._kill_at: float | None = None

    def begin(self, because: str, now: float) -> None:
        """Only the first reason counts. `group` must be known."""
        if self._kill_at is None:
            self.because = because
            self.kill(signal.SIGTERM)
            self._kill_at = now + self.grace

    @property
    def begun(self) -> bool:
        return self._kill_at is not None

    def tick(self, now: float) -> None:
        if self._kill_at is not None and now >= self._kill_at:
            self.kill(signal.SIGKILL)
            self._kill_at = now + self.grace

    def kill(self, number: signal.Signals) -> bool:
        """Signal the process group. False when there is none."""
        if self.group is None:
            return False
        try:
            os.killpg(self.group, number)
        except ProcessLookupError:
            return False
        return True


def disk_full(said: str, disk: Path) -> bool:
    """Whether the disk of `disk` was too small for a script that has failed: there is no room left, or
    it `said` so last and has taken away since what filled it."""
    if _NO_SPACE.search(said):
        return True
    with suppress(OSError):
        return shutil.disk_usage(disk).free < _DISK_LEFT
    return False


def reason(
    code: int | None, said: str, last_command: str, refused: str | None, out_of_memory: bool, disk: Path
) -> str:
    """Why a script failed that was not ended from outside: its own last words, or what was found out of its
    exit code (None: unknown), run_main.sh's word when it was not run, whether the machine's memory was
    enough, and whether the disk of `disk` is full."""
    if code is None:
        return "the script's end was not recorded"
    if code in (126, 127) and refused:
        return refused
    how = f"exit code {code}"
    if code > 128:
        with suppress(ValueError):
            how += f": the script was killed by {signal.Signals(code - 128).name}"
    if out_of_memory:
        how += ", not enough memory (a larger instance_type has more)"
    if disk_full(said, disk):
        how += ", the disk is full (a larger __dataset_size__, in GiB, in the configuration makes it larger)"
    if said != NONE:
        return f"{said} ({how})"
    return how if last_command == NONE else f"{how}, its last command: {last_command}"
