"""The golden test as a machine runs it: the analysis's code on the dataset of `provision/test/golden/`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import blueprints
from blueprints.golden import FOLDER
from blueprints.provision import Provision
from components.packaging import code_archive
from image_builder import golden, golden_trial
from image_builder.recording.errors import RecordingError
from image_builder.recording.root import Channel
from tests.shell.golden_machine import check, prepare

ROOT = Path(__file__).resolve().parents[2]
RUN = """\
#!/bin/bash
source "$(dirname "$0")/ncap_utils/workflow.sh"
source "$(dirname "$0")/ncap_utils/transfer.sh"
errorlog
download "$inputpath" "$bucketname" "$userhome/in"
mkdir -p "$NEUROCAAS_OUTPUT/$NEUROCAAS_DATASET"
words=$(wc -w < "$userhome/in/$dataname")
[ "$words" -gt 0 ] || { echo "no words in it" >&2; exit 3; }
printf '{"words": %s, "name": "text", "steps": [1, 2.0000001]}' "$words" > "$NEUROCAAS_OUTPUT/$NEUROCAAS_DATASET/summary.json"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
"""  # noqa: E501


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    """The archive of the analysis `words`, and its SHA-256."""
    project = tmp_path_factory.mktemp("project")
    (project / "runtime").symlink_to(ROOT / "runtime")
    (project / "neurocaas").symlink_to(ROOT / "neurocaas")
    (project / "blueprints/words").mkdir(parents=True)
    (project / "blueprints/words/run.sh").write_text(RUN)
    made = code_archive(project, "words")
    return made.path.read_bytes(), made.sha256


@pytest.fixture
def machine(tmp_path: Path, code: tuple[bytes, str]) -> Path:
    """A folder as the test machine has it: scripts, settings and code beside each other."""
    (tmp_path / FOLDER / "dataset").mkdir(parents=True)
    parameters = {
        "type": "object",
        "properties": {"least": {"type": "integer", "default": 2}},
        "additionalProperties": False,
    }
    prepare(tmp_path, "words", "run.sh", *code, parameters)
    (tmp_path / FOLDER / "dataset" / "a.txt").write_text("one two three")
    expect(tmp_path, words=3)
    return tmp_path


def expect(machine: Path, **numbers: object) -> None:
    (machine / FOLDER / "expected.json").write_text(json.dumps({"files": {"a.txt/summary.json": numbers}}))


def test_the_right_numbers_pass_and_are_told(machine: Path) -> None:
    expect(machine, words=3, steps=[1, 2.0])
    done = check(machine)
    assert done.returncode == 0, done.stderr
    found = golden.from_log(f"Stdout: {line}" for line in done.stdout.splitlines())
    assert found == {"a.txt/summary.json": {"words": 3, "steps": [1, 2.0000001]}}


def test_all_other_numbers_are_named(machine: Path) -> None:
    expect(machine, words=4, name="text", steps=[2, 2])
    done = check(machine)
    assert done.returncode == 1
    assert "golden test: a.txt/summary.json: words is 3, expected 4" in done.stderr
    assert "golden test: a.txt/summary.json: steps[0] is 1, expected 2" in done.stderr
    assert "::error file=test/golden/expected.json,line=1::a.txt/summary.json: steps[0] is 1" in done.stderr
    assert golden.from_log(done.stdout.splitlines()) is not None


def test_a_script_makes_the_dataset(machine: Path) -> None:
    folder = machine / FOLDER
    shutil.rmtree(folder / "dataset")
    (folder / "dataset.sh").write_text('cat words.txt > "$1/a.txt"')
    (folder / "words.txt").write_text("one two three")
    assert check(machine).returncode == 0
    (folder / "dataset.sh").write_text("cat nonesuch.txt; true")
    assert "dataset.sh ended with exit status 1" in check(machine).stderr
    (folder / "dataset.sh").write_text("true")
    assert "the dataset is 0 files or folders" in check(machine).stderr


def test_an_analysis_that_fails_is_told_with_its_last_words(machine: Path) -> None:
    (machine / FOLDER / "dataset" / "a.txt").write_text("")
    done = check(machine)
    assert done.returncode == 1
    assert "no words in it" in done.stderr
    assert (
        "::error file=test/golden/expected.json,line=1::the analysis ended with exit status 3 on a.txt"
        in done.stderr
    )


def test_the_configuration_is_checked_as_that_of_a_job(machine: Path) -> None:
    (machine / FOLDER / "config.json").write_text('{"most": 3}')
    done = check(machine)
    assert done.returncode == 1
    assert "most" in done.stderr
    assert "Traceback" not in done.stderr


def test_results_that_are_missing_or_no_json_are_named(machine: Path) -> None:
    (machine / FOLDER / "expected.json").write_text(
        json.dumps({"files": {"b.json": {"x": 1}, "update.txt": {"x": 1}}})
    )
    done = check(machine)
    assert "b.json is not there (there are: a.txt/summary.json" in done.stderr
    assert "update.txt is no JSON" in done.stderr


class HereRoot:
    """A root that is this computer's own, for a run of the golden test without a sandbox."""

    def start(
        self, command: list[str], environment: dict[str, str], channel: Channel, **streams: Any
    ) -> subprocess.Popen[bytes]:
        words = [
            word.replace(golden_trial.INSIDE, str(channel.folder)).replace("cd /tmp", f"cd {channel.folder}")
            for word in command
        ]
        return subprocess.Popen(
            words, env={**os.environ, **environment, "HOME": str(channel.folder)}, **streams
        )

    def close(self) -> None:
        """It stays."""


def test_without_a_bake_all_results_are_told(tmp_path: Path, code: tuple[bytes, str]) -> None:
    blueprint = replace(
        blueprints.load("analysis", "webdev", ROOT),
        name="words",
        script="run.sh",
        root=tmp_path,
        parameters={"type": "object", "properties": {}},
    )
    made = blueprint.folder / "provision" / FOLDER
    (made / "dataset").mkdir(parents=True)
    (made / "dataset/a.txt").write_text("one two three")
    roots: Any = SimpleNamespace(
        account="0",
        region="x",
        open=lambda name, parent, over: HereRoot(),
        kept=lambda name: [],
        forget=lambda *_: None,
    )
    heard: list[str] = []
    (one,) = golden_trial.try_golden(roots, blueprint, Provision((), ()), *code, heard.append, times=1)
    summary = {"words": 3, "name": "text", "steps": [1, 2.0000001]}
    assert one.found == {"a.txt/summary.json": summary}
    assert heard == ["the golden test of words, on a clean root of ubuntu24"]
    assert golden_trial.accepted(None, [one.found, one.found])["files"] == one.found
    (made / "dataset/a.txt").write_text("")
    with pytest.raises(RecordingError, match="ended with exit status 1"):
        golden_trial.try_golden(roots, blueprint, Provision((), ()), *code, heard.append, times=1)


def test_other_code_than_the_stack_names_does_not_run(machine: Path) -> None:
    (machine / "code.tar.gz").write_bytes(b"other")
    done = check(machine)
    assert done.returncode == 1
    assert "is not the code that the stack names" in done.stderr
