"""What a dataset's machine uses while its script runs: over time, for people
(`logs/{name}_resources.json`), and in all, for what is learned of sizes (`neurocaas.protocol.sizes`).

Over time it is kept at a coarse grain: a point a minute, and when there are more than POINTS, each two are
made one, so that the file of a week is as small as that of an hour:

```
{"schema_version": 1, "dataset": "a", "instance": "i-1", "attempt": 1, "begun": "…Z", "every": 120.0,
 "cpus": 2, "memory_total": 8e9, "disk_total": 17e9,
 "points": {"cpu": [0.4, 1.9], "memory": […], "gpu": [null, …], "gpu_memory": […], "disk": […],
            "read_write": […], "network": […]}}
```

`cpu` in processors that were busy, `memory`, `gpu_memory` and `disk` in bytes in use (the most of the time
of a point), `gpu` from 0 to 1, `read_write` and `network` in bytes a second (both ways together). Means
are of the time of a point. null is not known.

A machine says all this. It is evidence: numbers are bounded, and nothing but what people are told follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any

from neurocaas.protocol.documents import DocumentError, dumps, iso, loads, moment

SCHEMA_VERSION = 1
EVERY = 60.0
"""Seconds of a point, until there are too many."""

POINTS = 240
"""So many points a dataset has at most: four hours by the minute."""

RESOURCES_MAX_BYTES = 256 * 1024
"""More than such a file has."""

RESOURCES_SUFFIX = "_resources.json"

MEANS, PEAKS = ("cpu", "gpu", "read_write", "network"), ("memory", "gpu_memory", "disk")
"""What of two points that become one is their mean, and what the larger of them."""

NAMES = ("cpu", "memory", "gpu", "gpu_memory", "disk", "read_write", "network")

IDLE_AFTER = 15 * 60
"""Seconds in which a machine does next to nothing before it is told."""

IDLE_CPU, IDLE_GPU, IDLE_READ_WRITE, IDLE_NETWORK = 0.1, 0.01, 100e3, 50e3
"""Next to nothing is less than all of these: a tenth of one processor, a hundredth of the GPUs, 100 kB a
second to and from disks, 50 kB a second over the network. The agent itself takes less.
"""

_MOST = 1e18
_WHAT = "resources"
Point = Mapping[str, float | None]


@dataclass(frozen=True)
class Amounts:
    """What one machine has used in all for its dataset. `memory`, `disk` and `gpu_memory`: the most in use
    (bytes), of so much as `memory_total` and `disk_total`; `cpu`, `cpu_peak`: processors that were busy in
    the mean and in the busiest minute, of `cpus`; `gpu` (0 to 1). `fetched` and `sent`: bytes of its inputs
    and of its results, in `fetched_seconds` and `sent_seconds` in which at least one of them was moved. None:
    not known."""

    memory: float | None = None
    memory_total: float | None = None
    disk: float | None = None
    disk_total: float | None = None
    cpu: float | None = None
    cpu_peak: float | None = None
    cpus: float | None = None
    gpu: float | None = None
    gpu_memory: float | None = None
    fetched: float | None = None
    fetched_seconds: float | None = None
    sent: float | None = None
    sent_seconds: float | None = None


@dataclass(frozen=True)
class Used(Amounts):
    """As a machine says it: of the `seconds` of its script."""

    seconds: float | None = None

    @classmethod
    def of(cls, value: object) -> Used | None:
        """What a JSON value says; None for what is no object. A number that cannot be is not known."""
        if not isinstance(value, dict):
            return None
        return cls(**{one.name: number(value.get(one.name)) for one in fields(cls)})


def number(value: object) -> float | None:
    """A number of 0 to 1e18 that a machine has said; None for all else."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= _MOST:
        return None
    return float(value)


@dataclass
class Course:
    """Points over time. Each `add` is of EVERY seconds."""

    points: list[dict[str, float | None]] = field(default_factory=list)
    each: int = 1
    _rest: list[Point] = field(default_factory=list)

    @property
    def every(self) -> float:
        """Seconds of a point; of the last one perhaps fewer."""
        return self.each * EVERY

    def add(self, point: Point) -> None:
        self._rest.append(point)
        if len(self._rest) < self.each:
            return
        self.points.append(merged(self._rest))
        self._rest = []
        if len(self.points) > POINTS:
            if len(self.points) % 2:  # the last one waits for another of its kind
                last = self.points.pop()
                self._rest = [last] * self.each
            self.points = [merged(self.points[at : at + 2]) for at in range(0, len(self.points), 2)]
            self.each *= 2

    def all(self) -> list[dict[str, float | None]]:
        """The points, with one of what does not make a whole one yet."""
        return [*self.points, *([merged(self._rest)] if self._rest else [])]


def merged(points: Sequence[Point]) -> dict[str, float | None]:
    """One point of several that are as long as each other."""
    made: dict[str, float | None] = {}
    for name in NAMES:
        known = [value for one in points if (value := one.get(name)) is not None]
        made[name] = None if not known else max(known) if name in PEAKS else sum(known) / len(known)
    return made


@dataclass(frozen=True)
class Resources:
    """What a machine has used over time. `begun` ISO 8601; `points` has as many values for each of NAMES."""

    dataset: str
    instance: str
    attempt: int
    begun: str
    every: float
    points: Mapping[str, tuple[float | None, ...]]
    cpus: float | None = None
    memory_total: float | None = None
    disk_total: float | None = None

    @property
    def count(self) -> int:
        return max((len(values) for values in self.points.values()), default=0)

    def to_json(self) -> str:
        return dumps(
            {
                "schema_version": SCHEMA_VERSION,
                "dataset": self.dataset,
                "instance": self.instance,
                "attempt": self.attempt,
                "begun": self.begun,
                "every": self.every,
                "cpus": self.cpus,
                "memory_total": self.memory_total,
                "disk_total": self.disk_total,
                "points": {name: [_short(one) for one in self.points.get(name, ())] for name in NAMES},
            }
        )

    @classmethod
    def from_json(cls, raw: str | bytes) -> Resources:
        """Raises DocumentError for what is no such document. A value that cannot be is not known; of more
        than twice POINTS the first ones are left out."""
        data = loads(raw, _WHAT, SCHEMA_VERSION)
        begun, points, attempt = data.get("begun"), data.get("points"), data.get("attempt")
        if not isinstance(begun, str) or not isinstance(points, dict):
            raise DocumentError(f"{_WHAT} lack their begin or their points")
        every = number(data.get("every"))
        found = {name: _column(points.get(name)) for name in NAMES}
        count = max(map(len, found.values()))
        return cls(
            dataset=_text(data.get("dataset")),
            instance=_text(data.get("instance")),
            attempt=attempt if isinstance(attempt, int) and 0 < attempt < 1000 else 1,
            begun=iso(moment(begun)),
            every=every if every and every <= 1e7 else EVERY,
            points={name: (*values, *[None] * (count - len(values))) for name, values in found.items()},
            cpus=number(data.get("cpus")),
            memory_total=number(data.get("memory_total")),
            disk_total=number(data.get("disk_total")),
        )


def columns(points: Sequence[Point]) -> dict[str, tuple[float | None, ...]]:
    return {name: tuple(one.get(name) for one in points) for name in NAMES}


def _column(value: Any) -> tuple[float | None, ...]:
    return tuple(number(one) for one in value[-2 * POINTS :]) if isinstance(value, list) else ()


def _short(value: float | None) -> float | None:
    """To three digits that say something of small values: files stay small."""
    if value is None or not isfinite(value):
        return None
    return round(value, 3) if value < 100 else float(round(value))


def _text(value: object) -> str:
    return value[:1000] if isinstance(value, str) else ""
