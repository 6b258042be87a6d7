"""Both stacks in every combination of network, size and place: no rule is broken, no limit of AWS is passed.

The limits are IAM's and Lambda's quotas and S3's and SQS's for policies (user guides, "quotas"); white space
does not count in a policy of IAM.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blueprints.prices import table
from checks.rule import run
from checks.rules import RULES
from components import program
from components import project as settings_of
from components.place import Place
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import ACCOUNT, Recorded, Recorder, deploy
from tests.program.test_networks import GIVEN, OWN, THERE

NETWORKS: Mapping[str, dict[str, str]] = {"default": {}, "given": GIVEN, "own": OWN}
SIZES = (1, 100)
PLACES = (
    ("aws", "us-east-1"),
    ("aws", "eu-west-1"),
    ("aws", "ap-southeast-2"),
    ("aws-cn", "cn-north-1"),
    ("aws-us-gov", "us-gov-west-1"),
)
CELLS = [
    *itertools.product(NETWORKS, SIZES[:1], PLACES),
    # Groups are all alike, and no network knows of them: each network and each partition once.
    *((network, SIZES[1], PLACES[number]) for network, number in (("own", 0), ("given", 3), ("default", 4))),
]

POLICIES = {
    "Policy": ("policy", 6_144),
    "RolePolicy": ("policy", 10_240),
    "GroupPolicy": ("policy", 5_120),
    "Role": ("assumeRolePolicy", 2_048),
    "BucketPolicy": ("policy", 20_480),
    "QueuePolicy": ("policy", 20_480),
    "TopicPolicy": ("policy", 30_720),
    "Key": ("policy", 32_768),
}
"""Resource: its policy, and how many characters that may have."""
NAMES = 64 - 8
"""Characters of a logical name, to which Pulumi adds eight, where the physical one may have 64."""


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    """The first group is the blueprint's, all others are of groups.yaml, where each has people and a lead."""
    found = {}
    for size in SIZES:
        found[size] = make_project(
            tmp_path_factory.mktemp("matrix"), BLUEPRINT.replace("[lab1, lab10]", "[group000]")
        )
        others = [
            f"  group{number:03d}: {{{'members: [ann], leads: [lea], ' if number < 5 else ''}"
            "analyses: {spikes: {budget_usd: 5}}}\n"
            for number in range(1, size)
        ]
        if others:
            users = "schema_version: 1\nusers: {ann: , lea: }\ngroups:\n"
            (found[size] / "groups.yaml").write_text(users + "".join(others))
    return found


@pytest.fixture(scope="module")
def priced() -> Iterator[None]:
    """The same prices everywhere: what regions cost is no matter here."""
    prices = table()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings_of, "table", lambda region: replace(prices, region=region))
        yield


def place(partition: str, region: str) -> Place:
    return Place(partition=partition, region=region, account=ACCOUNT)


def size_of(policy: str) -> int:
    return len(json.dumps(json.loads(policy), separators=(",", ":")))


def passed_limits(stack: Recorded) -> list[str]:
    """What is longer than AWS takes."""
    found = [
        f"{one.type} {one.name}: {size}"
        for one in stack.resources
        for key, most in [POLICIES.get(one.type.rpartition(":")[2], ("", 0))]
        if key in one.inputs and (size := size_of(str(one.inputs[key]))) > most
    ]
    found += [one.name for one in stack.of_type("Role") if len(one.name) > NAMES]
    found += [one.name for one in stack.of_type("Function") if len(one.name) > NAMES]
    for function in stack.of_type("Function"):
        variables: dict[str, Any] = function.inputs["environment"]["variables"]
        found += (
            [function.name]
            if sum(len(key) + len(str(text)) for key, text in variables.items()) > 4_096
            else []
        )
    for notification in stack.of_type("BucketNotification"):
        found += [notification.name] if len(notification.inputs["queues"]) > 100 else []
    return found


@pytest.mark.parametrize(
    ("network", "size", "where"), CELLS, ids=[f"{one}-{size}-{where[1]}" for one, size, where in CELLS]
)
def test_both_stacks_are_clean_and_within_the_limits(
    network: str,
    size: int,
    where: tuple[str, str],
    projects: Mapping[int, Path],
    priced: None,
) -> None:
    at, project = place(*where), projects[size]
    utils = deploy(
        lambda: program.outputs(project),
        "utils",
        NETWORKS[network],
        recorder=Recorder({}, at=at, subnets=THERE),
    )
    analysis = deploy(
        lambda: program.outputs(project),
        "spikes-webdev",
        recorder=Recorder({REFERENCE: utils.outputs}, at=at),
    )
    for stack in (utils, analysis):
        report = run(RULES, stack.stack())
        assert report.findings == (), report.findings
        assert passed_limits(stack) == []
        texts = json.dumps([one.inputs for one in stack.resources], default=str)
        assert f"arn:{at.partition}:" in texts
        assert {"aws", "aws-cn", "aws-us-gov"} & {
            part.partition(":")[0] for part in texts.split('"arn:')[1:]
        } <= {at.partition}
    assert len(analysis.of_type("LaunchTemplate")) == size
