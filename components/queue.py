"""A queue for a Lambda function, with a dead-letter queue and an alarm behind it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.alarms import AlarmArgs, alarm
from components.options import child

_FOURTEEN_DAYS = 14 * 24 * 3600
"""Longest time that SQS keeps a message, in seconds."""


@dataclass(frozen=True, kw_only=True)
class WorkQueueArgs:
    """`consumer_timeout_seconds`: timeout of the function that reads it. `visibility_seconds`: how long a
    message that was taken is hidden, and so the pause before a failed one comes again; more than the
    function's timeout, default six times that (Lambda developer guide, "Using Lambda with Amazon SQS").
    `attempts`: deliveries before a message is put aside, default 5.
    `topic_arn`: where the alarm goes when a message was put aside."""

    consumer_timeout_seconds: int
    topic_arn: pulumi.Input[str]
    attempts: int = 5
    visibility_seconds: int | None = None

    @property
    def visibility(self) -> int:
        return self.visibility_seconds or 6 * self.consumer_timeout_seconds

    def __post_init__(self) -> None:
        if not 1 <= self.consumer_timeout_seconds <= 900:
            raise ValueError(
                "consumer_timeout_seconds must be 1 to 900 (Lambda's limit), got "
                f"{self.consumer_timeout_seconds}"
            )
        if not self.consumer_timeout_seconds < self.visibility <= 43_200:
            raise ValueError(
                "visibility_seconds must be more than the function's timeout and at most "
                f"43200, got {self.visibility}"
            )
        if not 1 <= self.attempts <= 1000:
            raise ValueError(f"attempts must be 1 to 1000, got {self.attempts}")


class WorkQueue(pulumi.ComponentResource):
    """Queue, dead-letter queue and alarm. Both queues are encrypted (SSE-SQS)."""

    url: pulumi.Output[str]
    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    dead_letter_url: pulumi.Output[str]
    dead_letter_name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkQueueArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:messaging:WorkQueue", name, {}, opts)
        dead = aws.sqs.Queue(
            f"{name}-dead",
            message_retention_seconds=_FOURTEEN_DAYS,
            sqs_managed_sse_enabled=True,
            opts=child(self),
        )
        queue = aws.sqs.Queue(
            name,
            visibility_timeout_seconds=args.visibility,
            message_retention_seconds=4 * 24 * 3600,
            receive_wait_time_seconds=20,
            sqs_managed_sse_enabled=True,
            redrive_policy=pulumi.Output.json_dumps(
                {"deadLetterTargetArn": dead.arn, "maxReceiveCount": args.attempts}
            ),
            opts=child(self),
        )
        alarm(
            f"{name}-dead",
            AlarmArgs(
                description="Messages that could not be handled lie in the dead-letter queue.",
                namespace="AWS/SQS",
                metric="ApproximateNumberOfMessagesVisible",
                dimensions={"QueueName": dead.name},
                statistic="Maximum",
                topic_arn=args.topic_arn,
            ),
            child(self),
        )
        self.url, self.arn, self.name = queue.url, queue.arn, queue.name
        self.dead_letter_url, self.dead_letter_name = dead.url, dead.name
        self._logical, self._queue = name, queue
        self.register_outputs({"url": self.url, "arn": self.arn, "dead_letter_url": self.dead_letter_url})

    def admit(self, policy: pulumi.Input[str]) -> pulumi.Resource:
        """Says who may send. What sends depends on the returned resource."""
        return aws.sqs.QueuePolicy(
            self._logical,
            queue_url=self._queue.url,
            policy=policy,
            opts=child(self, deleted_with=self._queue),
        )
