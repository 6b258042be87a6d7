"""The golden test: what a folder may hold, how it gets into the test phase, and which numbers pass."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from image_builder import golden, golden_check, provision
from image_builder.documents import compile_documents
from image_builder.recipe import Recording
from runtime.protocol.problems import InvalidInput

EXPECTED: dict[str, Any] = {"files": {"a.txt/summary.json": {"words": 3, "steps": [1, 2.0]}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A `provision/` folder with a golden test."""
    made = tmp_path / "blueprints" / "words" / "provision"
    (made / golden.FOLDER / "dataset").mkdir(parents=True)
    (made / golden.FOLDER / "dataset" / "a.txt").write_text("one two three")
    (made / golden.FOLDER / "expected.json").write_text(json.dumps(EXPECTED))
    (made / "10-tools.sh").write_text("true\n")
    return made


def test_the_test_phase_ends_with_the_golden_test_of_the_deployed_code(folder: Path) -> None:
    recording = Recording.of(provision.read(folder))
    _, test = recording.documents("words", "artifacts-1", "analyses/words-prod/settings.json")
    (phase,) = yaml.safe_load(test.data)["phases"]
    steps = {step["name"]: step for step in phase["steps"]}
    assert list(steps)[-4:] == ["golden-settings", "golden-code", "golden-fetch", "golden"]
    assert steps["golden-settings"]["inputs"][0]["source"] == "s3://artifacts-1/analyses/words-prod/settings.json"
    assert steps["golden-fetch"]["inputs"][0]["source"] == "{{ test.golden-code.outputs.stdout }}"
    recipe = recording.recipe("words", "ami-1", 8)
    (folder / golden.FOLDER / "expected.json").write_text(json.dumps({**EXPECTED, "tolerance": 0.1}))
    assert Recording.of(provision.read(folder)).recipe("words", "ami-1", 8).sha256 != recipe.sha256


def test_without_a_golden_folder_there_is_no_such_step(folder: Path) -> None:
    shutil.rmtree(folder / golden.FOLDER)
    assert [document.kind for document in compile_documents("words", provision.read(folder))] == ["build"]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("expected.json", None, "cannot be read"),
        ("expected.json", "{", "cannot be read"),
        ("expected.json", "[]", "cannot be read"),
        ("expected.json", '{"files": {}}', "no numbers"),
        ("expected.json", '{"files": {"a.json": 3}}', "no numbers"),
        ("expected.json", '{"files": {"a.json": {"x": 1}}, "tolerance": -1}', "no numbers"),
        ("expected.json", '{"files": {"a.json": {"x": 1}}, "tolerance": "much"}', "cannot be read"),
        ("dataset/b.txt", "", "2 files or folders"),
        ("dataset/a.txt", None, "0 files or folders"),
        ("dataset.sh", "true", "dataset.sh and dataset/"),
    ],
)
def test_a_folder_that_cannot_be_tested_is_refused_before_anything_runs(folder: Path, file: str, text: str | None, said: str) -> None:
    path = folder / golden.FOLDER / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with pytest.raises(InvalidInput) as error:
        provision.read(folder)
    (problem,) = error.value.problems
    assert said in problem.text()
    assert "blueprints/words/provision/test/golden" in problem.text()


@pytest.mark.parametrize(
    ("expected", "found", "wrong"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": 1.0}, {"a": 1.0000005}, []),
        ({"a": 1.0}, {"a": 1.000002}, ["a is 1.000002, expected 1.0 (give or take 1e-06 of it)"]),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, ["a.b[1] is 3, expected 2 (give or take 1e-06 of it)"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a is [1, 2], expected [1]"]),
        ({"a": 1}, {}, ["a is 'nothing', expected 1"]),
        ({"a": 1}, {"a": True}, ["a is True, expected 1"]),
        ({"a": None}, {"a": None}, []),
        ({"a": "x"}, {"a": "y"}, ["a is 'y', expected 'x'"]),
        ({"a": 0}, {"a": 1e-300}, ["a is 1e-300, expected 0 (give or take 1e-06 of it)"]),
        ({"a": 1.0}, {"a": float("nan")}, ["a is nan, expected 1.0 (give or take 1e-06 of it)"]),
    ],
)
def test_which_numbers_pass(expected: Any, found: Any, wrong: list[str]) -> None:
    assert list(golden_check.differences(expected, found, 1e-6)) == wrong
