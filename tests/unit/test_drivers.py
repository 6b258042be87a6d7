"""Processors, and GPUs, that an image is not made for, told before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from blueprints import load_problems

BLUEPRINT = """\
schema_version: 1
name: pose
title: Poses
script: run_pose.sh
instance:
  type: {type}
{types}image:
  parent: {parent}
  required: false
"""


def problems(root: Path, parent: str, type_: str, types: str = "", base: str | None = None) -> list[str]:
    folder = root / "blueprints" / "pose"
    folder.mkdir(parents=True)
    (folder / "run_pose.sh").write_text("#!/bin/bash\necho poses\n")
    (folder / "blueprint.yaml").write_text(BLUEPRINT.format(type=type_, types=types, parent=parent))
    if base:
        (root / "blueprints/base").mkdir()
        amis = "{111122223333/us-east-1: ami-0123456789abcdef0}"
        text = f"schema_version: 1\nimage: {{parent: {base}, amis: {amis}}}\n"
        (root / "blueprints/base/image.yaml").write_text(text)
    found = load_problems("pose", root)
    known = {"instance.driver", "instance.architecture", "image.parent", "image.base-architecture"}
    assert {one.rule for one in found} <= known, found
    return [one.text() for one in found]


@pytest.mark.parametrize("parent", ["dlami22", "dlami24"])
@pytest.mark.parametrize("type_", ["p3.2xlarge", "p3dn.24xlarge", "p2.xlarge", "g3.4xlarge"])
def test_older_gpus_are_refused_on_images_with_the_open_driver(
    tmp_path: Path, parent: str, type_: str
) -> None:
    (said,) = problems(tmp_path, parent, type_)
    assert f"{type_}, whose GPU the driver of {parent} does not know" in said
    assert "g4dn" in said


def test_every_listed_type_is_looked_at(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, "dlami24", "g5.xlarge", "  types: [g5.xlarge, p3.2xlarge]\n")
    assert "p3.2xlarge" in said


def test_a_base_image_has_the_drivers_of_its_parent(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "base", "p3.2xlarge", base="dlami24")) == 1


@pytest.mark.parametrize(
    ("parent", "type_"),
    [
        ("dlami24", "g4dn.xlarge"),
        ("ubuntu24", "p3.2xlarge"),
        ("ami-0123456789abcdef0", "p3.2xlarge"),
        ("dlami22", "m5.large"),
    ],
)
def test_all_else_is_allowed(tmp_path: Path, parent: str, type_: str) -> None:
    assert problems(tmp_path, parent, type_) == []


@pytest.mark.parametrize("type_", ["m7g.large", "t4g.small", "a1.large"])
@pytest.mark.parametrize("parent", ["ubuntu22", "ubuntu24", "ami-0123456789abcdef0"])
def test_an_image_of_the_machines_own_kind_serves_them(tmp_path: Path, parent: str, type_: str) -> None:
    assert problems(tmp_path, parent, type_) == []


@pytest.mark.parametrize(
    ("type_", "types", "wrong"),
    [
        ("m7i.large", "  types: [m7i.large, c7g.large]\n", ["c7g.large, which has arm64 processors"]),
        ("m7g.large", "  types: [m7g.large, m7i.large]\n", ["m7i.large, which has x86_64 processors"]),
        ("m7g.large", "  architecture: x86_64\n", ["m7g.large, which has arm64 processors"]),
        ("m7g.large", "  architecture: arm64\n", []),
    ],
)
def test_types_of_two_kinds_of_processors_are_refused(
    tmp_path: Path, type_: str, types: str, wrong: list[str]
) -> None:
    said = problems(tmp_path, "ubuntu24", type_, types)
    assert len(said) == len(wrong)
    assert all(one in text for one, text in zip(wrong, said, strict=True))


def test_a_parent_that_there_is_not_for_these_processors_is_refused(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, "dlami24", "m7g.large")
    assert "'dlami24', of which there is no image for arm64 processors" in said
    assert "Allowed: ubuntu22, ubuntu24, base, an AMI id" in said


@pytest.mark.parametrize(("type_", "refused"), [("m7g.large", True), ("m7i.large", False)])
def test_a_base_image_serves_machines_of_its_own_kind(tmp_path: Path, type_: str, refused: bool) -> None:
    said = problems(tmp_path, "base", type_, base="ubuntu24")
    assert [("which is an image for x86_64, with arm64 machines" in one) for one in said] == [True] * refused
