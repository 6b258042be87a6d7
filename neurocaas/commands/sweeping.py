"""Sweeps on the command line: `submit --sweep`, the table of a sweep, and its results.

A sweep is one job, whose config says what is swept. Those of an earlier version are a job for each
combination (`neurocaas.sweeps`): they are shown and fetched as they were, and made where the analysis's
service knows nothing else.
"""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurocaas.commands.command import Ended, command
from neurocaas.commands.speaking import JSON, WHERE, as_json, named_job, note, say
from neurocaas.errors import AnalysisError, raise_all
from neurocaas.typed import command as typed

if TYPE_CHECKING:
    from neurocaas.checks import Wish
    from neurocaas.protocol.outcomes import SweepTable
    from neurocaas.sweeps import Sweep, SweptJob

SWEEP = {
    "sweep": (
        "NAME=VALUE,VALUE: a run for each value of a parameter; given several times, for each combination."
    ),
    "sweep-file": "A CSV or JSON file of parameters: a run for each row.",
}


def in_one_job(chosen: Any) -> bool:
    """Whether the analysis's service takes a sweep as one job; that of an earlier version gets a job for each
    combination (`submit_sweep`)."""
    rules = chosen.about().config
    return bool(rules and rules.max_sweep)


def swept_config(chosen: Any, config: Any, options: Sequence[str], file: str) -> dict[str, Any]:
    """The config that was named, with the sweep that was asked for."""
    from neurocaas.protocol.sweep import SWEEP as KEY
    from neurocaas.sweep_values import rows_of
    from neurocaas.swept_job import value_of

    rules = chosen.about().config
    base = _base(chosen, config)
    if KEY in base:
        raise AnalysisError(
            f"a sweep in {config} and on the command line", "one of them", "leave one of the two out"
        )
    return {**base, KEY: value_of(rows_of(options, file, rules.parameters), product=not file)}


def sweep_note(config: Any, datasets: int) -> str:
    """What a sweep makes of so many datasets, in one line."""
    names = list(dict.fromkeys(name for row in config.combinations for name in row))
    count, many = len(config.combinations), "1 dataset" if datasets == 1 else f"{datasets} datasets"
    said = f"sweep over {', '.join(names)}: {count} combination{'' if count == 1 else 's'}"
    return f"{said} for {many}: {count * datasets} runs in one job"


def submit_sweep(
    chosen: Any,
    wish: Wish,
    options: Sequence[str],
    file: str,
    *,
    dry_run: bool,
    forecast: bool,
    yes: bool,
    json: bool,
) -> None:
    """Submit one job for each set of parameters, under one name, and print that name."""
    from neurocaas import sweeps
    from neurocaas.analysis import new_timestamp, now
    from neurocaas.budget import refusals
    from neurocaas.progress import shown
    from neurocaas.protocol.units import money
    from neurocaas.steps import planned, submitted, uploaded
    from neurocaas.sweep_values import rows_of

    rules = chosen.about().config
    rows = rows_of(options, file, rules.parameters if rules else None)
    base = _base(chosen, wish.config)
    name = wish.timestamp or new_timestamp(now())
    sweep, again = sweeps.begun(chosen.objects, chosen.group, wish, base, rows, name)
    there = sweeps.submitted_already(chosen.objects, chosen.group, sweep)
    if there and not again:
        raise AnalysisError(
            f"the name {sweep.name!r}, which jobs have already: {min(there)}",
            "a name that is used once",
            "choose another",
        )
    left = [one for one in sweeps.wishes(sweep, wish, base) if one.timestamp not in there]
    if there:
        note(f"sweep {sweep.name} goes on: {len(there)} of {len(rows)} jobs are submitted already")
    plans = planned(chosen, left[:1]) + planned(chosen, left[1:], past=False)
    total = sum(plan.forecast.usd for plan in plans)
    machines = sum(plan.forecast.datasets for plan in plans)
    if forecast:
        likely = plans[0].forecast.usd_p50 if plans else None
        about = f", probably about {money(likely * len(plans))}" if likely is not None else ""
        note(f"{len(plans)} jobs with {machines} machines in all: at most {money(total)}{about}")
    budget = plans[0].forecast.budget if plans else None
    raise_all(refusals([plan.forecast.usd for plan in plans], budget))
    if dry_run:
        say(as_json(_facts(sweep, total, sorted(there))) if json else "\n".join(_lines(sweep)))
        return
    if forecast and not yes and plans and sys.stdin.isatty() and sys.stderr.isatty():
        _ask(len(plans))
    sweeps.written(chosen.objects, chosen.group, sweep)
    with shown() as progress:
        sent = uploaded(chosen, plans, progress)
    for plan, one in zip(plans, sent, strict=True):
        submitted(chosen, plan, one)
    sweeps.ended(chosen.objects, chosen.group, sweep)
    say(as_json(_facts(sweep, total, sorted(there))) if json else sweep.name)
    note(f"`{typed('sweep', sweep.name)}` shows its {len(rows)} jobs")


def _base(chosen: Any, config: Any) -> dict[str, Any]:
    """What the jobs' configs have in common: the config that was named."""
    from neurocaas import configs
    from neurocaas.protocol.config import ConfigRules

    if not config:
        return {}
    if not isinstance(config, str):
        return dict(config)
    if Path(config).is_file():
        file = configs.of_path(config)
    else:
        raw = chosen.objects.get(config) if not config.startswith("s3://") else None
        if raw is None:
            raise AnalysisError(
                f"config {config!r}, which cannot be read from here",
                "a file here, or a key in the bucket that you may read",
                "name a file on this computer",
            )
        file = configs.ConfigFile(config, raw, here=False)
    most = 10**9
    found, errors = configs.checked(file, ConfigRules(most, most, most, most))
    if found is None:
        from neurocaas.errors import raise_all

        raise_all(errors)
    return dict(found.values) if found else {}


def _ask(count: int) -> None:
    sys.stderr.write(f"submit {count} jobs? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Ended("nothing was uploaded or submitted", code=1)


def _facts(sweep: Sweep, total: float, before: list[str]) -> dict[str, Any]:
    jobs = [{"job": job, "parameters": row} for job, row in zip(sweep.jobs, sweep.rows, strict=True)]
    return {"sweep": sweep.name, "jobs": jobs, "at_most_usd": round(total, 6), "submitted_before": before}


def _lines(sweep: Sweep) -> list[str]:
    from neurocaas.layout import table
    from neurocaas.sweeps import plain

    names = sweep.parameters
    rows = [
        [job, *(plain(row[name]) if name in row else "" for name in names)]
        for job, row in zip(sweep.jobs, sweep.rows, strict=True)
    ]
    return table(["job", *names], rows)


@command(help={**WHERE, **JSON, "sweep": "The job with the sweep, as `submit` has printed it.",
               "csv": "The table as CSV."})  # fmt: skip
def sweep(sweep: str, analysis: str = "", group: str = "", csv: bool = False, json: bool = False) -> None:
    """Show the runs of a sweep: parameters, state, time and cost of each. Exit code 1 when one has failed."""
    from neurocaas import sweeps
    from neurocaas.swept_job import table_of

    chosen, name = named_job(sweep, analysis, group)
    found = sweeps.read(chosen.objects, chosen.group, name)
    if found is not None:
        _show_jobs(chosen, name, found, csv=csv, json=json)
        return
    _show_runs(table_of(chosen.find(name)), csv=csv, json=json)


def _show_runs(found: SweepTable, *, csv: bool, json: bool) -> None:
    from neurocaas.layout import cell, table
    from neurocaas.protocol.outcomes import plain, table_csv
    from neurocaas.protocol.status import FINAL
    from neurocaas.protocol.units import duration, money

    cost = found.cost
    if json:
        runs = [asdict(one) for one in found.runs]
        facts = {"sweep": found.job, "parameters": found.parameters, "cost_usd": round(cost, 6)}
        say(as_json({**facts, "runs": runs}))
    elif csv:
        say(table_csv(found).rstrip("\n"))
    else:
        several = len({one.input for one in found.runs}) > 1
        rows = [
            [
                *([cell(one.input.rstrip("/").rpartition("/")[2])] if several else []),
                *(cell(plain(one.parameters[n])) if n in one.parameters else "" for n in found.parameters),
                one.state,
                duration(one.seconds) if one.seconds is not None else "",
                money(one.cost_usd) if one.cost_usd is not None else "",
                cell(one.reason or ""),
            ]
            for one in found.runs
        ]
        names = [*(["dataset"] if several else []), *map(cell, found.parameters)]
        for line in table([*names, "state", "time", "cost", "reason"], rows, right=["time", "cost"]):
            say(line.rstrip())
        ended = sum(one.state in FINAL for one in found.runs)
        so_far = f"; {money(cost)}" if cost else ""
        say(f"{ended} of {len(found.runs)} runs have ended{so_far}")
        if ended == len(found.runs):
            note(f"`{typed('results', found.job)}` fetches them all")
    if any(one.state == "FAILED" for one in found.runs):
        raise Ended(code=1)


def _show_jobs(chosen: Any, name: str, found: Sweep, *, csv: bool, json: bool) -> None:
    """A sweep of an earlier version: a job for each combination."""
    from neurocaas import sweeps
    from neurocaas.layout import table
    from neurocaas.protocol.units import money

    jobs = _outcomes(chosen, found)
    costs = [one.cost_usd for one in jobs if one.cost_usd is not None]
    if json:
        say(
            as_json(
                {
                    "sweep": name,
                    "parameters": found.parameters,
                    "cost_usd": round(sum(costs), 6),
                    "jobs": [asdict(one) for one in jobs],
                }
            )
        )
    elif csv:
        say(sweeps.table_csv(found, jobs, {}).rstrip("\n"))
    else:
        rows = [
            [
                one.job,
                *(sweeps.plain(one.parameters[n]) if n in one.parameters else "" for n in found.parameters),
                one.state,
                money(one.cost_usd) if one.cost_usd is not None else "",
            ]
            for one in jobs
        ]
        for line in table(["job", *found.parameters, "state", "cost"], rows, right=["cost"]):
            say(line)
        ended = sum(one.final for one in jobs)
        say(f"{ended} of {len(jobs)} jobs have ended; {money(sum(costs))} so far")
        if any(one.state == "MISSING" for one in jobs):
            note(f"some were not submitted: the same `{typed('submit')}` again submits the rest")
        elif ended == len(jobs):
            note(f"`{typed('results', name)}` fetches them all")
    if any(one.state in ("FAILED", "REJECTED") for one in jobs):
        raise Ended(code=1)


def _outcomes(chosen: Any, found: Sweep) -> list[SweptJob]:
    from neurocaas import sweeps

    there = sweeps.submitted_already(chosen.objects, chosen.group, found)
    return sweeps.outcomes(found, chosen.job, there)


def fetch_sweep(chosen: Any, found: Sweep, folder: Path, json: bool, **how: Any) -> None:
    """Fetch the results of each job that has any into a folder of its own, with its parameters."""
    from neurocaas import sweeps
    from neurocaas.errors import SeveralErrors, UnreachableError, raise_all
    from neurocaas.progress import SILENT, shown

    jobs, files, folders, errors = (
        _outcomes(chosen, found),
        dict[str, Any](),
        dict[str, str](),
        list[AnalysisError](),
    )
    folder.mkdir(parents=True, exist_ok=True)
    with shown() as progress:
        for one in jobs:
            if one.state in ("MISSING", "SUBMITTED", "REJECTED"):
                continue
            own = one.job.removeprefix(f"{found.name}-")
            try:
                files[one.job] = chosen.job(one.job).fetch(
                    folder / own, progress=SILENT if json else progress, say=note, **how
                )
            except UnreachableError:
                raise
            except SeveralErrors as error:
                errors += error.errors
            except AnalysisError as error:
                errors.append(error)
            if (folder / own).is_dir():
                text = json_format.dumps({"job": one.job, "parameters": one.parameters}, indent=1)
                (folder / own / "parameters.json").write_text(text + "\n", encoding="utf-8")
                folders[one.job] = own
    table = folder / "parameters.csv"
    table.write_text(sweeps.table_csv(found, jobs, folders), encoding="utf-8")
    raise_all(errors)
    if json:
        say(
            as_json(
                [
                    replace(file, path=f"{folders[job]}/{file.path}")
                    for job, some in files.items()
                    for file in some
                ]
            )
        )
        return
    for one in jobs:
        if one.job not in files:
            note(f"{one.job} has no results: {one.state}")
    count = sum(map(len, files.values()))
    say(f"{count} files of {len(files)} jobs in {folder}; their parameters are in {table}")
    if not all(one.final for one in jobs):
        note("not all have ended: more may come; fetch again then")


def sweep_of(job: str, analysis: str, group: str) -> tuple[Any, Sweep] | None:
    """The sweep that a command's argument JOB means, None where it means none."""
    from neurocaas import sweeps

    chosen, name = named_job(job, analysis, group)
    found = sweeps.read(chosen.objects, chosen.group, name)
    return None if found is None else (chosen, found)


COMMANDS = (sweep,)
