"""Notices: what the service tells by its topic, and about whom.

Each has message attributes, by which a subscription of a group is sent that group's notices and no other's
(SNS developer guide, "Amazon SNS subscription filter policies"): `group`, `analysis`, `event`, and `about`,
which has all three as `group/event/analysis`. What is about no group (`service`) has neither `group` nor
`about`, so that it reaches only subscriptions without a filter: those of administrators.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from neurocaas.protocol import logline
from neurocaas.protocol.certificate import CertificateFacts, end_line
from neurocaas.protocol.documents import moment
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.objects import code_of
from neurocaas.protocol.outside import whole
from neurocaas.protocol.printable import one_line
from neurocaas.protocol.stop import CANCELLED

JOB_ENDED = "job-ended"
"""A job has ended, and not failed: all datasets have succeeded, or somebody has stopped it."""
JOB_FAILED = "job-failed"
"""A job has ended, and one dataset at least has failed."""
JOB_IDLE = "job-idle"
"""A machine has done next to nothing for a quarter of an hour."""
BUDGET = "budget"
"""Most of what a group may spend in the month is used."""
REFUSED = "refused"
"""A submission has become no job."""
DIGEST = "digest"
"""Once a day: the jobs of a group that have ended."""
SERVICE = "service"
"""For the administrators: something of the service itself."""

ABOUT = "about"
"""The attribute by which subscriptions of groups filter."""

SUBJECT = 100
"""Longest subject, in ASCII characters without line breaks (Amazon SNS API reference, "Publish")."""

_REASON = 2000
"""Longest reason, in characters, of what others may have written."""

_NAME = 60
"""Longest name of a submission in a subject: a file may have any."""


def about(event: str, group: str = "", analysis: str = "") -> dict[str, str]:
    """The attributes of a notice. SNS takes no attribute without a value: what is not known is left out. None
    of the three can contain '/'."""
    known = {"event": event, "group": group, "analysis": analysis}
    if group:
        known[ABOUT] = f"{group}/{event}/{analysis}"
    return {name: value for name, value in known.items() if value}


def subject_line(text: str) -> str:
    """A subject as SNS and e-mail take it: one line of printable ASCII, of at most SUBJECT characters."""
    flat = one_line(text).encode("ascii", "replace").decode("ascii")
    return flat if len(flat) <= SUBJECT else f"{flat[: SUBJECT - 3]}..."


def send(client: Any, topic: str, subject: str, text: str, service: str, about: Mapping[str, str]) -> None:
    """Publish with a botocore client of SNS. A topic that is gone, or refuses, is told in the log of
    `service` and keeps no job from its end; errors that another attempt may not meet are raised."""
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in about.items()}
    subject = subject_line(subject)
    try:
        client.publish(TopicArn=topic, Subject=subject, Message=text, MessageAttributes=attributes)
    except client.exceptions.ClientError as error:
        if error.response.get("ResponseMetadata", {}).get(
            "HTTPStatusCode", 500
        ) >= 500 or "Throttl" in code_of(error):
            raise
        logline.write(
            service, f"no notice was sent, because SNS refuses ({code_of(error)}): {subject}", level="ERROR"
        )


def event_of(facts: CertificateFacts) -> str:
    """What has happened to a submission whose end this is."""
    if facts.job is None and not facts.datasets and facts.problems:
        return REFUSED
    return JOB_ENDED if facts.exit_class in ("success", CANCELLED) else JOB_FAILED


def _known(facts: CertificateFacts) -> list[str]:
    """What the analysis's author calls the first failure that has a name, and what to do."""
    for dataset in facts.datasets:
        if dataset.error:
            return [f"Known as: {dataset.error}", *([f"Advice: {dataset.advice}"] if dataset.advice else [])]
    return []


def notice(
    facts: CertificateFacts,
    created: str,
    reason: str,
    refused: str | None = None,
    last_error: str = "",
    event: str | None = None,
) -> tuple[str, str, dict[str, str]]:
    """Subject, text and attributes of the message about a job, or about what became none. `refused`: why its
    logs could not be copied to where its results are; `last_error`: the last line of the errors of what
    failed first; `event`: what has happened, where the facts do not say it."""
    event = event or event_of(facts)
    attributes = about(event, facts.group, facts.analysis)
    by = [f"Submitted by {one_line(facts.by, _NAME)}."] if facts.by else []
    own = JobKeys.of(facts.group, facts.job_id)
    bucket, keys = facts.job.results if facts.job else (facts.bucket, own)
    if event == REFUSED:
        name = one_line(facts.job_id, _NAME)
        text = [
            f"Submission {name} (group {facts.group}, analysis {facts.analysis}) was refused: nothing was "
            "started, and nothing is paid.",
            *by,
            f"Reason: {one_line(reason, _REASON)}",
            f"The file: {one_line(facts.submission_key, _REASON)}",
        ]
        return (
            f"NeuroCAAS {facts.analysis}: job {name} of {facts.group}: REJECTED",
            "\n".join(text),
            attributes,
        )
    outcome = end_line(facts.succeeded, len(facts.datasets)).strip()
    subject = f"NeuroCAAS {facts.analysis}: job {facts.job_id} of {facts.group}: {outcome}"
    elapsed = facts.finished - moment(created)
    text = [
        f"{outcome} datasets of job {facts.job_id} (group {facts.group}, analysis {facts.analysis}).",
        *by,
        f"Time: {timedelta(seconds=round(elapsed.total_seconds()))}. Cost: ${facts.cost:.4f}.",
        *([f"First failure: {one_line(reason, _REASON)}"] if reason else []),
        *([f"Its last error: {one_line(last_error, _REASON)}"] if last_error else []),
        *_known(facts),
        f"Results: {whole(bucket, keys.prefix)}",
        *(
            [
                f"S3 has refused to copy the logs there ({refused}); they are in "
                f"{whole(facts.bucket, own.logs_prefix)}"
            ]
            if refused
            else []
        ),
    ]
    return subject_line(subject), "\n".join(text), attributes
