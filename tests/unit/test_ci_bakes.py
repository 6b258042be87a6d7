"""Which images are missing: what the blueprint records beside what its scripts make now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import blueprints
from ci.bakes import needed
from image_builder import provenance
from image_builder.recipe import recipe_of

ACCOUNT, REGION, IMAGE = "111122223333", "us-east-1", "ami-0123456789abcdef0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    own = tmp_path / "blueprints" / "spikes"
    (own / "provision").mkdir(parents=True)
    (own / "run.sh").write_text("#!/bin/bash\ntrue\n")
    (own / "provision" / "10-tools.sh").write_text("#!/bin/bash\ntrue\n")
    write(tmp_path, "image: {parent: ubuntu24}")
    return tmp_path


def write(root: Path, image: str) -> None:
    text = (
        f"schema_version: 1\nname: spikes\ntitle: x\nscript: run.sh\ninstance: {{type: m5.large}}\n{image}\n"
    )
    (root / "blueprints" / "spikes" / "blueprint.yaml").write_text(text)


def baked(root: Path, recipe: str | None = None) -> None:
    """As `invoke bake-ami` leaves it."""
    write(root, f'image: {{parent: ubuntu24, amis: {{"{ACCOUNT}/{REGION}": {IMAGE}}}}}')
    made = recipe_of(blueprints.load("spikes", blueprints.Stage.WEBDEV, root), ACCOUNT, REGION)
    assert made is not None
    what = {"image_id": IMAGE, "recipe_sha256": recipe or made.sha256}
    provenance.write(root / "blueprints" / "spikes", f"{ACCOUNT}/{REGION}", what)


def test_an_image_that_was_never_baked_is_missing(root: Path) -> None:
    bake = needed("spikes-prod", root, ACCOUNT, REGION)
    assert bake is not None
    assert f"none is recorded for account {ACCOUNT} in {REGION}" in bake.why
    assert bake.command == "invoke bake-ami --stack spikes-prod"


def test_an_image_of_this_recording_is_there_in_its_account_and_region_only(root: Path) -> None:
    baked(root)
    assert needed("spikes-prod", root, ACCOUNT, REGION) is None
    assert needed("spikes-prod", root, ACCOUNT, "eu-west-1") is not None
    assert needed("spikes-prod", root, "999999999999", REGION) is not None


def test_a_changed_recording_needs_a_new_image(root: Path) -> None:
    baked(root)
    (root / "blueprints" / "spikes" / "provision" / "20-more.sh").write_text("#!/bin/bash\ntouch /opt/more\n")
    bake = needed("spikes-prod", root, ACCOUNT, REGION)
    assert bake is not None
    assert f"{IMAGE} was made from an older recording" in bake.why


def test_an_image_that_somebody_named_by_hand_is_taken_as_it_is(root: Path) -> None:
    baked(root, "0" * 64)
    written = root / "blueprints" / "spikes" / provenance.FILE
    written.write_text(json.dumps({"schema_version": provenance.SCHEMA_VERSION, "images": {}}))
    assert needed("spikes-prod", root, ACCOUNT, REGION) is None


def test_an_analysis_that_needs_no_image_needs_no_bake(root: Path) -> None:
    write(root, "image: {parent: ubuntu24, required: false}")
    assert needed("spikes-prod", root, ACCOUNT, REGION) is None
    (root / "blueprints" / "spikes" / "provision" / "10-tools.sh").unlink()
    assert needed("spikes-prod", root, ACCOUNT, REGION) is None
