"""The analysts of a group: an IAM group with the contract's rights in the bucket of one analysis."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child
from components.place import Place
from components.policies import people
from components.policies.document import rendered


@dataclass(frozen=True, kw_only=True)
class AnalystGroupArgs:
    """`group`: first segment of all keys that its members may touch. `bucket`: of the analysis."""

    place: Place
    group: str
    bucket: pulumi.Input[str]


class AnalystGroup(pulumi.ComponentResource):
    """An IAM group with one policy, for a group that a blueprint names. Who is in it is not said here."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: AnalystGroupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:access:AnalystGroup", name, {}, opts)
        group = aws.iam.Group(name, opts=child(self))
        aws.iam.GroupPolicy(
            name,
            group=group.name,
            policy=rendered(
                lambda bucket: people.analysts(args.place, buckets=[bucket], group=args.group),
                bucket=args.bucket,
            ),
            opts=child(self),
        )
        self.name = group.name
        self.register_outputs({"name": self.name})
