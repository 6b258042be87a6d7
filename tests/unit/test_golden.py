"""The golden test: what a folder may hold, how it gets into the test phase, and which numbers pass."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import blueprints
from blueprints import golden as golden_folder
from blueprints import provision
from blueprints.golden import FOLDER
from image_builder import golden, golden_check, golden_trial, provenance
from image_builder.documents import TestedStack, compile_documents
from image_builder.recipe import PackedProvision
from image_builder.recording import replay
from image_builder.recording.errors import RecordingError
from neurocaas.protocol.problems import InvalidInput

ROOT = Path(__file__).resolve().parents[2]
EXPECTED: dict[str, Any] = {"files": {"a.txt/summary.json": {"words": 3, "steps": [1, 2.0]}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A `provision/` folder with a golden test."""
    made = tmp_path / "blueprints" / "words" / "provision"
    (made / FOLDER / "dataset").mkdir(parents=True)
    (made / FOLDER / "dataset" / "a.txt").write_text("one two three")
    (made / FOLDER / "expected.json").write_text(json.dumps(EXPECTED))
    (made / "10-tools.sh").write_text("true\n")
    return made


def test_the_program_of_the_test_finds_what_the_blueprint_is_checked_for() -> None:
    for name in ("EXPECTED", "DATASET", "SCRIPT"):
        assert getattr(golden_check, name) == getattr(golden_folder, name)


def test_the_test_phase_ends_with_the_golden_test_of_the_deployed_code(folder: Path) -> None:
    recording = PackedProvision.of(provision.read(folder))
    _, test = recording.documents("words", "artifacts-1", "analyses/words-prod/settings.json")
    (phase,) = yaml.safe_load(test.data)["phases"]
    steps = {step["name"]: step for step in phase["steps"]}
    assert list(steps)[-4:] == ["golden-settings", "golden-code", "golden-fetch", "golden"]
    assert (
        steps["golden-settings"]["inputs"][0]["source"]
        == "s3://artifacts-1/analyses/words-prod/settings.json"
    )
    assert steps["golden-fetch"]["inputs"][0]["source"] == "{{ test.golden-code.outputs.stdout }}"
    assert (
        steps["golden-download"]["inputs"][0]["source"]
        == "s3://artifacts-1/analyses/words-prod/golden.tar.gz"
    )


def test_other_numbers_make_no_other_image_and_need_no_other_replay(folder: Path) -> None:
    before = provision.read(folder)
    recording, digest = PackedProvision.of(before), before.digest()
    (folder / FOLDER / "expected.json").write_text(json.dumps({**EXPECTED, "tolerance": 0.1}))
    after = PackedProvision.of(provision.read(folder))
    assert after.recipe("words", "ami-1", 8).sha256 == recording.recipe("words", "ami-1", 8).sha256
    assert after.golden != recording.golden, "the next bake must get them all the same"
    with tarfile.open(fileobj=io.BytesIO(after.golden or b"")) as packed:
        assert json.loads(packed.extractfile("test/golden/expected.json").read())["tolerance"] == 0.1  # type: ignore[union-attr]
        assert golden.PROGRAM in packed.getnames()
    shutil.rmtree(folder / FOLDER)
    assert provision.read(folder).digest() == digest, (
        "a golden test that is added leaves a verified recording verified"
    )
    assert after.archive is None, "a golden test is no reason to send the scripts through S3"


def test_without_a_golden_folder_there_is_no_such_step(folder: Path) -> None:
    shutil.rmtree(folder / FOLDER)
    stack = TestedStack("artifacts")
    assert [
        document.kind for document in compile_documents("words", provision.read(folder), stack=stack)
    ] == ["build"]


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
def test_a_folder_that_cannot_be_tested_is_refused_before_anything_runs(
    folder: Path, file: str, text: str | None, said: str
) -> None:
    path = folder / FOLDER / file
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


# new numbers

FIRST: dict[str, Any] = {
    "a/summary.json": {
        "n": 3,
        "mean": 0.5,
        "seconds": 1.25,
        "now": 1796038832.37,
        "inner": {"x": [1, 2.0], "at": "10:00"},
    },
    "b.json": {"at": 1},
}
SECOND: dict[str, Any] = {
    "a/summary.json": {
        "n": 3,
        "mean": 0.5 + 1e-13,
        "seconds": 1.5,
        "now": 1796038833.11,
        "inner": {"x": [1, 2.0], "at": "10:01"},
    },
    "b.json": {"at": 2},
}


def test_numbers_are_made_of_what_two_runs_have_in_common() -> None:
    made = golden_trial.accepted(None, [FIRST, SECOND])
    assert made == {
        "files": {"a/summary.json": {"n": 3, "mean": 0.5, "inner": {"x": [1, 2.0]}}},
        "tolerance": 1e-6,
    }
    assert golden_trial.wrong(made, SECOND) == []
    with pytest.raises(RecordingError, match="allowed: at least one result"):
        golden_trial.accepted(None, [{"b.json": {"at": 1}}, {"b.json": {"at": 2}}])


def test_accepting_keeps_what_is_looked_at_and_the_tolerance(folder: Path) -> None:
    expected = {
        "files": {"a/summary.json": {"n": 4, "inner": {"x": [1]}}, "gone.json": {"x": 1}},
        "tolerance": 0.1,
    }
    assert golden_trial.wrong(expected, FIRST) == [
        "a/summary.json: n is 3, expected 4 (give or take 0.1 of it)",
        "a/summary.json: inner.x is [1, 2.0], expected [1]",
        "gone.json is not there, or no JSON object (there are: a/summary.json, b.json)",
    ]
    made = golden_trial.accepted(expected, [FIRST])
    assert made == {"files": {"a/summary.json": {"n": 3, "inner": {"x": [1, 2.0]}}}, "tolerance": 0.1}
    file = folder / FOLDER / "expected.json"
    file.write_text(golden_trial.text_of(expected))
    shown = golden_trial.diff(file.parent, golden_trial.text_of(made))
    assert '-      "n": 4,' in shown
    assert '+      "n": 3,' in shown
    file.write_text(golden_trial.text_of(made))
    assert golden_trial.diff(file.parent, golden_trial.text_of(made)) == ""
    assert golden_trial.stored(file.parent) == made


def test_a_golden_test_can_be_begun_without_numbers(folder: Path) -> None:
    (folder / FOLDER / "expected.json").unlink()
    with pytest.raises(InvalidInput, match="invoke golden words --accept"):
        provision.read(folder)
    assert provision.read(folder, whole=False).golden
    assert golden_trial.stored(folder / FOLDER) is None


class Roots:
    """Clean roots of which only the layers are known."""

    account, region = "000000000000", "us-east-1"

    def __init__(self) -> None:
        self.layers: list[str] = []
        self.opened: list[tuple[str, tuple[str, ...]]] = []

    def open(self, name: str, parent: str, *, over: Any = ()) -> Any:
        self.opened.append((parent, tuple(over)))
        return SimpleNamespace(keep=self.layers.append, close=lambda: None)

    def kept(self, name: str) -> list[str]:
        return list(self.layers)

    def forget(self, name: str, but: Any = ()) -> None:
        self.layers = [layer for layer in self.layers if layer in but]


def test_what_is_as_it_was_is_not_provisioned_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(root: Any, name: str, scripts: Any, say: Any, phases: Any) -> str | None:
        ran.extend(script.path for script in scripts.scripts)
        return "20-more.sh line 1: false" if scripts.scripts[0].text == "false\n" else None

    monkeypatch.setattr(replay, "run", run)
    blueprint = replace(blueprints.load("analysis", "webdev", ROOT), name="words", root=folder.parents[2])
    roots: Any = Roots()

    def provisioned(**scripts: str) -> tuple[list[str], list[str]]:
        ran.clear()
        for name, text in scripts.items():
            (folder / f"{name[1:3]}-{name[3:]}.sh").write_text(text)
        layers = golden_trial._provisioned(
            roots, "golden-words", blueprint, provision.read(folder), lambda line: None
        )
        return list(ran), layers

    ran_first, first = provisioned(_20more="true 1\n", _30last="true 2\n")
    assert (len(ran_first), len(first), len(set(first))) == (3, 3, 3)
    assert roots.opened[-1][1] == tuple(first[1:]), "each on the layers of those before it, the nearest first"
    assert provisioned() == ([], first)
    changed, second = provisioned(_20more="true 3\n")
    assert changed == ["20-more.sh", "30-last.sh"], "a script runs again when one before it changed"
    assert (second[-1], set(second[:2]) & set(first)) == (first[-1], set())
    assert sorted(roots.layers) == sorted(second), "what nothing stands on any more is gone"
    (folder / "notes.txt").write_text("material")
    assert len(provisioned()[0]) == 3, "scripts may read what lies beside them"
    (folder / FOLDER / "expected.json").write_text(json.dumps({**EXPECTED, "tolerance": 0.5}))
    assert provisioned()[0] == []
    with pytest.raises(RecordingError, match="20-more"):
        provisioned(_20more="false\n")
    assert provisioned(_20more="true 3\n")[0] == [], "a script that fails leaves what was there"


def test_an_image_of_other_scripts_is_not_taken_for_them(folder: Path) -> None:
    blueprint = replace(blueprints.load("analysis", "webdev", ROOT), name="words", root=folder.parents[2])
    digest = hashlib.sha256((folder / "10-tools.sh").read_bytes()).hexdigest()
    entry = {
        "image_id": "ami-1",
        "scripts": {"10-tools.sh": digest, "test/golden/expected.json": "other numbers"},
    }

    def is_of(image: str) -> bool:
        return golden_trial._is_of(image, "0/r", blueprint, provision.read(folder))

    assert is_of("ami-1"), "nothing is written down of it"
    provenance.write(blueprint.folder, "0/r", entry)
    assert is_of("ami-1")
    (folder / "10-tools.sh").write_text("true 2\n")
    assert not is_of("ami-1")
    assert is_of("ami-2")
