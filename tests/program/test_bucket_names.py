"""What the program calls the bucket of an analysis, who reaches it, and how people find it by its name."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from blueprints.bucket_names import default_name, default_pattern
from components import program
from neurocaas.protocol.analyses import DeployedAnalysis
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import ACCOUNT, REGION, Recorded, Recorder, deploy

UNSAID = BLUEPRINT.replace("bucket: spikes\n", "")
"""A blueprint that says no bucket but in production."""
GROUPS = "schema_version: 1\ngroups:\n  north: {analyses: {spikes: }}\n"
WEBDEV = default_name("spikes", "webdev", ACCOUNT, REGION)
PATTERN = default_pattern("spikes", ACCOUNT, REGION)

Buckets = Mapping[str, Collection[str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_project(tmp_path_factory.mktemp("names"), UNSAID)
    (made / "groups.yaml").write_text(GROUPS)
    return made


def utils(project: Path, there: Buckets | None = None, **config: str) -> Recorded:
    settings = {f"neurocaas:{name}": value for name, value in config.items()}
    return deploy(lambda: program.outputs(project), "utils", settings, recorder=Recorder({}, buckets=there))


def analysis(
    project: Path, there: Buckets | None = None, stack: str = "spikes-webdev", outputs: Any = None
) -> Recorded:
    references = {REFERENCE: outputs or utils(project, there).outputs}
    recorder = Recorder(references, buckets=there)
    return deploy(lambda: program.outputs(project), stack, recorder=recorder)


def named(stack: Recorded) -> str:
    """The bucket, which everything of the stack must agree upon."""
    name = str(stack.one("Bucket").inputs["bucket"])
    assert stack.outputs["bucket"] == name
    settings = next(one for one in stack.of_type("BucketObjectv2") if one.name.endswith("-settings"))
    assert json.loads(settings.inputs["content"])["bucket"] == name
    assert any(f":::{name}/" in one.inputs["policy"] for one in stack.of_type("RolePolicy"))
    return name


def test_a_first_deploy_gives_each_stage_a_name_of_its_own(project: Path) -> None:
    outputs = utils(project).outputs
    names = {
        stage: named(analysis(project, stack=f"spikes-{stage}", outputs=outputs))
        for stage in ("webdev", "develop", "prod")
    }
    assert names == {
        "webdev": WEBDEV,
        "develop": default_name("spikes", "develop", ACCOUNT, REGION),
        "prod": "spikes-prod",
    }


def test_a_stack_keeps_the_bucket_that_it_has(project: Path) -> None:
    """As the last version has called it; the name in its state, so that nothing is replaced."""
    assert named(analysis(project, {"spikes-webdev": ["spikes"], "spikes-develop": ["other"]})) == "spikes"


def test_what_the_blueprint_says_wins_and_the_own_name_next(project: Path) -> None:
    assert named(analysis(project, {"spikes-webdev": ["spikes", WEBDEV]})) == WEBDEV
    there = {"spikes-prod": ["spikes"]}
    assert named(analysis(project, there, "spikes-prod")) == "spikes-prod"


def test_several_buckets_are_a_question_that_is_asked(project: Path) -> None:
    with pytest.raises(pulumi.RunError, match=r"has the buckets a1b, c2d. Allowed: one.*`bucket: NAME`"):
        analysis(project, {"spikes-webdev": ["c2d", "a1b"]})


@pytest.mark.parametrize(("there", "buckets"), [
    ({}, {PATTERN, "spikes-prod"}),
    ({"spikes-webdev": [WEBDEV]}, {PATTERN, "spikes-prod"}),
    ({"spikes-webdev": ["spikes"], "waves-webdev": ["waves"]}, {PATTERN, "spikes-prod", "spikes"}),
])  # fmt: skip
def test_a_group_reaches_the_buckets_of_its_analyses(
    project: Path, there: dict[str, list[str]], buckets: set[str]
) -> None:
    made = utils(project, there)
    assert set(made.outputs["groups"]["north"]["buckets"]) == buckets
    policy = made.one("GroupPolicy", "north").policy()
    upload = next(one for one in policy["Statement"] if one["Sid"] == "Upload")
    assert {one.split(":::")[1].partition("/")[0] for one in upload["Resource"]} == buckets
    assert upload["Condition"]["StringEquals"] == {"aws:ResourceAccount": ACCOUNT}


def test_a_kept_bucket_that_utils_has_not_granted_is_told(project: Path) -> None:
    old = utils(project).outputs
    with pytest.raises(pulumi.RunError, match=r"Run `invoke deploy utils` first"):
        analysis(project, {"spikes-webdev": ["spikes"]}, outputs=old)


def test_the_trail_records_buckets_by_the_names_that_they_have(project: Path) -> None:
    made = utils(project, {"spikes-develop": ["kept"]}, auditData="true")
    selectors = json.dumps(made.one("Trail").inputs)
    for name in (WEBDEV, "kept", "spikes-prod"):
        assert f":::{name}/" in selectors, name


def test_each_group_is_told_where_the_analysis_is(project: Path) -> None:
    made = analysis(project)
    told = {one.inputs["name"]: one.inputs["insecureValue"] for one in made.of_type("Parameter")}
    assert set(told) == {f"/neurocaas/analyses/{group}/spikes/webdev" for group in ("lab1", "lab10", "north")}
    for text in told.values():
        assert DeployedAnalysis.from_json(text) == DeployedAnalysis(
            "spikes", "webdev", WEBDEV, ACCOUNT, REGION, "Spike sorting"
        )


def test_a_group_may_list_its_own_index_and_no_other(project: Path) -> None:
    made = analysis(project)
    for group in ("lab1", "lab10"):
        policy = made.one("GroupPolicy", f"-{group}-analysts").policy()
        (lists,) = [one for one in policy["Statement"] if "ssm:GetParametersByPath" in one["Action"]]
        arns = [
            f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/neurocaas/{what}/{group}"
            for what in ("analyses", "members")
        ]
        assert lists["Resource"] == [f"{arn}{end}" for arn in arns for end in ("", "/*")]


def test_stages_do_not_take_the_tags_of_what_they_share_from_each_other(project: Path) -> None:
    outputs = utils(project).outputs
    shared = []
    for stack in ("spikes-webdev", "spikes-prod"):
        made = analysis(project, stack=stack, outputs=outputs)
        default = json.loads(made.one("aws").inputs["defaultTags"])["tags"]
        shared.append({
            one.inputs["key"]: {**default, **one.inputs.get("tags", {})}
            for one in made.of_type("BucketObjectv2")
            if one.inputs["key"].startswith(("code/", "provision/"))
        })  # fmt: skip
    assert shared[0] == shared[1]
    assert shared[0]
