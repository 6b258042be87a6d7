"""Where notices go: the ends of jobs and the alarms. People subscribe to the topic."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child
from components.place import Place
from components.policies import resources
from components.policies.document import rendered


@dataclass(frozen=True, kw_only=True)
class NoticesArgs:
    """`kms_key_arn`: the key that encrypts notices at rest."""

    place: Place
    kms_key_arn: pulumi.Input[str]


class Notices(pulumi.ComponentResource):
    """An encrypted SNS topic."""

    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: NoticesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:messaging:Notices", name, {}, opts)
        topic = aws.sns.Topic(name, kms_master_key_id=args.kms_key_arn, opts=child(self))
        aws.sns.TopicPolicy(
            name,
            arn=topic.arn,
            policy=rendered(
                lambda topic_arn: resources.topic(args.place, topic_arn=topic_arn), topic_arn=topic.arn
            ),
            opts=child(self, deleted_with=topic),
        )
        self.topic_arn = topic.arn
        self.register_outputs({"topic_arn": self.topic_arn})
