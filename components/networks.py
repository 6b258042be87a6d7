"""The settings for the network of machines: what they may be, and what of it is there in AWS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from blueprints.model import UTILS, Blueprint
from components.place import Place
from components.project import refused
from components.vpc import NetworkChoice
from neurocaas.protocol.problems import InvalidInput, Problem
from neurocaas.protocol.settings import CLOSED, Subnet

DEFAULT, OWN = "default", "own"
_VPC, _SUBNET = re.compile(r"vpc-[0-9a-f]{8,17}"), re.compile(r"subnet-[0-9a-f]{8,17}")
_SET = f"pulumi config set --stack {UTILS}"


def choice(config: pulumi.Config, place: Place, provider: aws.Provider) -> NetworkChoice:
    """What the settings `network`, `vpcId` and `subnetIds` of the stack `utils` ask for. Raises
    pulumi.RunError, once, for settings that contradict each other and for subnets that are not there.
    """
    # Pulumi.yaml's default of a text is "", and an empty id would be another one than none.
    network, vpc_id = config.get("network") or DEFAULT, config.get("vpcId") or None
    subnet_ids = config.get_object("subnetIds") or []
    problems = list(_mistakes(network, vpc_id, subnet_ids))
    subnets: list[Subnet] = []
    if not problems:
        for one in subnet_ids:
            found = _subnet(one, provider)
            problems += _elsewhere(one, found, str(vpc_id), place)
            subnets += [Subnet(one, str(found.availability_zone))] if found else []
    if problems:
        raise refused(f"the network of stack {UTILS}", InvalidInput(problems))
    zones = _zones(provider) if network == OWN else []
    return NetworkChoice(vpc_id=vpc_id, subnets=subnets, own_zones=zones)


def require_closed(blueprint: Blueprint, closed: Sequence[Subnet] | None) -> None:
    """Raises pulumi.RunError for a blueprint whose network is closed where there is no such network."""
    if blueprint.network != CLOSED or closed:
        return
    got = f"{CLOSED}, where machines are in the account's default network or in given subnets"
    do = f"`{_SET} network {OWN}` and `invoke deploy {UTILS}`, or remove network: {CLOSED}"
    allowed = f"{CLOSED} where stack {UTILS} has a network of its own"
    raise refused(
        f"the blueprint of stack {blueprint.stack}",
        InvalidInput([Problem("network", got, allowed, do)]),
    )


def require_zones(blueprint: Blueprint, subnets: Sequence[Subnet] | None) -> None:
    """Raises pulumi.RunError for a zone of the blueprint in which the network has no subnet."""
    there = {subnet.zone for subnet in subnets or ()}
    missing = [zone for zone in blueprint.instance.zones if there and zone not in there]
    if missing:
        got, allowed = ", ".join(missing), f"zones with a subnet of the network: {', '.join(sorted(there))}"
        do = f"Choose others, or give {UTILS} a subnet there (subnetIds)"
        raise refused(
            f"the blueprint of stack {blueprint.stack}",
            InvalidInput([Problem("instance.zones", got, allowed, do)]),
        )


def _mistakes(network: str, vpc_id: str | None, subnet_ids: Any) -> list[Problem]:
    found = []
    if network not in (DEFAULT, OWN):
        allowed = f"{DEFAULT} (the account's default VPC, or vpcId and subnetIds) or {OWN}"
        found.append(Problem("network", repr(network), allowed, f"`{_SET} network {OWN}`"))
    if network == OWN and (vpc_id or subnet_ids):
        got, allowed = f"{OWN}, and vpcId or subnetIds", "one of both"
        found.append(Problem("network", got, allowed, "Remove the settings that you do not want"))
    if vpc_id and not _VPC.fullmatch(vpc_id):
        do = "Copy it from `aws ec2 describe-vpcs`"
        found.append(Problem("vpcId", repr(vpc_id), "the id of a VPC, such as vpc-0123456789abcdef0", do))
    form = "a list of ids such as subnet-0123456789abcdef0"
    write = f"""`{_SET} subnetIds '["subnet-…"]'`"""
    right = isinstance(subnet_ids, list) and all(
        isinstance(one, str) and _SUBNET.fullmatch(one) for one in subnet_ids
    )
    if not right or len(set(subnet_ids)) < len(subnet_ids):
        found.append(Problem("subnetIds", repr(subnet_ids), f"{form}, each once", write))
    elif bool(vpc_id) != bool(subnet_ids):
        has, lacks = ("vpcId", "subnetIds") if vpc_id else ("subnetIds", "vpcId")
        allowed = "both: a VPC, and those of its subnets that machines may be in"
        found.append(Problem(lacks, f"{has} alone", allowed, f"Set {lacks} too, or remove {has}"))
    return found


def _subnet(subnet_id: str, provider: aws.Provider) -> aws.ec2.GetSubnetResult | None:
    try:
        return aws.ec2.get_subnet(id=subnet_id, opts=pulumi.InvokeOptions(provider=provider))
    except Exception:  # noqa: BLE001  (pulumi raises a plain Exception with what the provider said)
        return None


def _elsewhere(
    subnet_id: str, found: aws.ec2.GetSubnetResult | None, vpc_id: str, place: Place
) -> list[Problem]:
    allowed = f"subnets of {vpc_id} in {place.region} that these credentials can see"
    do = f"Correct it: aws ec2 describe-subnets --filters Name=vpc-id,Values={vpc_id}"
    if found is None:
        return [Problem("subnetIds", f"{subnet_id}, which is not there", allowed, do)]
    if found.vpc_id != vpc_id:
        return [Problem("subnetIds", f"{subnet_id}, which is in {found.vpc_id}", allowed, do)]
    return []


def _zones(provider: aws.Provider) -> list[str]:
    """The region's own zones that the account may use, sorted; no local ones, which few types are in. Raises
    pulumi.RunError for credentials that may not ask.
    """
    try:
        found = aws.get_availability_zones(
            state="available",
            filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
            opts=pulumi.InvokeOptions(provider=provider),
        )
    except Exception as error:  # noqa: BLE001  (pulumi raises a plain Exception with what the provider said)
        got = f"zones that cannot be asked for ({str(error).strip().splitlines()[0]})"
        allowed, do = "credentials with ec2:DescribeAvailabilityZones", "Give them the right, or use others"
        raise refused(
            f"the network of stack {UTILS}", InvalidInput([Problem("network", got, allowed, do)])
        ) from None
    return sorted(found.names)
