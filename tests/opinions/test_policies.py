"""Every policy of the program, through parliament and through AWS's own list of actions, resources and
condition keys (the service authorization reference, as policy_sentry ships it)."""

from __future__ import annotations

import copy
import fnmatch
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from parliament import analyze_policy_string, is_arn_match
from parliament.statement import GLOBAL_CONDITION_KEYS
from policy_sentry.querying.actions import get_action_data, get_actions_for_service

from tests.opinions.rendered import POLICIES, policies

FALSE_POSITIVES = {
    ("RESOURCE_STAR", "imagebuilder:GetMarketplaceResource"): "AWS's managed policy of build machines "
    "(EC2InstanceProfileForImageBuilder) gives it on all resources: components of the marketplace are owned "
    "by AWS, and the reference lists ARNs of the account only",
    ("RESOURCE_STAR", "kms:"): "in a key's policy, * is the key (KMS developer guide, “Key policies”)",
    ("RESOURCE_MISMATCH", "ssm:GetParameter"): "public parameters have ARNs without an account (Systems "
    "Manager user guide, “Working with public parameters”), which the reference does not list",
}
"""What parliament finds and is not so: (issue, how the action begins) → why."""

NEEDS_REQUEST = ("aws:requesttag/", "aws:resourcetag/", "aws:tagkeys")
"""Condition keys that are called global, and are there only for the actions that the reference lists them
for."""


def issues(kind: str, document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What parliament says of a policy: (issue, the actions that it names), mended for what it does not
    know."""
    if POLICIES[kind] == "assumeRolePolicy":  # it knows no trust policies, which are about their own role
        document = copy.deepcopy(document)
        for statement in document["Statement"]:
            statement["Resource"] = "arn:aws:iam::111122223333:role/own"
    for finding in analyze_policy_string(json.dumps(document)).findings:
        detail = finding.detail
        if finding.issue == "RESOURCE_MISMATCH":
            # It judges each statement alone. A request passes when each resource is allowed by one of them.
            detail = [one for one in detail if not _elsewhere(document, one)]
            if not detail:
                continue
            yield finding.issue, ", ".join(sorted({one["action"] for one in detail}))
        else:
            yield finding.issue, ", ".join(detail) if isinstance(detail, list) else str(detail)


def _elsewhere(document: dict[str, Any], missed: dict[str, str]) -> bool:
    """Whether some statement allows the action on the resource that parliament misses in another."""
    return any(
        is_arn_match("", missed["required_format"], resource)
        for statement in document["Statement"]
        if statement["Effect"] == "Allow" and _names(statement, missed["action"])
        for resource in _list(statement.get("Resource", []))
    )


def _names(statement: dict[str, Any], action: str) -> bool:
    return any(fnmatch.fnmatchcase(action.lower(), one.lower()) for one in _list(statement["Action"]))


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def explained(issue: str, actions: str) -> tuple[str, str] | None:
    return next(
        (known for known in FALSE_POSITIVES if known[0] == issue and actions.startswith(known[1])), None
    )


def test_parliament_finds_nothing_that_is_not_explained() -> None:
    used = set()
    left = []
    kinds = set()
    for kind, name, document in policies(1):
        kinds.add(kind)
        for issue, actions in issues(kind, document):
            known = explained(issue, actions)
            used.add(known)
            if known is None:
                left.append(f"{kind} {name}: {issue} {actions}")
    assert kinds == set(POLICIES)
    assert left == []
    assert used - {None} == set(FALSE_POSITIVES), "an explanation of nothing"


@functools.cache
def _rows(action: str) -> list[dict[str, Any]]:
    """What the reference says of an action, a row for each resource type; empty when there is no such."""
    service, _, name = action.partition(":")
    found: Any = get_action_data(service, name)
    return list(found[service]) if found else []


def expanded(pattern: str) -> list[str]:
    """The actions that a policy's text stands for."""
    service = pattern.partition(":")[0]
    return [
        one for one in get_actions_for_service(service) if fnmatch.fnmatchcase(one.lower(), pattern.lower())
    ]


def known_key(key: str, action: str) -> bool:
    """Whether requests of an action have the condition key."""
    lowered = key.lower()
    anywhere = any(_same(lowered, one) for one in GLOBAL_CONDITION_KEYS)
    if anywhere and not lowered.startswith(NEEDS_REQUEST):
        return True
    return any(_same(lowered, one) for row in _rows(action) for one in row["condition_keys"])


def _same(key: str, listed: str) -> bool:
    """``aws:RequestTag/${TagKey}`` and ``s3:ExistingObjectTag/<key>`` stand for all tags."""
    fixed, *open_end = re.split(r"\$\{|<|\*", listed.lower(), maxsplit=1)
    return key.startswith(fixed) if open_end else key == fixed


def wrong(document: dict[str, Any]) -> Iterator[str]:
    """Actions that there are not, and condition keys that their requests have not."""
    for statement in document["Statement"]:
        keys = sorted({key for test in statement.get("Condition", {}).values() for key in test})
        for pattern in _list(statement["Action"]):
            actions = expanded(pattern)
            if pattern == "*" and statement["Effect"] == "Deny":
                continue
            if not actions:
                yield f"there is no action {pattern}"
            for action in actions if "*" not in pattern else []:
                yield from (f"{action} has no key {key}" for key in keys if not known_key(key, action))


def test_all_actions_and_condition_keys_are_in_the_reference() -> None:
    found = [f"{kind} {name}: {one}" for kind, name, document in policies(1) for one in wrong(document)]
    assert found == []


ALLOW = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Action": ["s3:GetObjekt"]}, "UNKNOWN_ACTION"),
        ({"Action": ["s4:GetObject"]}, "UNKNOWN_PREFIX"),
        ({"Resource": ["arn:aws:s3:::b"]}, "RESOURCE_MISMATCH"),
        ({"Condition": {"StringEquals": {"s3:prefix": "a"}}}, "UNKNOWN_CONDITION_FOR_ACTION"),
        ({"Condition": {"StringEqual": {"aws:SourceAccount": "1"}}}, "UNKNOWN_OPERATOR"),
    ],
)
def test_parliament_would_find_a_mistake(change: dict[str, Any], said: str) -> None:
    document = {"Version": "2012-10-17", "Statement": [{**ALLOW, **change}]}
    assert {issue for issue, _ in issues("RolePolicy", document)} == {said}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Action": ["s3:GetObjekt"]}, "there is no action s3:GetObjekt"),
        ({"Action": ["s3:Gat*"]}, "there is no action s3:Gat*"),
        ({"Condition": {"StringEquals": {"s3:prefix": "a"}}}, "s3:GetObject has no key s3:prefix"),
        (
            {"Condition": {"StringEquals": {"aws:RequestTag/x": "a"}}},
            "s3:GetObject has no key aws:RequestTag/x",
        ),
        (
            {"Condition": {"StringEquals": {"aws:ResourceAcount": "a"}}},
            "s3:GetObject has no key aws:ResourceAcount",
        ),
    ],
)
def test_the_reference_would_find_a_mistake(change: dict[str, Any], said: str) -> None:
    assert list(wrong({"Statement": [{**ALLOW, **change}]})) == [said]


def test_a_resource_that_no_statement_allows_is_missed() -> None:
    def run(*kinds: str) -> list[tuple[str, str]]:
        return list(
            issues(
                "RolePolicy",
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": ["ec2:RunInstances"],
                            "Resource": [f"arn:aws:ec2:*:*:{kind}/*" if kind != "image" else
                                         "arn:aws:ec2:*::image/*"],
                        }
                        for kind in kinds
                    ],
                },
            )
        )  # fmt: skip

    needed = ("image", "instance", "network-interface", "security-group", "subnet", "volume")
    assert run(*needed) == []
    assert {actions for _, actions in run("image", "instance", "security-group", "subnet")} == {
        "ec2:RunInstances"
    }
