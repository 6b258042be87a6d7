"""RunInstances: template and request merged, everything checked before anything is made, idempotent by client
token.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2 import capacity, images, records, templates
from localcloud.aws.protocol.ec2query import Ec2Error
from localcloud.instance_types import instance_type

USER_DATA_BYTES = 16384
MAX_COUNT = 1000
TOKEN_SECONDS = 48 * 3600
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
    if instance_type(name) is None:
        raise Ec2Error("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
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
    _check_volumes(arguments, image)
    subnet, groups = network(arguments)
    return Plan(
        arguments,
        image,
        min(high, MAX_COUNT),
        profile(arguments),
        subnet,
        groups,
        arguments["Tags"],
        capacity.market(arguments),
    )


def profile(arguments: dict[str, Any]) -> dict[str, Any] | None:
    """The instance profile that is asked for. Raises InvalidParameterValue when there is no such."""
    wanted = arguments.get("IamInstanceProfile") or {}
    if not wanted:
        return None
    found = hooks.iam._lookup_instance_profile(name=wanted.get("Name", ""), arn=wanted.get("Arn", ""))
    if not found:
        field, value = ("name", wanted["Name"]) if wanted.get("Name") else ("arn", wanted.get("Arn"))
        label = "Name" if field == "name" else "ARN"
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({value}) for parameter iamInstanceProfile.{field} is invalid. Invalid IAM Instance "
            f"Profile {label}",
        )
    return dict(found)


def _check_volumes(arguments: dict[str, Any], image: dict[str, Any]) -> None:
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
        default = [
            s
            for s in subnets.values()
            if s.get("DefaultForAz", True) and (zone is None or s["AvailabilityZone"] == zone)
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


def run_instances(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """RunInstances. New machines are ``pending`` until the fleet has booted them."""
    token = request.get("ClientToken")
    tokens = context.store.section("ec2-tokens")
    key = f"{hooks.account()}/{hooks.region()}/{token}"
    signature = hashlib.sha256(
        json.dumps({k: v for k, v in request.items() if k != "DryRun"}, sort_keys=True).encode()
    ).hexdigest()
    if token and key in tokens:
        known = tokens[key]
        if known["signature"] != signature:
            raise Ec2Error(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous "
                "request(s).",
            )
        return _reservation(
            known["reservation"], [i for i in map(records.instances().get, known["instances"]) if i]
        )
    launch = plan(context, request)
    if request.get("DryRun"):
        raise Ec2Error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
    reservation = records.new_id("r")
    zone = launch.subnet["AvailabilityZone"]
    count = capacity.take(
        context, launch.arguments["InstanceType"], launch.market, zone, request["MinCount"], launch.count
    )
    made = [_make(launch, index, reservation, token) for index in range(count)]
    if token:
        limit = time.time() - TOKEN_SECONDS
        for old in [k for k, entry in tokens.items() if entry["time"] < limit]:
            del tokens[old]
        tokens[key] = {
            "signature": signature,
            "reservation": reservation,
            "instances": [record["InstanceId"] for record in made],
            "time": time.time(),
        }
    for record in made:
        records.set_state(context, record, "pending")
    return _reservation(reservation, made)


def _reservation(reservation: str, instances: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "ReservationId": reservation,
        "OwnerId": hooks.account(),
        "Groups": [],
        "Instances": [records.shown(record) for record in instances],
    }


def _make(launch: Plan, index: int, reservation: str, token: str | None) -> dict[str, Any]:
    arguments, image, subnet = launch.arguments, launch.image, launch.subnet
    instance_id, moment, address = (
        records.new_id("i"),
        records.now(),
        records.free_address(subnet["CidrBlock"]),
    )
    device = image["RootDeviceName"]
    dashed = address.replace(".", "-")
    groups = [
        {"GroupId": g, "GroupName": hooks.ec2._security_groups[g].get("GroupName", g)} for g in launch.groups
    ]
    record: dict[str, Any] = {
        "InstanceId": instance_id,
        "ImageId": image["ImageId"],
        "InstanceType": arguments["InstanceType"],
        "State": {"Code": -1, "Name": "new"},
        "StateTransitionReason": "",
        "AmiLaunchIndex": index,
        "LaunchTime": moment,
        "UsageOperationUpdateTime": moment,
        "Placement": {"AvailabilityZone": subnet["AvailabilityZone"], "GroupName": "", "Tenancy": "default"},
        "Monitoring": {
            "State": "enabled" if (arguments.get("Monitoring") or {}).get("Enabled") else "disabled"
        },
        "SubnetId": subnet["SubnetId"],
        "VpcId": subnet["VpcId"],
        "PrivateIpAddress": address,
        "PrivateDnsName": f"ip-{dashed}.ec2.internal",
        "PublicDnsName": "",
        "SourceDestCheck": True,
        "SecurityGroups": groups,
        "Architecture": image["Architecture"],
        "RootDeviceType": "ebs",
        "RootDeviceName": device,
        "Hypervisor": "xen",
        "VirtualizationType": "hvm",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "EnaSupport": True,
        "EbsOptimized": bool(arguments.get("EbsOptimized")),
        "MetadataOptions": {
            "State": "applied",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 2,
            "HttpEndpoint": "enabled",
            "HttpProtocolIpv6": "disabled",
            "InstanceMetadataTags": "disabled",
            **(arguments.get("MetadataOptions") or {}),
        },
        "BlockDeviceMappings": [],
        "_local": {
            "user_data": arguments.get("UserData", ""),
            "shutdown_behavior": arguments["InstanceInitiatedShutdownBehavior"],
            "disable_api_termination": bool(arguments.get("DisableApiTermination")),
            "reservation_id": reservation,
            "private_ip": address,
        },
        "Virtualization": "hvm",  # MiniStack's own name for it
    }
    record.update(
        {
            field: value
            for field, value in (("KeyName", arguments.get("KeyName")), ("ClientToken", token))
            if value
        }
    )
    if launch.market == "spot":
        record.update(InstanceLifecycle="spot", SpotInstanceRequestId=records.new_id("sir"))
    if launch.profile:
        record["IamInstanceProfile"] = {
            "Arn": launch.profile["Arn"],
            "Id": launch.profile["InstanceProfileId"],
        }
    records.instances()[instance_id] = record
    records.set_tags(instance_id, launch.tags.get("instance", {}))
    _volumes(record, launch)
    if launch.profile:
        hooks.ec2._upsert_iam_instance_profile_association(instance_id, record["IamInstanceProfile"])
    return record


def _volumes(record: dict[str, Any], launch: Plan) -> None:
    root = launch.image["BlockDeviceMappings"][0]
    devices = {root["DeviceName"]: dict(root["Ebs"])}
    for mapping in launch.arguments.get("BlockDeviceMappings", []):
        if "Ebs" in mapping:
            devices[mapping["DeviceName"]] = {**devices.get(mapping["DeviceName"], {}), **mapping["Ebs"]}
        elif "NoDevice" in mapping:
            devices.pop(mapping["DeviceName"], None)
    for device, ebs in devices.items():
        volume, keep = records.new_id("vol"), ebs.get("DeleteOnTermination", True)
        attachment = {
            "VolumeId": volume, "InstanceId": record["InstanceId"], "Device": device, "State": "attached",
            "AttachTime": record["LaunchTime"], "DeleteOnTermination": keep,
        }  # fmt: skip
        hooks.ec2._volumes[volume] = {
            "VolumeId": volume, "Size": ebs.get("VolumeSize", 8),
            "AvailabilityZone": record["Placement"]["AvailabilityZone"],
            "State": "in-use", "VolumeType": ebs.get("VolumeType", "gp3"),
            "SnapshotId": ebs.get("SnapshotId", ""),
            "Iops": ebs.get("Iops", 3000), "Encrypted": bool(ebs.get("Encrypted")),
            "CreateTime": record["LaunchTime"],
            "Attachments": [attachment], "MultiAttachEnabled": False,
            "Throughput": ebs.get("Throughput", 125),
        }  # fmt: skip
        records.set_tags(volume, launch.tags.get("volume", {}))
        record["BlockDeviceMappings"].append(
            {
                "DeviceName": device,
                "Ebs": {
                    "VolumeId": volume,
                    "Status": "attached",
                    "AttachTime": record["LaunchTime"],
                    "DeleteOnTermination": keep,
                },
            }
        )
