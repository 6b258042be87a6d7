"""Parents that are larger than the volume, or call their root otherwise: told before anything is made."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pulumi
import pytest

import blueprints
from components import program
from neurocaas.protocol.settings import AnalysisSettings
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import ACCOUNT, Recorded, Recorder, deploy

PARENT, BAKED = "ami-0123456789abcdef0", "ami-0fedcba9876543210"


def project_of(folder: Path, parent: str = PARENT, volume: str = "", amis: str = "") -> Path:
    text = BLUEPRINT.replace("  parent: ubuntu24\n", f"  parent: {parent}\n{amis}")
    return make_project(folder, text.replace("  type: m5.large\n", f"  type: m5.large\n{volume}"))


def deployed(project: Path, utils: Recorded, recorder: Recorder | None = None, **images: Any) -> Recorded:
    references = {REFERENCE: utils.outputs}
    recorder = recorder or Recorder(
        references, images={PARENT: images.get("parent"), BAKED: images.get("baked")}
    )
    return deploy(lambda: program.outputs(project), "spikes-webdev", recorder=recorder)


def devices(stack: Recorded) -> dict[str, set[str]]:
    """What the root volume is called: in launch templates, in the recipe, in the manager's settings."""
    text = stack.one("BucketObjectv2", "settings").inputs["content"]
    return {
        "machines": {
            one.inputs["blockDeviceMappings"][0]["deviceName"] for one in stack.of_type("LaunchTemplate")
        },
        "recipe": {one["deviceName"] for one in stack.one("ImageRecipe").inputs["blockDeviceMappings"]},
        "manager": {AnalysisSettings.from_json(text).image.root_device},
    }


def test_the_root_volume_has_the_name_that_the_parent_gives_it(tmp_path: Path, utils: Recorded) -> None:
    stack = deployed(project_of(tmp_path), utils, parent=("/dev/xvda", 8))
    assert devices(stack) == {key: {"/dev/xvda"} for key in ("machines", "recipe", "manager")}


def test_machines_go_by_the_baked_image_and_bakes_by_its_parent(tmp_path: Path, utils: Recorded) -> None:
    amis = f'  amis: {{"{ACCOUNT}/us-east-1": {BAKED}}}\n'
    project = project_of(tmp_path, amis=amis)
    stack = deployed(project, utils, parent=("/dev/xvda", 8), baked=("/dev/sda1", 8))
    assert devices(stack) == {"machines": {"/dev/sda1"}, "manager": {"/dev/sda1"}, "recipe": {"/dev/xvda"}}
    gone = deployed(project, utils, parent=("/dev/xvda", 8), baked=None)
    assert devices(gone)["machines"] == {"/dev/xvda"}, "a deploy makes it possible to bake another"


@pytest.mark.parametrize("volume", ["", "  volume_gib: 16\n"])
def test_a_parent_that_does_not_fit_is_refused_with_its_size(
    tmp_path: Path, utils: Recorded, volume: str
) -> None:
    recorder = Recorder({REFERENCE: utils.outputs}, images={PARENT: ("/dev/sda1", 60)})
    with pytest.raises(pulumi.RunError, match=r"volume_gib: got 16. Allowed: at least 60"):
        deployed(project_of(tmp_path, volume=volume), utils, recorder)
    assert [one.type for one in recorder.recorded.resources] == ["pulumi:providers:aws"]


def test_a_parent_that_is_not_there_is_refused(tmp_path: Path, utils: Recorded) -> None:
    with pytest.raises(pulumi.RunError, match=rf"image.parent: got {PARENT}, which is not there"):
        deployed(project_of(tmp_path), utils, parent=None)


def test_credentials_that_may_not_look_can_still_preview(tmp_path: Path, utils: Recorded) -> None:
    stack = deployed(project_of(tmp_path), utils, Recorder({REFERENCE: utils.outputs}, denied=True))
    assert devices(stack)["machines"] == {"/dev/sda1"}


def test_the_base_image_is_looked_at_too(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    (project / "blueprints/base/image.yaml").write_text(
        f"schema_version: 1\nimage: {{parent: {PARENT}}}\ninstance: {{volume_gib: 8}}\n"
    )
    recorder = Recorder({}, images={PARENT: ("/dev/sda1", 30)})
    with pytest.raises(pulumi.RunError, match=r"image.yaml has 1 problem(?s:.)*at least 30"):
        deploy(lambda: program.outputs(project), "utils", recorder=recorder)


@pytest.mark.parametrize(
    ("parent", "base", "expected"),
    [
        ("ubuntu24", "", 16),
        ("dlami24", "", 100),
        ("dlami22", "", 100),
        (PARENT, "", 16),
        ("base", "parent: ubuntu24", 16),
        ("base", "parent: dlami24", 100),
    ],
)
def test_a_volume_that_nobody_chose_is_as_large_as_the_parent(
    tmp_path: Path, parent: str, base: str, expected: int
) -> None:
    project = project_of(tmp_path, parent)
    amis = f'amis: {{"{ACCOUNT}/us-east-1": {BAKED}}}'
    (project / "blueprints/base/image.yaml").write_text(
        f"schema_version: 1\nimage: {{{base or 'parent: ubuntu24'}, {amis}}}\n"
    )
    assert blueprints.load("spikes", "webdev", project).instance.volume_gib == expected


ARM_PARENT = "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"


def arm_project(folder: Path, amis: str = "") -> Path:
    text = BLUEPRINT.replace("m5.", "m7g.")
    return make_project(folder, text.replace("  parent: ubuntu24\n", f"  parent: ubuntu24\n{amis}"))


def arm_image() -> str:
    """The image that the parameter holds, as the recorder answers."""
    return f"ami-{zlib.crc32(ARM_PARENT.encode()):08x}"


def test_machines_with_arm64_processors_start_from_an_image_for_them(tmp_path: Path, utils: Recorded) -> None:
    recorder = Recorder({REFERENCE: utils.outputs}, images={arm_image(): ("/dev/sda1", 8, "arm64")})
    stack = deployed(arm_project(tmp_path), utils, recorder)
    assert stack.one("ImageRecipe").inputs["parentImage"] == f"ssm:{ARM_PARENT}"
    assert stack.one("InfrastructureConfiguration").inputs["instanceTypes"] == ["m7g.large"]
    assert {one.inputs["instanceType"] for one in stack.of_type("LaunchTemplate")} == {"m7g.large"}


def test_a_parent_for_other_processors_is_refused(tmp_path: Path, utils: Recorded) -> None:
    recorder = Recorder({REFERENCE: utils.outputs}, images={PARENT: ("/dev/sda1", 8, "arm64")})
    with pytest.raises(pulumi.RunError, match=f"{PARENT}, which is for arm64 processors"):
        deployed(project_of(tmp_path), utils, recorder)


def test_an_image_baked_for_other_processors_is_none(tmp_path: Path, utils: Recorded) -> None:
    images = {arm_image(): ("/dev/sda1", 8, "arm64"), BAKED: ("/dev/xvda", 8, "x86_64")}
    amis = f'  amis: {{"{ACCOUNT}/us-east-1": {BAKED}}}\n'
    recorder = Recorder({REFERENCE: utils.outputs}, images=images)
    stack = deployed(arm_project(tmp_path, amis), utils, recorder)
    settings = AnalysisSettings.from_json(stack.one("BucketObjectv2", "settings").inputs["content"])
    assert (settings.image.ready, settings.image.id) == (False, f"resolve:ssm:{ARM_PARENT}")
    assert devices(stack)["machines"] == {"/dev/sda1"}
