"""The development instance in EC2: starting it, finding it, its life and its end."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from blueprints.model import Blueprint
from image_builder.dev.amis import root_volume, tag_list
from image_builder.dev.errors import DevelopmentError
from neurocaas.protocol import tags
from neurocaas.protocol.development import IDLE_MINUTES, TAG, dev_tags

QUICK, SLOW = 1, 5
"""Seconds between two looks at a machine that changes its state, and at one that boots."""


@dataclass(frozen=True)
class WantedMachine:
    """A development instance to start. `owner` is the developer's ARN; the last four are from the outputs of
    `utils`, `subnets` in the order to try them (none: in the account's default network).
    """

    blueprint: Blueprint
    image: dict[str, Any]
    volume_gib: int
    timeout_minutes: int
    owner: str
    key_name: str
    instance_profile: str
    security_group: str
    subnets: tuple[str, ...] = ()


FULL = frozenset({"InsufficientInstanceCapacity", "InsufficientFreeAddressesInSubnet", "Unsupported"})
"""Codes of EC2 for what another subnet, in another zone, may still have."""


def launch(wanted: WantedMachine, ec2: Any, *, dry_run: bool) -> str | None:
    """Start it and return its id; None for a dry run that would have succeeded. Shutting down from inside
    stops it: its disk stays.
    """
    places: list[dict[str, str]] = [{"SubnetId": subnet} for subnet in wanted.subnets] or [{}]
    for place in places[:-1]:
        try:
            return _launch(wanted, ec2, place, dry_run=dry_run)
        except ClientError as error:
            if error.response["Error"]["Code"] not in FULL:
                raise
    return _launch(wanted, ec2, places[-1], dry_run=dry_run)


def _launch(wanted: WantedMachine, ec2: Any, place: dict[str, str], *, dry_run: bool) -> str | None:
    marks = tag_list(dev_tags(wanted.blueprint.name, wanted.owner, wanted.timeout_minutes))
    script = (
        Path(__file__).with_name("idle.sh").read_text(encoding="utf-8").replace("@IDLE@", str(IDLE_MINUTES))
    )
    try:
        answer = ec2.run_instances(
            ImageId=wanted.image["ImageId"],
            InstanceType=wanted.blueprint.instance.type,
            MinCount=1,
            MaxCount=1,
            KeyName=wanted.key_name,
            SecurityGroupIds=[wanted.security_group],
            IamInstanceProfile={"Name": wanted.instance_profile},
            InstanceInitiatedShutdownBehavior="stop",
            BlockDeviceMappings=[root_volume(wanted.image, wanted.volume_gib)],
            MetadataOptions={
                "HttpTokens": "required",
                "HttpPutResponseHopLimit": 1,
                "InstanceMetadataTags": "enabled",
            },
            TagSpecifications=[{"ResourceType": kind, "Tags": marks} for kind in ("instance", "volume")],
            UserData=script,
            ClientToken=str(uuid.uuid4()),
            DryRun=dry_run,
            **place,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "DryRunOperation":
            return None
        raise
    return str(answer["Instances"][0]["InstanceId"])


def describe(instance_id: str, ec2: Any) -> dict[str, Any] | None:
    """EC2's description of an instance; None when EC2 does not know it (any more)."""
    try:
        reservations = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"):
            return None
        raise
    found: list[dict[str, Any]] = [instance for one in reservations for instance in one["Instances"]]
    return found[0] if found else None


def find(analysis: str, owner: str, ec2: Any) -> str | None:
    """A development instance of this developer and analysis that has not ended, whoever remembers it."""
    states = ["pending", "running", "stopping", "stopped"]
    wanted = {
        f"tag:{TAG}": ["On"],
        f"tag:{tags.ANALYSIS}": [analysis],
        f"tag:{tags.OWNER}": [owner],
        "instance-state-name": states,
    }
    filters = [{"Name": name, "Values": values} for name, values in wanted.items()]
    for page in ec2.get_paginator("describe_instances").paginate(Filters=filters):
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                return str(instance["InstanceId"])
    return None


def tag(instance: dict[str, Any], key: str) -> str | None:
    """The value of a tag of a description."""
    return next((one["Value"] for one in instance.get("Tags", []) if one["Key"] == key), None)


def set_tag(instance: dict[str, Any], key: str, value: str, ec2: Any, *, dry_run: bool = False) -> Any:
    """Write a tag on the instance and its volumes."""
    volumes = [
        mapping["Ebs"]["VolumeId"] for mapping in instance.get("BlockDeviceMappings", []) if "Ebs" in mapping
    ]
    try:
        return ec2.create_tags(
            Resources=[instance["InstanceId"], *volumes], Tags=[{"Key": key, "Value": value}], DryRun=dry_run
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "DryRunOperation":
            return error.response
        raise


def address(instance: dict[str, Any]) -> str | None:
    """Where the instance is reached: its public address, else the private one."""
    return instance.get("PublicIpAddress") or instance.get("PrivateIpAddress") or None


def lifetime(instance: dict[str, Any], now: datetime | None = None) -> tuple[timedelta, timedelta] | None:
    """How long the instance has been on, and how long it may still be (negative when over); None without a
    timeout.
    """
    minutes = tag(instance, tags.TIMEOUT)
    if minutes is None or not minutes.isdigit():
        return None
    on = (now or datetime.now(UTC)) - instance["LaunchTime"]
    return on, timedelta(minutes=int(minutes)) - on


def wait(instance_id: str, state: str, ec2: Any) -> None:
    """Until the instance is `running`, `stopped` or `terminated`. Raises DevelopmentError when it goes
    elsewhere or takes an hour.
    """
    from botocore.exceptions import WaiterError

    try:
        ec2.get_waiter(f"instance_{state}").wait(
            InstanceIds=[instance_id], WaiterConfig={"Delay": QUICK, "MaxAttempts": 3600}
        )
        if state == "running":
            ec2.get_waiter("instance_status_ok").wait(
                InstanceIds=[instance_id], WaiterConfig={"Delay": SLOW, "MaxAttempts": 240}
            )
    except WaiterError as error:
        found = describe(instance_id, ec2) or {}
        reason = (found.get("StateReason") or {}).get("Message") or str(error)
        is_now = found.get("State", {}).get("Name", "gone")
        raise DevelopmentError(
            f"instance {instance_id} is {is_now}, not {state}: {reason}",
            f"an instance that becomes {state}",
            "look at it with `invoke dev.state`",
        ) from None
