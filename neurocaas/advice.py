"""`neurocaas advise`: which machine, disk and duration the group's runs of an analysis have needed.

Everything is from one file that the service keeps (`neurocaas.protocol.sizes`). With fewer than ENOUGH runs
nothing is proposed. Proposals have room: a tenth of memory and disk more, and half as long again as the
longest run.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from neurocaas.layout import table
from neurocaas.notebook_html import lines_as_html
from neurocaas.protocol.need import Need
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.sizes import OUTCOMES, SizeRow
from neurocaas.protocol.status import SUCCESS
from neurocaas.protocol.units import duration, price, size

ENOUGH = 5
"""So many runs make a proposal."""

_ROOM, _TIME = 1.1, 1.5
_GIB = 1 << 30


@dataclass(frozen=True)
class SizeClass:
    """Runs of inputs of `from_bytes` to `to_bytes`: 95 % needed no more than the rest says."""

    from_bytes: float
    to_bytes: float
    runs: int
    seconds: float
    memory: float | None
    disk: float | None


@dataclass(frozen=True, repr=False)
class Advice:
    """`runs` that have succeeded, and how many had too little `memory`, `disk` or `time` (`short`). Of the
    good ones 95 % needed at most `memory` and `disk` (bytes), `cpu` (processors, in the busiest minute) and
    `seconds`. `proposed_type` is "" where the present one is kept; `saving` is the part of its price that the
    proposal saves (below 0: it costs more). None: nothing can be said."""

    analysis: str
    group: str
    runs: int
    short: dict[str, int]
    enough: bool
    instance_type: str
    price_per_hour: float
    minutes: int
    volume_gib: int | None = None
    memory: float | None = None
    cpu: float | None = None
    gpu: float | None = None
    disk: float | None = None
    seconds: float | None = None
    proposed_type: str = ""
    proposed_price: float | None = None
    saving: float | None = None
    proposed_volume_gib: int | None = None
    proposed_minutes: int | None = None
    classes: tuple[SizeClass, ...] = ()

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return lines_as_html(self.lines(), f"advice on {self.analysis}")

    def lines(self) -> list[str]:
        """As people read it."""
        told = [f"{self.analysis}, group {self.group}: {_count(self.runs)} with success"]
        told += [f"{_count(count)} had too little {what}" for what, count in self.short.items() if count]
        if not self.enough:
            return [*told, f"that is too little to advise: from {ENOUGH} runs on there is a proposal"]
        told += [self._machine(), self._disk(), self._time()]
        if len(self.classes) > 1:
            rows = [
                (
                    f"{size(one.from_bytes)} to {size(one.to_bytes)}",
                    str(one.runs),
                    duration(one.seconds),
                    "" if one.memory is None else _gib(one.memory),
                    "" if one.disk is None else _gib(one.disk),
                )
                for one in self.classes
            ]
            told += ["", *table(("inputs", "runs", "95 % took", "memory", "disk"), rows, right=("runs",))]
        return told

    def _machine(self) -> str:
        if self.memory is None:
            return "machine: what runs have used is not known (their machines are of an earlier version)"
        cpus = "" if self.cpu is None else f" and {self.cpu:.1f} processors"
        need = f"machine: 95 % need < {_gib(self.memory)}{cpus}"
        now = f"{self.instance_type} at {price(self.price_per_hour)} an hour"
        if not self.proposed_type or self.proposed_price is None or self.saving is None:
            return f"{need}; {now} is right"
        way = "save" if self.saving > 0 else "cost"
        more = "" if self.saving > 0 else " more"
        return (
            f"{need}; {self.proposed_type} at {price(self.proposed_price)} would {way} "
            f"{100 * abs(self.saving):.0f} %{more} against {now}"
        )

    def _disk(self) -> str:
        if self.disk is None:
            return "disk: what runs have used is not known"
        now = "" if self.volume_gib is None else f" of the {self.volume_gib} GiB that a machine has at least"
        text = f"disk: 95 % need < {_gib(self.disk)}{now}"
        return (
            text if self.proposed_volume_gib is None else f"{text}; {self.proposed_volume_gib} GiB would do"
        )

    def _time(self) -> str:
        text = f"time: 95 % take < {duration(self.seconds)}; ended after {self.minutes} minutes"
        if self.proposed_minutes is None:
            return text
        return (
            f"{text}; {self.proposed_minutes} (__duration__) would do, and reserve "
            f"{'less' if self.proposed_minutes < self.minutes else 'more'}"
        )


def advise(rows: Sequence[SizeRow], about: About, analysis: str, group: str) -> Advice:
    """What the runs say. Pure."""
    good = [row for row in rows if row.outcome == SUCCESS]
    counts = Counter(row.outcome for row in rows)
    kept: dict[str, object] = {}
    memory, memory_most = _of(row.memory for row in good)
    cpu, _ = _of(row.cpu_peak for row in good)
    gpu, _ = _of(row.gpu for row in good)
    disk, disk_most = _of(row.disk for row in good)
    seconds, longest = _of(row.seconds for row in good)
    now, usd = about.instance_type, about.prices[about.instance_type]
    volume = about.disk.volume_gib if about.disk else None
    enough = len(good) >= ENOUGH
    if enough:
        known = sum(row.memory is not None for row in good) >= ENOUGH
        other = _cheapest(about, (memory_most or 0) * _ROOM, cpu, gpu) if known else None
        if other and other != now:
            kept |= {
                "proposed_type": other,
                "proposed_price": about.prices[other],
                "saving": 1 - about.prices[other] / usd,
            }
        if disk_most and volume is not None:
            gib = max(8, math.ceil(disk_most * _ROOM / _GIB))
            kept["proposed_volume_gib"] = gib if not volume * 0.8 <= gib <= volume else None
        minutes = max(1, math.ceil((longest or 0) * _TIME / 60))
        kept["proposed_minutes"] = (
            minutes if not about.duration_minutes * 0.8 <= minutes <= about.duration_minutes else None
        )
    return Advice(
        analysis=analysis,
        group=group,
        runs=len(good),
        short={name: counts[name] for name in OUTCOMES if name != SUCCESS},
        enough=enough,
        instance_type=now,
        price_per_hour=usd,
        minutes=about.duration_minutes,
        volume_gib=volume,
        memory=memory,
        cpu=cpu,
        gpu=gpu,
        disk=disk,
        seconds=seconds,
        classes=_classes(good),
        **kept,  # type: ignore[arg-type]
    )


def _cheapest(about: About, memory: float, cpu: float | None, gpu: float | None) -> str | None:
    """The cheapest of the analysis's types that has as much as its runs have needed; the present one where
    another costs as much. Of processors as many as were busy, or as the present type has, if that is fewer.
    """
    own = about.machines.get(about.instance_type)
    if own is None:
        return None
    cpus = own.cpu if cpu is None else min(own.cpu, max(1, math.ceil(cpu - 0.2)))
    gpus = 1 if gpu is not None and gpu > 0.01 else 0

    def fits(kind: Need) -> bool:
        return kind.cpu >= cpus and kind.gpu >= gpus and kind.memory_gib * _GIB >= memory

    found = [
        (about.prices[name], name != about.instance_type, name)
        for name, kind in about.machines.items()
        if name in about.prices and name in about.instance_types and fits(kind)
    ]
    return min(found)[2] if found else None


def _of(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    """What 95 % do not exceed, and the most."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None, None
    return known[math.ceil(0.95 * len(known)) - 1], known[-1]


def _classes(rows: Sequence[SizeRow]) -> tuple[SizeClass, ...]:
    classes: dict[int, list[SizeRow]] = defaultdict(list)
    for row in rows:
        if row.size is not None:
            classes[row.size_class].append(row)
    return tuple(
        SizeClass(
            min(row.size or 0 for row in some),
            max(row.size or 0 for row in some),
            len(some),
            _of(row.seconds for row in some)[0] or 0.0,
            _of(row.memory for row in some)[0],
            _of(row.disk for row in some)[0],
        )
        for _, some in sorted(classes.items())
    )


def _count(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def _gib(count: float) -> str:
    return f"{count / _GIB:.1f} GiB"
