"""What an account lets EC2 start: virtual CPUs, machines a second, and encrypted disks.

Sources: EC2 user guide, "On-Demand Instance quotas"; EC2 developer guide, "Request throttling for the Amazon
EC2 API"; EC2 API reference, StateReason; EBS user guide, "Requirements for EBS encryption". What a quota
refuses is refused as capacity is: AWS starts as many machines as it can above ``MinCount``. Whether it does
so for quotas, its documents do not say.
"""

from __future__ import annotations

import time
from typing import Any

from localcloud.account_properties import LaunchBucket
from localcloud.aws import caller, hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2 import records
from localcloud.aws.protocol.ec2query import Ec2Error
from localcloud.instance_types import instance_type

ENDED_AT_ONCE = ("Client.InternalError", "Client.InternalError: Client error on launch")
VOLUME_LIMIT = ("Client.VolumeLimitExceeded", "Client.VolumeLimitExceeded: Volume limit exceeded")
KEY_ACTIONS = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
"""What the caller of a launch needs of a customer key."""


class Throttle:
    """The bucket of machines that may be started, of one account and region. Full at first."""

    def __init__(self) -> None:
        self._left: dict[tuple[str, str], tuple[LaunchBucket, float, float]] = {}

    def take(self, bucket: LaunchBucket | None, count: int) -> None:
        """Take ``count`` machines out. Raises RequestLimitExceeded when there are fewer."""
        if bucket is None:
            return
        place, now = (hooks.account(), hooks.region()), time.monotonic()
        known, left, when = self._left.get(place, (bucket, float(bucket.size), now))
        if known != bucket:
            left = float(bucket.size)
        left = min(bucket.size, left + (now - when) * bucket.refill)
        enough = left >= count
        self._left[place] = (bucket, left - count if enough else left, now)
        if not enough:
            raise Ec2Error("RequestLimitExceeded", "Request limit exceeded.", 503)


THROTTLE = Throttle()


def within_vcpus(context: Context, name: str, market: str, low: int, high: int) -> int:
    """How many of ``high`` machines the quota of virtual CPUs has room for; on-demand and spot have one each.
    Raises VcpuLimitExceeded or MaxSpotInstanceCountExceeded below ``low``.
    """
    limit, kind = context.account.now.quotas.get("vcpu"), instance_type(name)
    if limit is None or kind is None:
        return high
    used = 0
    for record in records.instances().values():
        other = instance_type(record["InstanceType"])
        alike = record.get("InstanceLifecycle", "on-demand") == market
        if other is not None and alike and record["State"]["Name"] in ("pending", "running"):
            used += other.vcpu if _bucket(other.family) == _bucket(kind.family) else 0
    room = max(0, (limit - used) // kind.vcpu)
    if room < low and market == "spot":
        raise Ec2Error("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    if room < low:
        raise Ec2Error(
            "VcpuLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the "
            "instance bucket that the specified instance type belongs to. Please visit "
            "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
        )
    return min(room, high)


def _bucket(family: str) -> str:
    """The quota that a family belongs to: one each of P, of G and VT, of X …, one for all others."""
    first = family[:1]
    return first if first in "fgpxu" else "standard"


def _fate(context: Context, record: dict[str, Any]) -> tuple[str, str] | None:
    """Why a machine that EC2 has accepted ends at once: its disks are more than there may be, or the caller
    has not the rights that their key needs. None: it starts.
    """
    volumes = [
        volume
        for mapping in record["BlockDeviceMappings"]
        if (volume := hooks.ec2._volumes.get(mapping["Ebs"]["VolumeId"]))
    ]
    limit = context.account.now.quotas.get("ebs_gib")
    if limit is not None and sum(int(volume["Size"]) for volume in hooks.ec2._volumes.values()) > limit:
        return VOLUME_LIMIT
    key = context.account.now.default_ebs_key
    if key is None or not any(volume["Encrypted"] for volume in volumes):
        return None
    on_key = {
        "kms:ViaService": f"ec2.{hooks.region()}.amazonaws.com",
        "kms:GrantIsForAWSResource": "true",
        "kms:CallerAccount": hooks.account(),
    }
    allowed = all(caller.may("kms", action, key, on_key) for action in KEY_ACTIONS)
    return None if allowed else ENDED_AT_ONCE


def decide(context: Context, record: dict[str, Any], end: str) -> None:
    """Say in the record whether a machine that is about to start will; else it ends in the state ``end``."""
    reason = _fate(context, record)
    record["_local"]["fate"] = {"end": end, "reason": reason} if reason else None


def end_failed(context: Context) -> None:
    """End the machines that cannot start."""
    for account, region, record in list(records.everywhere()):
        fate = record["_local"].get("fate")
        if fate and record["State"]["Name"] == "pending":
            way = {"stopped": ("stopping", "stopped")}.get(fate["end"], (fate["end"],))
            with hooks.scope(account, region):
                for state in way:
                    records.set_state(context, record, state, *fate["reason"])


def get_ebs_default_kms_key_id(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """GetEbsDefaultKmsKeyId."""
    return {"KmsKeyId": context.account.now.default_ebs_key or "alias/aws/ebs"}


def get_ebs_encryption_by_default(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """GetEbsEncryptionByDefault: here, what asks for no encryption has none."""
    return {"EbsEncryptionByDefault": False}
