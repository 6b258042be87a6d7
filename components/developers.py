"""Development instances: their role and their network. The instances themselves are started by developers
(`invoke dev.launch`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.network import MachineNetwork, MachineNetworkArgs
from components.options import child
from components.place import Place
from components.policies.developer import developer
from components.policies.document import rendered
from components.role import MACHINES, BoundedRoleArgs, machine_role


@dataclass(frozen=True, kw_only=True)
class DeveloperMachinesArgs:
    """`artifact_bucket`: where the code of the analyses lies. `cidrs`: address ranges that may always reach
    port 22, default none:
    `invoke ssh` opens it for one address while it runs. `vpc_id`: None for the default VPC."""

    place: Place
    boundary_arn: pulumi.Input[str]
    artifact_bucket: pulumi.Input[str]
    cidrs: Sequence[str] = ()
    vpc_id: pulumi.Input[str] | None = None


class DeveloperMachines(pulumi.ComponentResource):
    """Role, instance profile and security group of all development instances. The group is apart from that of
    jobs' machines, whose port 22 is never open."""

    role_arn: pulumi.Output[str]
    profile_name: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    security_group_name: pulumi.Output[str]

    def __init__(
        self, name: str, args: DeveloperMachinesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:access:DeveloperMachines", name, {}, opts)
        role, profile = machine_role(
            self,
            name,
            BoundedRoleArgs(
                place=args.place,
                service=MACHINES,
                boundary_arn=args.boundary_arn,
                description="Development instances",
            ),
            rendered(
                lambda **buckets: developer(args.place, **buckets), artifact_bucket=args.artifact_bucket
            ),
        )
        allowed = MachineNetworkArgs(developer_cidrs=args.cidrs, vpc_id=args.vpc_id)
        network = MachineNetwork(name, allowed, opts=child(self))
        self.role_arn, self.profile_name = role.arn, profile.name
        self.security_group_id, self.security_group_name = (
            network.security_group_id,
            network.security_group_name,
        )
        self.register_outputs(
            {"profile_name": self.profile_name, "security_group_id": self.security_group_id}
        )
