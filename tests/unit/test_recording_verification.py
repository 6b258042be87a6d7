"""Whether a recording counts as verified: only a replay of exactly these scripts that reproduced."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from blueprints import Blueprint
from blueprints.provision import read
from image_builder.recording.verification import (
    FILE,
    Stale,
    Unverified,
    Verified,
    accept,
    accepted,
    recipe_digest,
    store,
    verification,
    way_out,
)

PARENT = "ubuntu24"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "blueprints" / "x" / "provision"
    folder.mkdir(parents=True)
    (folder / "10-a.sh").write_text("true\n")
    return folder


def of(folder: Path, parent: str = PARENT) -> Any:
    return verification(
        cast(Blueprint, SimpleNamespace(folder=folder.parent, image=SimpleNamespace(parent=parent)))
    )


def put(folder: Path, **result: Any) -> None:
    store(
        folder,
        recipe_digest(PARENT, read(folder)),
        {"verdict": "reproduces", "reproduces": True, "when": "2026-01-01", **result},
    )


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


def way(folder: Path) -> str:
    imaged = SimpleNamespace(folder=folder.parent, image=SimpleNamespace(parent=PARENT), name="x")
    return way_out(cast(Blueprint, imaged))


def test_every_refusal_has_a_way_that_ends(folder: Path) -> None:
    assert way(folder) == "Replay it: `invoke verify-recording --analysis x`"
    put(folder, verdict="does not replay: 10-a.sh line 1", reproduces=False, failure="10-a.sh line 1")
    assert way(folder).startswith("Correct that line")
    put(
        folder,
        verdict="reproduces with 1 difference",
        reproduces=False,
        differences=[{"path": "/opt/when", "what": "other content"}],
    )
    assert "`invoke verify-recording --analysis x --accept`" in way(folder)
    digest = recipe_digest(PARENT, read(folder))
    assert accept(folder, "another") == [], "of other scripts"
    assert accept(folder, digest) == ["/opt/when"]
    assert of(folder) == Verified("reproduces with 1 accepted difference", "2026-01-01")
    assert accepted(folder) == {"/opt/when"}
    assert accept(folder, digest) == [], "once"
    assert recipe_digest(PARENT, read(folder)) == digest
    (folder / "10-a.sh").write_text("date > /opt/when\n")
    assert way(folder).startswith("Replay it")
    assert accepted(folder) == {"/opt/when"}, "for replays to come"
    (folder / "recording/accepted.json").write_text("[]")
    assert accepted(folder) == frozenset()


def test_a_replay_that_failed_has_nothing_to_accept(folder: Path) -> None:
    put(folder, reproduces=False, failure="10-a.sh line 1", differences=[])
    assert accept(folder, recipe_digest(PARENT, read(folder))) == []


def test_a_golden_test_leaves_it_verified(folder: Path) -> None:
    put(folder)
    (folder / "test/golden/dataset").mkdir(parents=True)
    (folder / "test/golden/dataset/a.txt").write_text("one")
    (folder / "test/golden/expected.json").write_text('{"files": {"a.json": {"x": 1}}}')
    assert isinstance(of(folder), Verified)
