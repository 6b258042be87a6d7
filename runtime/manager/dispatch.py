"""What a message of the submission queue is about: a submission or a cancellation of one of the analysis's groups."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from runtime.manager.cancel import cancel
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.manage import submit
from runtime.manager.port import Cloud
from runtime.protocol.keys import CANCEL_SUFFIX, CancelKey, SubmissionKey
from runtime.protocol.settings import AnalysisSettings


def process(cloud: Cloud, settings: AnalysisSettings, clock: Callable[[], datetime], delivery: Delivery) -> Outcome:
    """Answer one message. What it leaves in S3 is the answer; the outcome is for the log and the queue.

    Errors of AWS that are not about the message are raised; the next delivery goes on where this one stopped.
    """
    event = delivery.event
    work, kind = (cancel, CancelKey) if event.key.endswith(CANCEL_SUFFIX) else (submit, SubmissionKey)
    try:
        group = kind.parse(event.key).group
    except ValueError as error:
        return Outcome(0, f"ignored: {error}")
    if event.bucket != settings.bucket or group not in settings.groups:
        return Outcome(0, f"ignored: {event.bucket}/{group} is no group of {settings.stack}")
    return work(cloud, settings, clock, delivery)
