"""A role with one policy of its own, under the permissions boundary."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child
from components.place import Place
from components.policies.document import trust


@dataclass(frozen=True, kw_only=True)
class BoundedRoleArgs:
    """`service`: who takes the role ("lambda.amazonaws.com"). `boundary_arn`: the permissions boundary, never optional.
    `path`: of the role's ARN, by which a policy can name many roles; starts and ends with '/'."""

    place: Place
    service: str
    boundary_arn: pulumi.Input[str]
    description: str
    path: str = "/"


class BoundedRole(pulumi.ComponentResource):
    """A role that one AWS service can take. The policy comes later, by `attach`: it often names what needs the role's ARN."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    unique_id: pulumi.Output[str]
    """IAM's unique id of the role (`AROA…`), with which the `aws:userid` of its sessions begins."""

    def __init__(self, name: str, args: BoundedRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:access:BoundedRole", name, {}, opts)
        self._logical = name
        self._role = aws.iam.Role(
            name,
            description=args.description,
            path=args.path,
            assume_role_policy=trust(args.place.partition, args.service, args.place.account),
            permissions_boundary=args.boundary_arn,
            opts=child(self),
        )
        self.name, self.arn, self.unique_id = self._role.name, self._role.arn, self._role.unique_id
        self.register_outputs({"name": self.name, "arn": self.arn})

    def attach(self, policy: pulumi.Input[str]) -> pulumi.Resource:
        """Gives the role its policy. What uses the role depends on the returned resource."""
        return aws.iam.RolePolicy(self._logical, role=self._role.name, policy=policy, opts=child(self))
