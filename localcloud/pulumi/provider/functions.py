"""The provider functions (invokes) that the program uses: who calls, and whether a user is there."""

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


FUNCTIONS: Mapping[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:iam/getUser:getUser": _user,
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
