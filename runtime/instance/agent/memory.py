"""Whether a script failed because the machine's memory was not enough: from what Linux counts and logs, not
from how the script ended.

Three witnesses: the control group that this process is in (memory.events, "oom_kill"; cgroup v2 guide), the
kernel's log (/dev/kmsg and /var/log/kern.log, which root may read), and the kernel's count since the machine
started (/proc/vmstat, "oom_kill"). The last two are of the whole computer: where it is no machine of a job
they count only for a script that SIGKILL has ended. What the script itself says of its memory counts, too.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path

_KILLED = re.compile(r"^\d+,\d+,(\d+),[^;]*;.*Killed process \d+ \(([^)]*)\)")
_OWN_WORDS = re.compile(
    r"\b(?:_Array)?MemoryError\b|bad_alloc|[Cc]annot allocate (?:memory|vector of size)|Java heap "
    r"space|OutOfMemoryError(?!: CUDA)"
    r"|[Oo]ut of memory(?!.*CUDA)|memory exhausted"
)
_IN_FILE = re.compile(rb"Killed process \d+ \(")
_RECORDS, _READ = 10_000, 16 << 20
_LOG = "var/log/kern.log"


class Memory:
    """Remembers in `state` (a file) how the counts were when the script began, so that an agent which takes
    over knows it, too.
    """

    def __init__(self, state: Path, root: Path = Path("/")) -> None:
        self._root = root
        self._before = self._counts()
        with suppress(OSError, ValueError):
            if state.exists():
                self._before = {
                    str(name): float(number) for name, number in json.loads(state.read_text()).items()
                }
            else:
                state.write_text(json.dumps(self._before))

    def ran_out(self, code: int | None, said: str, *, own_machine: bool) -> bool:
        """For a script that failed with the exit code `code` and `said` this last."""
        if "CUDA" not in said and _OWN_WORDS.search(said):
            return True
        now = self._counts()
        if now["group"] > self._before.get("group", 0):
            return True
        if not own_machine and code != 137:
            return False
        counted = code == 137 and now["machine"] > self._before.get("machine", 0)
        return (
            counted
            or self._logged(self._before.get("uptime", 0))
            or self._in_file(int(self._before.get("log", 0)))
        )

    def _counts(self) -> dict[str, float]:
        group = 0.0
        with suppress(OSError, IndexError, ValueError, StopIteration):
            path = next(
                line for line in self._read("proc/self/cgroup").splitlines() if line.startswith("0::")
            )[3:]
            group = _count(self._read(f"sys/fs/cgroup{path}/memory.events"))
        machine = uptime = 0.0
        with suppress(OSError):
            machine = _count(self._read("proc/vmstat"))
        with suppress(OSError, ValueError, IndexError):
            uptime = float(self._read("proc/uptime").split()[0])
        log = 0.0
        with suppress(OSError):
            log = (self._root / _LOG).stat().st_size
        return {"group": group, "machine": machine, "uptime": uptime, "log": log}

    def _read(self, path: str) -> str:
        return (self._root / path).read_text(errors="replace")

    def _in_file(self, start: int) -> bool:
        with suppress(OSError), (self._root / _LOG).open("rb") as file:
            file.seek(start if start <= os.fstat(file.fileno()).st_size else 0)  # it may have been rotated
            return _IN_FILE.search(file.read(_READ)) is not None
        return False

    def _logged(self, since: float) -> bool:
        """Whether the kernel's log has a process that was killed for its memory since `since`, in seconds of
        the machine's uptime.
        """
        try:
            log = os.open(self._root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            for _ in range(_RECORDS):
                try:
                    text = os.read(log, 8192).decode(errors="replace")
                except BrokenPipeError:  # records that are gone
                    continue
                if not text:
                    break
                found = (_KILLED.match(line) for line in text.splitlines())
                if any(one and int(one[1]) / 1e6 >= since for one in found):
                    return True
        except OSError:  # EAGAIN: that was the last
            pass
        finally:
            os.close(log)
        return False


def _count(text: str) -> float:
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")), 0.0)
