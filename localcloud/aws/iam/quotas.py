"""What IAM has of an account: how many roles, instance profiles and groups there may be, and how long other
services do not know a new one yet.

Sources: IAM user guide, "IAM and AWS STS quotas" (the words: ansible/workshops#1801) and "Changes that I make
are not always immediately visible"; of Lambda: apex/up#189.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2 import records

LIMITED = {
    "CreateRole": ("roles", "_roles", "RolesPerAccount"),
    "CreateInstanceProfile": ("instance_profiles", "_instance_profiles", "InstanceProfilesPerAccount"),
    "CreateGroup": ("groups", "_groups", "GroupsPerAccount"),
}
SUMMARY = {
    "roles": ("Roles", "_roles", 1000),
    "instance_profiles": ("InstanceProfiles", "_instance_profiles", 1000),
    "groups": ("Groups", "_groups", 300),
}
"""Quota -> its name in GetAccountSummary, where they are, and what AWS gives a new account."""


def install(context: Context) -> None:
    """Count what is made, and know it late."""
    table = hooks.iam._IAM_HANDLERS
    for name in LIMITED:
        table[name] = functools.partial(_counted, context, name, table[name])
    table["GetAccountSummary"] = functools.partial(_summary, context, table["GetAccountSummary"])
    create_original = hooks.lambda_svc._create_function

    def create(data: dict[str, Any]) -> Any:
        role = hooks.iam._roles.get(str(data.get("Role", "")).rpartition("/")[2])
        if role is not None and records.age(role) < context.account.now.role_delay_s:
            return hooks.lambda_svc.error_response_json(
                "InvalidParameterValueException",
                "The role defined for the function cannot be assumed by Lambda.",
                400,
            )
        return create_original(data)

    hooks.lambda_svc._create_function = create


def _counted(
    context: Context, name: str, original: Callable[[Any], hooks.Reply], params: dict[str, Any]
) -> hooks.Reply:
    quota, store, words = LIMITED[name]
    limit = context.account.now.quotas.get(quota)
    if limit is not None and len(getattr(hooks.iam, store)) >= limit:
        refused: hooks.Reply = hooks.iam._error(
            409, "LimitExceeded", f"Cannot exceed quota for {words}: {limit}"
        )
        return refused
    return original(params)


def _summary(context: Context, original: Callable[[Any], hooks.Reply], params: dict[str, Any]) -> hooks.Reply:
    """MiniStack's summary has no instance profiles, and quotas of its own."""
    status, headers, body = original(params)
    entries = {}
    for quota, (name, store, usual) in SUMMARY.items():
        entries[name] = len(getattr(hooks.iam, store))
        entries[f"{name}Quota"] = context.account.now.quotas.get(quota, usual)
    text = body.decode()
    for name in entries:
        text = re.sub(rf"<entry><key>{name}</key><value>\d+</value></entry>", "", text)
    added = "".join(
        f"<entry><key>{name}</key><value>{value}</value></entry>" for name, value in entries.items()
    )
    return status, headers, text.replace("</SummaryMap>", f"{added}</SummaryMap>").encode()
