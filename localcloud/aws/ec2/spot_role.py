"""The role by which EC2 starts spot machines: AWS makes one in each account, when spot is used first.

Source: EC2 user guide, "Service-linked role for Spot Instance requests"; the words of the refusal:
kubernetes/kops#16475.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from localcloud.aws import caller, hooks
from localcloud.aws.context import Context
from localcloud.aws.protocol.ec2query import Ec2Error

NAME = "AWSServiceRoleForEC2Spot"
SERVICE = "spot.amazonaws.com"
PATH = f"/aws-service-role/{SERVICE}/"


def install(context: Context) -> None:
    """Wrap what reads and makes the role."""
    table = hooks.iam._IAM_HANDLERS
    table["GetRole"] = functools.partial(_get, context, table["GetRole"])
    table["CreateServiceLinkedRole"] = functools.partial(_create, context, table["CreateServiceLinkedRole"])


def need(context: Context) -> None:
    """What a spot launch does first: use the role, or make it with the caller's rights.

    Raises:
        Ec2Error: there is none, and the caller may not make it.
    """
    if _there(context):
        return
    arn = f"arn:aws:iam::{hooks.account()}:role{PATH}{NAME}"
    if not caller.may("iam", "iam:CreateServiceLinkedRole", arn, {"iam:AWSServiceName": SERVICE}):
        raise Ec2Error(
            "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
            "The provided credentials do not have permission to create the service-linked role for EC2 Spot "
            "Instances.",
            403,
        )
    _make()
    context.checkpoint.mark("iam")


def remove() -> None:
    """Take the role out of every account."""
    for account, name in hooks.iam._roles.to_dict():
        if name == NAME:
            hooks.iam._roles.pop_scoped(account, None, name, None)


def _there(context: Context) -> bool:
    """An account that has used spot has the role from its beginning: it is made when somebody asks."""
    if NAME not in hooks.iam._roles and context.account.now.spot_role:
        _make()
        context.checkpoint.mark("iam")
    return NAME in hooks.iam._roles


def _make() -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole"}
    hooks.iam._roles[NAME] = {
        "RoleName": NAME,
        "Arn": f"arn:aws:iam::{hooks.account()}:role{PATH}{NAME}",
        "RoleId": hooks.iam._gen_id("AROA"),
        "CreateDate": hooks.iam._now(),
        "Path": PATH,
        "AssumeRolePolicyDocument": json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        "Description": "Default EC2 Spot Service Linked Role",
        "MaxSessionDuration": 3600,
        "AttachedPolicies": [],
        "InlinePolicies": {},
        "Tags": [],
    }


def _get(context: Context, original: Callable[[Any], hooks.Reply], params: dict[str, Any]) -> hooks.Reply:
    if hooks.iam._p(params, "RoleName") == NAME:
        _there(context)
    return original(params)


def _create(context: Context, original: Callable[[Any], hooks.Reply], params: dict[str, Any]) -> hooks.Reply:
    """MiniStack would call the role otherwise than AWS does."""
    if hooks.iam._p(params, "AWSServiceName") != SERVICE:
        return original(params)
    if _there(context):
        refused: hooks.Reply = hooks.iam._error(
            400,
            "InvalidInput",
            f"Service role name {NAME} has been taken in this account, please try a different suffix.",
        )
        return refused
    _make()
    role = hooks.iam._role_xml(NAME)
    made: hooks.Reply = hooks.iam._xml(
        200,
        "CreateServiceLinkedRoleResponse",
        f"<CreateServiceLinkedRoleResult><Role>{role}</Role></CreateServiceLinkedRoleResult>",
        ns="iam",
    )
    return made
