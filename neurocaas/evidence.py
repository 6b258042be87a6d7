"""What there is to say why a job waits, runs or has failed: read here, explained in `neurocaas.explain`."""

import contextlib
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from neurocaas.errors import client_error, code_of
from neurocaas.job import JobHandle
from neurocaas.protocol.documents import DocumentError, loads
from neurocaas.protocol.keys import SUBMISSION_SUFFIX, SUBMISSIONS, SubmissionKey
from neurocaas.protocol.status import INITIALIZING
from neurocaas.protocol.stop import StopOrder
from neurocaas.protocol.tags import BUCKET, GROUP, JOB, PRICE_TRACKING
from neurocaas.states import JobState

SETTLED = 15.0
"""Seconds after a launch before which nobody asks EC2 where the machines are."""


@dataclass(frozen=True)
class Evidence:
    """`submitted`: seconds since the submission file came, None when there is none. `dead`: the submission is
    in the dead-letter queue (None: these credentials may not look). `age`: seconds since the job began.
    `others`: names like the job's. `stop`: the order to end the job, "" when there is none. `pending` and
    `running`: machines of the job that EC2 has not started, and of all jobs that run (None: not asked, or
    these credentials may not). `types`: the machines that the analysis allows."""

    state: JobState
    certificate: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    submitted: float | None = None
    dead: bool | None = None
    age: float | None = None
    others: Sequence[str] = ()
    stop: str = ""
    pending: int | None = None
    running: int | None = None
    types: Sequence[str] = ()


def gather(
    job: JobHandle, others: Sequence[str], dead_letters: str, session: Any, types: Sequence[str] = ()
) -> Evidence:
    """Read what there is. `dead_letters`: URL of the dead-letter queue, "" when it is not known."""
    now = datetime.now(timezone.utc)
    state = job.status()
    key, came = _submission(job)
    certificate = job.answer()
    facts: Mapping[str, Any] = {}
    with contextlib.suppress(DocumentError):
        facts = loads(
            job.objects.get(job.answer_keys().records.certificate_json) or b"{}", "certificate.json"
        )
    unanswered = state.phase == "SUBMITTED" and not certificate
    age = job.age(now)
    waits = (
        state.phase == "RUNNING"
        and any(one.state == INITIALIZING for one in state.datasets)
        and (age or 0.0) > SETTLED
    )
    pending, running = _machines(job, session) if waits else (None, None)
    return Evidence(
        state=state,
        certificate=certificate,
        facts=facts,
        submitted=None if came is None else max(0.0, (now - came).total_seconds()),
        dead=_is_dead(key, dead_letters, session) if unanswered and came is not None else None,
        age=age,
        others=difflib.get_close_matches(job.timestamp, others, 3, 0.6)
        if unanswered and came is None
        else (),
        stop=_stop(job) if not state.finished else "",
        pending=pending,
        running=running,
        types=types,
    )


def _submission(job: JobHandle) -> tuple[str, datetime | None]:
    """The key of the job's submission file, and when it came (None: there is none). A file may join its id to
    `submit.json` as it likes.
    """
    below = f"{job.group}/{SUBMISSIONS}/{job.timestamp}"
    for entry in job.objects.list(job.submission_key or below):
        key = str(entry["Key"])
        if key == job.submission_key or (
            key.endswith(SUBMISSION_SUFFIX) and SubmissionKey.parse(key).id == job.timestamp
        ):
            return key, entry["LastModified"]
    return job.submission_key or f"{below}_{SUBMISSION_SUFFIX}", None


def _stop(job: JobHandle) -> str:
    if job.keys.stop not in job.listed():
        return ""
    try:
        return StopOrder.from_json(job.objects.get(job.keys.stop) or b"").text
    except DocumentError:
        return "it is asked to end"


def _machines(job: JobHandle, session: Any) -> tuple[int | None, int | None]:
    """The machines of the job that EC2 has accepted and not started, and how many of the service run."""
    every = [
        {"Name": f"tag:{PRICE_TRACKING}", "Values": ["On"]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    try:
        pages = session.client("ec2").get_paginator("describe_instances").paginate(Filters=every)
        found = [
            one for page in pages for reservation in page["Reservations"] for one in reservation["Instances"]
        ]
    except client_error() as error:
        if code_of(error).startswith(("UnauthorizedOperation", "AccessDenied")):
            return None, None
        raise
    mine = {BUCKET: job.bucket, GROUP: job.group, JOB: job.timestamp}.items()
    pending = [
        one
        for one in found
        if one["State"]["Name"] == "pending"
        and mine <= {tag["Key"]: tag["Value"] for tag in one["Tags"]}.items()
    ]
    return len(pending), sum(one["State"]["Name"] == "running" for one in found)


def _is_dead(key: str, queue: str, session: Any) -> bool | None:
    """Whether the submission is among the messages of the dead-letter queue; None when that cannot be read.
    The messages stay.
    """
    if not queue:
        return None
    try:
        answer = session.client("sqs").receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
    except client_error() as error:
        if "Denied" in code_of(error) or "NonExistent" in code_of(error):
            return None
        raise
    return any(
        json.dumps(key)[1:-1] in message["Body"] or key in message["Body"]
        for message in answer.get("Messages", [])
    )
