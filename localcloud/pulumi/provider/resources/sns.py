"""Topics and their policies. The id of both is the topic's ARN."""

from __future__ import annotations

import json
from typing import Any

from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import changes, from_pairs, pairs

ATTRIBUTES = {
    "displayName": "DisplayName",
    "policy": "Policy",
    "deliveryPolicy": "DeliveryPolicy",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "fifoThroughputScope": "FifoThroughputScope",
    "signatureVersion": "SignatureVersion",
    "tracingConfig": "TracingConfig",
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Topic(Handler):
    """A topic."""

    def create(self, call: Call, inputs: Properties) -> str:
        attributes = {
            name: _text(inputs[key])
            for key, name in ATTRIBUTES.items()
            if inputs.get(key) not in (None, "")
            and (inputs.get("fifoTopic") or key not in ("contentBasedDeduplication", "fifoThroughputScope"))
        }
        if inputs.get("fifoTopic"):
            attributes["FifoTopic"] = "true"
        arguments: dict[str, Any] = {"Name": inputs["name"], "Attributes": attributes}
        tags = call.all_tags(inputs)
        if tags:
            arguments["Tags"] = pairs(tags)
        return str(call.client("sns").create_topic(**arguments)["TopicArn"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("sns")
        found = client.get_topic_attributes(TopicArn=resource_id)["Attributes"]
        result: Properties = {
            "arn": resource_id,
            "name": resource_id.rsplit(":", 1)[1],
            "owner": found.get("Owner") or resource_id.split(":")[4],
            "fifoTopic": found.get("FifoTopic") == "true",
            "tagsAll": from_pairs(client.list_tags_for_resource(ResourceArn=resource_id).get("Tags")),
        }
        result.update({key: found.get(name) or None for key, name in ATTRIBUTES.items()})
        result["contentBasedDeduplication"] = found.get("ContentBasedDeduplication") == "true"
        result["signatureVersion"] = int(found["SignatureVersion"]) if found.get("SignatureVersion") else None
        return result

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("sns")
        for key, name in ATTRIBUTES.items():
            new = news.get(key)
            if new != olds.get(key) and (
                new is not None
                or (olds.get(key) and key in ("displayName", "kmsMasterKeyId", "deliveryPolicy"))
            ):
                client.set_topic_attributes(
                    TopicArn=resource_id, AttributeName=name, AttributeValue="" if new is None else _text(new)
                )
        new_tags, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_resource(ResourceArn=resource_id, TagKeys=gone)
        if new_tags:
            client.tag_resource(ResourceArn=resource_id, Tags=pairs(new_tags))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        # DeleteTopic answers success for topics that never were
        call.client("sns").get_topic_attributes(TopicArn=resource_id)
        call.client("sns").delete_topic(TopicArn=resource_id)


class TopicPolicy(Handler):
    """The resource policy of a topic. Delete puts back the default: the owner may do everything."""

    def create(self, call: Call, inputs: Properties) -> str:
        self._put(call, inputs["arn"], inputs["policy"])
        return str(inputs["arn"])

    @staticmethod
    def _put(call: Call, arn: str, policy: str) -> None:
        call.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = call.client("sns").get_topic_attributes(TopicArn=resource_id)["Attributes"]
        if not found.get("Policy"):
            return None
        return {
            "arn": resource_id,
            "policy": found["Policy"],
            "owner": found.get("Owner") or resource_id.split(":")[4],
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        self._put(call, resource_id, news["policy"])

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        self._put(call, resource_id, default_policy(resource_id))


def default_policy(arn: str) -> str:
    """The policy that SNS gives a new topic.

    Source: https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    """
    operations = ("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission",
        "DeleteTopic", "Subscribe",
                  "ListSubscriptionsByTopic", "Publish")  # fmt: skip
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{operation}" for operation in operations],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": arn.split(":")[4]}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})
