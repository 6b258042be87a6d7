"""What a job that has ended adds to what is known of sizes (`neurocaas.protocol.sizes`).

A wish of this step: whatever fails in it is passed over, and no job is kept from its end. Of a large job
SAMPLED machines are looked at, those first that had too little of something, then some of each size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict

from neurocaas.protocol.job import Job
from neurocaas.protocol.report import ComputeReport
from neurocaas.protocol.resources import Used
from neurocaas.protocol.sizes import (
    DISK,
    MEMORY,
    SAMPLED,
    SIZES_MAX_BYTES,
    TIME,
    SizeRow,
    read_sizes,
    sizes_key,
    sizes_text,
    with_rows,
)
from neurocaas.protocol.status import SUCCESS
from runtime.monitor.evidence import status_of
from runtime.monitor.port import MonitorCloud

_TRIES = 3


def learn_sizes(cloud: MonitorCloud, job: Job, reports: Mapping[int, Sequence[ComputeReport]]) -> None:
    """Add the machines of a job to its group's file."""
    with suppress(Exception):
        rows = [row for report in _chosen(job, reports) if (row := _row(cloud, job, report)) is not None]
        if rows:
            _add(cloud, job, rows)


def outcome_of(report: ComputeReport) -> str | None:
    """What the end of a machine says of sizes; None: nothing."""
    if report.status == SUCCESS:
        return SUCCESS
    if report.out_of_memory:
        return MEMORY
    if report.disk_full:
        return DISK
    return TIME if report.exit_class == "timeout" else None


def _chosen(job: Job, reports: Mapping[int, Sequence[ComputeReport]]) -> Iterator[ComputeReport]:
    every = [report for some in reports.values() for report in some]
    telling = [(outcome, one) for one in every if one.seconds > 0 and (outcome := outcome_of(one))]
    small = [one for outcome, one in telling if outcome != SUCCESS]
    good = [one for outcome, one in telling if outcome == SUCCESS]
    good.sort(key=lambda one: (_size(job, one) or 0, one.dataset))
    yield from small[: SAMPLED // 2]
    room = SAMPLED - min(len(small), SAMPLED // 2)
    if len(good) <= room:
        yield from good
    else:
        yield from (good[round(at * (len(good) - 1) / (room - 1))] for at in range(room))


def _size(job: Job, report: ComputeReport) -> int | None:
    return job.datasets[report.dataset].size if 0 <= report.dataset < len(job.datasets) else None


def _row(cloud: MonitorCloud, job: Job, report: ComputeReport) -> SizeRow | None:
    outcome = outcome_of(report)
    if outcome is None or report.end is None:
        return None
    used = asdict(status_of(cloud, job, report.instance_id).used or Used())
    del used["seconds"]  # the report's, which count from the machine's start
    size = _size(job, report)
    return SizeRow(
        job=job.timestamp,
        dataset=report.dataset,
        attempt=report.attempt,
        ended=report.end,
        type=report.instance_type,
        image=report.image_id or "",
        outcome=outcome,
        seconds=report.seconds,
        size=None if size is None else float(size),
        minutes=float(job.duration_minutes),
        volume_gib=float(report.volume_gib or job.volume_gib),
        **used,
    )


def _add(cloud: MonitorCloud, job: Job, rows: Sequence[SizeRow]) -> None:
    key = sizes_key(job.group)
    for _ in range(_TRIES):
        there = cloud.get(job.bucket, key, SIZES_MAX_BYTES)
        known = read_sizes(there.body if there else None)
        made = with_rows(known, rows)
        if made == known:
            return
        cloud.put(job.bucket, key, sizes_text(made))
