"""Storage bypass: what the roles of a stack may do in the buckets that its blueprint registers."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pytest

from components import program
from neurocaas.protocol.linking import MACHINE, MANAGER, WHO, WRITER, grants, lacking, policy
from neurocaas.protocol.published_settings import About, about_key
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import Recorded, deploy
from tests.program.test_policies import reaches

OUTSIDE = """\
outside_buckets:
  - bucket: open-recordings
  - {bucket: lab1-archive, prefix: res/, use: [results], groups: [lab1]}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, utils: Recorded) -> Recorded:
    project = make_project(tmp_path_factory.mktemp("outside"), BLUEPRINT + OUTSIDE)
    return deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})


@pytest.mark.parametrize(
    ("role", "action", "key", "allowed"),
    [
        ("lab1-machine", "s3:GetObject", "open-recordings/a.zip", True),
        ("lab10-machine", "s3:GetObject", "open-recordings/a.zip", True),
        ("lab1-machine", "s3:PutObject", "open-recordings/a.zip", False),
        ("lab1-machine", "s3:PutObject", "lab1-archive/res/job_1/x", True),
        ("lab1-machine", "s3:PutObject", "lab1-archive/results/x", False),
        ("lab10-machine", "s3:PutObject", "lab1-archive/res/job_1/x", False),
        ("lab1-machine", "s3:GetObject", "secret/a.zip", False),
        ("-manager", "s3:GetObject", "open-recordings/a.zip", True),
        ("-manager", "s3:GetObject", "secret/a.zip", False),
        ("-manager", "s3:PutObject", "lab1-archive/res/job_1/x", False),
        ("-webdev-monitor", "s3:PutObject", "lab1-archive/res/job_1/logs/certificate.txt", True),
        ("-webdev-monitor", "s3:PutObject", "open-recordings/a.zip", False),
    ],
)
def test_who_reaches_what(stack: Recorded, role: str, action: str, key: str, allowed: bool) -> None:
    assert reaches(stack.one("RolePolicy", role).policy(), action, f"arn:aws:s3:::{key}") is allowed


def told(stack: Recorded, group: str) -> About:
    """What the stack tells a group of itself."""
    (found,) = [one for one in stack.of_type("BucketObjectv2") if one.inputs["key"] == about_key(group)]
    return About.from_json(found.inputs["content"])


@pytest.mark.parametrize("group", ["lab1", "lab10"])
def test_what_owners_are_asked_to_allow_is_what_the_roles_have(stack: Recorded, group: str) -> None:
    about = told(stack, group)
    assert set(about.outside_roles) == set(WHO)
    names = {MANAGER: "-manager", MACHINE: f"{group}-machine", WRITER: "-webdev-monitor"}
    entries = about.outside_buckets or ()
    assert len(entries) == (2 if group == "lab1" else 1)
    for entry in entries:
        assert lacking(policy([entry], about.outside_roles), entry, about.outside_roles) == []
        for grant in grants(entry, "aws"):
            for who in grant.who:
                role = stack.one("RolePolicy", names[who]).policy()
                for action in grant.actions:
                    assert reaches(role, action, grant.resource.replace("*", "job_1/x"))


def test_without_outside_buckets_nobody_is_told_of_roles(analysis: Recorded) -> None:
    assert told(analysis, "lab1").outside_roles == {}


def test_the_monitors_policy_is_attached_to_its_writer_of_utils(stack: Recorded, utils: Recorded) -> None:
    assert (
        stack.one("RolePolicy", "-webdev-monitor").inputs["role"]
        == utils.outputs["monitor_writer_role_arn"].rpartition("/")[2]
    )


def test_without_results_outside_the_monitor_gets_nothing(analysis: Recorded) -> None:
    assert not [one for one in analysis.of_type("RolePolicy") if one.name.endswith("-webdev-monitor")]


def test_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    wrong = "outside_buckets:\n  - {bucket: UPPER}\n  - {bucket: open-recordings, use: [all], prefix: /x}\n"
    with pytest.raises(pulumi.RunError) as error:
        deploy(lambda: program.outputs(make_project(tmp_path, BLUEPRINT + wrong)), "spikes-webdev")
    for path in ("outside_buckets[0].bucket", "outside_buckets[1].use[0]", "outside_buckets[1].prefix"):
        assert path in str(error.value)


def test_its_own_bucket_is_not_outside(tmp_path: Path) -> None:
    with pytest.raises(
        pulumi.RunError, match=r"blueprint.yaml:\d+: outside_buckets\[0\].bucket: got 'spikes'"
    ):
        deploy(
            lambda: program.outputs(
                make_project(tmp_path, BLUEPRINT + "outside_buckets: [{bucket: spikes}]\n")
            ),
            "spikes-webdev",
        )
