"""The provider functions (invokes): identity, region, partition, whether a user is there. The rest a program
can build itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localcloud.pulumi.provider.aws import Session
from localcloud.pulumi.provider.errors import OperationFailed, UnknownFunction

Function = Callable[[Session, str, Mapping[str, Any]], dict[str, Any]]


def _caller_identity(session: Session, region: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    identity = session.identity()
    return {**identity, "id": identity["accountId"]}


def _region(session: Session, region: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    # The real provider takes description and endpoint from the SDK's partition data.
    description = _DESCRIPTIONS.get(region, region)
    return {
        "id": region,
        "region": region,
        "name": region,
        "description": description,
        "endpoint": f"ec2.{region}.amazonaws.com",
    }


_DESCRIPTIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "Europe (Ireland)",
    "eu-central-1": "Europe (Frankfurt)",
}


def _partition(session: Session, region: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": "aws",
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
        "reverseDnsPrefix": "com.amazonaws",
    }


def _user(session: Session, region: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    user = session.client("iam").get_user(UserName=arguments["userName"])["User"]
    boundary = (user.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", "")
    tags = {tag["Key"]: tag["Value"] for tag in user.get("Tags", ())}
    names = {"userName": user["UserName"], "userId": user["UserId"], "arn": user["Arn"], "path": user["Path"]}
    return {"id": user["UserId"], **names, "permissionsBoundary": boundary, "tags": tags}


FUNCTIONS: Mapping[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:iam/getUser:getUser": _user,
}


def invoke(session: Session, region: str, token: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The result of the function `token`.

    Raises `UnknownFunction`: it is not one of `FUNCTIONS`; `OperationFailed`: the service refused.
    """
    if token not in FUNCTIONS:
        raise UnknownFunction(token, FUNCTIONS)
    try:
        return FUNCTIONS[token](session, arguments.get("region") or region, arguments)
    except Exception as error:
        raise OperationFailed("invoking", token, region, error) from error
