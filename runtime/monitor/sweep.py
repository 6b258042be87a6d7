"""The periodic reconciliation: events make the monitor fast, the sweep makes it true.

It reads only what is open: the items of open jobs, and the machines that EC2 shows. It repairs lost events,
ends machines that outlive their duration, machines whose job has ended, and jobs whose machines are gone,
stops machines without a job whose time is over, and tells the managers of submissions whose event was lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from neurocaas.protocol.attempt import CAPACITY, HOST, MEMORY, RECLAIM, AttemptRequest
from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.documents import DocumentError, iso, moment
from neurocaas.protocol.events import STOPPED, tell
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import ACTIVE_PREFIX, JobId, report_key
from neurocaas.protocol.ledger import LAUNCHED, retry_name
from neurocaas.protocol.limits import (
    CAPACITY_ATTEMPTS,
    DEADLINE_GRACE,
    HOST_GRACE,
    MONITOR_TIMEOUT,
    ORPHAN_GRACE,
    QUEUE_VISIBILITY,
    SETTLE_GRACE,
    STALLED_LAUNCH,
    STOP_GRACE,
    SWEEP_INTERVAL,
    WAIT_LOST,
)
from neurocaas.protocol.logline import OVERTIME
from neurocaas.protocol.notice import SERVICE, about
from neurocaas.protocol.report import ComputeReport
from neurocaas.protocol.status import FAILED, TIMED_OUT, DatasetStatus
from neurocaas.protocol.stop import CANCELLED, QUOTA, StopOrder, outcome_of
from neurocaas.protocol.units import money
from runtime.monitor.chain import wake_in_vain
from runtime.monitor.digests import tell_digests
from runtime.monitor.evidence import status_of
from runtime.monitor.finish import filed_reports, finish, finish_without_document
from runtime.monitor.folders import watch_folders
from runtime.monitor.holding import end_holds, hold, to_be_held
from runtime.monitor.idle import IdleMachines
from runtime.monitor.jobless import exempt, lifetime, overdue
from runtime.monitor.machine import (
    HOST_FAILED,
    DatasetVerdict,
    ended_at,
    final_report,
    new_report,
    of_run,
    place,
)
from runtime.monitor.port import ALIVE, ComeAgainError, Instance, MonitorCloud, OpenJob
from runtime.monitor.reindex import complete_indexes
from runtime.monitor.unheard import deliver_unheard
from runtime.monitor.waking import wake_lost
from runtime.monitor.watch import JobWatch, complete

_UNANSWERED = timedelta(seconds=QUEUE_VISIBILITY * (CAPACITY_ATTEMPTS + 1))
"""After this long a manager has started another machine, or has given up, if it has heard of the request at
all.
"""

_GONE = Instance(
    "unknown", "unknown", "terminated", 0, datetime.fromtimestamp(0, timezone.utc), reason="it is gone"
)


class SweepError(Exception):
    """Some jobs could not be reconciled; all others were."""


def sweep(
    cloud: MonitorCloud, clock: Callable[[], datetime], log: Callable[[str, JobId | None], None]
) -> None:
    """Reconcile everything once. `log` is told each repair."""
    open_jobs = list(cloud.open_jobs())  # before the machines: a job that begins in between is only young
    machines: dict[JobId, dict[int, Instance]] = defaultdict(dict)
    every = list(cloud.all_instances())
    for instance in sorted(every, key=_age):
        where = place(instance)
        if where is not None:
            machines[where.job][where.index] = instance
    faults: list[str] = []
    holds = list(cloud.holds())
    held = {one.instance for one in holds}
    impaired = (
        frozenset(cloud.impaired(clock() - timedelta(seconds=HOST_GRACE))) if open_jobs else frozenset()
    )
    ids = {item.job for item in open_jobs}
    idle = IdleMachines()
    for item in open_jobs:
        try:
            if item.waiting is not None and (item.lease or 0.0) < clock().timestamp():
                if wake_in_vain(cloud, item, ids, clock().timestamp()):
                    log("woke a job that waits for nothing any more", item.job)
                continue
            _Reconciliation(cloud, clock, item, machines.get(item.job, {}), log, impaired, held, idle).run()
        except ComeAgainError as error:
            log(f"again: {error}", item.job)
        except Exception as error:  # noqa: BLE001 (one job that cannot be repaired must not keep the others open)
            faults.append(f"{'/'.join(item.job)}: {type(error).__name__}: {error}")
    end_holds(cloud, holds, {one.instance_id: one for one in every}, clock, log)
    # those whose time is over were ended just now, or are by what follows
    kept = held - {one.instance for one in holds if clock() >= moment(one.until)}
    every = [one for one in every if one.instance_id not in kept]
    orphans = _orphans(every, {item.job: item for item in open_jobs}, clock())
    # some may have begun meanwhile
    again = {job: cloud.open_job(job) for job in {where.job for where in map(place, orphans) if where}}
    unneeded = [
        one.instance_id
        for one in _orphans(orphans, {job: item for job, item in again.items() if item}, clock())
    ]
    _end_machines(cloud.terminate, "terminated machines without an open dataset", unneeded, cloud, log)
    _end_machines(
        cloud.switch_off,
        "stopped machines without a job whose time is over",
        overdue(every, clock()),
        cloud,
        log,
    )
    # last: where the analyses cannot be read, machines have been ended all the same
    faults += deliver_unheard(cloud, clock, log)
    faults += complete_indexes(cloud, clock, log)
    faults += watch_folders(cloud, clock, log)
    try:
        tell_digests(cloud, clock, log)
    except Exception as error:  # noqa: BLE001 (the next sweep tells them)
        faults.append(f"digests: {type(error).__name__}: {error}")
    if faults:
        raise SweepError("; ".join(faults))


def _end_machines(
    end: Callable[[Sequence[str]], None],
    what: str,
    ids: Sequence[str],
    cloud: MonitorCloud,
    log: Callable[[str, JobId | None], None],
) -> None:
    if ids:
        end(ids)
        log(f"{what}: {', '.join(ids)}", None)
        text = "\n".join([f"The sweep has {what}:", *ids])
        cloud.publish(f"NeuroCAAS: {what}", text, about(SERVICE))


def _orphans(
    instances: Iterable[Instance], open_jobs: Mapping[JobId, OpenJob], now: datetime
) -> list[Instance]:
    """Machines of jobs whose job has ended, or whose dataset is closed, and which are old enough not to be a
    race.
    """
    oldest = now - timedelta(seconds=ORPHAN_GRACE)
    found = []
    for instance in instances:
        where = place(instance)
        if (
            where is None
            or exempt(instance)
            or instance.state not in {*ALIVE, "stopped"}
            or instance.launched > oldest
        ):
            continue
        if where.job not in open_jobs or where.index in open_jobs[where.job].closed:
            found.append(instance)
    return found


def _age(instance: Instance) -> tuple[datetime, int]:
    """Sorts the machines of a dataset by attempt."""
    where = place(instance)
    return instance.launched, where.attempt if where else 0


class _Reconciliation:
    """One open job against its machines."""

    def __init__(
        self,
        cloud: MonitorCloud,
        clock: Callable[[], datetime],
        item: OpenJob,
        machines: dict[int, Instance],
        log: Callable[[str, JobId | None], None],
        impaired: Collection[str] = (),
        held: set[str] | None = None,
        idle: IdleMachines | None = None,
    ) -> None:
        self._cloud, self._clock, self._item, self._machines = cloud, clock, item, machines
        self._impaired, self._held = impaired, set[str]() if held is None else held
        self._idle = idle or IdleMachines()
        self._log = log
        self._watch = JobWatch(cloud, clock)

    def run(self) -> None:
        item, now = self._item, self._clock().timestamp()
        starting = item.state != LAUNCHED
        if starting and item.since is not None and now - item.since > WAIT_LOST:
            wake_lost(self._cloud, item.job, now)
        if starting and now - (item.since or item.created) > STALLED_LAUNCH:
            starting = not self._cloud.abandon(item.job, now)
            if not starting:
                self._log("took over a launch that did not come to its end", item.job)
        job = self._watch.job(item.job)
        if job is None:
            if not starting:
                self._end_without_document()
        elif complete(job, item):
            if not starting and now - (item.closed_at or 0.0) > MONITOR_TIMEOUT:
                finish(self._watch.for_group(job), job, item, self._clock())
                self._log("ended a job that was left open", item.job)
        else:
            self._machines = {
                index: machine for index, machine in self._machines.items() if of_run(machine, job)
            }
            self._enforce_budget(job)
            # a launch may take hours: until it is over, machines are looked after, and none is missed
            wanted = self._machines if starting else [dataset.index for dataset in job.datasets]
            for index in wanted:
                if index not in item.closed:
                    self._dataset(job, index)

    def _enforce_budget(self, job: Job) -> None:
        """Stop a job before it costs more than was reserved for it. Deadlines see to that, unless there were
        several attempts.
        """
        item, now = self._item, self._clock()
        if item.reserved is None or item.stop is not None:
            return
        ahead = timedelta(seconds=SWEEP_INTERVAL + STOP_GRACE)
        alive = [
            machine
            for machine in self._machines.values()
            if machine.state in ALIVE and machine.instance_id not in self._held
        ]
        paid = item.reserved
        cost = sum(new_report(job, 0, machine, machine.launched).cost_until(now + ahead) for machine in alive)
        if alive and (item.retries or micro_dollars(cost) > item.reserved):
            cost += sum(report.cost for report in filed_reports(self._cloud, item))
            paid += item.settled
        if micro_dollars(cost) <= paid:
            return
        order = StopOrder(
            QUOTA, f"the {money(paid / 1e6)} that were reserved for the job are used up", iso(now)
        )
        cloud = self._watch.for_group(job)
        cloud.put(job.bucket, job.keys.stop, order.to_json(), if_absent=True)
        tell(cloud, job.id, STOPPED, f"to be ended: {order.text}", now=now, once="1")
        self._cloud.note_stop(item.job, order.text, now.timestamp())
        self._log(order.text, item.job)

    def _dataset(self, job: Job, index: int) -> None:
        machine, now = self._machines.get(index), self._clock()
        if machine is None:
            if now.timestamp() - (self._item.since or self._item.created) > SETTLE_GRACE:
                self._lost(job, index)
        elif machine.state in ALIVE and self._is_held(job, index, machine):
            pass
        elif machine.state in ALIVE:
            limit, stopped = job.duration_minutes, self._item.stopped
            if stopped is not None and now.timestamp() - stopped > STOP_GRACE:
                reason = self._item.stop or CANCELLED
                self._end(
                    job, index, machine, DatasetVerdict(FAILED, reason, None, outcome_of(reason) or CANCELLED)
                )
            elif now - machine.launched > timedelta(minutes=limit, seconds=DEADLINE_GRACE):
                self._end(
                    job,
                    index,
                    machine,
                    DatasetVerdict(FAILED, f"{TIMED_OUT} after {limit} minutes", None, "timeout"),
                )
                text = f"{machine.instance_id} outlived its {limit} minutes"
                self._cloud.measure(self._item.job, text, {OVERTIME: 1})
                self._cloud.publish(
                    f"NeuroCAAS {job.analysis}: a machine outlived its duration",
                    f"{text} and was ended: dataset {index} of job {job.timestamp} (group {job.group}).",
                    about(SERVICE),
                )
            elif machine.instance_id in self._impaired:
                reason = f"{HOST_FAILED} (EC2's check of its host fails for {HOST_GRACE // 60} minutes)."
                self._end(job, index, machine, DatasetVerdict(FAILED, reason, None, "platform"))
            elif self._idle.tell(self._watch.for_group(job), job, index, machine, self._clock):
                self._log(f"dataset {index}: {machine.instance_id} is idle", self._item.job)
        elif self._asked_for_another(job, index, machine):
            if now - ended_at(machine, machine.launched) > timedelta(
                minutes=job.duration_minutes, seconds=STALLED_LAUNCH
            ):
                self._close_without(job, index, self._unanswered(job, index, machine))
        elif machine.state in ("stopped", "terminated"):
            if machine.state == "stopped":
                self._cloud.terminate([machine.instance_id])
            self._log(
                f"dataset {index}: repaired a lost event ({machine.instance_id} {machine.state})",
                self._item.job,
            )
            self._watch.ended(job, index, machine, ended_at(machine, now))

    def _is_held(self, job: Job, index: int, machine: Instance) -> bool:
        """Whether a machine waits to be held, or was to be: then its dataset is over."""
        if not job.runs.hold_minutes or self._item.stop is not None:
            return False
        status = status_of(self._cloud, job, machine.instance_id)
        if not status.final:
            return False
        verdict, now = self._watch.judged(job, index, status, machine), self._clock()
        if not to_be_held(job, verdict, status):
            return False
        why = verdict.reason or f"exit code {verdict.exit_code}"
        if hold(self._cloud, job, index, machine, why, now) is None:
            self._cloud.terminate([machine.instance_id])
            self._log(
                f"did not hold {machine.instance_id}: the developers' budget is used up", self._item.job
            )
        else:
            self._held.add(machine.instance_id)
            self._log(f"dataset {index}: holds {machine.instance_id}", self._item.job)
        self._watch.ended(job, index, machine, now)
        return True

    def _asked_for_another(self, job: Job, index: int, machine: Instance) -> bool:
        """Whether the manager was to be asked for another machine after this one (and is asked now, if that
        was lost).
        """
        where = place(machine)
        if (
            where is None
            or machine.state != "terminated"
            or retry_name(index, where.attempt + 1) not in self._item.retries
        ):
            return False
        request, ended = job.keys.retry(index, where.attempt + 1), ended_at(machine, self._clock())
        asked = self._cloud.get(job.bucket, request)
        if asked is None:
            self._watch.ended(job, index, machine, ended)
        # its event was lost; a machine that is there is not started twice
        elif self._clock() - ended > _UNANSWERED:
            self._watch.for_group(job).put(job.bucket, request, asked.body.decode("utf-8", "replace"))
        return True

    def _unanswered(self, job: Job, index: int, machine: Instance) -> DatasetVerdict:
        """The verdict of a dataset for which another machine was asked for after this one, and which has got
        none.
        """
        where = place(machine)
        asked = self._cloud.get(job.bucket, job.keys.retry(index, where.attempt + 1)) if where else None
        request = AttemptRequest.from_json(asked.body if asked else None)
        if request.because == MEMORY:
            reason = (
                f"Its machine ({machine.instance_type}) ran out of memory, and no larger one "
                f"({request.instance_type}) was started."
            )
            return DatasetVerdict(FAILED, reason, None, "analysis")
        if request.because == CAPACITY:
            reason = "EC2 has ended its machine before it ran, and no other was started."
            return DatasetVerdict(FAILED, reason, None, CAPACITY)
        if request.because == HOST:
            reason = "Its machine has failed by AWS's fault, and no other was started."
            return DatasetVerdict(FAILED, reason, None, "platform")
        return DatasetVerdict(
            FAILED, "AWS has taken the spot machine back, and no other was started.", None, RECLAIM
        )

    def _close_without(self, job: Job, index: int, verdict: DatasetVerdict) -> None:
        """Close a dataset that has no machine."""
        self._log(f"dataset {index}: {verdict.reason}", self._item.job)
        self._watch.close(job, index, verdict, None, DatasetStatus())

    def _end(self, job: Job, index: int, machine: Instance, verdict: DatasetVerdict) -> None:
        """End a machine from here."""
        self._cloud.terminate([machine.instance_id])
        self._log(f"dataset {index} {verdict.reason}", self._item.job)
        self._watch.ended(job, index, machine, self._clock(), verdict)

    def _lost(self, job: Job, index: int) -> None:
        """A dataset whose machine EC2 no longer shows (or which never had one)."""
        cloud, now = self._watch.for_group(job), self._clock()
        active, filed = self._active_report(job, index), None
        status = status_of(cloud, job, active.instance_id) if active else DatasetStatus()
        if self._item.total is None and active is None and not status.final:
            verdict = DatasetVerdict(
                FAILED, "No machine was started: the launch did not come to its end.", None, "platform"
            )
        else:
            verdict = self._watch.judged(
                job, index, status, replace(_GONE, instance_id=active.instance_id) if active else _GONE
            )
        if active is not None:
            filed = final_report(active, now, verdict)
            cloud.put(job.bucket, report_key(job.group, active.instance_id), filed.to_json(), if_absent=True)
            cloud.delete(job.bucket, f"{ACTIVE_PREFIX}{active.instance_id}.json")
        self._log(f"dataset {index}: its machine is gone", self._item.job)
        self._watch.close(job, index, verdict, active.instance_id if active else None, status, filed)

    def _active_report(self, job: Job, index: int) -> ComputeReport | None:
        for key in self._cloud.keys(job.bucket, ACTIVE_PREFIX):
            content = self._cloud.get(job.bucket, key)
            try:
                report = ComputeReport.from_json(content.body) if content else None
            except DocumentError:
                continue
            if report is not None and (report.jobpath, report.dataset, report.run) == (
                job.keys.prefix,
                index,
                job.created,
            ):
                return report
        return None

    def _end_without_document(self) -> None:
        """A job whose document was deleted, or was never written, ends when its machines have ended."""
        alive = [machine for machine in self._machines.values() if machine.state in ALIVE]
        grace = timedelta(seconds=DEADLINE_GRACE)
        late = [
            machine.instance_id
            for machine in alive
            if self._clock() - machine.launched > lifetime(machine) + grace
        ]
        if late:
            self._cloud.terminate(late)
        if not alive:
            bucket, group, _ = self._item.job
            finish_without_document(self._cloud.acting_for(bucket, group), self._item, self._clock())
            self._log("ended a job without a document", self._item.job)
