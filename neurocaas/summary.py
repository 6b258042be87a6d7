"""What `status` says of a job beside its datasets: when, on which machine, for how much."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from neurocaas.layout import cell, table
from neurocaas.protocol.cost import at_most, charge
from neurocaas.protocol.documents import DocumentError, loads, moment
from neurocaas.protocol.job import Job
from neurocaas.protocol.status import FAILED, SUCCESS
from neurocaas.protocol.units import duration, minute, money, price
from neurocaas.saying import what_is_said
from neurocaas.states import DatasetState, JobState

MOST = 100
"""So many datasets are shown on a terminal; elsewhere all are."""


@dataclass(frozen=True)
class Summary:
    """Of a job that has a record; else nothing is known. `usd` is what its machines have cost: as the service
    has settled it when the job has ended, else about so much so far. `usd_at_most` is what is reserved, where
    the prices of the machines that may stand in are like that of `instance_type`. `seconds` from `created` to
    its end, or to now. `submitter`: who submitted, "" where nobody can say."""

    instance_type: str = ""
    usd_per_hour: float | None = None
    duration_minutes: int | None = None
    created: str = ""
    ended: str = ""
    seconds: float | None = None
    usd: float | None = None
    usd_at_most: float | None = None
    exit_class: str = ""
    submitter: str = ""


def summary(handle: Any, state: JobState, now: datetime | None = None) -> Summary:
    """One read more for a job that has ended; none for one that is open: its state has what it takes."""
    if not state.datasets:
        return Summary()
    job: Job = handle.job()
    certificate: dict[str, Any] = {}
    if state.finished:
        with contextlib.suppress(DocumentError):
            raw = handle.objects.get(handle.keys.records.certificate_json)
            certificate = dict(loads(raw or b"{}", "certificate.json"))
    ended, paid = str(certificate.get("finished", "")), certificate.get("cost_usd")
    hourly = job.price_per_hour + job.besides_per_hour
    sofar = sum(charge(hourly, one.seconds) for one in state.datasets if one.seconds is not None) / 1e6
    seconds = None
    with contextlib.suppress(DocumentError):
        until = moment(ended) if ended else (now or datetime.now(timezone.utc))
        seconds = max(0.0, (until - moment(job.created)).total_seconds())
    known = isinstance(paid, (int, float)) and not isinstance(paid, bool)
    return Summary(
        instance_type=_type(certificate) or job.instance_type,
        usd_per_hour=hourly,
        duration_minutes=job.duration_minutes,
        created=job.created,
        ended=ended,
        seconds=None if state.finished and not ended else seconds,
        usd=float(paid) if known and paid is not None else None if state.finished else sofar,
        usd_at_most=at_most(len(job.datasets), job.duration_minutes, hourly) / 1e6,
        exit_class=str(certificate.get("exit_class", "")),
        submitter=job.submitter,
    )


def _type(certificate: dict[str, Any]) -> str:
    """The type of the machines that have run, where it was only one."""
    with contextlib.suppress(LookupError, TypeError):
        types = {str(one["instance_type"]) for one in certificate["datasets"] if one["instance_type"]}
        return types.pop() if len(types) == 1 else ""
    return ""


def status_lines(state: JobState, facts: Summary, analysis: str, group: str) -> list[str]:
    """A job as it is now: its own line and what is known of it, then a table of its datasets."""
    counts = f"  {state.counts}" if state.datasets else ""
    why = f"  {state.why}" if state.datasets and state.why else ""
    lines = [
        cell(f"job {state.timestamp}  {state.outcome}{counts}{why}"),
        f"analysis {analysis}, group {group}",
    ]
    if facts.created:
        lines.append(_when(state, facts) + (f", by {facts.submitter}" if facts.submitter else ""))
        lines.append(_cost(state, facts))
    if state.datasets:
        lines += ["", *_datasets(state)]
    return lines


def _when(state: JobState, facts: Summary) -> str:
    begun = ""
    with contextlib.suppress(DocumentError):
        begun = minute(moment(facts.created))
    lasting = duration(facts.seconds)
    took = (f", took {lasting}" if state.finished else f", {lasting} ago") if lasting else ""
    return f"started {begun}{took}"


def _cost(state: JobState, facts: Summary) -> str:
    hourly = "" if facts.usd_per_hour is None else f" at {price(round(facts.usd_per_hour, 4))} an hour"
    machine = f"machine {facts.instance_type}{hourly}, at most {facts.duration_minutes} min for a dataset"
    if facts.usd is None:
        return machine
    if state.finished:
        return f"{machine}\ncost {money(facts.usd)}"
    most = "" if facts.usd_at_most is None else f", at most {money(facts.usd_at_most)}"
    return f"{machine}\ncost about {money(facts.usd)} so far{most}"


def _datasets(state: JobState) -> list[str]:
    from neurocaas.layout import edge

    order = {FAILED: 0, SUCCESS: 2}
    shown: list[DatasetState] = list(state.datasets)
    more = 0
    if edge() is not None and len(shown) > MOST:
        shown = sorted(shown, key=lambda one: order.get(one.state, 1))[:MOST]
        more = len(state.datasets) - MOST
    rows = [
        (one.name, one.state, duration(one.seconds), one.cpu, one.memory, what_is_said(one)) for one in shown
    ]
    headers = ("dataset", "state", "took" if state.finished else "running", "cpu", "memory", "what")
    lines = table(headers, rows, right=(headers[2],), less=("cpu", "memory"))
    return [*lines, f"… and {more} more; --json has them all"] if more else lines
