"""The image pipeline of an analysis stack: how it builds, where images go, when they go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from projects import BLUEPRINT, REFERENCE, make_project
from recording import Recorded, deploy

from blueprints.parents import PARENTS
from components import program
from image_builder import bake

TARGET = {"image_pipeline_arn": "arn:p", "analysis": "spikes", "account": "1", "region": "r", "image_recipe_sha256": "0" * 64}


def test_images_are_built_on_encrypted_disks_with_the_profile_of_utils(analysis: Recorded, utils: Recorded) -> None:
    infrastructure = analysis.one("InfrastructureConfiguration").inputs
    assert infrastructure["instanceProfileName"] == utils.outputs["image_builder_instance_profile"]
    assert infrastructure["instanceMetadataOptions"]["httpTokens"] == "required"
    assert infrastructure["terminateInstanceOnFailure"] is True
    (mapping,) = analysis.one("ImageRecipe").inputs["blockDeviceMappings"]
    assert mapping["ebs"] == {"volumeSize": 16, "volumeType": "gp3", "encrypted": "true", "deleteOnTermination": "true"}


def test_images_go_to_the_region_of_the_stack_with_their_recipe_as_a_tag(analysis: Recorded) -> None:
    (target,) = analysis.one("DistributionConfiguration").inputs["distributions"]
    assert target["region"] == analysis.outputs["region"]
    tags = target["amiDistributionConfiguration"]["amiTags"]
    assert tags[bake.RECIPE_TAG] == analysis.outputs["image_recipe_sha256"]
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

    bake.start(bake.Target.from_outputs(stack, TARGET), Service())
    return {tag: given[tag]}


@pytest.mark.parametrize("code", sorted(PARENTS))
def test_a_parent_is_the_newest_image_of_its_kind(code: str, tmp_path: Path, utils: Recorded) -> None:
    project = make_project(tmp_path)
    (project / "blueprints/spikes/blueprint.yaml").write_text(BLUEPRINT.replace("ubuntu24", code))
    stack = deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})
    assert stack.one("ImageRecipe").inputs["parentImage"] == f"ssm:{PARENTS[code]}"
