"""The message about a job that has ended, to whoever has subscribed to the topic of the service."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from neurocaas.protocol import logline
from neurocaas.protocol.certificate import CertificateFacts, end_line
from neurocaas.protocol.documents import moment
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.objects import code_of
from neurocaas.protocol.outside import whole


def send(client: Any, topic: str, subject: str, text: str, service: str) -> None:
    """Publish with a botocore client of SNS. A topic that is gone, or refuses, is told in the log of
    `service` and keeps no job from its end; errors that another attempt may not meet are raised."""
    try:
        client.publish(TopicArn=topic, Subject=subject, Message=text)
    except client.exceptions.ClientError as error:
        if error.response.get("ResponseMetadata", {}).get(
            "HTTPStatusCode", 500
        ) >= 500 or "Throttl" in code_of(error):
            raise
        logline.write(
            service, f"no notice was sent, because SNS refuses ({code_of(error)}): {subject}", level="ERROR"
        )


def notice(
    facts: CertificateFacts, created: str, reason: str, refused: str | None = None, last_error: str = ""
) -> tuple[str, str]:
    """Subject (at most 100 ASCII characters, the limit of SNS) and text of the message about a job.
    `refused`: why its logs could not be copied to where its results are; `last_error`: the last line of the
    errors of what failed first."""
    own = JobKeys.of(facts.group, facts.job_id)
    bucket, keys = facts.job.results if facts.job else (facts.bucket, own)
    outcome = end_line(facts.succeeded, len(facts.datasets)).strip()
    subject = f"NeuroCAAS {facts.analysis}: job {facts.job_id} of {facts.group}: {outcome}"[:100]
    elapsed = facts.finished - moment(created)
    text = [
        f"{outcome} datasets of job {facts.job_id} (group {facts.group}, analysis {facts.analysis}).",
        f"Time: {timedelta(seconds=round(elapsed.total_seconds()))}. Cost: ${facts.cost:.4f}.",
        *([f"First failure: {reason}"] if reason else []),
        *([f"Its last error: {last_error}"] if last_error else []),
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
    return subject, "\n".join(text)
