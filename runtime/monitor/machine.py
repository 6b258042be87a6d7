"""Which dataset a machine has, and how its end is judged. Pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from neurocaas.protocol.attempt import RECLAIM
from neurocaas.protocol.documents import DocumentError, iso, moment
from neurocaas.protocol.job import Dataset, Job
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.known_errors import first_found
from neurocaas.protocol.report import ComputeReport
from neurocaas.protocol.runs import NamedError
from neurocaas.protocol.status import DATA_CHANGED, FAILED, NONE, SUCCESS, TIMED_OUT, DatasetStatus
from neurocaas.protocol.stop import outcome_of
from neurocaas.protocol.tags import ATTEMPT, BUCKET, GROUP, JOB, OFFSET, RUN
from runtime.monitor.port import Instance

_GMT = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (?:GMT|UTC)\)")
_RECLAIMED = frozenset({"Server.SpotInstanceTermination", "Server.SpotInstanceShutdown"})

_ENDED = {TIMED_OUT: "timeout", DATA_CHANGED: "data"}
"""Exit classes of reasons that begin so."""

HOST_FAILED = "The machine has failed by AWS's fault before its analysis was done"
"""How the reason of a dataset begins whose machine was not ended by anybody: its host, power, network."""

INTERRUPTED = "interrupted:"
"""How the reason of a dataset begins whose machine has been told that AWS takes it back."""


@dataclass(frozen=True)
class DatasetPlace:
    """The job and the dataset of a machine, read from its tags and its launch index; which machine of the
    dataset it is.
    """

    job: JobId
    index: int
    attempt: int


@dataclass(frozen=True)
class DatasetVerdict:
    """How a dataset ended. `exit_class` as in `certificate.EXIT_CLASSES`; `out_of_memory` and `disk_full`: as
    its machine says.
    """

    status: str
    reason: str | None
    exit_code: int | None
    exit_class: str
    out_of_memory: bool = False
    disk_full: bool = False


def place(instance: Instance) -> DatasetPlace | None:
    """None for a machine that is not a job's (a development instance, or not of the service)."""
    tags = instance.tags
    try:
        return DatasetPlace(
            JobId(tags[BUCKET], tags[GROUP], tags[JOB]),
            int(tags[OFFSET]) + instance.launch_index,
            int(tags.get(ATTEMPT, "1")),
        )
    except (KeyError, ValueError):
        return None


def of_run(instance: Instance, job: Job) -> bool:
    """Whether a machine is of this job, and not of an earlier one of its name, whose records were deleted."""
    return instance.tags.get(RUN) == job.created


def ended_at(instance: Instance, otherwise: datetime) -> datetime:
    """When the machine stopped costing money: EC2 writes it as `User initiated (2026-01-31 12:00:00 GMT)`."""
    found = _GMT.search(instance.transition)
    return datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc) if found else otherwise


def judge(status: DatasetStatus, instance: Instance) -> DatasetVerdict:
    """The verdict of a machine that has ended: its own final status, else why it died."""
    if status.status == SUCCESS:
        return DatasetVerdict(SUCCESS, None, status.exit_code, "success")
    if status.status == FAILED:
        # a reason begins with what was said
        reason = next((text for text in (status.reason, status.said) if text != NONE), None)
        ended = outcome_of(reason) or next(
            (name for begin, name in _ENDED.items() if (reason or "").startswith(begin)), None
        )
        return DatasetVerdict(
            FAILED,
            reason,
            status.exit_code,
            ended or "analysis",
            status.out_of_memory and ended is None,
            status.disk_full and ended is None and not status.out_of_memory,
        )
    if instance.state in ("stopping", "stopped"):
        return DatasetVerdict(
            FAILED, "The machine was stopped by hand before its analysis was done.", None, "cancelled"
        )
    if instance.reason_code in _RECLAIMED or (instance.spot and status.reason.startswith(INTERRUPTED)):
        return DatasetVerdict(
            FAILED, "AWS has taken the spot machine back before its analysis was done.", None, RECLAIM
        )
    if instance.reason_code.startswith("Client.UserInitiated"):
        return DatasetVerdict(
            FAILED, "The machine was terminated from outside before its analysis was done.", None, "cancelled"
        )
    why = instance.reason or instance.reason_code or "no reason given"
    # "Server." is what EC2 does, "Client." what somebody asked for (EC2 API reference, "StateReason")
    if instance.reason_code.startswith("Server."):
        return DatasetVerdict(FAILED, f"{HOST_FAILED} ({why}).", None, "platform")
    return DatasetVerdict(
        FAILED, f"The machine ended before its analysis was done ({why}).", None, "platform"
    )


def with_verdict(
    status: DatasetStatus,
    dataset: Dataset,
    instance: str | None,
    verdict: DatasetVerdict,
    now: datetime,
    known: NamedError | None = None,
) -> DatasetStatus:
    """How a dataset ended; what `status` has besides (lines, times of a machine that told its own end) is
    kept. `known`: the blueprint's name of the failure.
    """
    finish = status.job_finish if status.status == verdict.status and status.job_finish != NONE else iso(now)
    return replace(
        status,
        status=verdict.status,
        reason=verdict.reason or NONE,
        exit_code=verdict.exit_code,
        input=dataset.inputpath,
        instance=instance or NONE,
        job_finish=finish,
        error=known.name if known else NONE,
        advice=(known.advice if known else "") or NONE,
        updated=iso(now),
    )


def host_failed(verdict: DatasetVerdict) -> bool:
    """Whether it was AWS that lost the machine: the dataset may have another."""
    return verdict.exit_class == "platform" and (verdict.reason or "").startswith(HOST_FAILED)


def known_error(job: Job, status: DatasetStatus, verdict: DatasetVerdict) -> NamedError | None:
    """The first of the failures that the blueprint knows which the last lines of a failed script show."""
    if verdict.status == SUCCESS or verdict.exit_class not in ("analysis", "timeout", "data"):
        return None
    lines = [*status.stderr.values(), *status.stdout.values(), verdict.reason or "", status.said]
    return first_found(job.runs.errors, lines)


def new_report(
    job: Job, index: int, instance: Instance, start: datetime, spot_price: float | None = None
) -> ComputeReport:
    """The report of a machine that has begun. It costs `spot_price` (USD an hour), None: as on demand, and
    what it has besides. A type that was not planned for has price 0."""
    where = place(instance)
    return ComputeReport(
        instance_id=instance.instance_id,
        instance_type=instance.instance_type,
        spot=instance.spot,
        price=job.prices.get(instance.instance_type, 0.0) if spot_price is None else spot_price,
        spot_price=spot_price,
        besides_price=job.besides_per_hour,
        databucket=job.bucket,
        datapath=job.datasets[index].inputpath,
        configpath=job.configpath_of(index),
        jobpath=job.keys.prefix,
        group=job.group,
        timestamp=job.timestamp,
        dataset=index,
        start=iso(start),
        image_id=instance.image_id,
        run=job.created,
        attempt=where.attempt if where else 1,
    )


def first_command(instance: Instance, status: DatasetStatus, end: datetime) -> float | None:
    """Seconds from the launch of a machine to the first command of its script, by the machine's own word:
    a figure for people, and None where it says what cannot be."""
    try:
        seconds = (moment(status.job_start) - instance.launched).total_seconds()
    except DocumentError:
        return None
    return round(seconds, 1) if 0 < seconds <= (end - instance.launched).total_seconds() else None


def final_report(
    report: ComputeReport, end: datetime, verdict: DatasetVerdict, began: float | None = None
) -> ComputeReport:
    """`began`: after how many seconds the script's first command came. `end` may be what the monitor's clock
    says, and `start` is EC2's: no machine ends before it has begun.
    """
    return replace(
        report,
        end=report.end or iso(max(end, moment(report.start))),
        status=verdict.status,
        reason=verdict.reason,
        exit_code=verdict.exit_code,
        exit_class=verdict.exit_class,
        out_of_memory=verdict.out_of_memory,
        first_command=began,
        disk_full=verdict.disk_full,
    )
