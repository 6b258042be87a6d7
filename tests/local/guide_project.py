"""The project in which the tests of the guides type what a page says. Each page has one of its own, so that
they can be read at the same time.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from demo.playground import Playground, playground
from tests.local.guides import Shell, Step, steps

ROOT = Path(__file__).resolve().parents[2]
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


@contextmanager
def project(home: Path, *stacks: str) -> Iterator[Playground]:
    """A project under version control, with `home` as the user's folder and these stacks deployed. In it
    `dti` is the starter under that name: its own needs ten minutes and a real scan.
    """
    with playground(ROOT) as made:
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
        if stacks:
            made.invoke("local.up")
        for stack in stacks:
            made.invoke("deploy", stack, "--yes")
        yield made


@contextmanager
def shell_in(ground: Playground, environ: Mapping[str, str]) -> Iterator[Shell]:
    """A shell at a terminal in the project, closed in the end."""
    opened = Shell(ground.root, environ)
    try:
        yield opened
    finally:
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
