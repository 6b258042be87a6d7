"""What a terminal of 80 columns shows, and what a pipe gets: every task's help, and the tasks that need no
cloud.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from console import help as help_of
from demo.playground import copied
from localcloud.tests.bases import share_base
from tests.invoked import invoked
from tests.unit.terminal import clean, columns, environment, record

ROOT = Path(__file__).resolve().parents[2]
INVOKE = [sys.executable, "-m", "invoke"]


CONTEXTS = {str(one.name): one for one in tasks.namespace.to_contexts()}


@pytest.mark.parametrize("name", sorted(CONTEXTS))
def test_the_help_of_every_task_fits_and_says_what_it_takes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([name, "--help"], ["--help", name], ["-h", name], [name, "x", "-h"]):
        with pytest.raises(SystemExit) as ended:
            help_of.answer_help(tasks.namespace, words)
        assert ended.value.code == 0
        text = capsys.readouterr().out
        assert text.startswith(f"Usage: invoke {name}")
        assert max(map(columns, text.splitlines())) <= 80
    for flag in CONTEXTS[name].flags:
        assert flag in re.split(r"[\s=,]+", text.replace("[no-]", "")), flag
    assert [one.names[0] for one in CONTEXTS[name].args.values() if not one.help] == [], (
        "every argument is explained"
    )


def test_no_other_words_are_taken_for_a_question(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["deploy", "utils"], ["--help"], ["--help", "nonesuch"], ["submit", "--", "--help"]):
        help_of.answer_help(tasks.namespace, words)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--help", "promote"],
        ["promote", "--help"],
        ["validate", "--help"],
        ["empty-bucket", "a-webdev", "-h"],
    ],
)
def test_a1_help_needs_no_arguments_and_no_credentials(words: list[str], tmp_path: Path) -> None:
    done = invoked(ROOT, *words, env=environment(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: invoke ")


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an analysis that has mistakes, and an old blueprint with others."""
    root = tmp_path_factory.mktemp("terminal") / "project"
    copied(ROOT, root)
    text = (root / "blueprints" / "analysis" / "blueprint.yaml").read_text()
    wrong = (
        text.replace("type: m5.large\n", "type: m5.xlrge\n")
        .replace("budget_usd:", "budgett:")
        .replace("groups:", "groups: [logs] #")
    )
    (root / "blueprints" / "analysis" / "blueprint.yaml").write_text(wrong)
    old = {
        "PipelineName": "the name of your pipeline",
        "STAGE": "webdev (default) develop or deploy",
        "UXData": {"Affiliates": []},
    }
    (root / "stack_config_template.json").write_text(json.dumps(old))
    return root


SHOWN = {
    "list": (["--list"], 0),
    "doctor": (["doctor"], None),
    "validate": (["validate"], 1),
    "validate-one": (["validate", "dti"], 0),
    "configure": (["configure", "My Analysis"], 1),
    "import": (["import-blueprint", "stack_config_template.json"], 1),
    "deploy": (["deploy", "anlysis-webdev"], 1),
    "local.status": (["local.status"], 1),
    "dev.state": (["dev.state", "nonesuch"], 1),
    "jobs": (["jobs"], 2),
    "print-key": (["print-key", "--out", "/nonexistent/key.pem"], 1),
}


@pytest.mark.parametrize("name", SHOWN)
def test_eighty_columns_are_enough_and_nothing_is_a_traceback(
    name: str, broken: Path, tmp_path: Path
) -> None:
    words, code = SHOWN[name]
    if words[0] == "doctor":
        share_base(tmp_path / "local")
    ended, screen = record([*INVOKE, *words], broken, environment(tmp_path))
    assert code is None or ended == code, screen
    assert screen.strip()
    assert "Traceback" not in screen
    lines = clean(screen).splitlines()
    wide = [
        line
        for line in lines
        if columns(line) > 80 and " " in line.strip() and not re.search(r"\S{50}", line)
    ]
    assert wide == []
    piped = invoked(broken, *words, env=environment(tmp_path))
    assert piped.returncode == ended
    assert "\x1b" not in piped.stdout + piped.stderr, "colours are for terminals"


@pytest.mark.parametrize(
    "words", [["--list"], ["validate"], ["validate", "--json"], ["doctor", "--machine"], ["--help", "deploy"]]
)
@pytest.mark.parametrize("buffered", [True, False])
def test_a_reader_that_goes_away_is_no_traceback(words: list[str], buffered: bool, tmp_path: Path) -> None:
    if words[0] == "doctor":
        share_base(tmp_path / "local")
    read, write = os.pipe()
    os.close(read)
    environ = environment(tmp_path) | ({} if buffered else {"PYTHONUNBUFFERED": "1"})
    done = subprocess.run(
        [*INVOKE, *words], cwd=ROOT, env=environ, stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert done.stderr == ""
    assert done.returncode in (0, 141)
    assert buffered or done.returncode == 141


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["configure", "-bad"],
            [
                "configure: got '-bad'",
                "NAME: Name of the new analysis: 3 to 63 lowercase letters, digits and '-'",
            ],
        ),
        (["configure"], ["configure: got no NAME", "invoke configure NAME", "`invoke configure --help`"]),
        (["configure", "a", "b"], ["configure: got 'b'"]),
        (["promote", "a-webdev"], ["promote: got no TARGET", "invoke promote SOURCE TARGET [--options]"]),
        (["deploy", "utils", "--nonesuch"], ["deploy: got '--nonesuch'"]),
        (["dev.extend", "analysis", "--minutes", "x"], ["dev.extend: got 'x', which is no whole number"]),
        (["deploi", "utils"], ["'deploi' is no task", "did you mean `invoke deploy`?"]),
        (["--nonesuch"], ["'--nonesuch' is no task"]),
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_message_and_code_two(
    words: list[str], said: list[str], tmp_path: Path
) -> None:
    done = invoked(ROOT, *words, env=environment(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert [line.split(":")[0] for line in done.stderr.splitlines()[1:]] == ["  allowed", "  do"]
    assert [part for part in said if part not in done.stderr] == []
