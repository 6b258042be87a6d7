"""The project in which the tests of the guides type what a page says. Each page has one of its own, so that
they can be read at the same time.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from demo.playground import Playground, playground
from localcloud.tests.bases import share_base
from tests.local.guides import Shell, Step, steps
from tests.local.states import State, States, up
from tests.warm import TERMINAL, VARIABLE

ROOT = Path(__file__).resolve().parents[2]
BEFORE = {
    "neurocaas cancel last": "neurocaas submit --data scan.zip --yes",
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


TOOLS = "mkdir -p /opt/tools\necho 1 > /opt/tools/version\n"
"""What the starter's image gets in the pages' project: its own tools take half a minute of a package index in
each recording, replay and bake. `test_demo.py` bakes them.
"""


def _shorten(starter: Path) -> None:
    """Let what is made from the starter take no time: in its image, and on a dataset."""
    provision = starter / "provision"
    shutil.rmtree(provision)
    provision.mkdir()
    (provision / "10-tools.sh").write_text(f"#!/bin/bash\n{TOOLS}")
    blueprint = starter / "blueprint.yaml"
    blueprint.write_text(blueprint.read_text().replace("default: 5", "default: 0.1"))


def _at_home(made: Playground, home: Path) -> None:
    """`home` is the user's folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    made.environ |= {"HOME": str(home), "XDG_CACHE_HOME": cache, "PULUMI_SKIP_CONFIRMATIONS": "true"}
    (home / ".gitconfig").write_text(
        "[user]\nname = Developer\nemail = developer@example.org\n[init]\ndefaultBranch = main\n"
    )


OF_DTI = "    fit_method: {enum: [WLS, OLS, NLLS], default: WLS}\n"
"""A parameter of the real analysis that the pages speak of; the starter does not read it."""


@contextmanager
def project(home: Path) -> Iterator[Playground]:
    """A project under version control, with `home` as the user's folder and nothing deployed. In it `dti` is
    the starter under that name: its own needs ten minutes and a real scan.
    """
    with playground(ROOT) as made:
        share_base(made.root / ".local")
        _at_home(made, home)
        _shorten(made.root / "blueprints" / "analysis")
        shutil.rmtree(made.root / "blueprints" / "dti")
        made.invoke("configure", "dti")
        blueprint = made.root / "blueprints" / "dti" / "blueprint.yaml"
        text = blueprint.read_text().replace("  properties:\n", f"  properties:\n{OF_DTI}")
        blueprint.write_text(text + "stages:\n  prod: {bucket: dti-prod}\n")
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
        yield made


@contextmanager
def deployed(states: States, state: State, home: Path) -> Iterator[Playground]:
    """The project as in `project`, in which DEVELOPMENT or PRODUCTION is deployed."""
    with states.stopped(state) as made:
        _at_home(made, home)
        made.invoke("local.up")
        yield made


@contextmanager
def _development(states: States) -> Iterator[Playground]:
    with tempfile.TemporaryDirectory() as home, project(Path(home)) as made:
        made.invoke("local.up")
        for stack in ("utils", "dti-webdev"):
            up(made, stack)
        yield made


@contextmanager
def _production(states: States) -> Iterator[Playground]:
    with states.copy(DEVELOPMENT) as made:
        made.invoke("deploy", "dti-prod", "--yes")
        yield made


DEVELOPMENT = State("guide-development", _development)
"""`utils` and `dti-webdev`."""
PRODUCTION = State("guide-production", _production)
"""`dti-prod` too."""


WARM_INVOKE = f"""
invoke() {{
    case $1 in record) command invoke "$@" ;; *) {TERMINAL}=1 "${VARIABLE}" -m invoke "$@" ;; esac
}}
"""
"""Commands start as those of other tests; but a recording has a shell at the terminal."""


@contextmanager
def shell_in(ground: Playground, environ: Mapping[str, str]) -> Iterator[Shell]:
    """A shell at a terminal in the project, closed in the end."""
    opened = Shell(ground.root, environ)
    try:
        if VARIABLE in environ:
            opened.run(WARM_INVOKE)
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
