"""A role with one policy of its own, under the permissions boundary."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child
from components.place import Place
from components.policies.document import trust, trust_role

MACHINES = "ec2"
"""The service that takes the roles of machines."""


@dataclass(frozen=True, kw_only=True)
class BoundedRoleArgs:
    """`service`: who takes the role ("lambda"), or `role_arn`: the one role that does.
    `boundary_arn`: the permissions boundary, never optional. `path`: of the role's ARN, by which a policy can
    name many roles; starts and ends with '/'."""

    place: Place
    service: str | None = None
    role_arn: pulumi.Input[str] | None = None
    boundary_arn: pulumi.Input[str]
    description: str
    path: str = "/"

    def __post_init__(self) -> None:
        if (self.service is None) == (self.role_arn is None):
            raise ValueError(
                f"a role is taken by one service or by one role, got {self.service} and {self.role_arn}"
            )

    @property
    def trust(self) -> pulumi.Input[str]:
        """The trust policy as text."""
        if self.service is not None:
            return trust(self.place, self.service)
        assert self.role_arn is not None
        return pulumi.Output.from_input(self.role_arn).apply(trust_role)


class BoundedRole(pulumi.ComponentResource):
    """A role that one AWS service, or one other role, can take. The policy comes later, by `attach`: it often
    names what needs the role's ARN."""

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
            assume_role_policy=args.trust,
            permissions_boundary=args.boundary_arn,
            opts=child(self),
        )
        self.name, self.arn, self.unique_id = self._role.name, self._role.arn, self._role.unique_id
        self.register_outputs({"name": self.name, "arn": self.arn})

    def attach(self, policy: pulumi.Input[str]) -> pulumi.Resource:
        """Gives the role its policy. What uses the role depends on the returned resource."""
        return aws.iam.RolePolicy(self._logical, role=self._role.name, policy=policy, opts=child(self))


def machine_role(
    owner: pulumi.Resource,
    name: str,
    args: BoundedRoleArgs,
    policy: pulumi.Input[str],
    profile_path: str | None = None,
) -> tuple[BoundedRole, aws.iam.InstanceProfile]:
    """A role of machines with its policy, and the instance profile that gives it to them; both belong to
    `owner`. A function and no component: a component would stand in the URNs of what it has."""
    role = BoundedRole(name, args, opts=child(owner))
    granted = role.attach(policy)
    profile = aws.iam.InstanceProfile(
        name, path=profile_path, role=role.name, opts=child(owner, depends_on=[granted])
    )
    return role, profile
