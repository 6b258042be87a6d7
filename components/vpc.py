"""Where machines are: the account's default network, subnets that somebody has made, or a VPC of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import pulumi
import pulumi_aws as aws

from components.options import child
from components.place import Place
from components.policies import resources
from neurocaas.protocol.settings import Subnet

CIDR = "10.64.0.0/16"
"""Addresses of the VPC; nothing outside it ever uses them."""


@dataclass(frozen=True, kw_only=True)
class NetworkChoice:
    """What the settings ask for. `vpc_id` and `subnets`: those that are there; `own_zones`: make a VPC with a
    subnet in each of these zones; nothing of either: the account's default network.
    """

    vpc_id: str | None = None
    subnets: Sequence[Subnet] = ()
    own_zones: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class ClosedPart:
    """Subnets without a way to the internet (`id` and `zone` of each), and the prefix list of what they
    reach: S3 of their region.
    """

    subnets: Sequence[Mapping[str, pulumi.Input[str]]]
    s3_prefix_list: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class MachinePlace:
    """The network as the stack's resources want it. `vpc_id` None and no subnets: the default network.
    `subnets`: `id` and `zone` of each. `closed`: for the machines of analyses whose network is closed, None
    where there is no VPC of our own.
    """

    vpc_id: pulumi.Input[str] | None = None
    subnets: Sequence[Mapping[str, pulumi.Input[str]]] = ()
    closed: ClosedPart | None = None

    @classmethod
    def of(cls, name: str, choice: NetworkChoice, place: Place, opts: pulumi.ResourceOptions) -> Self:
        """The network of a choice; makes a VPC only where the choice is one of our own."""
        if choice.own_zones:
            made = MachineVpc(f"{name}-network", MachineVpcArgs(place=place, zones=choice.own_zones), opts)
            return cls(vpc_id=made.vpc_id, subnets=made.subnets, closed=made.closed)
        given = [{"id": subnet.id, "zone": subnet.zone} for subnet in choice.subnets]
        return cls(vpc_id=choice.vpc_id, subnets=given)


@dataclass(frozen=True, kw_only=True)
class MachineVpcArgs:
    """`zones`: availability zones of the region, each of which gets a subnet."""

    place: Place
    zones: Sequence[str]


class MachineVpc(pulumi.ComponentResource):
    """A VPC with a public subnet in each zone: machines reach package servers through an internet gateway,
    and S3 through a gateway endpoint. Neither costs anything, as a NAT gateway would; what may come in is
    the security groups' business (nothing).

    The addresses of a subnet follow from the letter of its zone, so a new zone moves no other subnet.

    Beside them is a closed part: subnets whose machines have no public address and no route but to S3, by an
    endpoint that lets in the roles of this account alone. Keys of another account, which a script may have
    brought along, open nothing there.
    """

    vpc_id: pulumi.Output[str]
    subnets: Sequence[Mapping[str, pulumi.Input[str]]]
    closed: ClosedPart

    def __init__(self, name: str, args: MachineVpcArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:network:MachineVpc", name, {}, opts)
        vpc = aws.ec2.Vpc(name, cidr_block=CIDR, tags={"Name": name}, opts=child(self))
        gateway = aws.ec2.InternetGateway(name, vpc_id=vpc.id, opts=child(self))
        table = vpc.default_route_table_id
        routed = aws.ec2.DefaultRouteTable(
            name,
            default_route_table_id=table,
            routes=[{"cidr_block": "0.0.0.0/0", "gateway_id": gateway.id}],
            opts=child(self),
        )
        aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=vpc.id,
            # "com.amazonaws" in China too, for the gateway endpoints.
            service_name=f"com.amazonaws.{args.place.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table],
            opts=child(self, depends_on=[routed]),
        )
        made = [
            aws.ec2.Subnet(
                f"{name}-{zone}",
                vpc_id=vpc.id,
                cidr_block=subnet_cidr(zone),
                availability_zone=zone,
                map_public_ip_on_launch=True,
                tags={"Name": f"{name}-{zone}"},
                # A machine that starts before there is a way out fails.
                opts=child(self, depends_on=[routed]),
            )
            for zone in args.zones
        ]
        self.vpc_id = vpc.id
        self.subnets = [
            {"id": subnet.id, "zone": zone} for zone, subnet in zip(args.zones, made, strict=True)
        ]
        self.closed = self._closed_part(name, args, vpc.id)
        self.register_outputs({"vpc_id": self.vpc_id})

    def _closed_part(self, name: str, args: MachineVpcArgs, vpc_id: pulumi.Input[str]) -> ClosedPart:
        table = aws.ec2.RouteTable(
            f"{name}-closed", vpc_id=vpc_id, tags={"Name": f"{name}-closed"}, opts=child(self)
        )
        endpoint = aws.ec2.VpcEndpoint(
            f"{name}-closed-s3",
            vpc_id=vpc_id,
            service_name=f"com.amazonaws.{args.place.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id],
            policy=json.dumps(resources.own_roles(args.place), sort_keys=True),
            opts=child(self),
        )
        subnets: list[Mapping[str, pulumi.Input[str]]] = []
        for zone in filter(has_closed_part, args.zones):
            subnet = aws.ec2.Subnet(
                f"{name}-closed-{zone}",
                vpc_id=vpc_id,
                cidr_block=closed_subnet_cidr(zone),
                availability_zone=zone,
                map_public_ip_on_launch=False,
                tags={"Name": f"{name}-closed-{zone}"},
                opts=child(self),
            )
            aws.ec2.RouteTableAssociation(
                f"{name}-closed-{zone}", subnet_id=subnet.id, route_table_id=table.id, opts=child(self)
            )
            subnets.append({"id": subnet.id, "zone": zone})
        return ClosedPart(subnets=subnets, s3_prefix_list=endpoint.prefix_list_id)


def subnet_cidr(zone: str) -> str:
    """The addresses of a zone's subnet in `CIDR`: 4,091 machines in each of up to sixteen zones (a to p)."""
    return _block(zone, _number(zone))


def has_closed_part(zone: str) -> bool:
    """The last half of the addresses is free while there are zones a to h: no region of AWS has more than
    six."""
    return _number(zone) < _HALF


def closed_subnet_cidr(zone: str) -> str:
    """The addresses of a zone's closed subnet: those that the zone eight letters on would have."""
    if not has_closed_part(zone):
        raise ValueError(f"{zone} does not end in a letter from a to h")
    return _block(zone, _number(zone) + _HALF)


_HALF = 8


def _number(zone: str) -> int:
    return ord(zone[-1]) - ord("a")


def _block(zone: str, number: int) -> str:
    if not 0 <= number < 2 * _HALF:
        raise ValueError(f"{zone} does not end in a letter from a to p")
    return f"10.64.{16 * number}.0/20"
