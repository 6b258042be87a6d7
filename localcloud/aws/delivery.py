"""EventBridge delivers to a queue only if the queue's policy lets it, as on AWS (stock MiniStack checks this for S3 and SNS only)."""

from __future__ import annotations

import logging
from typing import Any

from localcloud.aws import hooks

log = logging.getLogger(__name__)


def install() -> None:
    """Check queue policies before events are delivered."""
    original = hooks.eventbridge._invoke_target

    def invoke(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], *rest: Any, **named: Any) -> Any:
        arn = str(target.get("Arn", ""))
        if arn.startswith("arn:aws:sqs:") and not hooks.sqs.queue_policy_allows(
            arn, "events.amazonaws.com", rule.get("Arn", ""), hooks.account()
        ):
            log.warning("EventBridge: the policy of %s does not allow rule %s to send to it; the event is lost", arn, rule.get("Name"))
            return None
        return original(target, event, rule, *rest, **named)

    hooks.eventbridge._invoke_target = invoke
