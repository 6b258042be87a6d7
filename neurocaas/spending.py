"""What a group has spent in a month, or since a day, by the index of its jobs (`neurocaas.job_index`): job by
job, and in all for each member, analysis or month. A job counts in the month in which it was taken, as in the
budget.

Where the index is not complete, the jobs that are not in it are looked up by their certificates. Jobs that
have ended do not change, so each certificate is read once on this computer.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from neurocaas.bucket import AT_ONCE, Bucket
from neurocaas.errors import AnalysisError
from neurocaas.job_index import index_of
from neurocaas.listing import ListedJob
from neurocaas.nearest import nearest
from neurocaas.notebook_html import StateCell, table
from neurocaas.places import state_folder
from neurocaas.protocol.documents import DocumentError, loads, moment
from neurocaas.protocol.job_index import IndexEntry
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.units import duration

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_MARGIN = timedelta(days=2)
"""A submission may have come so long before, or after, its job was taken."""


BY = ("member", "analysis", "month")
UNKNOWN = "(unknown)"
"""Who submitted what nobody can say of."""


@dataclass(frozen=True)
class JobBill:
    """What a job has cost. `created` is when it was taken, `seconds` of all its machines. `submitter`: who
    submitted it, "" where nobody can say."""

    job: str
    created: str
    outcome: str
    datasets: int
    seconds: float
    cost_usd: float
    submitter: str = ""


@dataclass(frozen=True)
class OpenBill:
    """A job that has not ended, and what is reserved for it; None where that is not known."""

    job: str
    created: str
    submitter: str = ""
    reserved_usd: float | None = None


@dataclass(frozen=True)
class GroupSpending:
    """Of one analysis in a month, or since a time. `open` jobs have not ended: what they cost is not known
    yet; `under_way` says what is reserved for them."""

    analysis: str
    bills: tuple[JobBill, ...]
    open: tuple[str, ...] = ()
    under_way: tuple[OpenBill, ...] = ()

    @property
    def reserved_usd(self) -> float:
        return sum(one.reserved_usd or 0.0 for one in self.under_way)

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
    """What the group's jobs of that month have cost."""
    return spent_between(analysis, *span(month))


def spent_between(analysis: Spender, begin: datetime, end: datetime) -> GroupSpending:
    """What the jobs that were taken in that time have cost. Two listings and a read for 400 jobs."""
    index = index_of(analysis.objects, analysis.group)
    # what was taken then was written then, or later
    entries = [one for one in index.entries(begin) if begin <= moment(one.created) < end]
    bills = [_of_index(one) for one in entries if not one.open]
    under_way = [
        OpenBill(one.name, one.created, one.submitter, one.reserved / 1e6) for one in entries if one.open
    ]
    if not index.complete:
        known = {one.name for one in entries if one.job}
        more, still = _of_certificates(analysis, begin, end, known)
        bills, under_way = bills + more, under_way + still
    under_way.sort(key=lambda one: one.created)
    return GroupSpending(
        analysis.name,
        tuple(sorted((one for one in bills if one.datasets), key=lambda one: one.created)),
        tuple(one.job for one in under_way),
        tuple(under_way),
    )


def _of_index(one: IndexEntry) -> JobBill:
    # of a job whose document was gone at its end nobody knows how many datasets it had
    datasets = one.datasets or int(one.cost > 0)
    return JobBill(one.name, one.created, one.state, datasets, one.seconds, one.cost / 1e6, one.submitter)


def _of_certificates(
    analysis: Spender, begin: datetime, end: datetime, known: set[str]
) -> tuple[list[JobBill], list[OpenBill]]:
    """Those of the jobs that are not `known`: one GET for each whose bill is not on this computer, sixteen at
    a time."""
    kept = _Kept(analysis.objects.name, analysis.group)
    maybe = [
        one
        for one in analysis.listing()
        if one.answer == "job"
        and one.job not in known
        and (one.submitted is None or begin - _MARGIN <= one.submitted < end + _MARGIN)
    ]
    unknown = [one.job for one in maybe if one.job not in kept.bills]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        read = dict(zip(unknown, pool.map(lambda job: _bill(analysis, job), unknown), strict=True))
    kept.add([bill for bill in read.values() if bill is not None])
    bills = [kept.bills[one.job] for one in maybe if one.job in kept.bills]
    open_jobs = [
        OpenBill(one.job, one.submitted.isoformat() if one.submitted else "")
        for one in maybe
        if one.job not in kept.bills and (one.submitted is None or begin <= one.submitted < end)
    ]
    return [bill for bill in bills if begin <= moment(bill.created) < end], open_jobs


def span(month: str) -> tuple[datetime, datetime]:
    """From its begin to before the next one's."""
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
            str(facts.get("submitter") or ""),
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
                bill = JobBill(
                    **{field.name: one[field.name] for field in fields(JobBill) if field.name in one}
                )
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


# In all
# ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Total:
    """Of one member, analysis or month (`name`): jobs that have ended, what they took and cost, and what is
    reserved for those (`open`) that have not."""

    name: str
    jobs: int
    datasets: int
    seconds: float
    cost_usd: float
    open: int
    reserved_usd: float


def chosen_by(text: str) -> str:
    """What `--by` means. Raises AnalysisError."""
    if text not in ("", *BY):
        near = nearest(text, BY)
        raise AnalysisError(
            f"--by {text}", ", ".join(BY), f"did you mean {near}?" if near else "choose one of these"
        )
    return text


def totals(found: Iterable[GroupSpending], by: str) -> list[Total]:
    """What is spent in all for each member, analysis or month (`by`), the dearest first; months in order."""
    bills, under_way = defaultdict[str, list[JobBill]](list), defaultdict[str, list[OpenBill]](list)
    for one in found:
        key = _keys(one.analysis)[by]
        for bill in one.bills:
            bills[key(bill)].append(bill)
        for still in one.under_way:
            under_way[key(still)].append(still)
    every = [
        Total(
            name,
            len(bills[name]),
            sum(bill.datasets for bill in bills[name]),
            sum(bill.seconds for bill in bills[name]),
            round(sum(bill.cost_usd for bill in bills[name]), 6),
            len(under_way[name]),
            round(sum(still.reserved_usd or 0.0 for still in under_way[name]), 6),
        )
        for name in {*bills, *under_way}
    ]
    return sorted(every, key=lambda one: one.name if by == "month" else (-one.cost_usd, one.name))


def _keys(analysis: str) -> Mapping[str, Callable[[JobBill | OpenBill], str]]:
    return {
        "member": lambda one: one.submitter or UNKNOWN,
        "analysis": lambda one: analysis,
        "month": lambda one: one.created[:7] or UNKNOWN,
    }
