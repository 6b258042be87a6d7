"""What a group's machines are: their role and the launch template that the manager starts them from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.names import PREFIX
from components.options import child
from components.place import Place
from components.policies import machine
from components.policies.document import rendered
from components.role import MACHINES, BoundedRoleArgs, machine_role
from neurocaas.protocol.chain import Source
from neurocaas.protocol.outside import OutsideBucket
from neurocaas.protocol.settings import ROOT_DEVICE


def machine_path(stack: str) -> str:
    """Path of the roles of all machines of a stack, and of no other role. Their instance profiles lie one
    step below, by group.
    """
    return f"/{PREFIX}/{stack}/"


@dataclass(frozen=True, kw_only=True)
class GroupMachinesArgs:
    """`image_id`: an AMI id or `resolve:ssm:<parameter>`. `root_device`: what the image calls its root
    volume. `instance_type`: default type; the manager may name another of the blueprint's list. `volume_gib`:
    root volume, 8 to 16384 GiB; the manager adds a submission's __dataset_size__. `secrets`: names of those
    that machines read, sealed with the key `kms_key_arn`. `held`: machines may stay after a failure."""

    place: Place
    stack: str
    analysis: str
    group: str
    bucket: pulumi.Input[str]
    artifact_bucket: pulumi.Input[str]
    boundary_arn: pulumi.Input[str]
    security_group_id: pulumi.Input[str]
    key_name: pulumi.Input[str]
    image_id: str
    root_device: str = ROOT_DEVICE
    instance_type: str
    volume_gib: int
    outside_buckets: Sequence[OutsideBucket] = ()
    secrets: Sequence[str] = ()
    kms_key_arn: pulumi.Input[str]
    sources: Sequence[Source] = ()
    held: bool = False

    def __post_init__(self) -> None:
        if not 8 <= self.volume_gib <= 16384:
            raise ValueError(f"volume_gib must be 8 to 16384 (limits of gp3), got {self.volume_gib}")


class GroupMachines(pulumi.ComponentResource):
    """Role, instance profile and launch template of one group: another group's data is out of reach whatever
    a job does.
    """

    role_name: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    role_id: pulumi.Output[str]
    template_id: pulumi.Output[str]
    template_arn: pulumi.Output[str]
    template_version: pulumi.Output[str]

    def __init__(
        self, name: str, args: GroupMachinesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:compute:GroupMachines", name, {}, opts)
        role, profile = machine_role(
            self,
            name,
            BoundedRoleArgs(
                place=args.place,
                service=MACHINES,
                boundary_arn=args.boundary_arn,
                description=f"Machines of group {args.group} in {args.analysis}",
                path=machine_path(args.stack),
            ),
            rendered(
                lambda **known: machine.machine(
                    args.place,
                    stack=args.stack,
                    group=args.group,
                    outside_buckets=args.outside_buckets,
                    sources=args.sources,
                    secrets=args.secrets,
                    held=args.held,
                    **known,
                ),
                bucket=args.bucket,
                artifact_bucket=args.artifact_bucket,
                kms_key_arn=args.kms_key_arn,
            ),
            # It tells the manager's policy whose profile it is. A path takes all characters of a group's name
            # (IAM API reference).
            profile_path=f"{machine_path(args.stack)}{args.group}/",
        )
        tags = {"PriceTracking": "On", "analysis": args.analysis, "group": args.group}
        template = aws.ec2.LaunchTemplate(
            name,
            description=f"Machines of group {args.group} in {args.analysis}",
            update_default_version=True,
            image_id=args.image_id,
            instance_type=args.instance_type,
            key_name=args.key_name,
            iam_instance_profile={"arn": profile.arn},
            vpc_security_group_ids=[args.security_group_id],
            # A machine that shuts down is gone, with its volume: nothing is left to pay for or to read.
            instance_initiated_shutdown_behavior="terminate",
            block_device_mappings=[
                {
                    "device_name": args.root_device,
                    "ebs": {
                        "volume_size": args.volume_gib,
                        "volume_type": "gp3",
                        "encrypted": "true",
                        "delete_on_termination": "true",
                    },
                }
            ],
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
                "instance_metadata_tags": "enabled",
            },
            tag_specifications=[{"resource_type": kind, "tags": tags} for kind in ("instance", "volume")],
            opts=child(self),
        )
        self.role_name, self.role_arn, self.role_id = role.name, role.arn, role.unique_id
        self.template_id, self.template_arn = template.id, template.arn
        self.template_version = template.latest_version.apply(str)
        self.register_outputs({"template_id": self.template_id, "role_arn": self.role_arn})
