"""The analyst's commands that look at jobs and end them."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from neurocaas.commands.command import Ended, command
from neurocaas.commands.speaking import (
    JOB,
    JSON,
    WHERE,
    analyses_of,
    analysis_of,
    as_json,
    end_with,
    explanation_lines,
    goes_on,
    job_of,
    named_job,
    note,
    say,
    state_facts,
    tell,
)
from neurocaas.commands.speaking import follow as follow_job
from neurocaas.errors import AnalysisError
from neurocaas.protocol.printable import printable
from neurocaas.typed import command as typed

if TYPE_CHECKING:
    from neurocaas.overview import JobRow

_ALL = "Of all analyses that the group may use."


@command(
    help={
        **WHERE,
        **JSON,
        "limit": "So many, the latest; 0: all.",
        "names": "Only the names of jobs, sorted: one request for a thousand.",
        "since": "Only those that came since then: 30m, 12h, 2d, 3w, or a date like 2026-11-01.",
        "state": "Only those that are submitted, running, open (both), success, failed or rejected.",
        "mine": "Only yours: those that you have submitted, from wherever, or this computer has.",
        "all": _ALL,
    }
)
def jobs(
    analysis: str = "",
    group: str = "",
    limit: int = 20,
    names: bool = False,
    since: str = "",
    state: str = "",
    mine: bool = False,
    all: bool = False,  # noqa: A002  (as it is typed)
    json: bool = False,
) -> None:
    """List the group's jobs as a table, the latest last.

    The service keeps an index of them: two listings and a few reads, however many jobs there are.
    """
    from neurocaas.overview import chosen_states, job_table, overview, since_when

    wanted, begin = chosen_states(state), since_when(since)
    if names:
        _only_names(analysis_of(analysis, group), limit, json)
        return
    chosen = analyses_of(analysis, group) if all else [analysis_of(analysis, group)]
    found = overview(chosen, limit=limit, since=begin, states=wanted, mine=mine)
    if json:
        say(as_json([_facts(one) for one in found.rows]))
    else:
        for line in job_table(found.rows, analyses=len(chosen) > 1):
            say(line)
    if not found.every:
        where = f"bucket {chosen[0].bucket}" if len(chosen) == 1 else f"{len(chosen)} analyses"
        note(f"group {chosen[0].group} has no job in {where} yet (`{typed('submit')} --help`)")
    elif not found.rows:
        note(f"none of the {found.every} jobs of group {chosen[0].group} is like that")
    elif found.more:
        note(f"{len(found.rows)} of {found.every} jobs; --limit 0 shows all")
    if mine and not found.me and not found.own:
        note("nothing was submitted from this computer so far, and the service has no name for you")


def _only_names(chosen: Any, limit: int, json: bool) -> None:
    every = chosen.job_names()
    shown = every[-limit:] if limit > 0 else every
    if json:
        say(as_json(shown))
    else:
        for line in shown:
            say(line)
    if len(every) > len(shown):
        note(f"{len(shown)} of {len(every)} jobs; --limit 0 shows all")


def _facts(one: "JobRow") -> dict[str, Any]:
    return {**asdict(one), "submitted": one.submitted.isoformat() if one.submitted else None}


@command(
    help={
        **JOB,
        "timeout": "Stop following after so many seconds (the job goes on).",
        "json": "Show nothing until the end; then one JSON document.",
    }
)
def follow(job: str, analysis: str = "", group: str = "", timeout: int = 0, json: bool = False) -> None:
    """Show a job until it ends. Exit code 1 when a dataset failed or the submission was refused."""
    chosen, handle = job_of(job, analysis, group)
    typical = None if json else chosen.typical(handle)
    state = follow_job(handle, timeout or None, quiet=json, typical=typical, analysis=chosen)
    if json:
        say(as_json(state_facts(state)))
        raise Ended(code=0 if state.succeeded else 1)
    end_with(chosen, handle, state)
    note(f"fetch the results: `{typed('results', handle.timestamp)}`")


@command(
    help={
        **JOB,
        **JSON,
        "certificate": "Its certificate, the human-readable log, before that.",
        "resources": "Also what each machine has used over time: processor, memory, GPU, disk, network.",
    }
)
def status(
    job: str,
    analysis: str = "",
    group: str = "",
    certificate: bool = False,
    resources: bool = False,
    json: bool = False,
) -> None:
    """Show a job and its datasets as they are now: cost, machine, and why it waits or has failed.

    Exit code 1 when it has failed.
    """
    from neurocaas.explain import explain as why
    from neurocaas.summary import status_lines, summary

    chosen, handle = job_of(job, analysis, group)
    state = handle.status()
    facts = summary(handle, state)
    if json:
        found = {**state_facts(state), **asdict(facts)}
        if resources:
            found["resources"] = handle.resources().facts()
        say(as_json({**found, "certificate": handle.answer()} if certificate else found))
        if state.finished and not state.succeeded:
            raise Ended(code=1)
        return
    if certificate:
        say(handle.answer().rstrip() or "no certificate yet")
        say("")
    for line in status_lines(state, facts, chosen.name, chosen.group):
        tell(line)
    if resources:
        tell("")
        blocks = (sys.stdout.encoding or "").lower().startswith("utf")
        for line in handle.resources().lines(ascii_only=not blocks):
            tell(line)
    waits = state.phase == "SUBMITTED" or (
        state.phase == "RUNNING" and not any(one.seconds is not None for one in state.datasets)
    )
    if waits:
        found_why = why(chosen.evidence(handle))
        tell(f"why: {found_why.sentence}")
        if found_why.fix:
            tell(f"do:  {found_why.fix}")
    end_with(chosen, handle, state)
    for line in _next(state, handle.timestamp):
        tell(line)


def _next(state: Any, job: str) -> list[str]:
    """What may be typed next."""
    if state.succeeded:
        words = [("results", "copies its results here")]
    elif state.datasets:
        words = [("follow", "shows it until it ends"), ("logs", "what its scripts have printed")]
    else:
        words = [("follow", "shows it until it ends")]
    lines = [(typed(name, job), text) for name, text in words]
    width = max(len(line) for line, _ in lines)
    return ["", *(f"{'next: ' if not number else '      '}{line:<{width}}  {text}"
                  for number, (line, text) in enumerate(lines))]  # fmt: skip


@command(
    lists=["dataset"],
    help={**JOB, **JSON, "follow": "Stay, and show new lines until the job ends.",
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
    json: bool = False,
) -> None:
    """Print what the scripts of a job have printed.

    With several datasets, each line begins with the name of its dataset.
    """
    from neurocaas.logs import STREAMS, LogReader

    chosen, handle = job_of(job, analysis, group)
    reader = LogReader(
        handle, dataset, ("stderr",) if stderr else STREAMS, live=not follow or sys.stdout.isatty()
    )
    every = []

    def show(state: Any) -> None:
        if not state.datasets:
            return
        several = len(dataset) != 1 and len(state.datasets) > 1
        for line in reader.lines():
            if json:
                every.append(line)
                continue
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
            raise Ended(goes_on(handle.timestamp), code=130) from None
    if json:
        say(as_json(every))
    if not state.datasets:
        for line in explanation_lines(chosen, handle):
            note(line)
        raise Ended(code=1 if state.finished else 0)


@command(
    rest="job",
    help={
        **WHERE,
        "job": "Jobs to watch, as JOB or ANALYSIS/JOB. Without any: all that are open.",
        "all": f"{_ALL} Without it: of one analysis.",
        "until-first": "Stop when the first of them has ended.",
        "bell": "Ring the terminal's bell when one ends.",
        "timeout": "Stop watching after so many seconds (the jobs go on).",
        "json": "Show nothing until the end; then one JSON document.",
    },
)
def watch(
    job: list[str],
    analysis: str = "",
    group: str = "",
    all: bool = False,  # noqa: A002  (as it is typed)
    until_first: bool = False,
    bell: bool = False,
    timeout: int = 0,
    json: bool = False,
) -> None:
    """Watch many jobs on one screen until all have ended. Exit code 1 when one failed or was refused."""
    from neurocaas.overview import open_jobs
    from neurocaas.watching import Watched, watch_jobs

    if job and all:
        raise AnalysisError("jobs, and --all", "one of them", "leave one out")
    if job:
        pairs = [job_of(name, analysis, group) for name in job]
    else:
        chosen = analyses_of(analysis, group) if all else [analysis_of(analysis, group)]
        pairs = open_jobs(chosen)
    several = len({one.name for one, _ in pairs}) > 1
    titles: dict[str, Watched] = {}
    for one, handle in pairs:
        title = f"{one.name}/{handle.timestamp}" if several else handle.timestamp
        titles[title] = Watched(one.name, handle)
    if not titles and not json:
        note(f"no job is open; `{typed('jobs')}` lists those that have ended")
    states = _watched(titles, watch_jobs, until_first, bell, timeout, json)
    if json:
        say(as_json([
            {"analysis": titles[title].analysis, "job": state.timestamp, "state": state.outcome,
             "datasets": len(state.datasets), "failed": sum(one.state == "FAILED" for one in state.datasets),
             "why": state.why, "end": state.end}
            for title, state in states.items()
        ]))  # fmt: skip
    failed = [title for title, state in states.items() if state.finished and not state.succeeded]
    if failed:
        jobs_ = f"{len(failed)} of {len(states)} jobs" if len(states) > 1 else f"job {failed[0]}"
        text = f"{jobs_} failed; `{typed('explain', failed[0])}` says why"
        raise Ended("" if json else text, code=1)


def _watched(
    titles: dict[str, Any], look: Callable[..., Any], until_first: bool, bell: bool, timeout: int, json: bool
) -> dict[str, Any]:
    from neurocaas.view import board

    try:
        if json:
            return dict(look(titles, lambda title, state, ended: None, until_first, timeout or None))
        with board(brief=True) as shown:

            def show(title: str, state: Any, ended: bool) -> None:
                shown.show(title, state)
                if ended:
                    shown.tell(f"{title} has ended: {state.outcome}  {state.counts}  {state.why}", bell=bell)

            return dict(look(titles, show, until_first, timeout or None))
    except KeyboardInterrupt:
        raise Ended(f"the jobs go on: `{typed('watch')}` shows those that are open", code=130) from None


@command(help={**JOB, **JSON, "follow": "Stay until the job has ended."})
def cancel(job: str, analysis: str = "", group: str = "", follow: bool = False, json: bool = False) -> None:
    """End a job: its machines stop, and what they have so far is kept.

    Only the time that they ran is paid.
    """
    _, handle = job_of(job, analysis, group)
    state = handle.status()
    if state.finished:
        raise AnalysisError(
            f"job {handle.timestamp} has ended already: {_ended(state)}",
            "a job that runs",
            "nothing is to be done",
        )
    request = handle.cancel()
    if not json:
        say(f"asked to end job {handle.timestamp}: {request}")
    state = follow_job(handle, quiet=json) if follow else None
    if json:
        ended = {"state": state_facts(state)} if state else {}
        say(as_json({"job": handle.timestamp, "request": request, **ended}))


def _ended(state: Any) -> str:
    return str(state.ending or state.phase)


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
        tell(line)


@command(help={**JOB, **JSON, "follow": "Stay, and show what happens until the job ends."})
def events(job: str, analysis: str = "", group: str = "", follow: bool = False, json: bool = False) -> None:
    """Show what has happened to a job, in order: machines, waits, failures, its end.

    Kept for as long as the job's records are.
    """
    from neurocaas.history import event_lines, job_events, which

    _, handle = job_of(job, analysis, group)
    shown = set[Any]()

    def show(_: Any) -> None:
        fresh = [one for one in job_events(handle) if which(one) not in shown]
        shown.update(map(which, fresh))
        for line in event_lines(fresh):
            tell(line)

    state = handle.status()
    if json:
        every = job_events(handle)
        say(as_json([{"time": one.time, "event": one.event, "text": one.text, **one.facts} for one in every]))
        return
    show(state)
    if follow and not state.finished:
        try:
            handle.follow(show)
        except KeyboardInterrupt:
            raise Ended(goes_on(handle.timestamp), code=130) from None
    elif not shown:
        note("nothing is written down: the job is older than its service's events, or has only just come")


COMMANDS = (jobs, watch, follow, status, events, logs, cancel, explain)
