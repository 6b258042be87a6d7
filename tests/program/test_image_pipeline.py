"""The image pipeline of an analysis stack: how it builds, where images go, when they go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest

import blueprints
from blueprints.parents import PARENTS
from components import program
from image_builder import pipeline
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import ACCOUNT, Recorded, deploy

TARGET = {
    "image_pipeline_arn": "arn:p",
    "analysis": "spikes",
    "account": "1",
    "region": "r",
    "image_recipe_sha256": "0" * 64,
}


def test_images_are_built_on_encrypted_disks_with_the_profile_of_utils(
    analysis: Recorded, utils: Recorded
) -> None:
    infrastructure = analysis.one("InfrastructureConfiguration").inputs
    assert infrastructure["instanceProfileName"] == utils.outputs["image_builder_instance_profile"]
    assert infrastructure["instanceMetadataOptions"]["httpTokens"] == "required"
    assert infrastructure["terminateInstanceOnFailure"] is True
    (mapping,) = analysis.one("ImageRecipe").inputs["blockDeviceMappings"]
    assert mapping["ebs"] == {
        "volumeSize": 16,
        "volumeType": "gp3",
        "encrypted": "true",
        "deleteOnTermination": "true",
    }


def test_images_go_to_the_region_of_the_stack_with_their_recipe_as_a_tag(analysis: Recorded) -> None:
    (target,) = analysis.one("DistributionConfiguration").inputs["distributions"]
    assert target["region"] == analysis.outputs["region"]
    tags = target["amiDistributionConfiguration"]["amiTags"]
    assert tags[pipeline.RECIPE_TAG] == analysis.outputs["image_recipe_sha256"]
    assert tags["neurocaas:stack"] == "spikes-webdev"
    assert "{{ imagebuilder:buildDate }}" in target["amiDistributionConfiguration"]["name"]


def test_old_images_go_with_their_snapshots_and_some_stay(analysis: Recorded, utils: Recorded) -> None:
    policy = analysis.one("LifecyclePolicy").inputs
    assert policy["executionRole"] == utils.outputs["lifecycle_role_arn"]
    (detail,) = policy["policyDetails"]
    assert detail["action"] == {"type": "DELETE", "includeResources": {"amis": True, "snapshots": True}}
    assert detail["filter"]["retainAtLeast"] >= 1
    assert policy["resourceSelection"] == {"tagMap": started_with("spikes-webdev", "neurocaas:stack")}


def started_with(stack: str, tag: str) -> dict[str, Any]:
    """A tag that a bake of the stack gives to the image, by which the service selects."""
    given: dict[str, Any] = {}

    class Service:
        def start_image_pipeline_execution(self, **request: Any) -> dict[str, str]:
            given.update(request["tags"])
            return {"imageBuildVersionArn": "arn:b"}

    pipeline.start(pipeline.Target.from_outputs(stack, TARGET), Service())
    return {tag: given[tag]}


@pytest.mark.parametrize("code", sorted(PARENTS))
def test_a_parent_is_the_newest_image_of_its_kind(code: str, tmp_path: Path, utils: Recorded) -> None:
    project = make_project(tmp_path)
    (project / "blueprints/spikes/blueprint.yaml").write_text(BLUEPRINT.replace("ubuntu24", code))
    stack = deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})
    assert stack.one("ImageRecipe").inputs["parentImage"] == f"ssm:{PARENTS[code]}"


def on_base(folder: Path, image: str | None = "ami-0123456789abcdef0", region: str = "us-east-1") -> Path:
    project = make_project(folder, BLUEPRINT.replace("ubuntu24", "base"))
    if image:
        blueprints.record_image(project, "base", ACCOUNT, region, image)
    return project


def test_the_pipeline_of_the_base_image_is_in_utils(utils: Recorded) -> None:
    recipe = utils.one("ImageRecipe").inputs
    assert recipe["parentImage"] == f"ssm:{PARENTS['ubuntu24']}"
    assert recipe["tags"][pipeline.RECIPE_TAG] == utils.outputs["image_recipe_sha256"]
    assert utils.one("LifecyclePolicy").inputs["resourceSelection"] == {
        "tagMap": {"neurocaas:stack": "utils"}
    }
    assert (
        utils.one("InfrastructureConfiguration").inputs["instanceProfileName"]
        == utils.outputs["image_builder_instance_profile"]
    )
    target = pipeline.Target.from_outputs("utils", utils.outputs)
    assert (target.analysis, target.pipeline_arn) == ("base", utils.outputs["image_pipeline_arn"])


def test_a_project_without_a_base_has_no_pipeline_for_it(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project / "blueprints/base/image.yaml").unlink()
    stack = deploy(lambda: program.outputs(project), "utils")
    assert not stack.of_type("ImagePipeline")
    assert stack.outputs["image_pipeline_arn"] is None


def test_wrong_settings_of_the_base_are_one_message(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (project / "blueprints/base/image.yaml").write_text("schema_version: 1\nimage: {parent: ubuntu16}\n")
    with pytest.raises(
        pulumi.RunError, match=r"the base image has 1 problem:\n  blueprints/base/image.yaml:2: image.parent"
    ):
        deploy(lambda: program.outputs(project), "utils")


def test_an_image_on_the_base_starts_from_the_very_image_that_was_baked(
    tmp_path: Path, utils: Recorded
) -> None:
    project = on_base(tmp_path)
    stack = deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})
    assert stack.one("ImageRecipe").inputs["parentImage"] == "ami-0123456789abcdef0"
    assert {template.inputs["imageId"] for template in stack.of_type("LaunchTemplate")} == {
        "ami-0123456789abcdef0"
    }
    blueprints.record_image(project, "base", ACCOUNT, "us-east-1", "ami-0123456789abcdef1")
    other = deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})
    assert other.one("ImageRecipe").inputs["parentImage"] == "ami-0123456789abcdef1"
    assert other.one("ImageRecipe").inputs["version"] != stack.one("ImageRecipe").inputs["version"]
    before, after = (
        {one.name: one.inputs["version"] for one in made.of_type("Component")} for made in (stack, other)
    )
    assert before == after


@pytest.mark.parametrize(("image", "region"), [(None, ""), ("ami-0123456789abcdef0", "eu-west-1")])
def test_a_base_that_was_not_baked_here_stops_the_analysis_that_stands_on_it(
    tmp_path: Path, utils: Recorded, image: str | None, region: str
) -> None:
    project = on_base(tmp_path, image, region)
    with pytest.raises(
        pulumi.RunError, match=r"the blueprint of stack spikes-webdev has 1 problem:\n.*'base', .*--base`"
    ):
        deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})
