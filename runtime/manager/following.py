"""A submission that follows an earlier job (`after`): it waits until that one has ended, unreserved
and with no message in the queue.

What it waits for stands in its item in the ledger, and who follows a job in that job's item. Whoever ends a
job writes its `end.txt` first and looks for followers then; whoever follows notes it first and looks for
`end.txt` then: so one of the two sees the other, and a job that has ended is never waited for. When somebody
is killed in between, the sweep wakes what waits for a job that is not open. Circles cannot come to be: a job
notes what it waits for before it looks whom that one waits for, so of those that close a circle the last one
sees it whole.

A job of another analysis may be followed where the blueprint says so (`takes_from`), by a group of both: that
is looked up in the other's settings, which only a deploy writes, each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from neurocaas.protocol.chain import AFTER_MAX, SUCCEEDED, Earlier
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.ledger import Waiting
from neurocaas.protocol.limits import AFTER_SECONDS, JOB_MAX_BYTES, UNKNOWN_ATTEMPTS
from neurocaas.protocol.outside import whole
from neurocaas.protocol.printable import one_line
from neurocaas.protocol.problems import InvalidInput, Problem
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.status import SUCCESS
from neurocaas.protocol.submission import Submission
from neurocaas.protocol.units import duration
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.events import message_of
from runtime.manager.port import BucketRefusedError, ManagerCloud

_END_MAX = 4096
_SETTINGS_MAX = 4 * 1024 * 1024


@dataclass(frozen=True)
class Results:
    """The results of the earlier job. `patterns` of those that are datasets; `hidden`: keys in its folder
    that are none."""

    earlier: Earlier
    patterns: Sequence[str]
    hidden: frozenset[str]


def followed(
    cloud: ManagerCloud,
    settings: AnalysisSettings,
    submission: Submission,
    delivery: Delivery,
    started: datetime,
    now: datetime,
) -> Outcome | None:
    """None when the job that `submission` follows has ended as it should; an outcome while it is waited for.
    `started`: when the submission was heard of. Raises InvalidInput when it will never be as it should."""
    earlier, own = submission.after, JobId(settings.bucket, submission.group, submission.timestamp)
    assert earlier is not None
    _require_group(cloud, settings, earlier)
    if _ended(cloud, submission, earlier):
        cloud.go_on(own, delivery.owner, now.timestamp())
        return None
    if cloud.claimed(earlier.job) is None:
        if delivery.receives < UNKNOWN_ATTEMPTS:
            cloud.release(own, delivery.owner)
            return Outcome(0, f"waiting: nobody has heard of job {earlier.name} yet", again=True)
        raise _refused(earlier, "which no job of the group has", "Submit that job first")
    until = started.timestamp() + AFTER_SECONDS
    if now.timestamp() >= until:
        raise _refused(
            earlier, f"which has not ended in {duration(AFTER_SECONDS)}", "Submit again when it has ended"
        )
    message = message_of(delivery.event)
    cloud.wait(own, delivery.owner, Waiting(earlier.job, until, settings.queue_url, message))
    cloud.follow(earlier.job, own)
    _check_circle(cloud, earlier, own)
    if _ended(cloud, submission, earlier):
        cloud.go_on(own, delivery.owner, now.timestamp())
        return None
    cloud.release(own, delivery.owner)
    return Outcome(0, f"waiting for job {earlier.name}")


def results(cloud: ManagerCloud, submission: Submission) -> Results | None:
    """What may be taken of the job that `submission` follows, and which has ended. Raises InvalidInput where
    its results are elsewhere."""
    earlier = submission.after
    if earlier is None:
        return None
    hidden = frozenset({earlier.keys.end, earlier.keys.update})
    raw = cloud.get(earlier.job.bucket, earlier.keys.job, JOB_MAX_BYTES)
    with suppress(DocumentError):
        job = Job.from_json(raw) if raw is not None else None
        if job is not None:
            bucket, there = job.results
            if bucket != earlier.job.bucket:
                raise _refused(
                    earlier,
                    f"whose results are in {whole(bucket, there.process_prefix)}",
                    "Leave `after` out, and name them there",
                )
            hidden |= job.service_files
    return Results(earlier, submission.taken, hidden)


def wake_followers(cloud: ManagerCloud, queue_url: str, job: JobId) -> None:
    """Have managers look at the jobs that wait for one that has ended in the manager's hands. Those of other
    analyses have other queues: the sweep wakes them."""
    for follower in cloud.followers(job):
        waiting = cloud.waiting(follower)
        if waiting is not None and waiting.queue == queue_url:
            cloud.wake(waiting)


def _ended(cloud: ManagerCloud, submission: Submission, earlier: Earlier) -> bool:
    """Whether the earlier job has ended. Raises InvalidInput when it has ended otherwise than wanted."""
    try:
        raw = cloud.get(earlier.job.bucket, earlier.keys.records.end, _END_MAX)
    except BucketRefusedError as error:
        do = "The administrator deploys both analyses again"
        raise _refused(earlier, f"whose end S3 does not let the analysis read ({error})", do) from error
    if raw is None:
        claim = cloud.claimed(earlier.job)
        if claim is not None and claim.ended:
            raise _refused(earlier, "whose records were deleted", "Name another job, or its data")
        return False
    line = one_line(raw.decode("utf-8", "replace"), 300)
    if submission.after_when == SUCCEEDED and not line.startswith(f"{SUCCESS} "):
        do = 'Correct that job and submit both again, or take what it has: "after_when": "ended"'
        raise _refused(earlier, f"which has ended as {line}", do)
    return True


def _require_group(cloud: ManagerCloud, settings: AnalysisSettings, earlier: Earlier) -> None:
    """A group of this analysis that is not one of the other, or is one no more, gets nothing of it."""
    if not earlier.stack:
        return
    raw = cloud.get(settings.code.bucket, f"analyses/{earlier.stack}/settings.json", _SETTINGS_MAX)
    other = None
    with suppress(DocumentError):
        other = AnalysisSettings.from_json(raw) if raw is not None else None
    if other is None or other.bucket != earlier.job.bucket:
        do = f"The administrator deploys {earlier.stack}, then {settings.stack}"
        raise _refused(earlier, "of an analysis that is not deployed as this one knows it", do)
    if earlier.job.group not in other.groups:
        do = "Ask the administrator to add the group to that analysis"
        raise _refused(earlier, f"of an analysis that group {earlier.job.group!r} may not use", do)


def _check_circle(cloud: ManagerCloud, earlier: Earlier, own: JobId) -> None:
    at = earlier.job
    for _ in range(AFTER_MAX):
        waiting = cloud.waiting(at)
        if waiting is None:
            return
        if waiting.for_ == own:
            raise _refused(earlier, "which waits for this job itself", "Let one of them follow nothing")
        at = waiting.for_
    got = f"at the end of more than {AFTER_MAX} jobs that wait for one another"
    raise _refused(earlier, got, "Submit again when some of them have ended")


def _refused(earlier: Earlier, why: str, do: str) -> InvalidInput:
    allowed = "a job of your group that has succeeded, or has not ended yet"
    return InvalidInput([Problem("after", f"{earlier.name!r}, {why}", allowed, do)])
