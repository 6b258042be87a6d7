"""What follows a job that has ended: those that wait for it, and the next step that its blueprint names.

The next step is a submission of the service's own (`neurocaas.protocol.chain`) in the other analysis, for the
same group and in the same person's name. It is decided anew each time that somebody ends the job, always in
the same words and under the same timestamp, so it is started once. Nothing is copied: the other analysis
reads the results where they are, by rights that its own deploy has given it for this one. The service lends
the group nothing: it must be a group of the other analysis, whose manager asks for that, the budget, and the
rights, as it does of any submission.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from neurocaas.protocol.certificate import NextJob
from neurocaas.protocol.chain import PROCESS, STEPS_MAX, SUCCEEDED, AskedByService, next_timestamp
from neurocaas.protocol.documents import dumps
from neurocaas.protocol.events import Told, event
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobId, SubmissionKey
from neurocaas.protocol.stop import OUTCOMES
from neurocaas.protocol.typed_json import data_of
from runtime.monitor.history import add_to_history
from runtime.monitor.port import Deployed, MonitorCloud, OpenJob


@dataclass(frozen=True)
class NextWork:
    """The next step of a job: what is told of it, and where it is submitted (None: nowhere)."""

    told: NextJob
    analysis: Deployed | None = None


def next_step(cloud: MonitorCloud, job: Job, exit_class: str, *, succeeded: bool) -> NextWork | None:
    """What follows a job that ends so; None for nothing."""
    step = job.next
    if step is None or exit_class in OUTCOMES or (step.when == SUCCEEDED and not succeeded):
        return None
    stack = f"{step.analysis}-{job.stage}"
    other = cloud.deployed_as(stack)
    why = ""
    if job.step >= STEPS_MAX:
        why = f"the service has submitted {STEPS_MAX} jobs of this chain one after another, and ends it here"
    elif job.results[0] != job.bucket:
        why = "its results are in an outside bucket"
    elif other is None:
        why = f"{stack} is not deployed"
    elif job.group not in other.groups:
        why = f"group {job.group} may not use {step.analysis}"
    elif (job.analysis, job.bucket) not in {(one.analysis, one.bucket) for one in other.sources}:
        why = f"{stack} does not take results of {job.analysis}"
    timestamp = next_timestamp(job.id, step.analysis)
    if why or other is None:
        return NextWork(NextJob(step.analysis, "", why))
    return NextWork(NextJob(step.analysis, timestamp, ""), other)


def of_step(job: Job, step: NextWork | None, ended: datetime) -> list[Told]:
    """What the history of a job says of its next step."""
    if step is None:
        return []
    told = step.told
    if step.analysis is None:
        return [_none_follows(job, told.analysis, told.refused, ended)]
    text = f"job {told.job_id} of {told.analysis} follows"
    return [event(job.id, "next-job", text, ended, "1", analysis=told.analysis, next_job=told.job_id)]


def _none_follows(job: Job, analysis: str, why: str, ended: datetime) -> Told:
    return event(job.id, "no-next-job", f"no job of {analysis} follows: {why}", ended, "1")


def submit_next(cloud: MonitorCloud, job: Job, step: NextWork | None, ended: datetime) -> None:
    """Submit it; doing it twice changes nothing. `cloud` acts for the job's group. Where AWS refuses that,
    the history of the job says so: it does not keep the job open."""
    if step is None or job.next is None or step.analysis is None:
        return
    key = SubmissionKey(job.group, f"{step.told.job_id}_submit.json", by_service=True)
    asked = AskedByService(job.submitter, f"job {job.analysis}/{job.timestamp}", job.step + 1)
    body = {
        "dataname": [f"{PROCESS}{name}" for name in job.next.datasets],
        "configname": key.config,
        "timestamp": step.told.job_id,
        "after": f"{job.analysis}/{job.timestamp}",
        "after_when": job.next.when,
        "asked": data_of(asked),
    }
    refused = ask(cloud, step.analysis, key, body, job.next.config)
    if refused is not None:
        why = f"AWS refuses its submission ({refused})"
        add_to_history(cloud, job.id, _none_follows(job, job.next.analysis, why, ended))


def ask(
    cloud: MonitorCloud,
    analysis: Deployed,
    key: SubmissionKey,
    body: Mapping[str, Any],
    config: Mapping[str, Any] | None = None,
) -> str | None:
    """Write a submission of the service's own, and tell its manager; how AWS refuses that, or None. With
    `config`, the configuration that it names is written before it."""
    files = {} if config is None else {key.config: dumps(config)}
    there = cloud.acting_for(analysis.bucket, key.group)
    return there.submit(analysis.queue_url, analysis.bucket, {**files, key.key: dumps(body)})


def wake_followers(cloud: MonitorCloud, job: JobId) -> None:
    """Have managers look at the jobs that wait for one whose `end.txt` is written. Its item is read now:
    whoever has noted itself there since has looked for `end.txt` afterwards (`runtime.manager.following`)."""
    item = cloud.open_job(job)
    for follower in item.followers if item else ():
        waits = cloud.open_job(follower)
        if waits is not None and waits.waiting is not None:
            cloud.wake(waits.waiting)


def wake_in_vain(cloud: MonitorCloud, item: OpenJob, open_jobs: Collection[JobId], now: float) -> bool:
    """Wake a job that waits for one that is not open, for too long, or although it is to end; False when it
    waits with reason. A manager then looks what is so: waking it once too often does no harm."""
    assert item.waiting is not None
    if item.waiting.for_ in open_jobs and now < item.waiting.until and item.stop is None:
        return False
    cloud.wake(item.waiting)
    return True
