"""What the machine is doing: processor, memory, disk and GPU, as text for the status file."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from neurocaas.protocol.status import NONE

_PROC = Path("/proc")


class Processor:
    """Busy share of all processors since the last call (Linux, proc(5), /proc/stat)."""

    def __init__(self, stat: Path = _PROC / "stat") -> None:
        self._stat = stat
        self._busy = self._total = 0
        self.usage()

    def usage(self) -> str:
        """`"13 %"`; NONE where there is no /proc/stat or no time has passed."""
        try:
            numbers = [int(word) for word in self._stat.read_text().split("\n", 1)[0].split()[1:9]]
        except (OSError, ValueError):
            return NONE
        total, busy = sum(numbers), sum(numbers) - numbers[3] - numbers[4]
        passed, used = total - self._total, busy - self._busy
        self._total, self._busy = total, busy
        return f"{100 * used / passed:.0f} %" if passed > 0 else NONE


def uptime(path: Path = _PROC / "uptime") -> float:
    """Seconds since the machine started, whatever its clock says (proc(5))."""
    return float(path.read_text().split()[0])


def memory(meminfo: Path = _PROC / "meminfo") -> str:
    """Memory in use, without caches: `"512 MB"`."""
    try:
        table = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        used = int(table["MemTotal"].split()[0]) - int(table["MemAvailable"].split()[0])
    except (OSError, ValueError, LookupError):
        return NONE
    return f"{used * 1024 / 1e6:.0f} MB"


def disk(path: Path) -> str:
    """Of the disk that `path` is on: `"12.3 of 16.0 GB"`."""
    try:
        total, used, _ = shutil.disk_usage(path)
    except OSError:
        return NONE
    return f"{used / 1e9:.1f} of {total / 1e9:.1f} GB"


class Gpu:
    """Asks nvidia-smi, where there is one."""

    def __init__(self) -> None:
        self._program = shutil.which("nvidia-smi", path=os.environ.get("PATH", os.defpath))

    def usage(self) -> str:
        """`"35 %, 1024 MiB"` for each GPU, joined by "; "; NONE without a GPU."""
        if not self._program:
            return NONE
        query = [self._program, "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader"]
        try:
            answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            self._program = None  # a broken driver would block each time
            return NONE
        return "; ".join(line.strip() for line in answer.splitlines() if line.strip()) or NONE
