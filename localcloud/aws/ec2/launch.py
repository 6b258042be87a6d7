"""RunInstances: what is asked for is admitted as the account and its place allow, and made once a client
token.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2 import capacity, limits, records, spot_role
from localcloud.aws.ec2.plan import Plan, plan
from localcloud.aws.protocol.ec2query import Ec2Error

TOKEN_SECONDS = 48 * 3600


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
    made = [
        _make(launch, index, reservation, token)
        for index in _indices(context, launch, _admit(context, launch, request["MinCount"]))
    ]
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
        limits.decide(context, record, "terminated")
        records.set_state(context, record, "pending")
    return _reservation(reservation, made)


def _admit(context: Context, launch: Plan, low: int) -> int:
    """How many machines the account and the place have for a launch. Raises Ec2Error when that is too few."""
    kind, zone = launch.arguments["InstanceType"], launch.subnet["AvailabilityZone"]
    if launch.market == "spot":
        spot_role.need(context)
    limits.THROTTLE.take(context.account.now.launch_bucket, launch.count)
    room = limits.within_vcpus(context, kind, launch.market, low, launch.count)
    return capacity.take(context, kind, launch.market, zone, low, room)


def _indices(context: Context, launch: Plan, count: int) -> list[int]:
    """The launch index of each machine."""
    same = launch.market == "spot" and context.account.now.spot_launch_index == "zero"
    return [0] * count if same else list(range(count))


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
            "credentials_at": launch.credentials_at,
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
