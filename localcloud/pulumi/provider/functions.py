"""The provider functions (invokes) that the program uses: who calls, and what is there: users, zones,
subnets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localcloud.pulumi.provider.aws import Session
from localcloud.pulumi.provider.errors import OperationFailed, UnknownFunction

Function = Callable[[Session, Mapping[str, Any]], dict[str, Any]]


def _caller_identity(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    identity = session.identity()
    return {**identity, "id": identity["accountId"]}


def _user(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    user = session.client("iam").get_user(UserName=arguments["userName"])["User"]
    boundary = (user.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", "")
    tags = {tag["Key"]: tag["Value"] for tag in user.get("Tags", ())}
    names = {"userName": user["UserName"], "userId": user["UserId"], "arn": user["Arn"], "path": user["Path"]}
    return {"id": user["UserId"], **names, "permissionsBoundary": boundary, "tags": tags}


def _zones(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    asked = {"state": [arguments["state"]]} if arguments.get("state") else {}
    asked |= {one["name"]: list(one["values"]) for one in arguments.get("filters") or ()}
    filters = [{"Name": name, "Values": values} for name, values in asked.items()]
    client = session.client("ec2")
    zones = client.describe_availability_zones(Filters=filters)["AvailabilityZones"]
    zones.sort(key=lambda zone: zone["ZoneName"])
    return {
        "id": client.meta.region_name,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
        "groupNames": sorted({zone["GroupName"] for zone in zones if zone.get("GroupName")}),
    }


def _subnet(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    (found,) = session.client("ec2").describe_subnets(SubnetIds=[arguments["id"]])["Subnets"]
    names = {
        "vpcId": "VpcId",
        "availabilityZone": "AvailabilityZone",
        "availabilityZoneId": "AvailabilityZoneId",
        "cidrBlock": "CidrBlock",
        "mapPublicIpOnLaunch": "MapPublicIpOnLaunch",
        "availableIpAddressCount": "AvailableIpAddressCount",
        "state": "State",
    }
    return {"id": found["SubnetId"], **{ours: found.get(theirs) for ours, theirs in names.items()}}


FUNCTIONS: Mapping[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:iam/getUser:getUser": _user,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:ec2/getSubnet:getSubnet": _subnet,
}


def invoke(session: Session, region: str, token: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The result of the function `token`.

    Raises `UnknownFunction`: it is not one of `FUNCTIONS`; `OperationFailed`: the service refused.
    """
    if token not in FUNCTIONS:
        raise UnknownFunction(token, FUNCTIONS)
    try:
        return FUNCTIONS[token](session, arguments)
    except Exception as error:
        raise OperationFailed("invoking", token, region, error) from error
