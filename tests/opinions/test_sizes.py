"""What is made fits into AWS's limits at every promised size, and does not grow with the groups where it need
not. The numbers are those of AWS's own pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.opinions.rendered import SIZES, stacks
from tests.program.recording import Resource

MANAGED, ROLE, GROUP, TRUST = 6_144, 10_240, 5_120, 2_048
"""Characters without white space of a managed policy, of all inline policies of a role and of a group, and of
a trust policy (IAM user guide, "IAM and AWS STS quotas")."""
BUCKET, QUEUE, TOPIC, KEY = 20 * 1024, 8_192, 30_720, 32 * 1024
"""Bytes of a bucket's policy (S3 user guide, "Bucket policies"); characters of a queue's (SQS developer
guide, "Policy quotas"), bytes of a topic's (SNS, "Quotas") and a key's (KMS, "Resource quotas")."""
ENVIRONMENT = 4 * 1024
"""Bytes of all variables of a function, as JSON (Lambda developer guide, "Lambda quotas")."""
PARAMETER = 4 * 1024
"""Bytes of a standard parameter's value; 8 KiB is for advanced ones, which cost (Systems Manager user guide,
"Managing parameter tiers")."""
RULES, TARGETS, NOTIFICATIONS, TAGS, GROUPS_OF_USER, STAGES = 300, 5, 100, 50, 10, 1_000
"""Rules of a bus and targets of a rule (EventBridge, "quotas"), notifications of a bucket, tags of a
resource, groups of a user, and rules of a bucket's life cycle (S3 user guide)."""
COMPONENT, RECIPE_COMPONENTS = 16_000, 20
"""Characters of a component's document that is given in the request; components of a recipe (EC2 Image
Builder, quotas)."""


def everything(groups: int) -> Iterator[Resource]:
    for stack in stacks(groups):
        yield from stack.resources


def of(groups: int, kind: str) -> list[Resource]:
    found = [one for one in everything(groups) if one.type.rpartition(":")[2] == kind]
    assert found, f"no {kind} is made"
    return found


def characters(policy: str) -> int:
    """Of a policy without white space, which IAM does not count."""
    return len("".join(policy.split()))


def by_owner(resources: list[Resource], owner: str) -> Mapping[str, int]:
    """The sum of the inline policies of each role or group."""
    sums: dict[str, int] = {}
    for one in resources:
        sums[one.inputs[owner]] = sums.get(one.inputs[owner], 0) + characters(one.inputs["policy"])
    return sums


@pytest.mark.parametrize("groups", SIZES)
def test_policies_of_identities(groups: int) -> None:
    assert max(characters(one.inputs["policy"]) for one in of(groups, "Policy")) <= MANAGED
    assert max(by_owner(of(groups, "RolePolicy"), "role").values()) <= ROLE
    assert max(by_owner(of(groups, "GroupPolicy"), "group").values()) <= GROUP
    assert max(characters(one.inputs["assumeRolePolicy"]) for one in of(groups, "Role")) <= TRUST


@pytest.mark.parametrize("groups", SIZES)
@pytest.mark.parametrize(
    ("kind", "limit"),
    [("BucketPolicy", BUCKET), ("QueuePolicy", QUEUE), ("TopicPolicy", TOPIC), ("Key", KEY)],
)
def test_policies_of_resources(groups: int, kind: str, limit: int) -> None:
    assert max(len(one.inputs["policy"].encode()) for one in of(groups, kind)) <= limit


@pytest.mark.parametrize("groups", SIZES)
def test_functions_and_parameters(groups: int) -> None:
    for one in of(groups, "Function"):
        variables = one.inputs["environment"]["variables"]
        assert len(json.dumps(variables).encode()) <= ENVIRONMENT, one.name
    for one in of(groups, "Parameter"):
        value = one.inputs.get("value") or one.inputs.get("insecureValue") or ""
        assert len(_plain(value).encode()) <= PARAMETER, one.name


def _plain(value: Any) -> str:
    """A text, a secret as well."""
    return str(value.get("value", "")) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("groups", SIZES)
def test_counts(groups: int) -> None:
    resources = list(everything(groups))
    for one in resources:
        assert len(one.inputs.get("tags") or {}) + 3 <= TAGS, one.name  # the provider's default tags as well
    for one in of(groups, "BucketNotification"):
        assert len(one.inputs["queues"]) <= NOTIFICATIONS
    for one in of(groups, "BucketLifecycleConfiguration"):
        assert len(one.inputs["rules"]) <= STAGES
    for one in of(groups, "UserGroupMembership"):
        assert len(one.inputs["groups"]) <= GROUPS_OF_USER
    assert len(of(groups, "EventRule")) <= RULES
    targets = [one.inputs["rule"] for one in of(groups, "EventTarget")]
    assert max(targets.count(rule) for rule in targets) <= TARGETS
    for one in of(groups, "Component"):
        assert len(one.inputs["data"]) <= COMPONENT
    for one in of(groups, "ImageRecipe"):
        assert len(one.inputs["components"]) <= RECIPE_COMPONENTS


@pytest.mark.parametrize("kind", ["BucketPolicy", "QueuePolicy", "TopicPolicy", "Key", "Function"])
def test_what_all_groups_share_does_not_grow_with_them(kind: str) -> None:
    """A group has roles, profiles and policies of its own; nothing else knows all groups by name."""

    def size(groups: int) -> int:
        return max(len(json.dumps(dict(one.inputs), default=str)) for one in of(groups, kind))

    small, large = size(SIZES[0]), size(SIZES[-1])
    assert large <= small + 100, f"{kind} grows from {small} to {large} characters"
