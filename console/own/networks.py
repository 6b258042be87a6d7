"""The network of machines, where a stack has made one: a VPC, and what lies in it."""

from collections.abc import Iterator
from typing import Any

from console.own.model import PREFIX, Account, Thing, WantedResource, pairs
from neurocaas.protocol.tags import PROJECT_TAG

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
GATEWAY = "aws:ec2/internetGateway:InternetGateway"
ACCOUNT_ONLY = "aws:PrincipalAccount"
"""In the policy of the closed part's endpoint; that of an endpoint without a policy lets in everybody."""
TABLE = "aws:ec2/routeTable:RouteTable"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
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


def tables(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """The one of the VPC that is called so by its tag."""
    for one in _within(at, wanted, "describe_route_tables", "RouteTables", "vpc-id"):
        if pairs(one.get("Tags")).get("Name") == wanted.name:
            yield Thing(TABLE, wanted.name, one["RouteTableId"])


def associations(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """That of the subnet, which has one at most."""
    subnet = wanted.home("subnetId")
    if subnet is None:
        return
    asked = [{"Name": "association.subnet-id", "Values": [subnet.id]}]
    for table in at.pages("ec2", "describe_route_tables", "RouteTables", Filters=asked):
        for one in table["Associations"]:
            if one.get("SubnetId") == subnet.id:
                found = str(one["RouteTableAssociationId"])
                yield Thing(ASSOCIATION, found, found)


def endpoints(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """The VPC's way to this service: with a policy of its own, or without one, as the program makes it. A VPC
    has one of each at most."""
    for one in _within(at, wanted, "describe_vpc_endpoints", "VpcEndpoints", "vpc-id"):
        right = one["ServiceName"] == wanted.inputs.get("serviceName")
        closed = ACCOUNT_ONLY in str(one.get("PolicyDocument") or "")
        if right and closed == ("policy" in wanted.inputs) and one["State"].lower() == "available":
            yield Thing(ENDPOINT, one["VpcEndpointId"], one["VpcEndpointId"])


def _within(at: Account, wanted: WantedResource, operation: str, key: str, name: str) -> list[Any]:
    home = wanted.home("vpcId")
    if home is None:
        return []
    return at.pages("ec2", operation, key, Filters=[{"Name": name, "Values": [home.id]}])
