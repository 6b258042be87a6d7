"""The provider functions (invokes) that the program uses: who calls, and what is there: users, zones,
subnets, images, parameters, tagged buckets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localcloud.pulumi.provider.aws import Session
from localcloud.pulumi.provider.errors import OperationFailed, ProviderError, UnknownFunction
from localcloud.pulumi.provider.tags import from_pairs

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


def _image(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    filters = [{"Name": one["name"], "Values": list(one["values"])} for one in arguments["filters"]]
    found = session.client("ec2").describe_images(Filters=filters)["Images"]
    if len(found) != 1:
        raise ProviderError(f"Your query returned {len(found)} images; change the filters to get one")
    image = found[0]
    devices = [
        {
            "deviceName": one.get("DeviceName", ""),
            "noDevice": "",
            "virtualName": one.get("VirtualName", ""),
            # all texts, with the names that the real provider's state has
            "ebs": {
                "delete_on_termination": str(bool(one["Ebs"].get("DeleteOnTermination"))).lower(),
                "encrypted": str(bool(one["Ebs"].get("Encrypted"))).lower(),
                "snapshot_id": one["Ebs"].get("SnapshotId", ""),
                "volume_size": str(one["Ebs"].get("VolumeSize", 0)),
                "volume_type": one["Ebs"].get("VolumeType", ""),
            },
        }
        for one in image.get("BlockDeviceMappings", ())
        if "Ebs" in one
    ]
    return {
        "id": image["ImageId"],
        "imageId": image["ImageId"],
        "architecture": image.get("Architecture", ""),
        "blockDeviceMappings": devices,
        "name": image.get("Name", ""),
        "rootDeviceName": image["RootDeviceName"],
        "state": image.get("State", ""),
    }


def _parameter(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    name, opened = arguments["name"], arguments.get("withDecryption") is not False
    found = session.client("ssm").get_parameter(Name=name, WithDecryption=opened)["Parameter"]
    return {
        "id": name,
        "name": name,
        "arn": found.get("ARN", ""),
        "type": found["Type"],
        "value": found["Value"],
        "insecureValue": found["Value"] if found["Type"] != "SecureString" else "",
        "version": found["Version"],
    }


def _parameters(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    asked = {"Path": arguments["path"], "Recursive": bool(arguments.get("recursive"))}
    pages = session.client("ssm").get_paginator("get_parameters_by_path").paginate(**asked)
    found = [one for page in pages for one in page["Parameters"]]
    return {
        "id": arguments["path"],
        "arns": [one["ARN"] for one in found],
        "names": [one["Name"] for one in found],
        "types": [one["Type"] for one in found],
        "values": [one["Value"] for one in found],
    }


def _tagged(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    filters = [
        {"Key": one["key"], "Values": list(one.get("values") or ())} for one in arguments["tagFilters"]
    ]
    pages = (
        session.client("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(ResourceTypeFilters=list(arguments["resourceTypeFilters"]), TagFilters=filters)
    )
    found = [
        {"resourceArn": one["ResourceARN"], "tags": from_pairs(one["Tags"]), "complianceDetails": []}
        for page in pages
        for one in page["ResourceTagMappingList"]
    ]
    return {"id": session.region, "resourceTagMappingLists": found}


FUNCTIONS: Mapping[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:iam/getUser:getUser": _user,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:ec2/getSubnet:getSubnet": _subnet,
    "aws:ec2/getAmi:getAmi": _image,
    "aws:ssm/getParameter:getParameter": _parameter,
    "aws:ssm/getParametersByPath:getParametersByPath": _parameters,
    "aws:resourcegroupstaggingapi/getResources:getResources": _tagged,
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
