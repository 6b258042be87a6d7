"""No policy of the program lets anybody into a stranger's bucket: names of buckets are anybody's (S3 user
guide, "General purpose bucket naming rules"), so each statement about S3 says whose bucket it means.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from components import program
from components.place import Place
from components.policies.document import allow
from runtime.monitor.confined import session_policy
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import ACCOUNT, Recorded, deploy
from tests.program.test_outside_buckets import OUTSIDE
from tests.program.test_policy_lint import GROUPS

REGISTERED = {"open-recordings", "lab1-archive"}
"""The buckets of others that the blueprint names."""

ELSEWHERE = {
    "ReadOutside": REGISTERED,
    "WriteOutside": REGISTERED,
    "ListReadable": REGISTERED,
    "ListWritable": REGISTERED,
    "EndJobsOutside": REGISTERED,
    # Image Builder's own buckets, which belong to AWS.
    "ReadRunner": {"ec2imagebuilder*"},
    # The boundary, the most that any role can have: a role's own policy names the registered buckets.
    "Objects": {"*"},
    "Lists": {"*"},
}
"""Statements about buckets that need not be the account's: their names, and which buckets these are."""

IDENTITY = {"Policy", "RolePolicy", "GroupPolicy"}
"""Resources with a policy of somebody; that of a bucket is about the bucket it hangs on."""


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> list[Recorded]:
    project = make_project(tmp_path_factory.mktemp("owners"), BLUEPRINT + OUTSIDE)
    (project / "groups.yaml").write_text(GROUPS)
    config = {"neurocaas:auditData": "true", "neurocaas:publicCatalogue": "true"}
    utils = deploy(lambda: program.outputs(project), "utils", config)
    stages = ("spikes-webdev", "spikes-prod")
    references = {REFERENCE: utils.outputs}
    return [utils, *(deploy(lambda: program.outputs(project), one, references=references) for one in stages)]


def as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def of_s3(policy: Any) -> Iterator[dict[str, Any]]:
    """The statements that let somebody do something with S3."""
    for statement in policy["Statement"]:
        if statement["Effect"] == "Allow" and any(
            action.startswith(("s3:", "*")) for action in as_list(statement["Action"])
        ):
            yield statement


def buckets(statement: dict[str, Any]) -> set[str]:
    return {resource.split(":")[5].partition("/")[0] for resource in as_list(statement["Resource"])}


def owner(statement: dict[str, Any]) -> str | None:
    said: str | None = statement.get("Condition", {}).get("StringEquals", {}).get("aws:ResourceAccount")
    return said


def test_every_statement_of_s3_says_whose_buckets(stacks: list[Recorded]) -> None:
    own, elsewhere = set(), set()
    for stack in stacks:
        for resource in stack.resources:
            kind = resource.type.rpartition(":")[2]
            if kind not in IDENTITY:
                continue
            for statement in of_s3(resource.policy()):
                where = f"{kind} {resource.name}: {statement['Sid']}"
                if statement["Sid"] in ELSEWHERE:
                    assert owner(statement) is None, where
                    assert buckets(statement) <= ELSEWHERE[statement["Sid"]], where
                    elsewhere.add(statement["Sid"])
                else:
                    assert owner(statement) == ACCOUNT, where
                    own.add(where)
    assert elsewhere == set(ELSEWHERE), "an exception that no policy needs any more"
    for role in ("machine", "manager", "monitor", "boundary", "people-north", "people-north-leads", "dev"):
        assert any(role in where for where in own), role


def test_the_policy_of_a_bucket_is_about_that_bucket(stacks: list[Recorded]) -> None:
    count = 0
    for stack in stacks:
        for resource in stack.of_type("BucketPolicy"):
            for statement in resource.policy()["Statement"]:
                assert buckets(statement) == {resource.inputs["bucket"]}, resource.name
                count += 1
    assert count > 10


@pytest.mark.parametrize("moving", [False, True])
def test_a_session_of_the_monitors_writer_stays_in_the_account(moving: bool) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/neurocaas-writers/w"
    policy = json.loads(session_policy(role, "spikes", "lab1", ["lab1-archive"], moving=moving))
    owners = [(buckets(statement), owner(statement)) for statement in of_s3(policy)]
    assert owners.count(({"lab1-archive"}, None)) == 1
    assert {who for where, who in owners if where == {"spikes"}} == {ACCOUNT}
    assert {frozenset(where) for where, _ in owners} == {frozenset({"spikes"}), frozenset({"lab1-archive"})}


def test_a_statement_that_does_not_say_it_is_refused() -> None:
    with pytest.raises(ValueError, match="whose buckets"):
        allow("X", ["s3:GetObject"], [Place(partition="aws", region="r", account="1").objects("b", "*")])
