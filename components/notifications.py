"""Where notices go: the ends of jobs and the alarms. Administrators subscribe to the topic, to everything;
addresses that groups name in groups.yaml are subscribed here, each to what its groups say
(`blueprints.notify`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from blueprints import notify
from components.bucket import PrivateBucket
from components.options import child
from components.place import Place
from components.policies import resources
from components.policies.document import rendered
from neurocaas.protocol import digest as digests


@dataclass(frozen=True, kw_only=True)
class NoticesArgs:
    """`kms_key_arn`: the key that encrypts notices at rest. `notify`: the entries of each group. `artifacts`:
    the bucket where the sweep reads which groups get digests."""

    place: Place
    kms_key_arn: pulumi.Input[str]
    artifacts: PrivateBucket
    notify: Mapping[str, Sequence[notify.Notify]] = field(default_factory=dict)


class Notices(pulumi.ComponentResource):
    """An encrypted SNS topic, and a subscription of each address that a group names.

    SNS asks an address first, with a link; until somebody has followed it, nothing is sent (SNS developer
    guide, "Confirm the subscription"). The provider neither waits for that, nor takes away what nobody has
    confirmed: SNS itself forgets it after two days.
    """

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
        for address, parts in notify.by_address(args.notify).items():
            # The name is in the state's URNs and in every preview: it tells no address.
            digest = hashlib.sha256(address.encode()).hexdigest()[:12]
            aws.sns.TopicSubscription(
                f"{name}-{digest}",
                topic=topic.arn,
                protocol=notify.protocol_of(address),
                endpoint=address,
                filter_policy=json.dumps(notify.policy(parts), sort_keys=True),
                filter_policy_scope="MessageAttributes",
                opts=child(self),
            )
        aws.s3.BucketObjectv2(
            f"{name}-digests",
            bucket=args.artifacts.name,
            key=digests.KEY,
            content=digests.groups_json(notify.digested(args.notify)),
            content_type="application/json",
            opts=child(self, depends_on=[args.artifacts.ready]),
        )
        self.topic_arn = topic.arn
        self.register_outputs({"topic_arn": self.topic_arn})
