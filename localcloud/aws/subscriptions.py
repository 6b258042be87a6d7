"""Subscriptions of SNS as AWS has them: asked for, confirmed, one for each address; and a mailbox.

Stock MiniStack takes an e-mail address without asking it, sends it nothing, and forgets that attributes of a
second subscription differ. Sources: Amazon SNS API reference, "Subscribe" (ReturnSubscriptionArn; the same
endpoint again), "ListSubscriptionsByTopic" (PendingConfirmation), "Unsubscribe"; Amazon SNS developer guide,
"Email notifications".

Nothing leaves this computer: what is sent to an address can be read with ``GET mail`` of the administrative
interface, which also has what a confirmation wants (``confirm``: topic and token for ConfirmSubscription).
"""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context

EMAIL = frozenset({"email", "email-json"})
PENDING = "PendingConfirmation"
KEPT = 1000
"""Messages that the mailbox keeps: the newest."""

_COMPARED = ("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "DeliveryPolicy", "RedrivePolicy")


class Mailbox:
    """What was sent to e-mail addresses, for as long as the control plane runs."""

    def __init__(self) -> None:
        self._sent: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def put(self, **message: Any) -> None:
        self._sent.append(message)

    async def show(self, request: dict[str, Any]) -> dict[str, Any]:
        """``GET mail?to=ADDRESS``: the messages to it, or all, the oldest first."""
        wanted = request.get("to")
        return {"messages": [one for one in self._sent if wanted in (None, one["to"])]}


def install(context: Context) -> None:
    """Ask e-mail addresses, deliver to the mailbox, and answer as AWS does."""
    mailbox, sns = Mailbox(), hooks.sns
    context.admin.operations[("GET", "mail")] = mailbox.show
    subscribe_original, unsubscribe_original, fanout_original = sns._subscribe, sns._unsubscribe, sns._fanout
    listing_originals = {
        name: getattr(sns, name) for name in ("_list_subscriptions", "_list_subscriptions_by_topic")
    }

    def ask(sub: dict[str, Any]) -> None:
        topic = sub["topic_arn"]
        mailbox.put(
            to=sub["endpoint"],
            subject="AWS Notification - Subscription Confirmation",
            text=f"You have chosen to subscribe to the topic:\n{topic}\n",
            confirm={"TopicArn": topic, "Token": sub["token"]},
        )

    def subscribe(params: Any) -> Any:
        protocol, endpoint = sns._p(params, "Protocol"), sns._p(params, "Endpoint")
        topic = sns._topic_by_arn_any_scope(sns._normalize_arn(sns._p(params, "TopicArn")))
        given = _attributes(params)
        if wrong := _wrong(given.get("FilterPolicy", "")):
            return sns._error("InvalidParameter", f"Invalid parameter: FilterPolicy: {wrong}", 400)
        before = _of(topic, protocol, endpoint)
        answer = subscribe_original(params)
        if answer[0] != 200:
            return answer
        if before is not None and any(
            name in given and _differ(given[name], before["attributes"].get(name, "")) for name in _COMPARED
        ):
            reason = "Subscription already exists with different attributes"
            return sns._error("InvalidParameter", f"Invalid parameter: Attributes Reason: {reason}", 400)
        sub = _of(topic, protocol, endpoint)
        assert sub is not None
        if protocol in EMAIL and before is None:
            sub["confirmed"], sub["token"] = False, sns.new_uuid()
            sub["attributes"] |= {"PendingConfirmation": "true", "ConfirmationWasAuthenticated": "false"}
            sns._refresh_subscription_counts(topic)
        if protocol in EMAIL and not sub["confirmed"]:
            ask(sub)
        shown = sub["confirmed"] or sns._p(params, "ReturnSubscriptionArn") == "true"
        arn = sub["arn"] if shown else "pending confirmation"
        inner = f"<SubscribeResult><SubscriptionArn>{arn}</SubscriptionArn></SubscribeResult>"
        return sns._xml(200, "SubscribeResponse", inner)

    def unsubscribe(params: Any) -> Any:
        arn = sns._p(params, "SubscriptionArn")
        sub = sns._find_subscription(sns._sub_arn_to_topic.get(arn, ""), arn)
        if sub is not None and not sub["confirmed"]:
            reason = "Cannot unsubscribe a subscription that is pending confirmation"
            return sns._error("InvalidParameter", f"Invalid parameter: SubscriptionArn Reason: {reason}", 400)
        return unsubscribe_original(params)

    def listing(name: str) -> Any:
        def answer(params: Any) -> Any:
            status, headers, body = listing_originals[name](params)
            text = body.decode() if isinstance(body, bytes) else body
            for topic in sns._topics.values():
                for sub in topic["subscriptions"]:
                    if not sub["confirmed"]:
                        text = text.replace(f"<SubscriptionArn>{sub['arn']}<", f"<SubscriptionArn>{PENDING}<")
            return status, headers, text.encode() if isinstance(body, bytes) else text

        return answer

    def fanout(
        topic_arn: str,
        msg_id: str,
        message: str,
        subject: str,
        message_structure: str = "",
        message_attributes: dict[str, Any] | None = None,
        *rest: Any,
        **more: Any,
    ) -> None:
        attributes = message_attributes or {}
        fanout_original(topic_arn, msg_id, message, subject, message_structure, attributes, *rest, **more)
        for sub in (sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": ()})["subscriptions"]:
            if sub["protocol"] in EMAIL and sub["confirmed"]:
                text = sns._resolve_message_for_protocol(message, message_structure, sub["protocol"])
                if sns._matches_filter_policy(sub, attributes, text):
                    mailbox.put(to=sub["endpoint"], subject=subject or "AWS Notification Message", text=text)

    sns._subscribe, sns._unsubscribe, sns._fanout = subscribe, unsubscribe, fanout
    for name in listing_originals:
        setattr(sns, name, listing(name))


def _of(topic: dict[str, Any] | None, protocol: str, endpoint: str) -> dict[str, Any] | None:
    """The topic's subscription of an address."""
    every = topic["subscriptions"] if topic else ()
    return next((one for one in every if (one["protocol"], one["endpoint"]) == (protocol, endpoint)), None)


def _attributes(params: Any) -> dict[str, str]:
    found, number = {}, 1
    while name := hooks.sns._p(params, f"Attributes.entry.{number}.key"):
        found[name] = hooks.sns._p(params, f"Attributes.entry.{number}.value") or ""
        number += 1
    return found


def _wrong(policy: str) -> str:
    try:
        found = json.loads(policy) if policy else {}
    except ValueError:
        return "failed to parse JSON."
    return "" if isinstance(found, dict) else "Filter policy must be an object"


def _differ(one: str, other: str) -> bool:
    """JSON texts differ when what they say does."""
    try:
        return bool(json.loads(one) != json.loads(other))
    except ValueError:
        return one != other
