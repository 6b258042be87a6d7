"""What the machine has used while the script ran: over time at a coarse grain, and in all
(`neurocaas.protocol.resources`); and since when it does next to nothing.

`look` costs a few reads of /proc and is called every other second, so that a short use of much memory is
seen. Counters are of the whole machine, which has one dataset.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from neurocaas.protocol.documents import iso
from neurocaas.protocol.resources import (
    EVERY,
    IDLE_AFTER,
    IDLE_CPU,
    IDLE_GPU,
    IDLE_NETWORK,
    IDLE_READ_WRITE,
    Course,
    Point,
    Resources,
    Used,
    columns,
)

LOOK = 2.0
"""Seconds between two looks."""

TIMES = "times"
"""A file beside the record of transfers: a JSON line `[kind, bytes, begin, end]` for each."""

_GPU = re.compile(r"([0-9.]+) %, ([0-9.]+) MiB")
_TIMES_MAX = 16 << 20
_Counters = dict[str, float]


class Usage:
    """`gpu` gives the text of `measure.Gpu.usage`, as it was asked for last; `disk` is a path on the disk of
    the data; `root` is / but for tests."""

    def __init__(self, disk: Path, gpu: Callable[[], str], root: Path = Path("/")) -> None:
        self._disk, self._gpu, self._root = disk, gpu, root
        self._course = Course()
        self._begun: float | None = None
        self._seen = self._point_at = 0.0
        self._before: _Counters = {}
        self._first: _Counters = {}
        self._last: _Counters = {}
        self._peaks: dict[str, float] = {}
        self._totals: dict[str, float] = {}
        self._gpus: list[float] = []
        self._quiet = 0
        self._started = datetime.now(timezone.utc)
        self.idle_since = ""
        """ISO 8601; "" while it works."""
        self.idle_told = False
        """Whether it has been idle once for IDLE_AFTER."""

    @property
    def every(self) -> float:
        """Seconds of a point by now."""
        return self._course.every

    @property
    def idle_seconds(self) -> float:
        return self._quiet * EVERY

    def look(self, now: float) -> bool:
        """Look at the machine (`now`: monotonic); True when there is a new point."""
        if self._begun is not None and now - self._seen < LOOK:
            return False
        self._seen = now
        counters = self._counters()
        if self._begun is None:
            self._begun = self._point_at = now
            self._first = self._before = counters
            self._started = datetime.now(timezone.utc)
        self._last = counters
        use = self._use()
        for name, value in use.items():
            self._peaks[name] = max(value, self._peaks.get(name, 0.0))
            self._totals[name] = max(value, self._totals.get(name, 0.0))
        if now - self._point_at < EVERY:
            return False
        self._add(counters, now - self._point_at)
        self._before, self._point_at, self._peaks = counters, now, dict(use)
        return True

    def resources(self, dataset: str, instance: str, attempt: int) -> Resources:
        """What it has used over time."""
        return Resources(
            dataset=dataset,
            instance=instance,
            attempt=attempt,
            begun=iso(self._started),
            every=self._course.every,
            points=columns(self._course.all()),
            cpus=self._last.get("cpus"),
            memory_total=self._last.get("memory_total"),
            disk_total=self._last.get("disk_total"),
        )

    def used(self, record: Path) -> Used:
        """What it has used in all; `record` is the transfers'."""
        now = self._counters()
        seconds = None if self._begun is None else max(0.0, self._seen - self._begun)
        moved = _moved(record.with_name(TIMES))
        for name, value in self._use().items():
            self._totals[name] = max(value, self._totals.get(name, 0.0))
        cpu = self._cores(self._first, now)
        course = [one["cpu"] for one in self._course.points if one["cpu"] is not None]
        busiest = max([*course, *([cpu] if cpu is not None else [])], default=None)
        gpus = self._gpus
        return Used(
            seconds=seconds,
            memory=self._totals.get("memory"),
            memory_total=now.get("memory_total"),
            disk=self._totals.get("disk"),
            disk_total=now.get("disk_total"),
            cpu=cpu,
            cpu_peak=busiest,
            cpus=now.get("cpus"),
            gpu=sum(gpus) / len(gpus) if gpus else None,
            gpu_memory=self._totals.get("gpu_memory"),
            **moved,
        )

    def _add(self, counters: _Counters, seconds: float) -> None:
        def rate(name: str) -> float | None:
            if name not in counters or name not in self._before:
                return None
            return max(0.0, counters[name] - self._before[name]) / seconds

        shares = [float(one[1]) / 100 for one in _GPU.finditer(self._gpu())]
        point: Point = {
            "cpu": self._cores(self._before, counters),
            "memory": self._peaks.get("memory"),
            "gpu": sum(shares) / len(shares) if shares else None,
            "gpu_memory": self._peaks.get("gpu_memory"),
            "disk": self._peaks.get("disk"),
            "read_write": rate("read_write"),
            "network": rate("network"),
        }
        self._gpus += [sum(shares) / len(shares)] if shares else []
        self._course.add(point)
        self._note_idle(point)

    def _note_idle(self, point: Point) -> None:
        """What is not known is no sign of work, but the processor has to be known."""

        def below(name: str, limit: float) -> bool:
            value = point.get(name)
            return value is None or value < limit

        quiet = (
            point.get("cpu") is not None
            and below("cpu", IDLE_CPU)
            and below("gpu", IDLE_GPU)
            and below("read_write", IDLE_READ_WRITE)
            and below("network", IDLE_NETWORK)
        )
        self._quiet = self._quiet + 1 if quiet else 0
        if not quiet:
            self.idle_since = ""
        elif self.idle_seconds >= IDLE_AFTER and not self.idle_since:
            self.idle_since = iso(datetime.now(timezone.utc) - timedelta(seconds=self.idle_seconds))

    def _cores(self, before: _Counters, after: _Counters) -> float | None:
        """Processors that were busy."""
        passed = after.get("total", 0.0) - before.get("total", 0.0)
        if passed <= 0 or "total" not in before or not after.get("cpus"):
            return None
        return max(0.0, after["cpus"] * (after["busy"] - before["busy"]) / passed)

    def _use(self) -> _Counters:
        found: _Counters = {name: self._last[name] for name in ("memory", "disk") if name in self._last}
        gpus = [float(one[2]) * (1 << 20) for one in _GPU.finditer(self._gpu())]
        return {**found, **({"gpu_memory": sum(gpus)} if gpus else {})}

    def _counters(self) -> _Counters:
        """proc(5): stat, meminfo, vmstat (pgpgin and pgpgout in KiB, of all block devices), net/dev."""
        found: _Counters = {}
        with suppress(OSError, ValueError, IndexError):
            lines = self._read("stat").splitlines()
            numbers = [int(word) for word in lines[0].split()[1:9]]
            cpus = sum(re.match(r"cpu\d", line) is not None for line in lines)
            found |= {
                "total": sum(numbers),
                "busy": sum(numbers) - numbers[3] - numbers[4],
                "cpus": cpus or 1,
            }
        with suppress(OSError, ValueError, LookupError):
            table = dict(line.split(":", 1) for line in self._read("meminfo").splitlines() if ":" in line)
            total, free = (int(table[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
            found |= {"memory_total": total, "memory": max(0, total - free)}
        with suppress(OSError, ValueError, LookupError):
            counts = dict(line.split() for line in self._read("vmstat").splitlines())
            found["read_write"] = 1024 * (int(counts["pgpgin"]) + int(counts["pgpgout"]))
        with suppress(OSError, ValueError, IndexError):
            cards = [line.partition(":") for line in self._read("net/dev").splitlines() if ":" in line]
            words = [rest.split() for name, _, rest in cards if name.strip() != "lo"]
            found["network"] = sum(int(one[0]) + int(one[8]) for one in words)
        with suppress(OSError):
            disk = shutil.disk_usage(self._disk)
            # what only root may use is not the script's
            found |= {"disk_total": disk.used + disk.free, "disk": disk.used}
        return found

    def _read(self, name: str) -> str:
        return (self._root / "proc" / name).read_text(errors="replace")


def note_time(record: Path, kind: str, count: int, begin: float, end: float) -> None:
    """Note when a file was moved (monotonic seconds)."""
    with suppress(OSError), record.with_name(TIMES).open("a", encoding="utf-8") as file:
        file.write(json.dumps([kind, count, round(begin, 3), round(end, 3)]) + "\n")


def _moved(path: Path) -> dict[str, float]:
    """Bytes of each kind, and the seconds in which at least one file of it was moved. Scripts can reach the
    file."""
    spans: dict[str, list[tuple[float, float]]] = {}
    counts: dict[str, float] = {}
    with suppress(OSError), path.open("rb") as file:
        for line in file.read(_TIMES_MAX).splitlines():
            with suppress(ValueError, TypeError):
                kind, count, begin, end = json.loads(line)
                if str(kind) in ("input", "result") and 0 <= end - begin < 1e9 and count >= 0:
                    counts[kind] = counts.get(kind, 0.0) + count
                    spans.setdefault(kind, []).append((float(begin), float(end)))
    found: dict[str, float] = {}
    for kind, bytes_, seconds in (
        ("input", "fetched", "fetched_seconds"),
        ("result", "sent", "sent_seconds"),
    ):
        if kind in counts:
            found |= {bytes_: counts[kind], seconds: covered(spans[kind])}
    return found


def covered(spans: list[tuple[float, float]]) -> float:
    """Seconds that at least one of these covers."""
    total, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total
