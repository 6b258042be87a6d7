"""The permissions boundary that every role of every stack carries."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child
from components.place import Place
from components.policies import boundary


@dataclass(frozen=True, kw_only=True)
class RoleBoundaryArgs:
    """`place`: the account and region that it is for."""

    place: Place


class RoleBoundary(pulumi.ComponentResource):
    """A managed policy that is nobody's policy: the upper limit of all roles."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: RoleBoundaryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:access:RoleBoundary", name, {}, opts)
        policy = aws.iam.Policy(
            name,
            description="The most that a role of NeuroCAAS can have",
            policy=json.dumps(boundary.boundary(args.place), sort_keys=True, separators=(",", ":")),
            opts=child(self),
        )
        self.arn = policy.arn
        self.register_outputs({"arn": self.arn})
