"""The workflows of .github: linted, and their shell run with stand-ins for the programs that need GitHub or
an account.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from invoke.parser import Parser

import tasks
from console import outputs

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BIN = Path(sys.executable).parent
PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
NAMES = ["bake", "deploy", "localcloud", "preview", "real-provider", "rebuild", "test"]


def workflow(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())
    return document


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in workflow(name)["jobs"].values():
        yield from job.get("steps", ())  # one that calls a workflow has none


def script(name: str, word: str) -> str:
    """The one step of a workflow whose shell has a word in it."""
    (found,) = [step["run"] for step in steps(name) if word in step.get("run", "")]
    return str(found)


def run(text: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run shell as GitHub does by default for `run` (its docs, "jobs.<job_id>.steps[*].shell")."""
    clean = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", text],
        cwd=folder,
        env={**clean, "PATH": path, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def program(folder: Path, name: str, text: str) -> None:
    """A stand-in for a program: it notes its words, then does what `text` says."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'#!/bin/bash\necho "$(basename "$0") $*" >>"{folder}/calls"\n{text}\n')
    file.chmod(0o755)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text().splitlines()


def step_outputs(file: Path) -> dict[str, str]:
    """What GitHub reads from $GITHUB_OUTPUT."""
    found, lines = {}, iter(file.read_text().split("\n"))
    for line in lines:
        if "<<" in line and "=" not in line.partition("<<")[0]:
            name, _, end = line.partition("<<")
            found[name] = "\n".join(iter(lines.__next__, end))
        elif line:
            name, _, found[name] = line.partition("=")
    return found


def test_there_are_the_workflows_that_the_docs_name() -> None:
    assert [file.stem for file in FILES] == NAMES


def test_they_have_the_form_that_github_wants() -> None:
    command: list[str | Path] = [
        BIN / "check-jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        *FILES,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_security_linter_finds_nothing(tmp_path: Path) -> None:
    command: list[str | Path] = [BIN / "zizmor", "--offline", "--no-progress"]
    done = subprocess.run(
        [*command, ROOT / ".github" / "workflows"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    steps = "[{run: 'echo ${{ github.event.pull_request.title }}'}]"
    careless = f"on: pull_request_target\njobs: {{x: {{runs-on: ubuntu-24.04, steps: {steps}}}}}\n"
    (tmp_path / "careless.yml").write_text(careless)
    found = subprocess.run([*command, tmp_path / "careless.yml"], capture_output=True, text=True, check=False)
    assert found.returncode != 0
    assert "template-injection" in found.stdout


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_pinned_and_rights_are_given_one_by_one(name: str) -> None:
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    assert len(PINNED.findall(text)) == text.count("uses:") - text.count("uses: ./.github/workflows/")
    document = workflow(name)
    assert document["permissions"] in ({}, {"contents": "read"})
    for job in (job for job in document["jobs"].values() if "steps" in job):
        assert job["timeout-minutes"] <= 180
        if any("configure-aws-credentials" in step.get("uses", "") for step in job["steps"]):
            assert job["permissions"]["id-token"] == "write"
    assert "secrets." not in text, "the role comes by OIDC; there is no key to keep"


@pytest.mark.parametrize("name", NAMES)
def test_the_shell_of_the_steps_is_right(name: str) -> None:
    for step in steps(name):
        if "run" in step:
            command: list[str | Path] = [BIN / "shellcheck", "--shell=bash", "--severity=style", "-"]
            done = subprocess.run(
                command, input=f"#!/bin/bash -e\n{step['run']}\n", capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_tasks_that_they_call_are_there(name: str) -> None:
    parser = Parser(contexts=tasks.namespace.to_contexts())
    for step in steps(name):
        for line in re.findall(r"\.venv/bin/invoke ([^\n)]+)", step.get("run", "").replace("\\\n", " ")):
            words = shlex.split(line)
            parser.parse_argv([word.strip('"') for word in words])


def test_the_comment_goes_to_the_next_job_whatever_is_in_it(tmp_path: Path) -> None:
    text = "<!-- mark -->\n| `utils` | 1 |\ncomment<<end\nend\n$HOME `date`\n"
    (tmp_path / "comment.md").write_text(text)
    file = tmp_path / "output"
    done = run(script("preview", "comment<<"), tmp_path, GITHUB_OUTPUT=str(file))
    assert done.returncode == 0, done.stderr
    assert step_outputs(file) == {"comment": text.rstrip("\n")}


def test_the_comment_is_put_as_it_is_and_replaces_the_last_one(tmp_path: Path) -> None:
    program(tmp_path / "bin", "gh", 'cp "$5" "$(dirname "$0")/posted"')
    done = run(script("preview", "gh pr comment"), tmp_path, COMMENT='a "b" $(c) `d`\n%s', NUMBER="7")
    assert done.returncode == 0, done.stderr
    assert calls(tmp_path / "bin") == ["gh pr comment 7 --body-file comment.md --edit-last --create-if-none"]
    assert (tmp_path / "bin" / "posted").read_text() == 'a "b" $(c) `d`\n%s\n'


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (
            "",
            [
                "ci.stacks",
                "check-policies utils",
                "deploy utils --yes",
                "check-policies dti-prod",
                "deploy dti-prod --yes",
            ],
        ),
        (
            "check-policies dti-prod",
            ["ci.stacks", "check-policies utils", "deploy utils --yes", "check-policies dti-prod"],
        ),
        ("deploy utils --yes", ["ci.stacks", "check-policies utils", "deploy utils --yes"]),
        ("ci.stacks", ["ci.stacks"]),
    ],
)
def test_stacks_are_deployed_in_turn_until_one_fails(
    tmp_path: Path, broken: str, expected: list[str]
) -> None:
    text = f'[ "$*" != "{broken}" ] || exit 1\nif [ "$1" = ci.stacks ]; then echo utils; echo dti-prod; fi'
    program(tmp_path / ".venv" / "bin", "invoke", text)
    done = run(script("deploy", "ci.stacks"), tmp_path)
    assert (done.returncode == 0) is (broken == "")
    assert calls(tmp_path / ".venv" / "bin") == [f"invoke {words}" for words in expected]


def test_the_bakes_make_the_matrix(tmp_path: Path) -> None:
    bakes = [{"stack": "dti-prod", "why": "none is recorded", "command": "invoke bake-ami --stack dti-prod"}]
    program(tmp_path / ".venv" / "bin", "invoke", f"echo '{json.dumps(bakes)}'")
    done = run(script("bake", "ci.bakes"), tmp_path, GITHUB_OUTPUT=str(tmp_path / "output"))
    assert done.returncode == 0, done.stderr
    assert json.loads(step_outputs(tmp_path / "output")["bakes"]) == bakes
    assert "matrix.stack" in (ROOT / ".github" / "workflows" / "bake.yml").read_text()


def test_no_two_runs_deploy_at_once() -> None:
    """The engine locks a stack: of two workflows that deploy it on the same push, one would fail."""
    deploying = [
        name
        for name in NAMES
        if any("configure-aws-credentials" in step.get("uses", "") for step in steps(name))
        and any(re.search(r"invoke deploy\b", step.get("run", "")) for step in steps(name))
    ]
    assert deploying == ["bake", "deploy"]
    # `on` is a boolean of YAML 1.1
    starts = {name: cast("dict[Any, Any]", workflow(name))[True] for name in deploying}
    assert starts["bake"] == {"workflow_call": None}
    called = [job for job in workflow("deploy")["jobs"].values() if "uses" in job]
    assert [(job["uses"], job["needs"]) for job in called] == [("./.github/workflows/bake.yml", "deploy")]
    assert workflow("deploy")["concurrency"] == {"group": "production", "cancel-in-progress": False}


def test_the_docs_ask_of_the_role_how_long_a_bake_takes() -> None:
    """AWS gives a session of an hour, unless the role says otherwise."""
    (seconds,) = {
        step["with"]["role-duration-seconds"]
        for name in ("bake", "rebuild")
        for step in steps(name)
        if "role-duration-seconds" in step.get("with", {})
    }
    assert f"--max-session-duration {seconds}" in (ROOT / "docs" / "security.md").read_text()


@pytest.mark.parametrize(("baked", "there"), [(True, False), (True, True), (False, False)])
def test_a_new_image_is_proposed_once(tmp_path: Path, baked: bool, there: bool) -> None:
    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", *words]
        return subprocess.run(
            command, cwd=tmp_path / "work", check=True, capture_output=True, text=True
        ).stdout.strip()

    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "origin.git")], check=True)
    (tmp_path / "work").mkdir()
    git("init", "-q")
    git("remote", "add", "origin", str(tmp_path / "origin.git"))
    git("commit", "-q", "--allow-empty", "-m", "merged")
    before = git("rev-parse", "HEAD")
    if baked:
        git("commit", "-q", "--allow-empty", "-m", "image")
    program(tmp_path / "work" / "bin", "gh", f'if [ "$2" = list ]; then echo "{7 if there else ""}"; fi')
    done = run(
        script("bake", "gh pr create"), tmp_path / "work", STACK="dti-prod", GITHUB_SHA=before, GH_TOKEN="x"
    )
    assert done.returncode == 0, done.stderr
    if not baked:
        assert "nothing was baked" in done.stdout
        assert not (tmp_path / "work" / "bin" / "calls").exists()
        return
    assert git("ls-remote", "origin", "refs/heads/bake/dti-prod").split()[0] == git("rev-parse", "HEAD")
    assert (
        any("pr create --base main --head bake/dti-prod" in call for call in calls(tmp_path / "work" / "bin"))
        is not there
    )


def test_the_images_that_are_due_make_the_matrix(tmp_path: Path) -> None:
    due = [{"stack": "dti-prod", "image_id": "ami-1", "recorded": "2026-11-01T00:00:00+00:00"}]
    program(tmp_path / ".venv" / "bin", "invoke", f"echo '{json.dumps(due)}'")
    done = run(script("rebuild", "ci.rebuilds"), tmp_path, GITHUB_OUTPUT=str(tmp_path / "output"))
    assert done.returncode == 0, done.stderr
    assert json.loads(step_outputs(tmp_path / "output")["rebuilds"]) == due
    assert workflow("rebuild")["concurrency"] == workflow("deploy")["concurrency"]


@pytest.mark.parametrize("there", [True, False])
def test_an_image_that_was_built_anew_is_proposed_with_what_changed(tmp_path: Path, there: bool) -> None:
    git = 'if [ "$1" = push ]; then echo pushed; fi'
    program(tmp_path / "bin", "git", git)
    program(tmp_path / "bin", "gh", f'if [ "$2" = list ]; then echo "{7 if there else ""}"; fi')
    done = run(script("rebuild", "gh pr create"), tmp_path, STACK="dti-prod", GH_TOKEN="x")
    assert done.returncode == 0, done.stderr
    proposed = [call for call in calls(tmp_path / "bin") if "--body-file rebuild.md" in call]
    assert len(proposed) == 1
    assert ("pr edit rebuild/dti-prod" in proposed[0]) is there
    assert "git push --force origin HEAD:refs/heads/rebuild/dti-prod" in calls(tmp_path / "bin")


def test_outputs_of_a_stack_are_outputs_of_the_step(tmp_path: Path) -> None:
    found = {
        "bucket": "b",
        "groups": {"lab": {"a": 1}},
        "note": "two\nlines\nEOF",
        "odd": "a\rb=c",
        "prices": {"m5.large": 0.1},
    }
    file = tmp_path / "output"
    file.write_text("earlier=1\n" + outputs.rendered(found, "github"))
    read = step_outputs(file)
    assert (read["earlier"], read["bucket"], read["note"]) == ("1", "b", "two\nlines\nEOF")
    assert json.loads(read["groups"]) == found["groups"]
    assert set(read) == {"earlier", *found}


def test_secret_outputs_are_masked_line_by_line() -> None:
    found = {"bucket": "b", "key": "-----BEGIN-----\n100%\n\n-----END-----\n"}
    assert outputs.hidden({"bucket": "b", "key": outputs.SECRET}) == ["key"]
    assert outputs.masks(found, ["key"]).splitlines() == [
        "::add-mask::-----BEGIN-----",
        "::add-mask::-----END-----",
        "::add-mask::100%25",
    ]


@pytest.mark.parametrize("broken", ["", "destroy --yes --skip-preview --non-interactive --stack utils"])
def test_the_real_provider_is_reported_step_by_step(tmp_path: Path, broken: str) -> None:
    program(
        tmp_path / ".venv" / "bin", "invoke", 'if [ "$1" = local.env ]; then echo "export AWS_REGION=x"; fi'
    )
    program(tmp_path / "bin", "pulumi", f'echo "$AWS_REGION"; [ "$*" != "{broken}" ]')
    summary = tmp_path / "summary"
    done = run(script("real-provider", "pulumi up"), tmp_path, GITHUB_STEP_SUMMARY=str(summary))
    assert (done.returncode == 0) is (broken == ""), done.stderr
    text = summary.read_text()
    assert len(re.findall(r"^\| .* \| [01] \| \d+ \|$", text, re.MULTILINE)) == 8
    assert ("| utils: destroy | 1 |" in text) is bool(broken)
    assert ("### utils: destroy\n```\nx\n```" in text) is bool(broken)
