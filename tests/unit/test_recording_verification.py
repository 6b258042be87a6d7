"""Whether a recording counts as verified: only a replay of exactly these scripts that reproduced."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blueprints import Blueprint
from image_builder.provision import read
from image_builder.recording.verification import FILE, Stale, Unverified, Verified, recipe_digest, store, verification

PARENT = "ubuntu24"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "blueprints" / "x" / "provision"
    folder.mkdir(parents=True)
    (folder / "10-a.sh").write_text("true\n")
    return folder


def of(folder: Path, parent: str = PARENT) -> Any:
    return verification(cast(Blueprint, SimpleNamespace(folder=folder.parent, image=SimpleNamespace(parent=parent))))


def put(folder: Path, **result: Any) -> None:
    store(folder, recipe_digest(PARENT, read(folder)), {"verdict": "reproduces", "reproduces": True, "when": "2026-01-01", **result})


def test_scripts_that_nobody_replayed_are_unverified(folder: Path) -> None:
    assert isinstance(of(folder), Unverified)


def test_the_stored_result_does_not_change_the_recipe(folder: Path) -> None:
    before = read(folder).digest()
    put(folder)
    assert read(folder).digest() == before
    assert of(folder) == Verified("reproduces", "2026-01-01")


def test_a_replay_that_did_not_reproduce_is_no_verification(folder: Path) -> None:
    put(folder, verdict="does not replay: 10-a.sh line 1 failed", reproduces=False)
    assert of(folder) == Unverified("its replay: does not replay: 10-a.sh line 1 failed")


def test_another_script_or_parent_makes_it_stale(folder: Path) -> None:
    put(folder)
    assert isinstance(of(folder, "ubuntu22"), Stale)
    (folder / "10-a.sh").write_text("false\n")
    assert isinstance(of(folder), Stale)


def test_a_damaged_result_counts_as_none(folder: Path) -> None:
    put(folder)
    (folder / FILE).write_text("{")
    assert isinstance(of(folder), Unverified)


def test_no_scripts_need_no_replay(folder: Path) -> None:
    (folder / "10-a.sh").unlink()
    assert isinstance(of(folder), Verified)
