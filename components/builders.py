"""The roles of baking, shared by all analyses: the machines that build images, and the service that retires
images.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi

from components.options import child
from components.place import Place
from components.policies import image
from components.policies.document import rendered
from components.role import MACHINES, BoundedRole, BoundedRoleArgs, machine_role


@dataclass(frozen=True, kw_only=True)
class ImageRolesArgs:
    """`artifact_bucket`: where long provisioning scripts lie. `log_bucket`: where build logs go."""

    place: Place
    boundary_arn: pulumi.Input[str]
    artifact_bucket: pulumi.Input[str]
    log_bucket: pulumi.Input[str]


class ImageRoles(pulumi.ComponentResource):
    """Role and instance profile of build machines, role of lifecycle policies."""

    profile_name: pulumi.Output[str]
    build_role_name: pulumi.Output[str]
    lifecycle_role_arn: pulumi.Output[str]
    lifecycle_ready: pulumi.Resource
    """The policy of the lifecycle role. Image Builder refuses a role that cannot yet do its work."""

    def __init__(self, name: str, args: ImageRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:access:ImageRoles", name, {}, opts)
        build, profile = machine_role(
            self,
            f"{name}-imagebuilder",
            BoundedRoleArgs(
                place=args.place,
                service=MACHINES,
                boundary_arn=args.boundary_arn,
                description="Machines that build and test images",
            ),
            rendered(
                lambda **buckets: image.build_machine(args.place, **buckets),
                artifact_bucket=args.artifact_bucket,
                log_bucket=args.log_bucket,
            ),
        )
        retire = BoundedRole(
            f"{name}-lifecycle",
            BoundedRoleArgs(
                place=args.place,
                service="imagebuilder",
                boundary_arn=args.boundary_arn,
                description="Retires old images",
            ),
            opts=child(self),
        )
        self.lifecycle_ready = retire.attach(json.dumps(image.lifecycle(args.place), sort_keys=True))
        self.profile_name, self.build_role_name, self.lifecycle_role_arn = (
            profile.name,
            build.name,
            retire.arn,
        )
        self.register_outputs(
            {"profile_name": self.profile_name, "lifecycle_role_arn": self.lifecycle_role_arn}
        )
