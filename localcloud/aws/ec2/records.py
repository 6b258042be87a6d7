"""Instance records: boto3's ``Instance`` shape in MiniStack's own store, plus ``_local`` for what
DescribeInstances does not show.
"""

from __future__ import annotations

import base64
import calendar
import ipaddress
import json
import random
import re
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.protocol.ec2query import Ec2Error

CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
FORGET_SECONDS = 3600
"""A terminated instance is shown for an hour, as on AWS."""
NEXT: dict[str, set[str]] = {
    "new": {"pending"},
    "pending": {"running", "shutting-down", "terminated", "stopping"},
    "running": {"shutting-down", "terminated", "stopping", "stopped"},
    "stopping": {"stopped", "shutting-down", "terminated"},
    "stopped": {"pending", "shutting-down", "terminated"},
    "shutting-down": {"terminated"},
    "terminated": set(),
}

Record = dict[str, Any]


def now() -> str:
    """The present in the form that EC2 uses."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def age(record: dict[str, Any]) -> float:
    """For how many seconds a role or an instance profile of IAM has been there."""
    return time.time() - calendar.timegm(time.strptime(record["CreateDate"], "%Y-%m-%dT%H:%M:%SZ"))


def new_id(prefix: str) -> str:
    """A fresh resource id: prefix and 17 hexadecimal digits."""
    return f"{prefix}-{uuid.uuid4().hex[:17]}"


def instances() -> Any:
    """The store, scoped to the account and region of the request."""
    return hooks.ec2._instances


def find(instance_id: str) -> Record:
    """The record of an instance. Raises InvalidInstanceID.Malformed or InvalidInstanceID.NotFound."""
    if not re.fullmatch(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})", instance_id):
        raise Ec2Error("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"')
    record: Record | None = instances().get(instance_id)
    if record is None:
        raise Ec2Error("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")
    return record


def everywhere() -> Iterator[tuple[str, str, Record]]:
    """All instances with their account and region."""
    for (account, region, _), record in instances().all_items():
        yield account, region, record


def tags(resource_id: str) -> list[dict[str, str]]:
    """The tags of a resource in boto3's form."""
    found: list[dict[str, str]] = hooks.ec2._tags.get(resource_id, [])
    return found


def set_tags(resource_id: str, wanted: dict[str, str]) -> None:
    """Replace the tags of a resource."""
    if wanted:
        hooks.ec2._tags[resource_id] = [{"Key": key, "Value": value} for key, value in wanted.items()]
    else:
        hooks.ec2._tags.pop(resource_id, None)


def free_address(block: str) -> str:
    """A private address of a subnet (its CIDR block) that no living instance has. Raises
    InsufficientFreeAddressesInSubnet.
    """
    network = ipaddress.ip_network(block)
    taken = {record.get("PrivateIpAddress") for record in instances().values()}
    for _ in range(1000):
        # AWS keeps the first four addresses of a subnet and the last one.
        address = str(network[random.randint(4, network.num_addresses - 2)])  # noqa: S311 - an address, not a secret
        if address not in taken:
            return address
    raise Ec2Error("InsufficientFreeAddressesInSubnet", f"The subnet {block} has no free address.")


def set_state(
    context: Context, record: Record, state: str, code: str = "", message: str = "", by_user: bool = False
) -> bool:
    """Move an instance to ``state`` if it may go there, and emit the state-change event. Returns whether it
    moved.

    Acts in the current account and region. Volumes that end with their instance end with it.
    """
    before = record["State"]["Name"]
    if state not in NEXT[before]:
        return False
    record["State"] = {"Code": CODES[state], "Name": state}
    if before == "stopped" and state == "pending":
        record["LaunchTime"] = now()  # EC2 gives the time of the last start
    if state in ("shutting-down", "terminated", "stopping", "stopped"):
        if code and not (before in ("shutting-down", "stopping") and record.get("StateReason")):
            record["StateReason"] = {"Code": code, "Message": message or code}
        if by_user:
            moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S GMT")
            record["StateTransitionReason"] = f"User initiated ({moment})"
    else:
        record.pop("StateReason", None)
        record["StateTransitionReason"] = ""
    if state == "terminated":
        record["_terminated_at"] = time.time()
        _release(record)
    hooks.emit_event(
        "aws.ec2",
        "EC2 Instance State-change Notification",
        json.dumps({"instance-id": record["InstanceId"], "state": state}),
        [f"arn:aws:ec2:{hooks.region()}:{hooks.account()}:instance/{record['InstanceId']}"],
        str(uuid.uuid4()),
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    context.changed("ec2")
    context.checkpoint.mark("sqs")  # where events usually go
    return True


def _release(record: Record) -> None:
    for mapping in record["BlockDeviceMappings"]:
        volume = mapping["Ebs"]["VolumeId"]
        if mapping["Ebs"].get("DeleteOnTermination", True):
            hooks.ec2._volumes.pop(volume, None)
            hooks.ec2._tags.pop(volume, None)
        elif volume in hooks.ec2._volumes:
            hooks.ec2._volumes[volume].update(State="available", Attachments=[])
    record["BlockDeviceMappings"] = []
    for field in (
        "PublicIpAddress",
        "PublicDnsName",
        "PrivateIpAddress",
        "PrivateDnsName",
        "SubnetId",
        "VpcId",
    ):
        if field in record:
            record[field] = ""
    association = hooks.ec2._find_active_iam_instance_profile_association(record["InstanceId"])
    if association:
        hooks.ec2._iam_instance_profile_associations.pop(association["AssociationId"], None)


def forget_old() -> None:
    """Drop instances that were terminated more than an hour ago."""
    limit = time.time() - FORGET_SECONDS
    for account, region, record in list(everywhere()):
        if record["State"]["Name"] == "terminated" and record.get("_terminated_at", 0) < limit:
            instances().pop_scoped(account, region, record["InstanceId"], None)
            hooks.ec2._tags.pop_scoped(account, region, record["InstanceId"], None)


def shown(record: Record) -> Record:
    """The record as DescribeInstances returns it."""
    return {**record, "Tags": tags(record["InstanceId"])}


def reclaim_time(record: Record) -> str | None:
    """When AWS takes a spot machine back, as its metadata service says it; None while nobody has said so."""
    moment = record["_local"].get("reclaim_at")
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def for_fleet(account: str, region: str, record: Record) -> dict[str, Any]:
    """The record as the fleet needs it."""
    local = record["_local"]
    with hooks.scope(account, region):
        profile_arn = (record.get("IamInstanceProfile") or {}).get("Arn")
        profile = hooks.iam._lookup_instance_profile(arn=profile_arn) if profile_arn else None
        return {
            "id": record["InstanceId"],
            "state": record["State"]["Name"],
            "image_id": record["ImageId"],
            "instance_type": record["InstanceType"],
            "user_data": local["user_data"],
            "role_arn": role_arn(profile, account),
            "profile_arn": profile_arn,
            "launch_index": record["AmiLaunchIndex"],
            "reservation_id": local["reservation_id"],
            "private_ip": local["private_ip"],
            "availability_zone": record["Placement"]["AvailabilityZone"],
            "region": region,
            "account": account,
            "tags": {tag["Key"]: tag["Value"] for tag in tags(record["InstanceId"])},
            "shutdown_behavior": local["shutdown_behavior"],
            "launched_at": record["LaunchTime"],
            "life_cycle": record.get("InstanceLifecycle", "on-demand"),
            "reclaim_time": reclaim_time(record),
            "credentials_at": local.get("credentials_at"),
            "volume_gib": _root_gib(record),
            "http_tokens": record.get("MetadataOptions", {}).get("HttpTokens", "required"),
        }


def _root_gib(record: Record) -> int | None:
    """The size of the volume that the instance starts from."""
    for mapping in record["BlockDeviceMappings"]:
        if mapping["DeviceName"] == record["RootDeviceName"]:
            volume = hooks.ec2._volumes.get(mapping["Ebs"]["VolumeId"])
            return int(volume["Size"]) if volume else None
    return None


def role_arn(profile: dict[str, Any] | None, account: str) -> str | None:
    """The role of an instance profile, or None."""
    for role in (profile or {}).get("Roles", []):
        name = role if isinstance(role, str) else role.get("RoleName", "")
        if name.startswith("arn:"):
            return str(name)
        found = hooks.iam._roles.get(name)
        return str(found["Arn"]) if found else f"arn:aws:iam::{account}:role/{name}"
    return None


def user_data_size(text: str) -> int:
    """Bytes of base64 user data once decoded. Raises InvalidParameterValue when it is not base64."""
    try:
        return len(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise Ec2Error("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from error
