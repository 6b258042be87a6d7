"""The analyst's commands that look at jobs and end them."""

import sys
from dataclasses import asdict
from typing import Any

from neurocaas.commands.command import Ended, command
from neurocaas.commands.speaking import (
    JOB,
    JSON,
    WHERE,
    analysis_of,
    as_json,
    end_with,
    explanation_lines,
    job_of,
    named_job,
    note,
    say,
)
from neurocaas.commands.speaking import follow as follow_job
from neurocaas.errors import AnalysisError
from neurocaas.protocol.printable import printable


@command(
    help={
        **WHERE,
        **JSON,
        "limit": "So many, the latest; 0: all.",
        "names": "Only the names of jobs, sorted: one request for a thousand.",
    }
)
def jobs(
    analysis: str = "", group: str = "", limit: int = 20, names: bool = False, json: bool = False
) -> None:
    """List the group's jobs, the latest last: when submitted, name, outcome."""
    from neurocaas.view import job_lines

    chosen = analysis_of(analysis, group)
    every = chosen.job_names() if names else chosen.listing()
    shown = every[-limit:] if limit > 0 else every
    ends = {} if names else chosen.ends(shown)
    if json:
        say(
            as_json(
                shown
                if names
                else [{**asdict(one), "submitted": _iso(one.submitted), "end": ends[one]} for one in shown]
            )
        )
    else:
        for line in shown if names else job_lines(shown, ends):
            say(line)
    if not every:
        note(f"group {chosen.group} has no job in bucket {chosen.bucket} yet (`neurocaas submit --help`)")
    elif len(every) > len(shown):
        note(f"{len(shown)} of {len(every)} jobs; --limit 0 shows all")


def _iso(time: Any) -> str | None:
    return time.isoformat() if time else None


@command(help={**JOB, "timeout": "Stop following after so many seconds (the job goes on)."})
def follow(job: str, analysis: str = "", group: str = "", timeout: int = 0) -> None:
    """Show a job until it ends. Exit code 1 when a dataset failed or the submission was refused."""
    chosen, handle = job_of(job, analysis, group)
    end_with(chosen, handle, follow_job(handle, timeout or None, typical=chosen.typical(handle)))


@command(help={**JOB, **JSON, "certificate": "Its certificate, the human-readable log, before that."})
def status(
    job: str, analysis: str = "", group: str = "", certificate: bool = False, json: bool = False
) -> None:
    """Show a job and its datasets as they are now. Exit code 1 when it has failed."""
    from neurocaas.view import status_lines

    chosen, handle = job_of(job, analysis, group)
    state = handle.status()
    if json:
        facts = {**asdict(state), "finished": state.finished, "succeeded": state.succeeded}
        say(as_json({**facts, "certificate": handle.answer()} if certificate else facts))
        if state.finished and not state.succeeded:
            raise Ended(code=1)
        return
    if certificate:
        say(handle.answer().rstrip() or "no certificate yet")
        say("")
    for line in status_lines(state):
        say(line)
    end_with(chosen, handle, state)


@command(
    lists=["dataset"],
    help={**JOB, "follow": "Stay, and show new lines until the job ends.",
        "dataset": "Only this one. May be given several times.",
          "stderr": "Only what went to standard error."},
)  # fmt: skip
def logs(
    job: str,
    dataset: list[str],
    analysis: str = "",
    group: str = "",
    follow: bool = False,
    stderr: bool = False,
) -> None:
    """Print what the scripts of a job have printed.

    With several datasets, each line begins with the name of its dataset.
    """
    from neurocaas.logs import STREAMS, LogReader

    chosen, handle = job_of(job, analysis, group)
    reader = LogReader(
        handle, dataset, ("stderr",) if stderr else STREAMS, live=not follow or sys.stdout.isatty()
    )

    def show(state: Any) -> None:
        if not state.datasets:
            return
        several = len(dataset) != 1 and len(state.datasets) > 1
        for line in reader.lines():
            aside = line.note or (line.stream == "stderr" and not stderr)
            text = f"[{line.text}]" if line.note else line.text
            shown = printable(f"{line.dataset}: {text}" if several else text, keep="\t")
            (sys.stderr if aside else sys.stdout).write(f"{shown}\n")
        sys.stdout.flush()
        sys.stderr.flush()

    state = handle.status()
    show(state)
    if follow and not state.finished:
        try:
            state = handle.follow(show)
        except KeyboardInterrupt:
            raise Ended(f"job {handle.timestamp} goes on", code=130) from None
    if not state.datasets:
        for line in explanation_lines(chosen, handle):
            note(line)
        raise Ended(code=1 if state.finished else 0)


@command(help={**JOB, **JSON, "follow": "Stay until the job has ended."})
def cancel(job: str, analysis: str = "", group: str = "", follow: bool = False, json: bool = False) -> None:
    """End a job: its machines stop, and what they have so far is kept.

    Only the time that they ran is paid.
    """
    _, handle = job_of(job, analysis, group)
    state = handle.status()
    if state.finished:
        raise AnalysisError(
            f"job {handle.timestamp} has ended already: {state.end or state.phase}",
            "a job that runs",
            "nothing is to be done",
        )
    request = handle.cancel()
    if not json:
        say(f"asked to end job {handle.timestamp}: {request}")
    state = follow_job(handle, quiet=json) if follow else None
    if json:
        say(as_json({"job": handle.timestamp, "request": request, **({"state": state} if state else {})}))


@command(help={**JOB, **JSON})
def explain(job: str, analysis: str = "", group: str = "", json: bool = False) -> None:
    """Say in one sentence why a job waits or failed, on what evidence, and what to do."""
    from neurocaas.explain import explain as why
    from neurocaas.listing import UnknownJobError

    chosen, name = named_job(job, analysis, group)
    try:
        handle = chosen.find(name)
    except UnknownJobError:
        handle = chosen.job(name)  # that there is none is an explanation too
    if json:
        say(as_json(why(chosen.evidence(handle))))
        return
    for line in explanation_lines(chosen, handle):
        say(line)


COMMANDS = (jobs, follow, status, logs, cancel, explain)
