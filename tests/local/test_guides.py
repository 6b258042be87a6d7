"""The guides, read from the top: every command in them is typed into a terminal, in order, in one project
with one local cloud.

What cannot run here is marked in the page itself: `<!-- not run: why -->` before the block.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from guides import Shell, Step, steps

from demo.playground import Playground, playground

pytestmark = [pytest.mark.local, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("analysts.md", "administrators.md", "developers.md")
BEFORE = {
    "invoke cancel last": "invoke submit --data scan.zip --yes",
    "invoke destroy dti-webdev": "invoke empty-bucket dti-webdev --yes",
    "invoke destroy dti-webdev --delete-data": "invoke deploy dti-webdev --yes",
}
"""What must be so before a command of a table can do its work: its rows are alternatives."""
GROUPS = """\
schema_version: 1
users: {ann: {access_key: true}, ben: }
groups:
  lab: {members: [ann], analyses: {dti: }}
  lab1: {members: [ann], leads: [ben], analyses: {dti: }}
"""
OLD = {
    "PipelineName": "epi-web",
    "REGION": "us-east-1",
    "STAGE": "webdev",
    "Lambda": {
        "Handler": "submit_start.handler_develop",
        "LambdaConfig": {
            "AMI": "ami-061f98a1f90c0d6fd",
            "INSTANCE_TYPE": "m5.large",
            "COMMAND": "cd contrib; bash run_main.sh {} {} {} {} epi/run_epi.sh",
        },
    },
    "UXData": {
        "Affiliates": [
            {"AffiliateName": "debuggers", "UserNames": ["dummyuser"], "UserInput": True, "ContactEmail": ""}
        ]
    },
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    """A project under version control in which `dti` is the starter under that name: its own needs ten
    minutes and a real scan.
    """
    with playground(ROOT) as made:
        home = tmp_path_factory.mktemp("home")
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        made.environ |= {"HOME": str(home), "XDG_CACHE_HOME": cache, "PULUMI_SKIP_CONFIRMATIONS": "true"}
        for key, value in (
            ("user.name", "Developer"),
            ("user.email", "developer@example.org"),
            ("init.defaultBranch", "main"),
        ):
            made.run(["git", "config", "--global", key, value], made.environ)
        shutil.rmtree(made.root / "blueprints" / "dti")
        made.invoke("configure", "dti")
        blueprint = made.root / "blueprints" / "dti" / "blueprint.yaml"
        blueprint.write_text(blueprint.read_text() + "stages:\n  prod: {bucket: dti-prod}\n")
        for name, text in (
            ("groups.yaml", GROUPS),
            ("stack_config_template.json", json.dumps(OLD)),
            ("run_epi.sh", "echo\n"),
        ):
            (made.root / name).write_text(text)
        for name in ("old-one", "old-two"):
            (made.root / "old/ncap_blueprints" / name).mkdir(parents=True)
            old = json.dumps({**OLD, "PipelineName": name})
            (made.root / "old/ncap_blueprints" / name / "stack_config_template.json").write_text(old)
        for name, text in (("scan.zip", "a scan"), ("config.json", '{"wait": 0.1}')):
            (made.root / name).write_text(text)
        for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "begin"]):
            made.run(["git", *command], made.environ)
        made.invoke("local.up")
        for stack in ("utils", "dti-webdev", "dti-prod"):
            made.invoke("deploy", stack, "--yes")
        yield made


@pytest.fixture
def shell(ground: Playground) -> Iterator[Shell]:
    opened = Shell(ground.root, ground.local_environment())
    yield opened
    opened.close()


def follow(page: str, shell: Shell, ground: Playground, *, alone: bool = False) -> list[Step]:
    """Do what a page says; the steps that were done. `alone`: each command in a shell of its own, as the page
    gives alternatives.
    """
    done = []
    for step in steps(ROOT / "docs" / page):
        if step.skipped:
            continue
        place = f"docs/{page}:{step.line}: {step.text.strip()}"
        if step.kind == "yaml":
            file = ground.root / step.where
            file.write_text(file.read_text() + step.text)
            continue
        command = step.text
        if step.kind == "python":
            folder = "image_builder" if "develop_blueprint" in step.text else "."
            (ground.root / "block.py").write_text(f"import sys; sys.path.insert(0, '')\n{step.text}")
            command = f"cd {folder} && python {ground.root}/block.py; code=$?; cd {ground.root}; (exit $code)"
        elif alone:
            command = f"({step.text}\n)"
        if step.text in BEFORE:
            shell.run(BEFORE[step.text])
        code, written = shell.run(command)
        assert code == 0, f"{place}\nended with {code}\n{written}"
        assert "Traceback" not in written, f"{place}\n{written}"
        done.append(step)
    return done


def test_the_guide_for_analysts(shell: Shell, ground: Playground) -> None:
    shell.run(". .venv/bin/activate")
    done = follow("analysts.md", shell, ground)
    assert len(done) > 10
    assert (ground.root / "results").is_dir()


def test_what_is_promoted_is_the_same_and_nothing_else(ground: Playground) -> None:
    promoted = ground.invoke("promote", "dti-webdev", "dti-prod", "--yes")
    assert "dti-prod runs what dti-webdev runs." in promoted.stdout
    webdev, prod = (
        json.loads(ground.invoke("outputs", f"dti-{stage}").stdout) for stage in ("webdev", "prod")
    )
    assert (webdev["image_id"], webdev["code_sha256"]) == (prod["image_id"], prod["code_sha256"])

    script = ground.root / "blueprints" / "dti" / "run_dti.sh"
    was = script.read_text()
    script.write_text(f"{was}\n# changed since\n")
    refused = ground.invoke("promote", "dti-webdev", "dti-prod", "--yes", check=False)
    script.write_text(was)
    assert refused.returncode == 1
    assert "is not what dti-webdev runs" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_lock_is_removed_and_the_next_deploy_works(ground: Playground) -> None:
    """The local backend keeps a lock as a file; a killed deploy leaves it behind."""
    locks = (
        ground.root
        / ".local"
        / "pulumi"
        / "state"
        / ".pulumi"
        / "locks"
        / "organization"
        / "neurocaas"
        / "utils"
    )
    locks.mkdir(parents=True, exist_ok=True)
    (locks / "0.json").write_text(
        json.dumps({"pid": 1, "username": "u", "hostname": "h", "timestamp": "2026-01-01T00:00:00Z"})
    )
    stuck = ground.invoke("deploy", "utils", "--yes", check=False)
    assert stuck.returncode != 0
    assert "lock" in stuck.stdout + stuck.stderr
    assert (
        "utils is unlocked; nothing was left unfinished." in ground.invoke("unlock", "utils", "--yes").stdout
    )
    ground.invoke("deploy", "utils", "--yes")


def test_the_guide_for_administrators(shell: Shell, ground: Playground) -> None:
    shell.run(". .venv/bin/activate")
    assert len(follow("administrators.md", shell, ground, alone=True)) > 15


def test_the_guide_for_developers(shell: Shell, ground: Playground) -> None:
    """The last one: it ends with the end of the local cloud."""
    done = follow("developers.md", shell, ground)
    assert len(done) > 25
    written = (ground.root / "blueprints/my-analysis/provision/20-recorded.sh").read_text()
    assert "/opt/tool/mark" in written, "what was typed was recorded"
    subjects = ground.run(["git", "log", "--format=%s"], ground.environ).stdout
    assert "automatic commit to document pipeline" in subjects
    assert not (ground.root / ".local" / "cloud.json").exists()


def test_what_is_not_run_says_why() -> None:
    every = [step for page in PAGES for step in steps(ROOT / "docs" / page)]
    skipped = [step for step in every if step.skipped]
    assert len(skipped) < len(every) / 8
    assert all(len(step.skipped) > 10 for step in skipped)
