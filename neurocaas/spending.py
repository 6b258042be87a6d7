"""What a group has spent in a month, by its jobs' certificates: a job counts in the month in which it was
taken, as it does in the budget. Jobs that have ended do not change, so each certificate is read once on this
computer.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from neurocaas.bucket import AT_ONCE, Bucket
from neurocaas.errors import AnalysisError
from neurocaas.listing import ListedJob
from neurocaas.notebook_html import StateCell, table
from neurocaas.places import state_folder
from neurocaas.protocol.documents import DocumentError, loads, moment
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.units import duration

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_MARGIN = timedelta(days=2)
"""A submission may have come so long before, or after, its job was taken."""


@dataclass(frozen=True)
class JobBill:
    """What a job has cost. `created` is when it was taken, `seconds` of all its machines."""

    job: str
    created: str
    outcome: str
    datasets: int
    seconds: float
    cost_usd: float


@dataclass(frozen=True)
class GroupSpending:
    """Of one analysis in one month. `open` jobs have not ended: what they cost is not known yet."""

    analysis: str
    bills: tuple[JobBill, ...]
    open: tuple[str, ...] = ()

    @property
    def usd(self) -> float:
        return sum(one.cost_usd for one in self.bills)

    def _repr_html_(self) -> str:
        rows = [
            (one.job, StateCell(one.outcome), one.datasets, duration(one.seconds), f"${one.cost_usd:.4f}")
            for one in self.bills
        ]
        still = f", and what {len(self.open)} open jobs will cost" if self.open else ""
        return table(
            ("job", "outcome", "datasets", "machine time", "cost"),
            rows,
            self.analysis,
            f"${self.usd:.4f}{still}",
        )


class Spender(Protocol):
    """What is asked of an `Analysis`."""

    name: str
    group: str

    @property
    def objects(self) -> Bucket: ...
    def listing(self) -> Sequence[ListedJob]: ...


def month_of(text: str, now: datetime) -> str:
    """`2026-11`; the month of now for "". Raises AnalysisError for what is none."""
    if not text:
        return f"{now.astimezone(timezone.utc):%Y-%m}"
    if not _MONTH.fullmatch(text):
        raise AnalysisError(f"month {text!r}", "a year and a month: 2026-11", "write it like this")
    return text


def spending(analysis: Spender, month: str) -> GroupSpending:
    """What the group's jobs of that month have cost. One GET for each job that is not known yet, sixteen at a
    time."""
    kept = _Kept(analysis.objects.name, analysis.group)
    begin, end = _span(month)
    maybe = [
        one
        for one in analysis.listing()
        if one.answer == "job" and (one.submitted is None or begin - _MARGIN <= one.submitted < end + _MARGIN)
    ]
    unknown = [one.job for one in maybe if one.job not in kept.bills]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        read = dict(zip(unknown, pool.map(lambda job: _bill(analysis, job), unknown), strict=True))
    kept.add([bill for bill in read.values() if bill is not None])
    bills = [kept.bills[one.job] for one in maybe if one.job in kept.bills]
    open_jobs = tuple(
        one.job
        for one in maybe
        if one.job not in kept.bills and (one.submitted is None or begin <= one.submitted < end)
    )
    return GroupSpending(
        analysis.name,
        tuple(
            sorted(
                (bill for bill in bills if begin <= moment(bill.created) < end), key=lambda one: one.created
            )
        ),
        open_jobs,
    )


def _span(month: str) -> tuple[datetime, datetime]:
    year, number = int(month[:4]), int(month[5:])
    begin = datetime(year, number, 1, tzinfo=timezone.utc)
    return begin, datetime(year + number // 12, number % 12 + 1, 1, tzinfo=timezone.utc)


def _bill(analysis: Spender, job: str) -> JobBill | None:
    """None for a job that has not ended, or whose certificate cannot be read."""
    raw = analysis.objects.get(JobKeys.of(analysis.group, job).records.certificate_json)
    if raw is None:
        return None
    try:
        facts = loads(raw, "certificate.json")
        datasets = facts["datasets"]
        cost = facts.get("cost_usd", sum(float(one.get("cost", 0.0)) for one in datasets))
        moment(str(facts["created"]))
        return JobBill(
            job,
            str(facts["created"]),
            str(facts["outcome"]),
            len(datasets),
            sum(float(one.get("seconds") or 0.0) for one in datasets),
            float(cost),
        )
    except (DocumentError, LookupError, TypeError, ValueError, AttributeError):
        return None


class _Kept:
    """The bills that this computer knows. A place that cannot be written costs only time."""

    def __init__(self, bucket: str, group: str) -> None:
        name = sha256(f"{bucket}\0{group}".encode()).hexdigest()[:32]
        self._path: Path = state_folder() / "bills" / f"{name}.json"
        self.bills: dict[str, JobBill] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, LookupError):
            for one in json.loads(self._path.read_text(encoding="utf-8")):
                bill = JobBill(**{field.name: one[field.name] for field in fields(JobBill)})
                self.bills[bill.job] = bill

    def add(self, bills: Sequence[JobBill]) -> None:
        self.bills |= {one.job: one for one in bills}
        if not bills:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = self._path.with_name(f"{self._path.name}.new")
            fresh.write_text(json.dumps([asdict(one) for one in self.bills.values()]), encoding="utf-8")
            fresh.replace(self._path)


def rows(found: Sequence[GroupSpending], own: Any) -> list[dict[str, Any]]:
    """A row for each job, for CSV and JSON. `own(analysis, job)`: whether it was submitted from here."""
    return [
        {"analysis": one.analysis, **asdict(bill), "mine": bool(own(one.analysis, bill.job))}
        for one in found
        for bill in one.bills
    ]
