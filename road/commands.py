"""`invoke ship`: the task, and what it says."""

from __future__ import annotations

import json as json_format
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from neurocaas.protocol.lines import to_stderr, to_stdout
from neurocaas.protocol.printable import printable
from road.ship import FAILED, Road, RoadStep, Run

_SHOWN = 1000
"""Bytes up to which a result is shown, not only named."""


def _invoke(root: Path) -> Run:
    """Runs a command in this project; all it says goes to standard error, so that standard output has the
    answer alone.
    """
    from console.interrupts import running

    def run(words: Sequence[str]) -> int:
        with running(
            [sys.executable, "-m", "invoke", *words], cwd=root, stdin=subprocess.DEVNULL, stdout=sys.stderr
        ) as child:
            pass
        return child.returncode

    return run


@task(
    help={
        "analysis": "The analysis's name: a folder of blueprints/.",
        "stage": "webdev (default), develop or staging; production comes by `invoke promote`.",
        "unverified": "Do not replay the provisioning scripts before they are baked.",
        "to": "The folder for the results: they come into TO/ANALYSIS/JOB/.",
        "json": "One JSON object on standard output; everything else goes to standard error.",
    }
)
def ship(
    c: Context,
    analysis: str,
    stage: str = "webdev",
    unverified: bool = False,
    to: str = "results/ship",
    json: bool = False,
) -> None:
    """Do all steps: validate, lint, deploy, verify, bake, golden test, deploy, a job on tests/, its results.

    Deploys without asking. Stops where something is wrong, says what to do, and ends with that command's exit
    code; the same command goes on where it was. What is done already is passed over.
    """
    from console.cloud import project_root

    root = project_root()
    _check(root, analysis, stage)
    road = Road(root, analysis, stage, _invoke(root), to_stderr, unverified=unverified, to=to)
    steps = road.walk()
    stopped = steps[-1] if steps[-1].state == FAILED else None
    again = " ".join(["invoke ship", analysis, *([f"--stage {stage}"] if stage != "webdev" else [])])
    following = f"invoke promote {road.stack} {analysis}-prod" if stopped is None else again
    if json:
        found = {
            "schema_version": 1,
            "analysis": analysis,
            "stack": road.stack,
            "ok": stopped is None,
            "job": road.job or None,
        }
        to_stdout(
            json_format.dumps(
                {
                    **found,
                    "steps": [asdict(one) for one in steps],
                    "results": road.results,
                    "next": following,
                },
                indent=2,
            )
        )
    elif stopped is None:
        to_stdout("\n".join(_told(road, steps, following)))
    if stopped:
        what = "put right what it says above, then go" if stopped.command else "go"
        to_stderr(f"stopped at {stopped.name}: {stopped.said}\n  {what} on with: {again}")
        raise Exit(code=stopped.exit_code)


def _told(road: Road, steps: Sequence[RoadStep], following: str) -> list[str]:
    lines = [f"{step.name:<17} {step.state:<9} {step.seconds:6.1f} s  {step.said}".rstrip() for step in steps]
    for path in road.results:
        lines.append(f"  {path}")
        if path.endswith((".json", ".txt", ".csv")) and Path(path).stat().st_size <= _SHOWN:
            lines += [
                f"    {printable(line)}"
                for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
            ]
    return [
        *lines,
        f"{road.stack} works. Who may use it: groups.yaml (docs/administrators.md). To "
        f"production: {following}",
    ]


def _check(root: Path, analysis: str, stage: str) -> None:
    """Raises UserError for what cannot be shipped, before anything is done."""
    import blueprints
    from console import stacks
    from console.engine import Engine
    from console.errors import UserError

    name = stacks.check(f"{analysis}-{stage}", root)
    if stage == blueprints.Stage.PROD:
        do = f"ship it to webdev and try it there, then: invoke promote {analysis}-webdev {name}"
        raise UserError(f"--stage {stage}", "webdev, develop, staging", do)
    if not Engine(root).outputs_if_any("utils"):
        do = "an administrator makes it: invoke deploy utils; then the same command again"
        raise UserError(
            "no stack utils in this cloud", "the stack that all analyses share, once an account", do
        )


collection = Collection(ship)
