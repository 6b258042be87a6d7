"""The history of a job: what its manager and the monitor have told (`neurocaas.protocol.events`), and what
the reports of its machines say. Written with the job's end, before `end.txt`; once more for what comes after
it.

What reports say is not read from what was told: the same facts give the same history, whoever writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from neurocaas.protocol.certificate import DatasetOutcome
from neurocaas.protocol.documents import moment
from neurocaas.protocol.events import (
    DATASET,
    ENDED,
    EVENT_MAX_BYTES,
    EVENTS_MAX,
    MACHINE,
    SUBMITTED,
    Told,
    event,
    history,
    in_order,
    read_history,
    read_told,
)
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.report import ComputeReport
from neurocaas.protocol.settings import ON_DEMAND, SPOT
from neurocaas.protocol.status import SUCCESS
from runtime.monitor.port import MonitorCloud

_READ = 3_000
"""Events that are read one by one: waits, reclaims, cancellations. A job has some; what is over it is told
nowhere else, and one line says how many are left out.
"""

_HISTORY_MAX = 64 << 20

AT_ONCE_MAX = 100
"""Of jobs with so many datasets it is told at once when a machine has started or a dataset has ended. Of
larger ones only their history says so: whoever follows a job lists its records again and again.
"""


def submitted(job: Job) -> Told:
    by = f" by {job.submitter}" if job.submitter else ""
    count = len(job.datasets)
    text = f"{count} dataset{'' if count == 1 else 's'} submitted{by}"
    facts = {"submitter": job.submitter} if job.submitter else {}
    return event(job.id, SUBMITTED, text, moment(job.created), "1", datasets=count, **facts)


def machine_started(job: Job, report: ComputeReport) -> Told:
    market = SPOT if report.spot else ON_DEMAND
    name = job.datasets[report.dataset].name
    text = f"{name}: machine {report.instance_id} ({report.instance_type}, {market}) has started"
    return event(
        job.id,
        MACHINE,
        text,
        moment(report.start),
        f"{report.dataset}:{report.attempt}",
        dataset=name,
        attempt=report.attempt,
        instance=report.instance_id,
        instance_type=report.instance_type,
        market=market,
    )


def dataset_ended(
    job: Job, index: int, time: datetime, status: str, exit_class: str, reason: str | None, error: str | None
) -> Told:
    name, succeeded = job.datasets[index].name, status == SUCCESS
    why = "" if succeeded else f": {error or reason or exit_class}"
    facts = {} if error is None else {"error": error}
    text = f"{name} has {'succeeded' if succeeded else 'failed'}{why}"
    return event(
        job.id, DATASET, text, time, str(index), dataset=name, status=status, exit_class=exit_class, **facts
    )


def tell_at_once(cloud: MonitorCloud, job: Job, told: Told) -> None:
    """Tell an event that the job's history has in any case."""
    if len(job.datasets) <= AT_ONCE_MAX:
        cloud.put(job.bucket, told.key, f"{told.event.line()}\n", if_absent=True)


def job_ended(job: JobId, time: datetime, line: str, exit_class: str, cost: float) -> Told:
    return event(job, ENDED, line.strip(), time, "1", exit_class=exit_class, cost_usd=round(cost, 6))


def of_reports(
    job: Job, reports: Mapping[int, Sequence[ComputeReport]], outcomes: Sequence[DatasetOutcome], end: Told
) -> Iterator[Told]:
    """All that follows from what is known of a job that has ended."""
    yield submitted(job)
    for some in reports.values():
        for report in some:
            yield machine_started(job, report)
    for index, one in enumerate(outcomes):
        time = moment(one.end) if one.end else moment(end.event.time)
        yield dataset_ended(job, index, time, one.status, one.exit_class, one.reason, one.error)
    yield end


def write_history(cloud: MonitorCloud, job: JobId, known: Iterable[Told]) -> None:
    """Write `events.jsonl`, of what is `known` and what was told besides."""
    told = {one.key: one for one in known}
    keys = (key for key in islice(cloud.keys(job.bucket, job.keys.events_prefix), EVENTS_MAX))
    for key in islice((key for key in keys if key not in told), _READ):
        content = cloud.get(job.bucket, key, EVENT_MAX_BYTES)
        one = read_told(key, content.body) if content else None
        if one is not None:
            told[key] = one
    cloud.put(job.bucket, job.keys.events, history(in_order(told.values())))


def add_to_history(cloud: MonitorCloud, job: JobId, more: Told) -> None:
    """Put an event that came after a job's end into its history; nothing happens before there is one."""
    content = cloud.get(job.bucket, job.keys.events, _HISTORY_MAX)
    if content is None:
        return
    events = read_history(content.body)
    if more.event not in events:
        cloud.put(job.bucket, job.keys.events, history([*events, more.event]))
