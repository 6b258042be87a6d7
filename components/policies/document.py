"""Statements and documents of policies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pulumi

from checks.unscoped import UNSCOPED
from components.place import Place

Statement = dict[str, Any]
Policy = dict[str, Any]


def document(*statements: Statement) -> Policy:
    return {"Version": "2012-10-17", "Statement": list(statements)}


RESOURCE_ACCOUNT = "aws:ResourceAccount"


def allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    """Allows the actions on the resources, whose ARNs say which account's they are. Raises ValueError for a
    wildcard in an action, a resource "*", and for actions of S3, whose ARNs do not say it.
    """
    if any(action.startswith("s3:") for action in actions):
        raise ValueError(f"statement {sid} does not say whose buckets: allow_own or allow_elsewhere")
    return _narrow(sid, actions, resources, condition)


def allow_own(
    place: Place,
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    """The same for S3, on buckets of this account: a bucket of that name may be anybody's, before ours is
    made and once it is gone."""
    mine = {**(condition or {})}
    mine["StringEquals"] = {**mine.get("StringEquals", {}), RESOURCE_ACCOUNT: place.account}
    return _narrow(sid, actions, resources, mine)


def allow_elsewhere(sid: str, actions: Sequence[str], resources: Sequence[str]) -> Statement:
    """The same for S3, on buckets that are meant to be of whatever account: those that a blueprint registers,
    and AWS's own."""
    return _narrow(sid, actions, resources, None)


def _narrow(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Any] | None
) -> Statement:
    if any("*" in action for action in actions) or "*" in resources:
        raise ValueError(f"statement {sid} is too wide: {list(actions)} on {list(resources)}")
    return _statement("Allow", sid, actions, resources, condition)


def deny(sid: str, actions: Sequence[str], resources: Sequence[str]) -> Statement:
    """Refuses the actions on the resources, whatever else allows them: what a pattern with a wildcard would
    let through.
    """
    return _statement("Deny", sid, actions, resources, None)


def allow_unscoped(sid: str, actions: Sequence[str]) -> Statement:
    """Allows actions that have no resource level. Raises ValueError for one that is not in UNSCOPED."""
    unknown = [action for action in actions if action not in UNSCOPED]
    if unknown:
        raise ValueError(
            f"statement {sid}: {unknown} can be tied to resources, or have no reason in UNSCOPED"
        )
    return _statement("Allow", sid, actions, ["*"], None)


def _statement(
    effect: str,
    sid: str,
    actions: Iterable[str],
    resources: Iterable[str],
    condition: Mapping[str, Any] | None,
) -> Statement:
    statement: Statement = {
        "Sid": sid,
        "Effect": effect,
        "Action": sorted(actions),
        "Resource": sorted(resources),
    }
    if condition:
        statement["Condition"] = dict(condition)
    return statement


def trust(place: Place, service: str) -> str:
    """Who may take a role: one AWS service ("ec2"). For services that act on behalf of an account, only for
    this account.
    """
    statement: Statement = {
        "Effect": "Allow",
        "Principal": {"Service": place.principal(service)},
        "Action": "sts:AssumeRole",
    }
    if service == "imagebuilder":
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": place.account}}
    return json.dumps(document(statement), sort_keys=True)


def trust_role(role_arn: str) -> str:
    """Who may take a role: one other role."""
    return json.dumps(
        document({"Effect": "Allow", "Principal": {"AWS": role_arn}, "Action": "sts:AssumeRole"}),
        sort_keys=True,
    )


def rendered(build: Callable[..., Policy], **inputs: Any) -> pulumi.Output[str]:
    """The policy as JSON text, once all inputs are known."""
    return pulumi.Output.all(**inputs).apply(lambda known: json.dumps(build(**known), sort_keys=True))
