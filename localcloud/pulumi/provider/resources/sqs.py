"""Queues and their policies. The id of both is the queue's URL."""

from __future__ import annotations

from localcloud.pulumi.provider.errors import code
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import Tags

NUMBERS = {
    "delaySeconds": "DelaySeconds",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}


def _attributes(inputs: Properties) -> dict[str, str]:
    """The inputs as SQS wants them: all texts."""
    wanted = {name: str(inputs[key]) for key, name in NUMBERS.items() if inputs.get(key) is not None}
    if inputs.get("sqsManagedSseEnabled") is not None:
        wanted["SqsManagedSseEnabled"] = str(bool(inputs["sqsManagedSseEnabled"])).lower()
    return wanted | ({"RedrivePolicy": inputs["redrivePolicy"]} if inputs.get("redrivePolicy") else {})


class Queue(Handler):
    """A queue."""

    tags = Tags(
        service="sqs", argument="QueueUrl", tag="tag_queue", untag="untag_queue", listing="list_queue_tags",
        names=None,
    )  # fmt: skip

    def create(self, call: Call, inputs: Properties) -> str:
        tags = self.tags.given(call.all_tags(inputs), "tags")
        made = call.retry(
            lambda: call.client("sqs").create_queue(
                QueueName=inputs["name"], Attributes=_attributes(inputs), **tags
            ),
            lambda error: code(error).endswith("QueueDeletedRecently"),
            seconds=70,
        )
        return str(made["QueueUrl"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        answer = call.client("sqs").get_queue_attributes(QueueUrl=resource_id, AttributeNames=["All"])
        found = answer["Attributes"]
        return {
            **{key: int(found[name]) if found.get(name) else None for key, name in NUMBERS.items()},
            "url": resource_id,
            "arn": found["QueueArn"],
            "name": found["QueueArn"].rsplit(":", 1)[1],
            "policy": found.get("Policy") or None,
            "redrivePolicy": found.get("RedrivePolicy") or None,
            "sqsManagedSseEnabled": found.get("SqsManagedSseEnabled") == "true",
            "tagsAll": self.tags.read(call, resource_id),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        wanted = _attributes(news)
        if olds.get("redrivePolicy") and not news.get("redrivePolicy"):
            wanted["RedrivePolicy"] = ""
        call.client("sqs").set_queue_attributes(QueueUrl=resource_id, Attributes=wanted)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("sqs").delete_queue(QueueUrl=resource_id)


class QueuePolicy(Handler):
    """The resource policy of a queue."""

    @staticmethod
    def _set(call: Call, url: str, policy: str) -> None:
        call.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})

    def create(self, call: Call, inputs: Properties) -> str:
        self._set(call, inputs["queueUrl"], inputs["policy"])
        return str(inputs["queueUrl"])

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        answer = call.client("sqs").get_queue_attributes(QueueUrl=resource_id, AttributeNames=["Policy"])
        policy = (answer.get("Attributes") or {}).get("Policy")
        return {"queueUrl": resource_id, "policy": policy} if policy else None

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        self._set(call, resource_id, news["policy"])

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        self._set(call, resource_id, "")
