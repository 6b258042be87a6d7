"""What the monitor does when a machine changes its state."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from runtime.monitor.evidence import read_status, status_of
from runtime.monitor.finish import finish
from runtime.monitor.machine import (
    INTERRUPTED,
    RECLAIM,
    Verdict,
    ended_at,
    final_report,
    judge,
    new_report,
    of_run,
    place,
    with_verdict,
)
from runtime.monitor.port import ALIVE, Cloud, Instance, JobId, OpenJob
from runtime.protocol.documents import DocumentError, iso
from runtime.protocol.job import Job
from runtime.protocol.keys import JobKeys, active_report_key, report_key
from runtime.protocol.ledger import LAUNCHED
from runtime.protocol.limits import STATUS_MAX_BYTES
from runtime.protocol.report import ComputeReport
from runtime.protocol.status import INITIALIZING, NONE, SUCCESS, DatasetStatus


@dataclass(frozen=True)
class StateChange:
    """An EC2 state-change event: `running`, `stopped`, `shutting-down` or `terminated`."""

    instance_id: str
    state: str
    time: datetime


class ComeAgainError(Exception):
    """An event must come again: the job's machines have all ended, but its manager still works on it, or another monitor has begun to
    write its end and may have died since."""


class Watch:
    """Handles machines of any number of jobs; keeps each job document it has read for as long as it lives (one batch)."""

    def __init__(self, cloud: Cloud, clock: Callable[[], datetime]) -> None:
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

    def for_group(self, job: Job) -> Cloud:
        """The cloud in which writes are confined to what is the job's group's."""
        return self._cloud.acting_for(job.bucket, job.group)

    def changed(self, change: StateChange, instance: Instance) -> str:
        """Handle one event about `instance` (as EC2 describes it now); the answer says what was done, for the log."""
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
            self._note_active(job, instance.instance_id, new_report(job, where.index, instance, change.time))
            return "active report written"
        if change.state == "stopped":
            self._cloud.terminate([instance.instance_id])
            return self.ended(job, where.index, replace(instance, state="stopped"), change.time)
        return self.ended(job, where.index, replace(instance, state=change.state), ended_at(instance, change.time))

    def _note_active(self, job: Job, instance: str, report: ComputeReport) -> None:
        """Write the report of a machine that lives. Events come in any order: if its last one was handled already, nobody would look for
        this report any more."""
        cloud = self.for_group(job)
        cloud.put(job.bucket, active_report_key(instance), report.to_json())
        if cloud.get(job.bucket, report_key(job.group, instance)) is not None:
            cloud.delete(job.bucket, active_report_key(instance))

    def ended(self, job: Job, index: int, instance: Instance, end: datetime, verdict: Verdict | None = None) -> str:
        """Close the dataset of a machine that ends, or ask for another when AWS has taken a spot machine back. A machine that
        is shutting down without a final status may still write one, so its dataset is closed when it is terminated.
        `verdict` is for a machine that is being ended from here; a final status of its own comes first.

        Idempotent: the filed report is written by a conditional write, and whoever comes later follows it.
        """
        cloud = self.for_group(job)
        active_key, filed_key = active_report_key(instance.instance_id), report_key(job.group, instance.instance_id)
        status = status_of(cloud, job, instance.instance_id)
        active = _report(cloud, job.bucket, active_key)
        if instance.state == "shutting-down" and not status.final and verdict is None:
            begun = active or new_report(job, index, instance, instance.launched)
            if begun.end is None:
                self._note_active(job, instance.instance_id, replace(begun, end=iso(end)))
            return "shutting down without a final status"
        verdict = judge(status, instance) if status.final or verdict is None else verdict
        begun = active or new_report(job, index, instance, instance.launched)
        report = final_report(begun, end, verdict)
        if not cloud.put(job.bucket, filed_key, report.to_json(), if_absent=True):
            report = _report(cloud, job.bucket, filed_key) or report
            verdict = Verdict(report.status or verdict.status, report.reason, report.exit_code, report.exit_class or verdict.exit_class)
        cloud.delete(job.bucket, active_key)  # before anything that lets others go on with the dataset: they do not look for it
        if verdict.exit_class == RECLAIM:
            again = self._again(job, index, instance)
            if again is not None:
                return again
        return self.close(job, index, verdict, instance.instance_id, status)

    def _again(self, job: Job, index: int, instance: Instance) -> str | None:
        """Ask the manager for another machine after `instance`, None when the dataset may have no more."""
        where = place(instance)
        attempt = where.attempt + 1 if where else 1
        if where is None or attempt > job.max_attempts:
            return None
        item = self._cloud.retry_dataset(where.job, index, attempt, instance.instance_id)
        if item is None:
            return "the job has ended already"
        cloud, request = self.for_group(job), job.keys.retry(index, attempt)
        if (
            item.stop is not None and cloud.get(job.bucket, request) is None
        ):  # else the manager was asked before the order came, and answers
            return None
        shown = self._shown(job, index)
        if shown.instance in (NONE, instance.instance_id) and index not in item.closed:  # else a later machine is there already
            reason = f"{INTERRUPTED} AWS has taken the spot machine back; attempt {attempt} of {job.max_attempts} is being started"
            told = replace(shown, status=INITIALIZING, reason=reason, instance=NONE, updated=iso(self._clock()))
            cloud.put(job.bucket, job.datasets[index].status_key, told.to_json())
        cloud.put(job.bucket, request, "", if_absent=True)
        return f"dataset {index}: attempt {attempt} asked for"

    def _shown(self, job: Job, index: int) -> DatasetStatus:
        """What people see of a dataset. Any machine of the group may have written it: nothing follows from it but what they see."""
        content = self._cloud.get(job.bucket, job.datasets[index].status_key, STATUS_MAX_BYTES)
        return read_status(content.body if content else None)

    def close(self, job: Job, index: int, verdict: Verdict, instance: str | None, status: DatasetStatus) -> str:
        """Note that a dataset is final, and end the job when it was the last one. `status` is the word of its machine."""
        cloud, now = self.for_group(job), self._clock()
        told = with_verdict(status, job.datasets[index], instance, verdict, now)
        cloud.put(job.bucket, job.keys.verdict(index), told.to_json())
        shown = self._shown(job, index)
        if (shown.status, shown.instance) != (told.status, told.instance):
            copy = with_verdict(shown, job.datasets[index], instance, verdict, now)
            cloud.put(job.bucket, job.datasets[index].status_key, copy.to_json())
        succeeded = verdict.status == SUCCESS
        item = self._cloud.close_dataset(job.id, index, succeeded=succeeded, instance=instance, now=now.timestamp())
        if item is None:
            return "the job has ended already"
        if not complete(job, item):
            return f"dataset {index} closed: {verdict.status}"
        if item.state != LAUNCHED:
            raise ComeAgainError("its manager is still at work")
        if finish(cloud, job, item, self._clock()):
            return "job ended"
        if self._cloud.open_job(job.id) is not None:
            raise ComeAgainError("another monitor writes the job's end")
        return "another monitor has ended the job"


def complete(job: Job, item: OpenJob) -> bool:
    return len(item.closed) >= len(job.datasets)


def _report(cloud: Cloud, bucket: str, key: str) -> ComputeReport | None:
    content = cloud.get(bucket, key)
    if content is None:
        return None
    try:
        return ComputeReport.from_json(content.body)
    except DocumentError:
        return None
