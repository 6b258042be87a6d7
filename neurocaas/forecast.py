"""What a submission will take and cost, from what the group's earlier jobs of this analysis took.

The history is read where an analyst may read: one small file of the group's runs, the newest of each size
(`neurocaas.protocol.sizes`), and the certificates of its latest jobs where that has too few. Datasets of a
similar size (half to twice) count when there are at least `ENOUGH` of them, else all do. p50 and p90 are the
median and the ninth decile of the time that a machine lived, which is what is paid.
"""

import contextlib
import statistics
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from neurocaas.bucket import Bucket
from neurocaas.budget import Budget, refusals
from neurocaas.errors import AnalysisError
from neurocaas.notebook_html import lines_as_html
from neurocaas.protocol.afford import WaysOut, ways_out
from neurocaas.protocol.cost import at_most, charge
from neurocaas.protocol.disk import DiskRules, room
from neurocaas.protocol.documents import DocumentError, loads
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.need import Need
from neurocaas.protocol.problems import InvalidInput
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.sizes import SizeRow
from neurocaas.protocol.status import SUCCESS
from neurocaas.protocol.units import duration, money, price
from neurocaas.protocol.waiting import AS_BUDGET_ALLOWS
from neurocaas.states import DatasetState, JobState

ENOUGH = 5
"""So many runs of similar datasets make a forecast of their own."""

LATEST = 50
"""So many jobs are looked at, the last ones by name."""


@dataclass(frozen=True)
class Run:
    """One dataset of an earlier job. `size` in bytes, None where it is not known; `seconds` is its machine's
    life.
    """

    size: int | None
    seconds: float
    instance_type: str


@dataclass(frozen=True, repr=False)
class Forecast:
    """Of one submission. `p50` and `p90` are seconds for one dataset, None without history; all datasets run
    at once, so this is also what the whole takes, but for the wait for machines. `runs` is how many earlier
    runs it rests on, `similar` whether they were of similar size. `minutes` is the duration at which a
    machine is ended; `dearest_per_hour` is the price of the dearest type that may stand in for
    `instance_type` when AWS has none of it, or when its memory is not enough. `volume_gib` is the disk of
    each machine, `besides_per_hour` what that and its address cost; `unknown` so many datasets have a size
    that cannot be known here, and are taken for as large as a disk has room for. `need`: what the analysis
    has asked for in place of a type, None where the type was named. `warnings`: what it is sure to run out
    of, as earlier runs say; `times`: the seconds of these runs."""

    datasets: int
    minutes: int
    instance_type: str
    price_per_hour: float
    dearest_per_hour: float
    prices_date: str = ""
    volume_gib: int = 0
    besides_per_hour: float = 0.0
    unknown: int = 0
    p50: float | None = None
    p90: float | None = None
    runs: int = 0
    similar: bool = False
    need: Need | None = None
    budget: Budget | None = None
    warnings: tuple[str, ...] = ()
    times: tuple[float, ...] = field(default=(), repr=False)

    @property
    def usd(self) -> float:
        """The most that it can cost, which is what is reserved: every dataset running for its whole duration
        and the margin, on the dearest type that may stand in, with its disk and address."""
        return at_most(self.datasets, self.minutes, self.dearest_per_hour + self.besides_per_hour) / 1e6

    @property
    def usd_p50(self) -> float | None:
        return None if self.p50 is None else self._cost(self.p50)

    @property
    def usd_p90(self) -> float | None:
        return None if self.p90 is None else self._cost(self.p90)

    @property
    def ways_out(self) -> WaysOut | None:
        """What would fit into what the budget has left, in place of a job that does not; None where that is
        not known."""
        if self.budget is None or self.budget.left is None:
            return None
        hourly, left = self.dearest_per_hour + self.besides_per_hour, round(self.budget.left * 1e6)
        return ways_out(self.datasets, self.minutes, hourly, left, self.times)

    def refused(self, run: str = "", wait: str = "") -> list[AnalysisError]:
        """What the service would say of it, as far as that is sure, for a submission that runs and waits so:
        one that waits for money is refused only where it could never be paid."""
        each, budget = self.usd / self.datasets if self.datasets else 0.0, self.budget
        if not (run == AS_BUDGET_ALLOWS or wait):
            out = self.ways_out
            return refusals([self.usd], budget, out.text() if out else "")
        least = each if run == AS_BUDGET_ALLOWS else self.usd
        if budget is None or budget.most is None or least <= budget.most:
            return []
        return refusals([least], budget)

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return lines_as_html(self.lines(), "forecast")

    def _cost(self, seconds: float) -> float:
        return self.datasets * charge(self.price_per_hour + self.besides_per_hour, seconds) / 1e6

    def lines(self) -> list[str]:
        """As people read it."""
        machines = (
            f"{self.datasets} machine{'' if self.datasets == 1 else 's'} {self.instance_type} at "
            f"{price(self.price_per_hour)} an hour"
        )
        dated = f" (prices of {self.prices_date})" if self.prices_date else ""
        said = [machines + dated]
        if self.need is not None:
            chosen = f"{self.instance_type} is the cheapest type with that"
            said.append(f"the analysis needs {self.need}: {chosen}")
        if self.besides_per_hour:
            said.append(
                f"besides, each: {price(self.besides_per_hour)} an hour for {self.volume_gib} GiB of disk "
                "and a public IPv4 address"
            )
        if self.unknown:
            said.append(
                f"{self.unknown} of these datasets cannot be measured from here: the disk is the largest "
                "that the analysis allows"
            )
        if self.p50 is None or self.p90 is None:
            said.append("time: no history: no dataset of this group has succeeded in this analysis yet")
        else:
            of = "of similar size" if self.similar else "of any size"
            runs = f"from {self.runs} earlier run{'' if self.runs == 1 else 's'} {of}"
            said.append(
                f"time: {duration(self.p50)} (p50), {duration(self.p90)} (p90) for a dataset, {runs}; all "
                "run at once"
            )
            said.append(f"cost: {money(self.usd_p50 or 0)} (p50), {money(self.usd_p90 or 0)} (p90)")
        said.append(
            f"at most: {money(self.usd)}, ended after {self.minutes} minutes; so much is reserved at the "
            "start"
        )
        if self.budget is not None:
            said.append(f"budget: {self.budget.told()}")
            if refusals([self.usd], self.budget):
                said.append("this is more than the budget has left: the submission would be refused")
                out = self.ways_out
                if out is not None and out.text():
                    said.append(f"ways out: {out.text()}")
        return [*said, *self.warnings]


def dearest(about: About, chosen: str, stand_ins: Sequence[str]) -> float:
    """USD an hour of the dearest type on which a dataset may come to run."""
    return max(about.prices[name] for name in (chosen, *stand_ins, *about.oom_types.get(chosen, ())))


def one_at_most(about: About) -> float:
    """What one small dataset may cost at most, in USD, where its config and its submission say nothing."""
    hourly = dearest(about, about.instance_type, about.fallback_types)
    besides = about.rates.hourly(volume_gib(about.disk, 0, [0]))
    return at_most(1, about.duration_minutes, hourly + besides) / 1e6


SLACK = 1.25
"""So many times longer than it was said may the whole come to take before nothing is said any more."""


@dataclass
class Countdown:
    """About how long each dataset of the jobs that are shown still takes: of earlier runs (`typical`: seconds
    of the median one, None without any) and how far it is, the more of the latter the farther. What was said
    once is never said longer: it is said no more."""

    typical: float | None = None
    _said: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def told(self, state: JobState) -> JobState:
        """The state with what is left of each dataset."""
        return replace(
            state,
            datasets=tuple(
                replace(one, eta_seconds=self._left(state.timestamp, one)) for one in state.datasets
            ),
        )

    def _left(self, job: str, one: DatasetState) -> float | None:
        total = self._total(one)
        if total is None or one.seconds is None:
            return None
        which = (job, one.name, one.instance)  # another machine begins anew
        said = self._said[which] = min(total, self._said.get(which, total))
        return said - one.seconds if one.seconds < said and total <= SLACK * said else None

    def _total(self, one: DatasetState) -> float | None:
        """Seconds that the whole takes; None when nothing is known, or its pace says nothing."""
        if one.final or one.seconds is None:
            return None
        if not one.progress:
            return self.typical
        if one.eta_seconds is None:
            return None
        paced = one.seconds + one.eta_seconds
        return paced if self.typical is None else one.progress * paced + (1 - one.progress) * self.typical


def estimate(
    runs: Sequence[Run], sizes: Sequence[int | None]
) -> tuple[float | None, float | None, int, bool]:
    """p50, p90, the number of runs they rest on, and whether these were of a size like that of the largest of
    `sizes`. Pure.
    """
    known = [size for size in sizes if size is not None]
    largest = max(known, default=None)
    near = [
        run
        for run in runs
        if largest is not None and run.size is not None and largest / 2 <= run.size <= largest * 2
    ]
    chosen = near if len(near) >= ENOUGH else list(runs)
    seconds = sorted(run.seconds for run in chosen)
    if not seconds:
        return None, None, 0, False
    if len(seconds) == 1:
        return seconds[0], seconds[0], 1, False
    p90 = statistics.quantiles(seconds, n=10, method="inclusive")[8]
    return statistics.median(seconds), p90, len(seconds), chosen is near


def volume_gib(disk: DiskRules | None, asked: int, sizes: Sequence[int | None]) -> int:
    """GiB of each machine's disk, as the manager will choose it (`neurocaas.protocol.disk`); 0 where the
    analysis does not say what goes for disks. What has no known size may need the largest disk, and so does
    what will be refused for its size."""
    if disk is None:
        return 0
    known = [size for size in sizes if size is not None]
    largest = disk.volume_gib + max(asked, disk.limit_gib)
    if len(known) < len(sizes):
        return largest
    try:
        return disk.volume_gib + room(disk, asked, {"": max(known, default=0)})
    except InvalidInput:
        return largest


def learned_runs(rows: Sequence[SizeRow], instance_type: str) -> list[Run]:
    """The runs that have succeeded on `instance_type`, as the service has kept them."""
    return [
        Run(None if row.size is None else int(row.size), row.seconds, row.type)
        for row in rows
        if row.type == instance_type and row.outcome == SUCCESS
    ]


def all_runs(
    objects: Bucket, group: str, rows: Sequence[SizeRow], latest: Sequence[str], instance_type: str
) -> list[Run]:
    """What is kept of runs; where that is little, also what the certificates of the `latest` jobs say."""
    kept = learned_runs(rows, instance_type)
    if len(kept) >= ENOUGH:
        return kept
    known = {row.job for row in rows}
    return kept + history(objects, group, [one for one in latest if one not in known], instance_type)


def history(objects: Bucket, group: str, timestamps: Iterable[str], instance_type: str) -> list[Run]:
    """The runs that succeeded on `instance_type` in these jobs, eight read at once."""
    with ThreadPoolExecutor(8) as pool:
        return [
            run
            for runs in pool.map(lambda stamp: _runs(objects, group, stamp), timestamps)
            for run in runs
            if run.instance_type == instance_type
        ]


def _runs(objects: Bucket, group: str, timestamp: str) -> list[Run]:
    keys = JobKeys.of(group, timestamp)
    with contextlib.suppress(DocumentError, LookupError, TypeError, ValueError):
        datasets = loads(objects.get(keys.records.certificate_json) or b"", "certificate.json")["datasets"]
        good = [one for one in datasets if one["status"] == SUCCESS and one.get("seconds")]
        if not good:
            return []
        raw = objects.get(keys.job)
        sizes = {dataset.name: dataset.size for dataset in Job.from_json(raw).datasets} if raw else {}
        return [Run(sizes.get(one["name"]), float(one["seconds"]), str(one["instance_type"])) for one in good]
    return []
