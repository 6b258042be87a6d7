"""DescribeInstanceTypes, DescribeInstanceTypeOfferings and DescribeSpotPriceHistory from the project's table
of instance types.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2.filters import Values, matches, page
from localcloud.aws.protocol.ec2query import Ec2Error
from localcloud.instance_types import InstanceType, table

FILTERS: dict[str, Values] = {
    "instance-type": lambda t: [t["InstanceType"]],
    "vcpu-info.default-vcpus": lambda t: [t["VCpuInfo"]["DefaultVCpus"]],
    "memory-info.size-in-mib": lambda t: [t["MemoryInfo"]["SizeInMiB"]],
    "current-generation": lambda t: [t["CurrentGeneration"]],
    "processor-info.supported-architecture": lambda t: t["ProcessorInfo"]["SupportedArchitectures"],
    "bare-metal": lambda t: [t["BareMetal"]],
    "burstable-performance-supported": lambda t: [t["BurstablePerformanceSupported"]],
}

SPOT_PART = 0.3
"""What spot costs here, as a part of the price on demand: AWS says "up to 90 percent" less, and prices that
move would be no test.
"""


def _shown(kind: InstanceType) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "InstanceType": kind.name,
        "CurrentGeneration": True,
        "FreeTierEligible": kind.name == "t3.micro",
        "SupportedUsageClasses": ["on-demand", "spot"],
        "SupportedRootDeviceTypes": ["ebs"],
        "SupportedVirtualizationTypes": ["hvm"],
        "BareMetal": False,
        "Hypervisor": "nitro",
        "ProcessorInfo": {"SupportedArchitectures": [kind.architecture]},
        "VCpuInfo": {
            "DefaultVCpus": kind.vcpu,
            "DefaultCores": max(1, kind.vcpu // 2),
            "DefaultThreadsPerCore": min(2, kind.vcpu),
        },
        "MemoryInfo": {"SizeInMiB": kind.memory_mib},
        "InstanceStorageSupported": False,
        "EbsInfo": {
            "EbsOptimizedSupport": "default",
            "EncryptionSupport": "supported",
            "NvmeSupport": "required",
        },
        "BurstablePerformanceSupported": kind.burstable,
    }
    if kind.gpus:
        shown["GpuInfo"] = {"Gpus": [{"Manufacturer": "NVIDIA", "Count": kind.gpus}]}
    return shown


def describe_instance_types(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeInstanceTypes."""
    known = table().types
    wanted = request.get("InstanceTypes") or sorted(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise Ec2Error(
            "InvalidInstanceType",
            f"The following supplied instance types do not exist: [{', '.join(unknown)}]",
        )
    shown = [_shown(known[name]) for name in wanted]
    items, token = page(
        [kind for kind in shown if matches(kind, [], request.get("Filters", []), FILTERS)], request
    )
    return {"InstanceTypes": items, "NextToken": token}


def describe_instance_type_offerings(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeInstanceTypeOfferings: every known type is offered everywhere."""
    kind = request.get("LocationType", "region")
    places = [hooks.region()] if kind == "region" else [f"{hooks.region()}{letter}" for letter in "abc"]
    offers = [
        {"InstanceType": name, "LocationType": kind, "Location": place}
        for name in sorted(table().types)
        for place in places
    ]
    names: dict[str, Values] = {
        "instance-type": lambda o: [o["InstanceType"]],
        "location": lambda o: [o["Location"]],
    }
    items, token = page(
        [offer for offer in offers if matches(offer, [], request.get("Filters", []), names)], request
    )
    return {"InstanceTypeOfferings": items, "NextToken": token}


def describe_spot_price_history(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeSpotPriceHistory: one price of each type and zone, which never changes."""
    when = request.get("StartTime") or datetime.now(UTC).isoformat(timespec="seconds")
    wanted, zone = request.get("InstanceTypes") or sorted(table().types), request.get("AvailabilityZone")
    history = [
        {
            "InstanceType": name,
            "ProductDescription": "Linux/UNIX",
            "SpotPrice": f"{SPOT_PART * table().types[name].usd_per_hour:.6f}",
            "Timestamp": when,
            "AvailabilityZone": place,
        }
        for name in wanted
        if name in table().types
        for place in (f"{hooks.region()}{letter}" for letter in "abc")
        if zone in (None, place)
    ]
    names: dict[str, Values] = {
        "instance-type": lambda one: [one["InstanceType"]],
        "availability-zone": lambda one: [one["AvailabilityZone"]],
        "product-description": lambda one: [one["ProductDescription"]],
    }
    items, token = page(
        [one for one in history if matches(one, [], request.get("Filters", []), names)], request
    )
    return {"SpotPriceHistory": items, "NextToken": token}
