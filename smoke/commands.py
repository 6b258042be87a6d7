"""`invoke smoke`: the task, and what it says."""

from __future__ import annotations

import json as json_format
import os
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from neurocaas.protocol.lines import to_stderr, to_stdout

_MOST_USD = 20.0


@task(
    help={
        "budget": "US dollars that the run's jobs may cost; the service's ledger holds it.",
        "minutes": "After so long everything is taken away, done or not.",
        "remove": "Take away what a run has left that was killed, by its name; nothing else is done.",
        "json": "The report as one JSON object on standard output.",
    }
)
def smoke(c: Context, budget: str = "1", minutes: str = "90", remove: str = "", json: bool = False) -> None:
    """Try the whole service in this cloud with stacks of its own, take them away, and prove it.

    Deploys without asking: on a real account it costs up to a dollar (docs/aws.md). What goes on is told on
    standard error, the report on standard output and in results/smoke/RUN/; it names no account and can be
    sent to the maintainers. Exit code 0: all went well, and nothing is left.
    """
    from console.cloud import project_root
    from smoke import place, run
    from smoke.report import text

    root = project_root()
    dollars, seconds = _number("budget", budget, _MOST_USD), _number("minutes", minutes, 24 * 60) * 60
    where = place.stored(root, remove) if remove else place.new(root, dollars)
    bench = _bench(where, making=not remove)
    to_stderr(f"run {where.record.run}: stack {where.stack}; if it is killed: invoke smoke --remove "
              f"{where.record.run}")  # fmt: skip
    if remove:
        ended = run.EndedRun([], [], "")
        ended.left = run.take_away(bench, ended.steps)
    else:
        where.make()
        ended = run.run(bench, seconds)
    report = _report(bench, ended)
    document = report.document(_names(bench))
    (where.folder / "report.json").write_text(json_format.dumps(document, indent=2) + "\n")
    (where.folder / "report.txt").write_text(text(document) + "\n")
    to_stdout(json_format.dumps(document, indent=2) if json else text(document))
    for one in ended.left:
        to_stderr(f"left: {one.kind} {one.name}\n  remove it: {one.remove}")
    if all(step.state == "done" for step in ended.steps[-2:]):
        where.forget()
    to_stderr(f"the report: {where.folder / 'report.json'}")
    if not report.ok:
        raise Exit(code=1)


def _number(name: str, text: str, most: float) -> float:
    from console.errors import UserError

    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= most:
        raise UserError(f"--{name} {text}", f"a number above 0, up to {most:g}", "write it as 1 or 0.5")
    return value


def _bench(where: Any, *, making: bool) -> Any:
    """Clients of the region of `utils`, or of the shell's where there is none yet."""
    import boto3

    from blueprints.model import UTILS
    from console.account_checks.wanted import region_of
    from console.engine import Engine
    from smoke.bench import Bench

    outer = Engine(where.root)
    there = outer.outputs_if_any(UTILS)
    if making:
        where.record.made_utils = not there
        where.record.region = str(there.get("region") or boto3.Session().region_name or region_of(where.root))
    session = boto3.Session(region_name=where.record.region)
    engine = Engine(where.project)
    bench = Bench(where, engine, session, to_stderr)
    bench.utils = there
    if not making:
        bench.outputs = engine.outputs_if_any(where.stack)
    return bench


def _report(bench: Any, ended: Any) -> Any:
    import tomllib

    from smoke.report import SmokeReport

    record = bench.place.record
    return SmokeReport(
        run=record.run,
        version=tomllib.loads((bench.place.root / "pyproject.toml").read_text())["project"]["version"],
        cloud="another endpoint" if os.environ.get("AWS_ENDPOINT_URL") else "aws",
        region=record.region,
        budget_usd=record.budget_usd,
        spent_usd=bench.spent_usd,
        ended=ended.why,
        steps=ended.steps,
        answers=bench.answers.all(),
        left=ended.left,
    )


def _names(bench: Any) -> dict[str, str]:
    """Words of this machine and this account that a report must not have."""
    return {
        str(bench.place.project): "<project>",
        str(bench.place.root): "<project>",
        str(Path.home()): "<home>",
        **({str(bench.outputs["bucket"]): "<bucket>"} if bench.outputs else {}),
    }


collection = Collection(smoke)
