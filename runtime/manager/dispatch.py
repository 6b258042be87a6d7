"""What a message of the submission queue is about: a submission, a cancellation, a further
attempt, a watch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from neurocaas.protocol.keys import (
    CANCEL_SUFFIX,
    RETRY_SUFFIX,
    WATCH_SUFFIX,
    CancelKey,
    RetryKey,
    SubmissionKey,
    WatchKey,
)
from neurocaas.protocol.settings import AnalysisSettings
from runtime.manager.cancel import cancel
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.manage import submit
from runtime.manager.port import ManagerCloud
from runtime.manager.retry import retry
from runtime.manager.watching import watch

Work = Callable[[ManagerCloud, AnalysisSettings, Callable[[], datetime], Delivery], Outcome]


def process(
    cloud: ManagerCloud, settings: AnalysisSettings, clock: Callable[[], datetime], delivery: Delivery
) -> Outcome:
    """Answer one message. What it leaves in S3 is the answer; the outcome is for the log and the queue.

    Errors of AWS that are not about the message are raised; the next delivery goes on where this one stopped.
    """
    event = delivery.event
    try:
        work, group = _work(event.key)
    except ValueError as error:
        return Outcome(0, f"ignored: {error}")
    if event.bucket != settings.bucket or group not in settings.groups:
        return Outcome(0, f"ignored: {event.bucket}/{group} is no group of {settings.stack}")
    # before the work: from here on the queue sees to it that there is an answer
    if event.etag and work is not retry:
        cloud.hear(event.bucket, event.key, event.etag)
    return work(cloud, settings, clock, delivery)


def _work(key: str) -> tuple[Work, str]:
    """What an object asks for, and its group. Raises ValueError when it asks for nothing."""
    if key.endswith(CANCEL_SUFFIX):
        return cancel, CancelKey.parse(key).group
    if key.endswith(RETRY_SUFFIX):
        return retry, RetryKey.parse(key).group
    if key.endswith(WATCH_SUFFIX):
        return watch, WatchKey.parse(key).group
    return submit, SubmissionKey.parse(key).group
