"""What comes into and leaves queues without a request of its own.

EventBridge delivers to a queue only if the queue's policy lets it, as on AWS (stock MiniStack checks this for
S3 and SNS only).
"""

from __future__ import annotations

import logging
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.checkpoint import Checkpoint

log = logging.getLogger(__name__)


def install(checkpoint: Checkpoint) -> None:
    """Check queue policies before events are delivered; what threads do to queues is recorded at once,
    too.
    """
    original = hooks.eventbridge._invoke_target

    def invoke(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], *rest: Any, **named: Any
    ) -> Any:
        arn = str(target.get("Arn", ""))
        if arn.startswith("arn:aws:sqs:") and not hooks.sqs.queue_policy_allows(
            arn, "events.amazonaws.com", rule.get("Arn", ""), hooks.account()
        ):
            log.warning(
                "EventBridge: the policy of %s does not allow rule %s to send to it; the event is lost",
                arn,
                rule.get("Name"),
            )
            return None
        answer = original(target, event, rule, *rest, **named)
        checkpoint.record_soon("sqs")
        return answer

    worked_off = hooks.sqs._delete_messages_for_esm

    def delete(queue_url: str, receipt_handles: set[str]) -> None:
        worked_off(queue_url, receipt_handles)
        checkpoint.record_soon("sqs")

    hooks.eventbridge._invoke_target = invoke
    hooks.sqs._delete_messages_for_esm = delete
