"""What the monitor does when a machine changes its state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from runtime.monitor.finish import finish
from runtime.monitor.machine import (
    INTERRUPTED,
    RECLAIM,
    Verdict,
    ended_at,
    final_report,
    judge,
    new_report,
    place,
    read_status,
    with_verdict,
)
from runtime.monitor.port import ALIVE, Cloud, Instance, JobId, OpenJob
from runtime.protocol.documents import DocumentError, iso
from runtime.protocol.job import Job
from runtime.protocol.keys import JobKeys, active_report_key, report_key
from runtime.protocol.ledger import LAUNCHED
from runtime.protocol.report import ComputeReport
from runtime.protocol.status import INITIALIZING, NONE, SUCCESS, DatasetStatus


@dataclass(frozen=True)
class StateChange:
    """An EC2 state-change event: `running`, `stopped`, `shutting-down` or `terminated`."""

    instance_id: str
    state: str
    time: datetime


class StillLaunchingError(Exception):
    """A job's machines have all ended while its manager still works on it; the event must come again."""


class Watch:
    """Handles machines of any number of jobs; keeps each job document it has read for as long as it lives (one batch)."""

    def __init__(self, cloud: Cloud, clock: Callable[[], datetime]) -> None:
        self._cloud = cloud
        self._clock = clock
        self._jobs: dict[JobId, Job | None] = {}

    def job(self, job: JobId) -> Job | None:
        """The job document, None when it is gone or unreadable."""
        if job not in self._jobs:
            bucket, group, timestamp = job
            content = self._cloud.get(bucket, JobKeys.of(group, timestamp).job)
            try:
                self._jobs[job] = Job.from_json(content.body) if content else None
            except DocumentError:
                self._jobs[job] = None
        return self._jobs[job]

    def changed(self, change: StateChange, instance: Instance) -> str:
        """Handle one event about `instance` (as EC2 describes it now); the answer says what was done, for the log."""
        where = place(instance)
        if where is None:
            return "ignored: not a machine of a job"
        job = self.job(where.job)
        if job is None or not 0 <= where.index < len(job.datasets):
            return "ignored: its job document is gone"
        if change.state == "running":
            if instance.state not in ALIVE:
                return "late: the machine has ended already"
            self._begun(job, where.index, instance, change.time)
            return "active report written"
        if change.state == "stopped":
            self._cloud.terminate([instance.instance_id])
            return self.ended(job, where.index, replace(instance, state="stopped"), change.time)
        return self.ended(job, where.index, replace(instance, state=change.state), ended_at(instance, change.time))

    def _begun(self, job: Job, index: int, instance: Instance, start: datetime) -> None:
        report = new_report(job, index, instance, start)
        self._cloud.put(job.bucket, active_report_key(instance.instance_id), report.to_json())

    def ended(self, job: Job, index: int, instance: Instance, end: datetime, verdict: Verdict | None = None) -> str:
        """Close the dataset of a machine that ends, or ask for another when AWS has taken a spot machine back. A machine that
        is shutting down without a final status may still write one, so its dataset is closed when it is terminated.
        `verdict` is for a machine that is being ended from here; a final status of its own comes first.

        Idempotent: the filed report is written by a conditional write, and whoever comes later follows it.
        """
        dataset, cloud = job.datasets[index], self._cloud
        active_key, filed_key = active_report_key(instance.instance_id), report_key(job.group, instance.instance_id)
        content = cloud.get(job.bucket, dataset.status_key)
        status = read_status(content.body if content else None)
        own = status.instance in (NONE, instance.instance_id)
        if not own:  # a later machine has the dataset now
            status = DatasetStatus()
        active = _report(cloud, job.bucket, active_key)
        if instance.state == "shutting-down" and not status.final and verdict is None:
            begun = active or new_report(job, index, instance, instance.launched)
            if begun.end is None:
                cloud.put(job.bucket, active_key, replace(begun, end=iso(end)).to_json())
            return "shutting down without a final status"
        verdict = judge(status, instance) if status.final or verdict is None else verdict
        begun = active or new_report(job, index, instance, instance.launched)
        report = final_report(begun, end, verdict)
        if not cloud.put(job.bucket, filed_key, report.to_json(), if_absent=True):
            report = _report(cloud, job.bucket, filed_key) or report
            verdict = Verdict(report.status or verdict.status, report.reason, report.exit_code, report.exit_class or verdict.exit_class)
        if active is not None:  # before anything that lets others go on with the dataset: they do not look for it
            cloud.delete(job.bucket, active_key)
        if verdict.exit_class == RECLAIM:
            again = self._again(job, index, instance, status if own else None)
            if again is not None:
                return again
        if own and status.status != verdict.status:
            told = with_verdict(status, dataset, instance.instance_id, verdict, self._clock())
            cloud.put(job.bucket, dataset.status_key, told.to_json())
        return self.close(job, index, verdict, instance.instance_id)

    def _again(self, job: Job, index: int, instance: Instance, status: DatasetStatus | None) -> str | None:
        """Ask the manager for another machine after `instance`, None when the dataset may have no more. `status` is what
        the machine had written, None when a later one has written already."""
        where = place(instance)
        attempt = where.attempt + 1 if where else 1
        if where is None or attempt > job.max_attempts:
            return None
        item = self._cloud.retry_dataset(where.job, index, attempt, instance.instance_id)
        if item is None:
            return "the job has ended already"
        if item.stop is not None:
            return None
        if status is not None and index not in item.closed:
            reason = f"{INTERRUPTED} AWS has taken the spot machine back; attempt {attempt} of {job.max_attempts} is being started"
            told = replace(status, status=INITIALIZING, reason=reason, instance=NONE, updated=iso(self._clock()))
            self._cloud.put(job.bucket, job.datasets[index].status_key, told.to_json())
        self._cloud.put(job.bucket, job.keys.retry(index, attempt), "", if_absent=True)
        return f"dataset {index}: attempt {attempt} asked for"

    def close(self, job: Job, index: int, verdict: Verdict, instance: str | None) -> str:
        """Note that a dataset is final, and end the job when it was the last one."""
        key = (job.bucket, job.group, job.timestamp)
        succeeded = verdict.status == SUCCESS
        item = self._cloud.close_dataset(key, index, succeeded=succeeded, instance=instance, now=self._clock().timestamp())
        if item is None:
            return "the job has ended already"
        if not complete(job, item):
            return f"dataset {index} closed: {verdict.status}"
        if item.state != LAUNCHED:
            raise StillLaunchingError(f"job {job.timestamp} of {job.group}")
        return "job ended" if finish(self._cloud, job, item, self._clock()) else "another monitor has ended the job"


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
