"""Where machines would start: the network that the settings name, else the region's default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from console.account_checks.at import At
from console.account_checks.model import AccountAnswer, fail, ok, warn
from console.account_checks.wanted import Wanted

FEW_ADDRESSES = 50


def network(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    ec2 = at.client("ec2")
    vpc, subnets = wanted.settings.get("vpcId"), tuple(wanted.settings.get("subnetIds") or ())
    if wanted.settings.get("network") == "own":
        yield ok("a network that utils makes")
        return
    if vpc:
        yield from _given(ec2, str(vpc), subnets)
        return
    found = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not found:
        do = (
            "pulumi config set network own --stack utils, or vpcId and subnetIds "
            "(docs/administrators.md); or aws ec2 create-default-vpc"
        )
        yield fail(f"no default VPC in {at.region}", "a default VPC, or the setting network or vpcId", do)
        return
    yield from _judged(found[0]["VpcId"], _subnets(ec2, found[0]["VpcId"]), "aws ec2 create-default-subnet")


def _given(ec2: Any, vpc: str, wanted: tuple[str, ...]) -> Iterator[AccountAnswer]:
    correct = "correct the settings vpcId and subnetIds of the stack utils"
    if not ec2.describe_vpcs(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Vpcs"]:
        yield fail(f"{vpc}, which is not there", "a VPC of this account and region", correct)
        return
    subnets = _subnets(ec2, vpc)
    missing = sorted(set(wanted) - {one["SubnetId"] for one in subnets})
    if missing:
        yield fail(f"{', '.join(missing)}, not in {vpc}", "subnets of that VPC", correct)
        return
    chosen = [one for one in subnets if not wanted or one["SubnetId"] in wanted]
    yield from _judged(vpc, chosen, correct)


def _subnets(ec2: Any, vpc: str) -> list[Mapping[str, Any]]:
    return list(ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"])


def _judged(vpc: str, subnets: list[Mapping[str, Any]], do: str) -> Iterator[AccountAnswer]:
    if not subnets:
        yield fail(f"{vpc} without a subnet", "a subnet with a way to AWS's services", do)
        return
    free = sum(int(one.get("AvailableIpAddressCount", 0)) for one in subnets)
    got = f"{vpc}, {len(subnets)} subnet{'' if len(subnets) == 1 else 's'}, {free} free addresses"
    if free < FEW_ADDRESSES:
        yield warn(got, f"{FEW_ADDRESSES} free addresses: each machine takes one", "choose larger subnets")
    else:
        yield ok(got)
