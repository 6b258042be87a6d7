"""What the monitor does when a machine changes its state."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from neurocaas.protocol.attempt import CAPACITY, HOST, MEMORY, RECLAIM, AttemptRequest
from neurocaas.protocol.checkpoint import MANIFEST_MAX_BYTES, SETS, complete_ones, read_manifest
from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.documents import DocumentError, iso, moment
from neurocaas.protocol.events import ANOTHER, tell
from neurocaas.protocol.job import Job
from neurocaas.protocol.job_index import entry_of, worth_telling
from neurocaas.protocol.keys import JobId, JobKeys, active_report_key, report_key
from neurocaas.protocol.ledger import LAUNCHED
from neurocaas.protocol.limits import STATUS_MAX_BYTES
from neurocaas.protocol.report import ComputeReport
from neurocaas.protocol.required import missing
from neurocaas.protocol.status import FAILED, INITIALIZING, NONE, SUCCESS, DatasetStatus
from runtime.monitor.attempts import before_next, being_started, results_of
from runtime.monitor.evidence import Records, read_status, status_of
from runtime.monitor.finish import filed_reports, finish
from runtime.monitor.history import dataset_ended, machine_started, tell_at_once
from runtime.monitor.machine import (
    DatasetVerdict,
    ended_at,
    final_report,
    first_command,
    host_failed,
    judge,
    known_error,
    new_report,
    of_run,
    place,
    with_verdict,
)
from runtime.monitor.port import ALIVE, ComeAgainError, Instance, MonitorCloud, OpenJob, Paid
from runtime.monitor.unstarted import free, verdict_of_unstarted
from runtime.monitor.waking import wake

_SHOWN = 5
"""Names of results that a reason has."""


@dataclass(frozen=True)
class StateChange:
    """An EC2 state-change event: `running`, `stopped`, `shutting-down` or `terminated`."""

    instance_id: str
    state: str
    time: datetime


class JobWatch:
    """Handles machines of any number of jobs; keeps each job document it has read for as long as it lives
    (one batch).
    """

    def __init__(self, cloud: MonitorCloud, clock: Callable[[], datetime]) -> None:
        self._cloud = cloud
        self._clock = clock
        self._jobs: dict[JobId, Job | None] = {}

    def job(self, job: JobId) -> Job | None:
        """The job document, None when it is gone, unreadable, or another job's."""
        if job not in self._jobs:
            bucket, group, timestamp = job
            content = self._cloud.get(bucket, JobKeys.of(group, timestamp).job)
            found = None
            with suppress(DocumentError):
                found = Job.from_json(content.body) if content else None
            self._jobs[job] = found if found is not None and found.id == job else None
        return self._jobs[job]

    def for_group(self, job: Job) -> MonitorCloud:
        """The cloud in which writes are confined to what is the job's group's."""
        return self._cloud.acting_for(job.bucket, job.group)

    def changed(self, change: StateChange, instance: Instance) -> str:
        """Handle one event about `instance` (as EC2 describes it now); the answer says what was done, for the
        log.
        """
        where = place(instance)
        if where is None:
            return "ignored: not a machine of a job"
        job = self.job(where.job)
        if job is None or not 0 <= where.index < len(job.datasets):
            return "ignored: its job document is gone"
        if not of_run(instance, job):
            return "ignored: a machine of an earlier job of this name"
        if change.state == "running":
            if instance.state not in ALIVE:
                return "late: the machine has ended already"
            self._note_active(job, instance.instance_id, self._begun(job, where.index, instance, change.time))
            return "active report written"
        if change.state == "stopped":
            self._cloud.terminate([instance.instance_id])
            return self.ended(job, where.index, replace(instance, state="stopped"), change.time)
        return self.ended(
            job, where.index, replace(instance, state=change.state), ended_at(instance, change.time)
        )

    def _begun(self, job: Job, index: int, instance: Instance, start: datetime) -> ComputeReport:
        price = (
            self._cloud.spot_price(instance.instance_type, instance.zone, start) if instance.spot else None
        )
        return new_report(job, index, instance, start, price)

    def _note_active(self, job: Job, instance: str, report: ComputeReport) -> None:
        """Write the report of a machine that lives. Events come in any order: if its last one was handled
        already, nobody would look for this report any more."""
        cloud = self.for_group(job)
        cloud.put(job.bucket, active_report_key(instance), report.to_json())
        tell_at_once(cloud, job, machine_started(job, report))
        if cloud.get(job.bucket, report_key(job.group, instance)) is not None:
            cloud.delete(job.bucket, active_report_key(instance))

    def ended(
        self, job: Job, index: int, instance: Instance, end: datetime, verdict: DatasetVerdict | None = None
    ) -> str:
        """Close the dataset of a machine that ends, or ask for another when AWS has taken a spot machine
        back, when EC2 has ended it before it ran, when it has failed by AWS's fault, or when its memory was
        used up and there is a larger type for it. A machine that is shutting
        down without a final status may still write one, so its dataset is closed when it is terminated.
        `verdict` is for a machine that is being ended from here; a final status of its own comes first.

        Idempotent: the filed report is written by a conditional write, and whoever comes later follows it.
        """
        cloud = self.for_group(job)
        active_key, filed_key = (
            active_report_key(instance.instance_id),
            report_key(job.group, instance.instance_id),
        )
        status = status_of(cloud, job, instance.instance_id)
        active = _report(cloud, job.bucket, active_key)
        unstarted = verdict_of_unstarted(instance, status, seen_running=active is not None)
        if instance.state == "shutting-down" and not status.final and verdict is None:
            if unstarted is not None:
                return "shutting down without having run"
            begun = active or self._begun(job, index, instance, instance.launched)
            if begun.end is None:
                self._note_active(job, instance.instance_id, replace(begun, end=iso(end)))
            return "shutting down without a final status"
        begun = active or self._begun(job, index, instance, instance.launched)
        if unstarted is not None:
            verdict, begun = unstarted, free(begun)
        elif status.final or verdict is None:
            verdict = self.judged(job, index, status, instance)
        report = final_report(begun, end, verdict, first_command(instance, status, end))
        if not cloud.put(job.bucket, filed_key, report.to_json(), if_absent=True):
            report = _report(cloud, job.bucket, filed_key) or report
            verdict = DatasetVerdict(
                report.status or verdict.status,
                report.reason,
                report.exit_code,
                report.exit_class or verdict.exit_class,
                report.out_of_memory,
                report.disk_full,
            )
        # before anything that lets others go on with the dataset: they do not look for it
        cloud.delete(job.bucket, active_key)
        because = _because(verdict)
        again = self._again(job, index, instance, because) if because else None
        if again is not None:
            return again
        return self.close(job, index, verdict, instance.instance_id, status, report)

    def judged(self, job: Job, index: int, status: DatasetStatus, instance: Instance) -> DatasetVerdict:
        """The verdict of a machine that has ended: its own word, unless the analysis requires results that it
        has not written.
        """
        verdict = judge(status, instance)
        if verdict.status != SUCCESS or not job.results_required:
            return verdict
        recorded = Records(self._cloud, job).of(index, instance.instance_id).get("results", ())
        lacking = missing(job.results_required, results_of(self._cloud, job, index, recorded))
        if not lacking:
            return verdict
        there = sorted(set(islice(results_of(self._cloud, job, index, recorded), 2 * _SHOWN)))
        some = ", ".join(there[:_SHOWN]) + (", …" if len(there) > _SHOWN else "") if there else "none"
        reason = (
            f"the results lack {', '.join(lacking)}, which the analysis requires; the results that there "
            f"are: {some}"
        )
        return DatasetVerdict(FAILED, reason, verdict.exit_code, "analysis")

    def _again(self, job: Job, index: int, instance: Instance, because: str) -> str | None:
        """Ask the manager for another machine after `instance`, None when the dataset may have no more.

        What the machine has written is set aside before, and looked up before it is certain that nobody has
        asked yet: nothing of it can be a later machine's.
        """
        where = place(instance)
        asked = self._next(job, index, instance, because)
        if where is None or asked is None:
            return None
        attempt = where.attempt + 1
        item = self._cloud.retry_dataset(where.job, index, attempt, instance.instance_id)
        if item is None:
            return "the job has ended already"
        cloud, request = self.for_group(job), job.keys.retry(index, attempt)
        written = before_next(cloud, job, index, where.attempt, instance.instance_id)
        if cloud.get(job.bucket, request) is None:  # else the manager was asked already, and answers
            if item.stop is not None:
                return None
            if index not in item.closed:
                cloud.set_aside(job.bucket, written)
        shown = self._shown(job, index)
        # else a later machine is there already
        if shown.instance in (NONE, instance.instance_id) and index not in item.closed:
            why = being_started(asked, instance.instance_type, attempt, job.attempts)
            told = replace(
                shown,
                status=INITIALIZING,
                reason=why,
                instance=NONE,
                exit_code=None,
                updated=iso(self._clock()),
            )
            cloud.put(job.bucket, job.datasets[index].status_key, told.to_json())
        cloud.put(job.bucket, request, asked.to_json(), if_absent=True)
        self._tell_another(cloud, job, index, attempt, asked, instance)
        return f"dataset {index}: attempt {attempt} asked for"

    def _tell_another(
        self,
        cloud: MonitorCloud,
        job: Job,
        index: int,
        attempt: int,
        asked: AttemptRequest,
        instance: Instance,
    ) -> None:
        name, of = job.datasets[index].name, f" of {asked.checkpoint_time}" if asked.checkpoint_time else ""
        resumed = f"; it goes on from the checkpoint{of}" if asked.checkpoint else ""
        why = being_started(asked, instance.instance_type, attempt, job.attempts)
        tell(
            cloud,
            job.id,
            ANOTHER,
            f"{name}: {why}{resumed}",
            now=self._clock(),
            once=f"{index}:{attempt}",
            dataset=name,
            attempt=attempt,
            because=asked.because,
            checkpoint=asked.checkpoint,
        )

    def _next(self, job: Job, index: int, instance: Instance, because: str) -> AttemptRequest | None:
        """What machine a dataset gets after `instance`; None when it gets none. One that was given a larger
        type keeps it.
        """
        where = place(instance)
        if where is None:
            return None
        content = (
            self._cloud.get(job.bucket, job.keys.retry(index, where.attempt)) if where.attempt > 1 else None
        )
        before = AttemptRequest.from_json(content.body if content else None)
        kind, grown = before.instance_type, before.grown
        if because == MEMORY:
            known = (
                job.oom_types.index(instance.instance_type) + 1
                if instance.instance_type in job.oom_types
                else 0
            )
            larger = job.oom_types[known:]
            if not larger:
                return None
            kind, grown = larger[0], grown + 1
        elif where.attempt + 1 - grown > job.attempts:
            return None
        return AttemptRequest(because, kind, grown, *self._checkpoint(job, index))

    def _checkpoint(self, job: Job, index: int) -> tuple[bool, str]:
        """Whether a dataset's machines have left a complete checkpoint, and of when. Machines write it: what
        it says decides nothing but what is said."""
        saved = f"{job.keys.logs_prefix}{job.datasets[index].name}/checkpoint/"
        found = [self._cloud.get(job.bucket, f"{saved}{name}.json", MANIFEST_MAX_BYTES) for name in SETS]
        complete = complete_ones(read_manifest(one.body if one else None) for one in found)
        if complete:
            return True, iso(moment(complete[0].time))
        # code of before there were sets: its machines go on from whatever is there
        sets = tuple(f"{saved}{name}{end}" for name in SETS for end in ("/", ".json"))
        return any(not key.startswith(sets) for key in islice(self._cloud.keys(job.bucket, saved), 1000)), ""

    def _shown(self, job: Job, index: int) -> DatasetStatus:
        """What people see of a dataset. Any machine of the group may have written it: nothing follows from it
        but what they see.
        """
        content = self._cloud.get(job.bucket, job.datasets[index].status_key, STATUS_MAX_BYTES)
        return read_status(content.body if content else None)

    def close(
        self,
        job: Job,
        index: int,
        verdict: DatasetVerdict,
        instance: str | None,
        status: DatasetStatus,
        report: ComputeReport | None = None,
    ) -> str:
        """Note that a dataset is final, and end the job when it was the last one. `status` is the word of its
        machine, `report` its report.
        """
        cloud, now = self.for_group(job), self._clock()
        known = known_error(job, status, verdict)
        told = with_verdict(status, job.datasets[index], instance, verdict, now, known)
        cloud.put(job.bucket, job.keys.verdict(index), told.to_json())
        shown = self._shown(job, index)
        if _decided(shown) != _decided(told):
            copy = with_verdict(shown, job.datasets[index], instance, verdict, now, known)
            cloud.put(job.bucket, job.datasets[index].status_key, copy.to_json())
        ended = dataset_ended(
            job, index, now, verdict.status, verdict.exit_class, verdict.reason, known.name if known else None
        )
        tell_at_once(cloud, job, ended)
        succeeded = verdict.status == SUCCESS
        paid = self._paid(job, index, report)
        item = self._cloud.close_dataset(
            job.id, index, succeeded=succeeded, instance=instance, now=now.timestamp(), paid=paid
        )
        if item is None:
            return "the job has ended already"
        wake(self._cloud, job.bucket, now.timestamp())
        if not complete(job, item):
            if worth_telling(len(item.closed), len(job.datasets)):
                entry = entry_of(
                    job, done=len(item.closed), failed=len(item.failed), reserved=item.reserved or 0
                )
                cloud.index(job.bucket, job.group, entry)
            return f"dataset {index} closed: {verdict.status}"
        if item.state != LAUNCHED:
            raise ComeAgainError("its manager is still at work")
        if finish(cloud, job, item, self._clock()):
            return "job ended"
        if self._cloud.open_job(job.id) is not None:
            raise ComeAgainError("another monitor writes the job's end")
        return "another monitor has ended the job"

    def _paid(self, job: Job, index: int, report: ComputeReport | None) -> Paid | None:
        """What a dataset that ends has cost, to take the place of its reservation at once; None where the
        job's end has to tell. What is over its own reservation counts at the end too."""
        if report is None or not job.releases_early:
            return None
        item = self._cloud.open_job(job.id)
        if item is None or item.budget is None:
            return None
        cost = micro_dollars(report.cost)
        if report.attempt > 1 or any(one.startswith(f"{index}:") for one in item.retries):
            every = {one.instance_id: one for one in filed_reports(self._cloud, item) if one.dataset == index}
            cost = sum(micro_dollars(one.cost) for one in {**every, report.instance_id: report}.values())
        return Paid(item.budget, job.at_most_each, min(cost, job.at_most_each), item.member)


def _decided(status: DatasetStatus) -> tuple[str, ...]:
    """What people see of a dataset that the service says, and not its machine."""
    return status.status, status.instance, status.error, status.advice


def _because(verdict: DatasetVerdict) -> str | None:
    """Why a dataset may have another machine; None when it may not."""
    if verdict.out_of_memory:
        return MEMORY
    if verdict.exit_class in (RECLAIM, CAPACITY):
        return verdict.exit_class
    return HOST if host_failed(verdict) else None


def complete(job: Job, item: OpenJob) -> bool:
    return len(item.closed) >= len(job.datasets)


def _report(cloud: MonitorCloud, bucket: str, key: str) -> ComputeReport | None:
    content = cloud.get(bucket, key)
    if content is None:
        return None
    try:
        return ComputeReport.from_json(content.body)
    except DocumentError:
        return None
