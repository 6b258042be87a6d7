"""Queues and their policies. The id of both is the queue's URL."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.errors import code
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import changes, without_aws

NUMBERS = {
    "delaySeconds": "DelaySeconds",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
}
FLAGS = {
    "fifoQueue": "FifoQueue",
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
}
TEXTS = {
    "policy": "Policy",
    "redrivePolicy": "RedrivePolicy",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "deduplicationScope": "DeduplicationScope",
    "fifoThroughputLimit": "FifoThroughputLimit",
}
_FIFO_ONLY = ("fifoQueue", "contentBasedDeduplication", "deduplicationScope", "fifoThroughputLimit")


def _attributes(inputs: Properties) -> dict[str, str]:
    """The inputs as SQS wants them: all texts."""
    fifo = bool(inputs.get("fifoQueue"))
    given = {
        key: value for key, value in inputs.items() if value is not None and (fifo or key not in _FIFO_ONLY)
    }
    numbers = {name: str(given[key]) for key, name in NUMBERS.items() if key in given}
    flags = {name: str(bool(given[key])).lower() for key, name in FLAGS.items() if key in given}
    return {**numbers, **flags, **{name: str(given[key]) for key, name in TEXTS.items() if given.get(key)}}


def _deleted_recently(error: BaseException) -> bool:
    return code(error).endswith("QueueDeletedRecently")


class Queue(Handler):
    """A queue."""

    def create(self, call: Call, inputs: Properties) -> str:
        client = call.client("sqs")
        arguments: dict[str, Any] = {"QueueName": inputs["name"], "Attributes": _attributes(inputs)}
        tags = call.all_tags(inputs)
        if tags:
            arguments["tags"] = tags
        return str(
            call.retry(lambda: client.create_queue(**arguments), _deleted_recently, seconds=70)["QueueUrl"]
        )

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("sqs")
        found = client.get_queue_attributes(QueueUrl=resource_id, AttributeNames=["All"])["Attributes"]
        result: Properties = {
            "url": resource_id,
            "arn": found["QueueArn"],
            "name": found["QueueArn"].rsplit(":", 1)[1],
            "fifoQueue": found.get("FifoQueue") == "true",
            "contentBasedDeduplication": found.get("ContentBasedDeduplication") == "true",
            "sqsManagedSseEnabled": found.get("SqsManagedSseEnabled") == "true",
            "tagsAll": without_aws(client.list_queue_tags(QueueUrl=resource_id).get("Tags")),
        }
        result.update({key: int(found[name]) if found.get(name) else None for key, name in NUMBERS.items()})
        result.update({key: found.get(name) or None for key, name in TEXTS.items()})
        return result

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("sqs")
        wanted = _attributes(news)
        wanted.pop("FifoQueue", None)
        for key in ("policy", "redrivePolicy", "redriveAllowPolicy", "kmsMasterKeyId"):
            # the policy is not touched when it is not given: a QueuePolicy may have set it
            if olds.get(key) and not news.get(key) and key != "policy":
                wanted[TEXTS[key]] = ""
        client.set_queue_attributes(QueueUrl=resource_id, Attributes=wanted)
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_queue(QueueUrl=resource_id, TagKeys=gone)
        if new:
            client.tag_queue(QueueUrl=resource_id, Tags=new)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("sqs").delete_queue(QueueUrl=resource_id)


class QueuePolicy(Handler):
    """The resource policy of a queue."""

    def create(self, call: Call, inputs: Properties) -> str:
        call.client("sqs").set_queue_attributes(
            QueueUrl=inputs["queueUrl"], Attributes={"Policy": inputs["policy"]}
        )
        return str(inputs["queueUrl"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        found = (
            call.client("sqs")
            .get_queue_attributes(QueueUrl=resource_id, AttributeNames=["Policy"])
            .get("Attributes")
            or {}
        )
        return {"queueUrl": resource_id, "policy": found["Policy"]} if found.get("Policy") else None

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        call.client("sqs").set_queue_attributes(QueueUrl=resource_id, Attributes={"Policy": news["policy"]})

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("sqs").set_queue_attributes(QueueUrl=resource_id, Attributes={"Policy": ""})
