"""The project's base image: its settings, what `image.parent: base` means where, and what changes when it
changes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import blueprints
from blueprints import BASE, base, starter
from blueprints.provision import read
from ci.bakes import needed
from image_builder import commands, pipeline, provenance
from image_builder.recipe import recipe_of
from image_builder.recording.verification import digest_of
from neurocaas.protocol.problems import InvalidInput

ACCOUNT, REGION, FIRST, SECOND = "111122223333", "us-east-1", "ami-0123456789abcdef0", "ami-0123456789abcdef1"
SETTINGS = "schema_version: 1\nimage:\n  parent: ubuntu22\n"
SPIKES = """\
schema_version: 1
name: spikes
title: Spike sorting
script: run.sh
instance: {type: m5.large, volume_gib: 16}
image: {parent: base}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a base that was never baked, and `spikes` on it."""
    for name, file, text in ((BASE, base.FILE, SETTINGS), ("spikes", "blueprint.yaml", SPIKES)):
        folder = tmp_path / "blueprints" / name
        (folder / "provision").mkdir(parents=True)
        (folder / file).write_text(text)
        (folder / "provision" / "10-tools.sh").write_text("true\n")
    (tmp_path / "blueprints/spikes/run.sh").write_text("true\n")
    return tmp_path


def baked(root: Path, image: str = FIRST) -> None:
    blueprints.record_image(root, BASE, ACCOUNT, REGION, image)


def spikes(root: Path) -> blueprints.Blueprint:
    return blueprints.load("spikes", "webdev", root)


def refused(root: Path) -> str:
    with pytest.raises(InvalidInput) as error:
        spikes(root)
    return str(error.value)


def test_the_settings_have_defaults_and_the_image_is_written_into_them(root: Path) -> None:
    baked(root)
    loaded = base.load(root)
    assert (loaded.image.parent, loaded.instance_type, loaded.volume_gib) == ("ubuntu22", "m5.large", 8)
    assert loaded.image.baked(ACCOUNT, REGION) == FIRST
    assert (root / loaded.file).read_text().startswith("schema_version: 1\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "schema_version: 1\nimage: {parent: base}\n",
            "image.yaml:2: image.parent: got 'base', which is not known. Allowed: ubuntu22",
        ),
        (
            "schema_version: 1\nimage: {parent: ubuntu18}\n",
            "image.yaml:2: image.parent: got 'ubuntu18', which gets no security updates",
        ),
        (
            "schema_version: 1\nimage: {required: false}\n",
            "image.yaml:2: image.required: got the unknown key 'required'",
        ),
        ("image: [\n", "image.yaml:2: got"),
        ("[]\n", "image.yaml:1: got []. Allowed: a mapping"),
    ],
)
def test_mistakes_in_the_settings_are_told_with_their_line(root: Path, text: str, said: str) -> None:
    (root / base.SOURCE).write_text(text)
    with pytest.raises(InvalidInput) as error:
        base.load(root)
    assert said in str(error.value)
    assert "blueprint.yaml:6: image.parent: got 'base', whose settings are wrong" in refused(root)


def test_a_base_that_was_never_baked_says_what_to_run(root: Path) -> None:
    text = refused(root)
    assert (
        "blueprint.yaml:6: image.parent: got 'base', which was never baked. Allowed: base when it was baked"
        in text
    )
    assert "Bake it: `invoke bake-ami --base`." in text
    (root / base.SOURCE).unlink()
    assert "whose settings are wrong: blueprints/base/image.yaml: got a file that cannot be read" in refused(
        root
    )


def test_base_means_the_image_of_the_account_and_region(root: Path) -> None:
    baked(root)
    assert blueprints.parent_of(spikes(root), ACCOUNT, REGION) == blueprints.ParentImage(ami=FIRST)
    with pytest.raises(
        InvalidInput,
        match=r"no image was baked for account 111122223333 in eu-west-1\. Allowed: .* --base`\.",
    ):
        blueprints.parent_of(spikes(root), ACCOUNT, "eu-west-1")


def test_a_volume_has_room_for_the_base(root: Path) -> None:
    baked(root)
    (root / base.SOURCE).write_text((root / base.SOURCE).read_text() + "instance: {volume_gib: 75}\n")
    assert "instance.volume_gib: got 16. Allowed: at least the 75 GiB of the base image." in refused(root)


def test_another_base_is_another_recipe_but_scripts_stay_verified_while_its_scripts_do(root: Path) -> None:
    baked(root)
    recipe, provision = recipe_of(spikes(root), ACCOUNT, REGION), read(root / "blueprints/spikes/provision")
    verified = digest_of(spikes(root), provision)
    baked(root, SECOND)
    other = recipe_of(spikes(root), ACCOUNT, REGION)
    assert recipe is not None
    assert other is not None
    assert (recipe.parent, other.parent) == (FIRST, SECOND)
    assert recipe.sha256 != other.sha256
    assert digest_of(spikes(root), provision) == verified
    (root / "blueprints/base/provision/10-tools.sh").write_text("false\n")
    assert digest_of(spikes(root), provision) != verified


def test_a_base_has_no_analysis_for_a_golden_test(root: Path) -> None:
    folder = root / "blueprints/base/provision"
    golden = folder / "test/golden"
    golden.mkdir(parents=True)
    (golden / "dataset.sh").write_text("true\n")
    (golden / "expected.json").write_text('{"files": {"a.json": {"x": 1}}}')
    with pytest.raises(
        InvalidInput, match=r"blueprints/base/provision/test/golden: got a golden test of the base image\."
    ):
        read(folder)


def test_a_base_of_an_older_recording_needs_a_bake_and_one_that_nobody_baked_does_not(root: Path) -> None:
    assert needed("utils", root, ACCOUNT, REGION) is None
    baked(root)
    provenance.write(
        root / "blueprints" / BASE, f"{ACCOUNT}/{REGION}", {"image_id": FIRST, "recipe_sha256": "0" * 64}
    )
    found = needed("utils", root, ACCOUNT, REGION)
    assert found is not None
    assert found.command == "invoke bake-ami --stack utils"


def test_the_base_is_baked_by_the_stack_that_all_share(root: Path) -> None:
    assert commands.stack_of("", BASE) == "utils"
    with pytest.raises(pipeline.BakeError, match="--base and dti-webdev\n  allowed: one image"):
        commands.target_of("dti-webdev", "", base=True)
    with pytest.raises(InvalidInput, match="this is the project's base image"):
        starter.configure(BASE, root)
