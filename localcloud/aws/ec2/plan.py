"""What a call of RunInstances asks for: template and request merged, and everything checked before anything
is made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2 import capacity, default_vpc, images, records, templates
from localcloud.aws.protocol.ec2query import Ec2Error
from localcloud.instance_types import instance_type

USER_DATA_BYTES = 16384
MAX_COUNT = 1000
DEFAULT_TYPE = "m1.small"
"""What AWS takes when no type is given; not offered here, so that it is refused clearly."""


@dataclass(frozen=True)
class Plan:
    """A checked launch."""

    arguments: dict[str, Any]
    image: dict[str, Any]
    count: int
    profile: dict[str, Any] | None
    subnet: dict[str, Any]
    groups: list[str]
    tags: dict[str, dict[str, str]]
    market: str
    credentials_at: float | None
    """When the machines' metadata services know the role's credentials. None: at once."""


def expand(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """The arguments after the launch template, the image parameter resolved. Raises Ec2Error."""
    specification = request.get("LaunchTemplate")
    data: dict[str, Any] = {}
    tags: dict[str, str] = {}
    if specification:
        template = templates.find(specification)
        entry = templates.version(template, specification.get("Version"))
        data = entry["LaunchTemplateData"]
        tags = {
            "aws:ec2launchtemplate:id": template["LaunchTemplateId"],
            "aws:ec2launchtemplate:version": str(entry["VersionNumber"]),
        }
    arguments = templates.merge(data, request)
    if tags:
        arguments["Tags"].setdefault("instance", {}).update(tags)
    if arguments.get("ImageId"):
        arguments["ImageId"] = images.resolve(context, arguments["ImageId"])
    return arguments


def plan(context: Context, request: dict[str, Any]) -> Plan:
    """Check a request as AWS would. Raises Ec2Error with AWS's own codes."""
    low, high = request.get("MinCount"), request.get("MaxCount")
    for name, count in (("MinCount", low), ("MaxCount", high)):
        if count is None:
            raise Ec2Error("MissingParameter", f"The request must contain the parameter {name}")
        if count < 1:
            raise Ec2Error(
                "InvalidParameterValue",
                f"Value ({count}) for parameter {name} is invalid. It must be at least 1.",
            )
    assert low is not None
    assert high is not None
    if low > high:
        raise Ec2Error("InvalidParameterCombination", f"MinCount ({low}) must not exceed MaxCount ({high}).")
    if low > MAX_COUNT:
        raise Ec2Error(
            "InstanceLimitExceeded",
            f"You have requested more instances ({low}) than your limit of {MAX_COUNT}.",
        )
    arguments = expand(context, request)
    if not arguments.get("ImageId"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter ImageId")
    image = images.find(arguments["ImageId"])
    name = arguments.setdefault("InstanceType", DEFAULT_TYPE)
    kind = instance_type(name)
    if kind is None:
        raise Ec2Error("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
    if arguments.get("CreditSpecification") and not kind.burstable:
        raise Ec2Error(
            "InvalidParameterCombination",
            f"CreditSpecification is supported for burstable performance instances only, not for '{name}'.",
        )
    if records.user_data_size(arguments.get("UserData", "")) > USER_DATA_BYTES:
        raise Ec2Error("InvalidParameterValue", f"User data is limited to {USER_DATA_BYTES} bytes")
    key = arguments.get("KeyName")
    if key and key not in hooks.ec2._key_pairs:
        raise Ec2Error("InvalidKeyPair.NotFound", f"The key pair '{key}' does not exist")
    behaviour = arguments.setdefault("InstanceInitiatedShutdownBehavior", "stop")
    if behaviour not in ("stop", "terminate"):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({behaviour}) for parameter instanceInitiatedShutdownBehavior is invalid.",
        )
    check_volumes(arguments, image)
    subnet, groups = network(arguments)
    known = profile(arguments)
    if known is not None and records.age(known) < context.account.now.instance_profile_delay_s:
        raise _unknown_profile(arguments)
    return Plan(
        arguments,
        image,
        min(high, MAX_COUNT),
        known,
        subnet,
        groups,
        arguments["Tags"],
        capacity.market(arguments),
        time.time() + delay if (delay := context.account.now.credentials_delay_s) else None,
    )


def profile(arguments: dict[str, Any]) -> dict[str, Any] | None:
    """The instance profile that is asked for. Raises InvalidParameterValue when there is no such."""
    wanted = arguments.get("IamInstanceProfile") or {}
    if not wanted:
        return None
    found = hooks.iam._lookup_instance_profile(name=wanted.get("Name", ""), arn=wanted.get("Arn", ""))
    if not found:
        raise _unknown_profile(arguments)
    return dict(found)


def _unknown_profile(arguments: dict[str, Any]) -> Ec2Error:
    """Of a profile that is not there, or so new that EC2 has not heard of it."""
    wanted = arguments["IamInstanceProfile"]
    field, label = ("name", "name") if wanted.get("Name") else ("arn", "ARN")
    return Ec2Error(
        "InvalidParameterValue",
        f"Value ({wanted.get(field.capitalize())}) for parameter iamInstanceProfile.{field} is invalid. "
        f"Invalid IAM Instance Profile {label}",
    )


def check_volumes(arguments: dict[str, Any], image: dict[str, Any]) -> None:
    """Raises InvalidBlockDeviceMapping when the root volume is smaller than the image's snapshot."""
    root = image["BlockDeviceMappings"][0]
    for mapping in arguments.get("BlockDeviceMappings", []):
        size = mapping.get("Ebs", {}).get("VolumeSize")
        if (
            mapping.get("DeviceName") == root["DeviceName"]
            and size is not None
            and size < root["Ebs"]["VolumeSize"]
        ):
            raise Ec2Error(
                "InvalidBlockDeviceMapping",
                f"Volume of size {size}GB is smaller than snapshot '{root['Ebs']['SnapshotId']}', "
                f"expect size >= {root['Ebs']['VolumeSize']}GB",
            )


def network(arguments: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The subnet and the security groups of a launch: those asked for, else the defaults. Raises Ec2Error."""
    interfaces = arguments.get("NetworkInterfaces", [])
    if interfaces and (arguments.get("SecurityGroupIds") or arguments.get("SubnetId")):
        raise Ec2Error(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level subnet ID or security groups may not be specified on "
            "the same request",
        )
    first = interfaces[0] if interfaces else {}
    wanted = first.get("SubnetId") or arguments.get("SubnetId")
    zone = (arguments.get("Placement") or {}).get("AvailabilityZone")
    subnets = hooks.ec2._subnets
    if wanted:
        if wanted not in subnets:
            raise Ec2Error("InvalidSubnetID.NotFound", f"The subnet ID '{wanted}' does not exist")
        subnet = subnets[wanted]
    else:
        if default_vpc.default_vpc() is None:
            raise Ec2Error(*default_vpc.NO_DEFAULT_VPC)
        default = [
            s
            for s in subnets.values()
            if s.get("DefaultForAz") and (zone is None or s["AvailabilityZone"] == zone)
        ]
        if not default:
            raise Ec2Error(
                "MissingInput",
                "No subnets found for the default "
                f"VPC{f' in {zone}' if zone else ''}. Please specify a subnet.",
            )
        subnet = min(default, key=lambda s: s["AvailabilityZone"])
    groups = list(first.get("Groups") or arguments.get("SecurityGroupIds") or [])
    store = hooks.ec2._security_groups
    for name in arguments.get("SecurityGroups", []):
        groups += [i for i, g in store.items() if g.get("GroupName") == name] or [name]
    for group in groups:
        if group not in store:
            raise Ec2Error("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
    if not groups:
        groups = [
            i
            for i, g in store.items()
            if g.get("GroupName") == "default" and g.get("VpcId") == subnet["VpcId"]
        ]
    return dict(subnet), groups
