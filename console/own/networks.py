"""The network of machines, where a stack has made one: a VPC, and what lies in it."""

from collections.abc import Iterator
from typing import Any

from console.own.model import PREFIX, Account, Thing, WantedResource, pairs
from neurocaas.protocol.tags import PROJECT_TAG

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GATEWAY = "aws:ec2/internetGateway:InternetGateway"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"


def vpcs(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """Those of the project that are called so: a VPC has no name but in its tags."""
    for one in at.pages("ec2", "describe_vpcs", "Vpcs"):
        tags = pairs(one.get("Tags"))
        if tags.get("Name") == wanted.name and tags.get(PROJECT_TAG) == PREFIX:
            yield Thing(VPC, wanted.name, one["VpcId"])


def subnets(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """The one with these addresses: a VPC has no second one."""
    for one in _within(at, wanted, "describe_subnets", "Subnets", "vpc-id"):
        if one["CidrBlock"] == wanted.inputs.get("cidrBlock"):
            yield Thing(SUBNET, one["SubnetId"], one["SubnetId"])


def gateways(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """The one of the VPC, which takes no second one."""
    found = _within(at, wanted, "describe_internet_gateways", "InternetGateways", "attachment.vpc-id")
    for one in found:
        yield Thing(GATEWAY, one["InternetGatewayId"], one["InternetGatewayId"])


def endpoints(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """The VPC's way to this service."""
    for one in _within(at, wanted, "describe_vpc_endpoints", "VpcEndpoints", "vpc-id"):
        if one["ServiceName"] == wanted.inputs.get("serviceName") and one["State"].lower() == "available":
            yield Thing(ENDPOINT, one["VpcEndpointId"], one["VpcEndpointId"])


def _within(at: Account, wanted: WantedResource, operation: str, key: str, name: str) -> list[Any]:
    home = wanted.home("vpcId")
    if home is None:
        return []
    return at.pages("ec2", operation, key, Filters=[{"Name": name, "Values": [home.id]}])
