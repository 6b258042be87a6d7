"""The local cloud's table of resource types against the declarations of terraform-provider-aws: what replaces
a resource, what the provider fills in, and what the service chooses.

``provider_facts.json`` has the declarations, with the file and the commit of each; types that nobody has
read yet are listed in it by name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.pulumi.provider.table import TABLE

FACTS: dict[str, Any] = json.loads(Path(__file__).with_name("provider_facts.json").read_text())
READ: dict[str, Any] = FACTS["types"]

_TABLE = "aws:dynamodb/table:Table"
_MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
_RULE = "aws:cloudwatch/eventRule:EventRule"
_SUPPRESSED = (
    "a DiffSuppressFunc says that there is no difference when nothing is given: the service's own stays"
)
_NEWER = "newer than the version that was read"
_ANSWERED = "no program gives it; the provider stores what the service answers, and so does the table"
EXPLAINED: dict[tuple[str, str, str], str] = {
    (_TABLE, "computed", "deletionProtectionEnabled"): _NEWER,
    ("aws:s3/bucket:Bucket", "computed", "objectLockEnabled"): _NEWER,
    (
        _TABLE,
        "computed",
        "hashKey",
    ): "only a restored table has one that was not given; ours are not restored",
    (_TABLE, "computed", "streamEnabled"): _ANSWERED,
    (_TABLE, "computed", "tableClass"): _ANSWERED,
    (_MAPPING, "computed", "batchSize"): _SUPPRESSED,
    (
        _MAPPING,
        "computed",
        "maximumBatchingWindowInSeconds",
    ): "its zero value is what the service answers when "
    "nothing is given, and zero is no difference for the provider",
    (_RULE, "computed", "isEnabled"): _SUPPRESSED,
    (_RULE, "computed", "state"): _SUPPRESSED,
    (
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "force_new",
        "routeTableId",
    ): "another table gives the association another id, which is a replacement here",
    (
        "aws:ec2/securityGroup:SecurityGroup",
        "defaults",
        "description",
    ): "Pulumi's provider puts its own name there instead of Terraform's",
}
"""(type, fact, argument) → why the table says otherwise."""


def told(token: str) -> set[str]:
    """The arguments that the table has something to say about."""
    row = TABLE[token]
    return set(row.given) | set(row.defaults) | set(row.computed)


def different(token: str, fact: str, ours: set[str], theirs: set[str]) -> list[str]:
    return sorted(one for one in ours ^ theirs if (token, fact, one) not in EXPLAINED)


def test_every_type_is_read_or_listed() -> None:
    assert set(READ) | set(FACTS["not_read"]) == set(TABLE)
    assert not set(READ) & set(FACTS["not_read"])
    assert all(facts["source"].endswith(".go") and len(facts["commit"]) == 40 for facts in READ.values())


@pytest.mark.parametrize("token", READ)
def test_the_same_arguments_replace(token: str) -> None:
    row = TABLE[token]
    theirs = set(READ[token]["force_new"]) & row.given
    assert different(token, "force_new", set(row.replace), theirs) == []


@pytest.mark.parametrize("token", READ)
def test_the_same_defaults(token: str) -> None:
    ours, theirs = TABLE[token].defaults, READ[token]["defaults"]
    known = told(token)
    wrong = {
        name
        for name in set(ours) | set(theirs)
        if name in known and ours.get(name) != theirs.get(name) and (token, "defaults", name) not in EXPLAINED
    }
    assert {name: (ours.get(name), theirs.get(name)) for name in wrong} == {}


@pytest.mark.parametrize("token", READ)
def test_the_service_chooses_the_same(token: str) -> None:
    row = TABLE[token]
    theirs = set(READ[token]["computed"]) & told(token)
    made = {row.autoname.property} if row.autoname else set()
    assert different(token, "computed", set(row.computed) - made, theirs - made) == []


def test_no_explanation_is_of_nothing() -> None:
    for token, fact, name in EXPLAINED:
        row, theirs = TABLE[token], READ[token][fact]
        if fact == "defaults":
            assert row.defaults.get(name) != theirs.get(name), (token, fact, name)
        else:
            ours = row.replace if fact == "force_new" else row.computed
            assert (name in ours) != (name in theirs), (token, fact, name)
