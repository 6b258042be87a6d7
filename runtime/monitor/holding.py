"""Machines that stay after their script has failed, for developers (`neurocaas.protocol.hold`).

The machine waits by itself when its script has failed; the sweep finds it, reserves the hold in the
developers' budget, and closes its dataset. Where nothing can be reserved, the machine is ended. A hold ends
with the machine: developers release it, or the sweep ends it at its time; what it cost is settled once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from neurocaas.protocol.development import GROUP
from neurocaas.protocol.documents import DocumentError, iso, moment
from neurocaas.protocol.events import event, tell
from neurocaas.protocol.hold import NO_MONEY, Hold, to_reserve
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobId, active_report_key
from neurocaas.protocol.ledger import budget_name
from neurocaas.protocol.limits import SETTLE_GRACE
from neurocaas.protocol.notice import JOB_FAILED, about
from neurocaas.protocol.report import ComputeReport
from neurocaas.protocol.status import FAILED, DatasetStatus
from neurocaas.protocol.units import money
from runtime.monitor.history import add_to_history
from runtime.monitor.machine import DatasetVerdict, ended_at, new_report, place
from runtime.monitor.port import ALIVE, Instance, MonitorCloud

HELD, HOLD_ENDED = "held", "hold-ended"
"""Events of a job."""


def to_be_held(job: Job, verdict: DatasetVerdict, status: DatasetStatus) -> bool:
    """Whether a machine that has told of its end waits to be held: its script has failed by itself."""
    return bool(
        job.runs.hold_minutes
        and status.status == FAILED
        and verdict.exit_class == "analysis"
        and not verdict.out_of_memory
    )


def hold(
    cloud: MonitorCloud, job: Job, index: int, machine: Instance, reason: str, now: datetime
) -> Hold | None:
    """Hold a machine, and tell of it; None when there is no money for it. Doing it twice changes nothing."""
    where = place(machine)
    until = now + timedelta(minutes=job.runs.hold_minutes)
    price = _price(cloud, job, index, machine)
    wanted = Hold(
        bucket=job.bucket,
        group=job.group,
        timestamp=job.timestamp,
        analysis=job.analysis,
        dataset=job.datasets[index].name,
        index=index,
        attempt=where.attempt if where else 1,
        instance=machine.instance_id,
        instance_type=machine.instance_type,
        since=iso(now),
        until=iso(until),
        usd_per_hour=price,
        reserved=to_reserve(price, job.runs.hold_minutes),
        budget=budget_name(job.analysis, GROUP, now),
        reason=reason,
    )
    answer = cloud.hold(wanted, job.hold_limit)
    if answer == NO_MONEY:
        return None
    held = wanted if isinstance(answer, str) else answer
    cloud.mark_held(held.instance, held.until)
    developers = cloud.acting_for(job.bucket, GROUP)
    developers.put(job.bucket, held.key, held.to_json())
    told = (
        f"{held.dataset}: its machine {held.instance} stays until {held.until} for the developers of "
        f"{job.analysis}, who pay up to {money(held.reserved / 1e6)} for that"
    )
    facts = {"dataset": held.dataset, "instance": held.instance, "until": held.until}
    tell(cloud.acting_for(job.bucket, job.group), job.id, HELD, told, now=now, once=held.instance, **facts)
    # nothing of what its group has written: addresses may be anybody's
    text = (
        f"A script of {job.analysis} has failed. Its machine {held.instance} stays until {held.until}, for "
        f"up to {money(held.reserved / 1e6)} of group {GROUP}.\n"
        f"A shell: invoke hold.shell --machine {held.instance}\n"
        f"Its end: invoke hold.release --machine {held.instance}"
    )
    cloud.publish(
        f"NeuroCAAS {job.analysis}: a machine is held until {held.until}",
        text,
        about(JOB_FAILED, GROUP, job.analysis),
    )
    return held


def _price(cloud: MonitorCloud, job: Job, index: int, machine: Instance) -> float:
    """USD an hour, as the machine's report has it."""
    content = cloud.get(job.bucket, active_report_key(machine.instance_id))
    report = new_report(job, index, machine, machine.launched)
    with suppress(DocumentError):
        report = ComputeReport.from_json(content.body) if content else report
    return report.price + report.besides_price


def end_holds(
    cloud: MonitorCloud,
    holds: Iterable[Hold],
    machines: Mapping[str, Instance],
    clock: Callable[[], datetime],
    log: Callable[[str, JobId | None], None],
) -> None:
    """End the machines whose hold is over, and settle those that have ended."""
    for one in holds:
        now, machine = clock(), machines.get(one.instance)
        if machine is not None and machine.state in {*ALIVE, "stopping", "stopped"}:
            if now >= moment(one.until) or machine.state not in ALIVE:
                cloud.terminate([one.instance])
                log(f"ended {one.instance}, which was held until {one.until}", one.job)
        elif machine is not None or now - moment(one.since) > timedelta(seconds=SETTLE_GRACE):
            _settle(cloud, one, ended_at(machine, now) if machine else min(now, moment(one.until)), now)
            log(f"settled the hold of {one.instance}", one.job)


def _settle(cloud: MonitorCloud, held: Hold, ended: datetime, now: datetime) -> None:
    end = iso(max(ended, moment(held.since)))
    spent = held.spent(end)
    over = replace(held, ended=end, usd=round(spent / 1e6, 6))
    text = (
        f"{held.dataset}: its machine {held.instance} was held until {end} for "
        f"{money(spent / 1e6)}, which group {GROUP} pays"
    )
    told = event(held.job, HOLD_ENDED, text, moment(end), held.instance, instance=held.instance, usd=over.usd)
    own = cloud.acting_for(held.bucket, held.group)
    own.put(held.bucket, told.key, f"{told.event.line()}\n", if_absent=True)
    add_to_history(own, held.job, told)
    cloud.acting_for(held.bucket, GROUP).put(held.bucket, held.key, over.to_json())
    cloud.release_hold(held, spent)
