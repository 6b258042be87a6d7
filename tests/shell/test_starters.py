"""What `invoke configure NAME --language …` makes runs as it is on its own sample, reads its parameters, and
says what is missing.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import blueprints
from blueprints import starter
from runtime.local import sandbox
from runtime.local.run import LocalResult, LocalRun, run_local

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("analysis", "starters", "base"):
        shutil.copytree(ROOT / "blueprints" / name, tmp_path / "blueprints" / name, symlinks=True)
    shutil.copy(ROOT / "blueprints" / "python_environment.sh", tmp_path / "blueprints")
    return tmp_path


def run(
    project: Path, name: str, values: dict[str, object], data: str = "", **environment: str
) -> tuple[LocalResult, str]:
    """A run on the analysis's own sample (or on `data`), its configuration checked and filled as `values`;
    and what the script said.
    """
    blueprint = blueprints.load(name, "webdev", project)
    tests = blueprint.folder / "tests"
    sample = tests / "data.txt"
    if data:
        sample = project / "data.txt"
        sample.write_text(data)
    heard: list[bytes] = []
    config = project / "config.json"
    config.write_text(json.dumps(values))
    room = sandbox.rooms({**os.environ, **environment})
    made = LocalRun(
        name, blueprint.folder, blueprint.script, sample, config, values, project / "out", make_room=room
    )
    return run_local(made, heard.append), b"".join(heard).decode()


def summary(result: LocalResult) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        (result.folder / "process_results" / "data.txt" / "summary.json").read_text()
    )
    return found


def test_the_shell_starter(project: Path) -> None:
    starter.configure("spikes", project)
    result, said = run(project, "spikes", {"wait": 0.01})
    assert result.exit_code == 0, said
    assert summary(result) == {"bytes": 40, "waited_seconds": 0.01}


def test_the_python_starter(project: Path) -> None:
    starter.configure("spikes", project, "python")
    result, said = run(project, "spikes", {"threshold": 3.5})
    assert result.exit_code == 0, said
    assert summary(result) == {"numbers": 4, "mean": 2.625, "above": 1, "threshold": 3.5}
    expected = json.loads((project / "blueprints/spikes/provision/test/golden/expected.json").read_text())[
        "files"
    ]["data.txt/summary.json"]
    assert {**expected, "above": 1}.items() <= summary(result).items(), (
        "with its default threshold, 2, one number more is above it"
    )
    result, said = run(project, "spikes", {"threshold": 2}, data="1\nx\n")
    assert result.exit_code == 65
    assert "data.txt, line 2: got 'x'. Allowed: a number. Correct the dataset." in said


FAKE_R = """#!/bin/sh
[ "$1" = --vanilla ] && [ -f "$2" ] && printf '{"data": "%s", "config": %s}' "$(basename "$3")" "$(cat "$4")" >"$5/summary.json"
"""  # noqa: E501


def test_the_r_starter(project: Path) -> None:
    """R itself is not needed to see that it is called rightly, and that its absence is told."""
    starter.configure("spikes", project, "r")
    tools = project / "tools"
    tools.mkdir()
    needed = "bash dirname basename mkdir chmod cat mktemp mkfifo rm ln tail find date tee sleep"
    for name in needed.split():
        (tools / name).symlink_to(shutil.which(name))  # type: ignore[arg-type]
    result, said = run(project, "spikes", {"threshold": 3}, PATH=str(tools))
    assert result.exit_code == 69
    assert (
        "Rscript: got no such program on PATH. Allowed: R with the package jsonlite. Bake the image" in said
    )
    (tools / "Rscript").write_text(FAKE_R)
    (tools / "Rscript").chmod(0o755)
    result, said = run(project, "spikes", {"threshold": 3}, PATH=f"{tools}{os.pathsep}{os.environ['PATH']}")
    assert result.exit_code == 0, said
    assert summary(result) == {"data": "data.txt", "config": {"threshold": 3}}


def test_the_starter_of_the_matlab_runtime(project: Path) -> None:
    starter.configure("spikes", project, "matlab-runtime")
    runtime = project / "mcr"
    result, said = run(project, "spikes", {"threshold": 3}, MCR_ROOT=str(runtime))
    assert result.exit_code == 69
    assert (
        f"MATLAB Runtime: got nothing in {runtime}. Allowed: the runtime of the release that compiled the "
        "program. Bake"
    ) in said
    (runtime / "runtime" / "glnxa64").mkdir(parents=True)
    result, said = run(project, "spikes", {"threshold": 3}, MCR_ROOT=str(runtime))
    assert result.exit_code == 69
    assert (
        "analyse: got no such program beside run_spikes.sh. Allowed: what the MATLAB Compiler makes of "
        "analyse.m"
    ) in said
    program = project / "blueprints" / "spikes" / "analyse"
    program.write_text(
        '#!/bin/sh\nprintf \'{"libraries": "%s", "config": %s}\' "$LD_LIBRARY_PATH" "$(cat '
        '"$2")" >"$3/summary.json"\n'
    )
    program.chmod(0o755)
    result, said = run(project, "spikes", {"threshold": 3}, MCR_ROOT=str(runtime))
    assert result.exit_code == 0, said
    assert summary(result)["config"] == {"threshold": 3}
    assert str(summary(result)["libraries"]).startswith(f"{runtime}/runtime/glnxa64:")
