"""docs/scripts.md is true: its example runs, its variables are there (and no others), its functions exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.local_run import _checked
from neurocaas.protocol import scripting
from runtime.local import run as local
from runtime.local.run import LocalResult, LocalRun

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "scripts.md").read_text()
UTILITIES = ROOT / "runtime" / "instance" / "contrib" / "ncap_utils"
BLUEPRINT = """\
schema_version: 1
name: count
title: Count
script: run_count.sh
instance: {type: m5.large}
image: {required: false}
groups: [lab]
budget_usd: 1
"""


def blocks(language: str) -> list[str]:
    """The fenced blocks of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The analysis `count` as the page writes it."""
    folder = tmp_path / "blueprints" / "count"
    folder.mkdir(parents=True)
    parameters, config = blocks("yaml")
    (folder / "blueprint.yaml").write_text(BLUEPRINT + parameters)
    (folder / "run_count.sh").write_text(blocks("bash")[0])
    (tmp_path / "config.yaml").write_text(config)
    (tmp_path / "data.txt").write_text("spike 1\nrest 1\nrest 2\nspike 2\nspike 3\n")
    return tmp_path


def run(project: Path, config: str = "") -> tuple[LocalResult, str]:
    import blueprints

    blueprint = blueprints.load("count", "webdev", project)
    file = project / "config.yaml"
    if config:
        file.write_text(config)
    checked = _checked(blueprint, file)
    heard: list[bytes] = []
    made = LocalRun(
        "count",
        blueprint.folder,
        blueprint.script,
        project / "data.txt",
        file,
        checked.values,
        project / "out",
    )
    return local.run_local(made, heard.append), b"".join(heard).decode()


def counted(result: LocalResult) -> Any:
    return json.loads((result.folder / "process_results" / "data.txt" / "summary.json").read_text())


def test_the_example_runs_reads_its_configuration_and_fails_as_it_says(project: Path) -> None:
    result, said = run(project)
    assert result.exit_code == 0, said
    assert counted(result) == {"count": 2}
    result, said = run(project, '\ufeff{"least": 4}')
    assert result.exit_code == 65
    assert "data.txt: got 3 lines that begin with spike. Allowed: 4 or more." in said
    assert result.status.reason.startswith("data.txt: got 3 lines that begin with spike.")


def test_the_variables_are_those_that_a_script_finds(project: Path) -> None:
    script = project / "blueprints" / "count" / "run_count.sh"
    program = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))"
    script.write_text(
        f'#!/bin/bash\n"$NEUROCAAS_PYTHON" -c \'{program}\' "$@" >"$NEUROCAAS_OUTPUT/seen.json"\n'
    )
    result, said = run(project)
    assert result.exit_code == 0, said
    seen, arguments = json.loads((result.folder / "process_results" / "seen.json").read_text())
    listed = {one.name for one in scripting.VARIABLES}
    assert listed <= set(seen), "what is listed is there"
    new = {
        name
        for name in seen
        if os.environ.get(name) != seen[name] and (name.islower() or name.startswith("NEUROCAAS_"))
    }
    assert new <= listed | set(scripting.INTERNAL), "what is there is listed"
    assert arguments == [seen[name.removeprefix("$")] for name in scripting.ARGUMENTS]
    assert all(name in PAGE for name in scripting.ARGUMENTS)


def test_the_functions_are_those_of_the_files_that_scripts_source() -> None:
    files = [UTILITIES / name for name in ("paths.sh", "workflow.sh", "transfer.sh")]
    defined = {
        name for file in files for name in re.findall(r"^([a-z_]+)\(\) [{(]", file.read_text(), re.MULTILINE)
    }
    assert {one.name for one in scripting.FUNCTIONS} <= defined


def test_the_python_example_runs(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(blocks("python")[0])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "table.csv").write_text("1\n2\n3\n")
    (tmp_path / "out").mkdir()
    for least, code in ((2, 0), (4, 65)):
        (tmp_path / "config.json").write_text(json.dumps({"least": least}))
        command = [sys.executable, "program.py", "data", "config.json", "out"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(UTILITIES)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == {"rows": 3}
    assert "table.csv: got 3 rows. Allowed: 4 or more." in done.stderr


def test_the_page_is_found_from_where_people_look() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert {"Scripts": "scripts.md"} in site["nav"]
    for page in ("README.md", "docs/index.md", "docs/developers.md", "runtime/instance/README.md"):
        assert "scripts.md" in (ROOT / page).read_text(), page
    for script in (ROOT / "blueprints").glob("starters/*/run_*.sh"):
        assert "docs/scripts.md" in script.read_text()
