"""Topics, their policies, whose id is the topic's ARN, and their subscriptions."""

from __future__ import annotations

import json

from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import Tags


class Topic(Handler):
    """A topic."""

    tags = Tags(service="sns", argument="ResourceArn")

    def create(self, call: Call, inputs: Properties) -> str:
        key = inputs.get("kmsMasterKeyId")
        made = call.client("sns").create_topic(
            Name=inputs["name"],
            Attributes={"KmsMasterKeyId": key} if key else {},
            **self.tags.given(call.all_tags(inputs)),
        )
        return str(made["TopicArn"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = call.client("sns").get_topic_attributes(TopicArn=resource_id)["Attributes"]
        return {
            "arn": resource_id,
            "name": resource_id.rsplit(":", 1)[1],
            "owner": found.get("Owner") or resource_id.split(":")[4],
            "kmsMasterKeyId": found.get("KmsMasterKeyId") or None,
            "policy": found.get("Policy") or None,
            "tagsAll": self.tags.read(call, resource_id),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        key = news.get("kmsMasterKeyId") or ""
        if key != (olds.get("kmsMasterKeyId") or ""):
            _set(call, resource_id, "KmsMasterKeyId", key)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("sns").delete_topic(TopicArn=resource_id)


def _set(call: Call, arn: str, name: str, value: str) -> None:
    call.client("sns").set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)


class TopicPolicy(Handler):
    """The resource policy of a topic. Delete puts back the default: the owner may do everything."""

    def create(self, call: Call, inputs: Properties) -> str:
        _set(call, inputs["arn"], "Policy", inputs["policy"])
        return str(inputs["arn"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = call.client("sns").get_topic_attributes(TopicArn=resource_id)["Attributes"]
        owner = found.get("Owner") or resource_id.split(":")[4]
        policy = found.get("Policy")
        return {"arn": resource_id, "policy": policy, "owner": owner} if policy else None

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        _set(call, resource_id, "Policy", news["policy"])

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        _set(call, resource_id, "Policy", default_policy(resource_id))


class TopicSubscription(Handler):
    """A subscription. As the real provider's, one of an e-mail address waits for nobody, and one that nobody
    has confirmed is only forgotten: SNS deletes none of these.
    """

    ATTRIBUTES = {
        "filterPolicy": "FilterPolicy",
        "filterPolicyScope": "FilterPolicyScope",
        "rawMessageDelivery": "RawMessageDelivery",
    }

    def _given(self, inputs: Properties) -> dict[str, str]:
        texts = {name: inputs.get(key) for key, name in self.ATTRIBUTES.items()}
        return {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in texts.items()
            if value not in (None, "", False)
        }

    def create(self, call: Call, inputs: Properties) -> str:
        made = call.client("sns").subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            Attributes=self._given(inputs),
            ReturnSubscriptionArn=True,
        )
        return str(made["SubscriptionArn"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = call.client("sns").get_subscription_attributes(SubscriptionArn=resource_id)["Attributes"]
        return {
            "arn": resource_id,
            "topic": found["TopicArn"],
            "protocol": found["Protocol"],
            "endpoint": found["Endpoint"],
            "ownerId": found.get("Owner") or resource_id.split(":")[4],
            "filterPolicy": found.get("FilterPolicy") or None,
            "filterPolicyScope": found.get("FilterPolicyScope")
            or ("MessageAttributes" if found.get("FilterPolicy") else None),
            "rawMessageDelivery": found.get("RawMessageDelivery") == "true",
            "pendingConfirmation": found.get("PendingConfirmation") == "true",
            "confirmationWasAuthenticated": found.get("ConfirmationWasAuthenticated") == "true",
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        for key, name in self.ATTRIBUTES.items():
            if news.get(key) != olds.get(key):
                value = news.get(key)
                call.client("sns").set_subscription_attributes(
                    SubscriptionArn=resource_id,
                    AttributeName=name,
                    AttributeValue=str(value).lower() if isinstance(value, bool) else value or "",
                )

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        try:
            call.client("sns").unsubscribe(SubscriptionArn=resource_id)
        except call.client("sns").exceptions.InvalidParameterException as error:
            if "pending confirmation" not in str(error):
                raise


OPERATIONS = (
    *("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic"),
    *("Subscribe", "ListSubscriptionsByTopic", "Publish"),
)


def default_policy(arn: str) -> str:
    """The policy that SNS gives a new topic.

    Source: https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    """
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{operation}" for operation in OPERATIONS],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": arn.split(":")[4]}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})
