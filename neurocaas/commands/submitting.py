"""The commands that start jobs: thin over `neurocaas.Analysis`."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from neurocaas.commands.choosing import BIDS, bids_trees, tree_lines
from neurocaas.commands.command import Ended, command
from neurocaas.commands.speaking import JSON, WHERE, analysis_of, as_json, end_with, note, say, state_facts
from neurocaas.commands.speaking import follow as follow_job
from neurocaas.commands.sweeping import SWEEP, in_one_job, submit_sweep, sweep_note, swept_config
from neurocaas.errors import AnalysisError
from neurocaas.protocol.chain import waited_for
from neurocaas.typed import command as typed

if TYPE_CHECKING:
    from neurocaas.analysis import Analysis
    from neurocaas.checks import Wish
    from neurocaas.forecast import Forecast
    from neurocaas.formats.file_tree import FileTree
    from neurocaas.job import JobHandle
    from neurocaas.states import JobState
    from neurocaas.steps import SubmissionPlan, UploadedData

_DATA = {
    "data": (
        "A file or a folder to upload and analyse. Nothing that is there is replaced. May be given several "
        "times."
    ),
    "key": (
        "A dataset in the bucket (GROUP/inputs/…), in a registered outside bucket (s3://…), or in the world "
        "where the analysis allows it (dandi://…, https://…). May be given several times."
    ),
    "config": (
        "The config: a file here, a key in the bucket (GROUP/configs/…), or s3://… beside data of an "
        "outside bucket."
    ),
    "instance-type": "Another machine than the analysis's default.",
}


@command(
    starts=True,
    lists=["data", "key", "sweep"],
    help={
        **WHERE,
        **_DATA,
        **BIDS,
        **SWEEP,
        **JSON,
        "manifest": (
            "A file that lists the datasets (.txt: a key a line; .csv: a column 'dataset', others are "
            "parameters of each), here or in the bucket."
        ),
        "each": "Each file of a folder is a dataset, not the folder.",
        "timestamp": "The job's name; the time of now when left out.",
        "after": (
            "A job that is waited for, ANALYSIS/JOB of another analysis: --key process_results/*.csv are its "
            "results."
        ),
        "after-when": "success (the default): it must have succeeded; ended: whatever has become of it.",
        "run": (
            "as-budget-allows: start what the budget can pay now, the rest as reservations are released. By "
            "default all is paid before anything starts."
        ),
        "wait-up-to": (
            "How long the job may wait for machines or budget (30m, 4h, 2d); a quarter of an hour when left "
            "out."
        ),
        "resultpath": "A folder s3://… of a registered outside bucket that gets the results.",
        "follow": "Stay, and show the job until it ends.",
        "wait": (
            "Wait for the service's answer, which comes within seconds. On by default; --no-wait leaves it "
            "out."
        ),
        "dry-run": "Check everything, show what would be uploaded and submitted, and stop there.",
        "forecast": (
            "Show first what it will take and cost (standard error). On by default; --no-forecast leaves it "
            "out."
        ),
        "yes": "Do not ask. Without a terminal nothing is asked.",
        "again": "Do not look whether a job of the group has done the same work already.",
        "reuse": "When a job of the group has done the same work, print its name and submit nothing.",
    },
)
def submit(
    data: list[str],
    key: list[str],
    analysis: str = "",
    group: str = "",
    config: str = "",
    timestamp: str = "",
    instance_type: str = "",
    resultpath: str = "",
    after: str = "",
    after_when: str = "",
    run: str = "",
    wait_up_to: str = "",
    follow: bool = False,
    wait: bool = True,
    forecast: bool = True,
    dry_run: bool = False,
    each: bool = False,
    sweep: Sequence[str] = (),
    sweep_file: str = "",
    bids: str = "",
    participants: str = "",
    session: str = "",
    include: str = "",
    manifest: str = "",
    yes: bool = False,
    again: bool = False,
    reuse: bool = False,
    json: bool = False,
) -> None:
    """Check everything, upload data, submit it, and print the job's name once the service has taken it."""
    from neurocaas import dry_run as rehearsal
    from neurocaas.checks import Wish
    from neurocaas.data_folders import expanded
    from neurocaas.progress import SILENT, shown
    from neurocaas.steps import submitted, uploaded

    chosen = analysis_of(analysis, group)
    trees = _trees(chosen, bids, participants, session, include)
    wish = Wish(
        expanded(data),
        key,
        config,
        timestamp,
        instance_type,
        resultpath,
        trees,
        each=each,
        after=after,
        after_when=after_when,
        run=run,
        wait=wait_up_to,
        manifest=manifest,
    )
    if manifest and (data or key or trees or after):
        raise AnalysisError(
            "--manifest and other data", "one of them", "name all datasets in the manifest, or none"
        )
    if (sweep or sweep_file) and in_one_job(chosen):
        wish = replace(wish, config=swept_config(chosen, config, sweep, sweep_file))
    elif sweep or sweep_file:
        told_first = {"dry_run": dry_run, "forecast": forecast, "yes": yes}
        submit_sweep(chosen, wish, sweep, sweep_file, **told_first, json=json)
        return
    plans = _planned(chosen, [wish])
    if forecast:
        for line in plans[0].forecast.lines():
            note(line)
    else:
        for line in plans[0].forecast.warnings:
            note(line)
    earlier = "" if again else _same_work(chosen, plans[0])
    if earlier and reuse:
        say(as_json({"job": earlier, "reused": True}) if json else earlier)
        return
    if dry_run:
        if json:
            (facts,) = rehearsal.facts(plans, chosen.group)
            foreseen = _facts(plans[0].forecast)
            say(as_json({"dry_run": True, **facts, "forecast": foreseen, "same_as": earlier or None}))
            return
        for line in (*tree_lines(trees), *rehearsal.lines(plans, chosen.group)):
            say(line)
        return
    if forecast and not yes and sys.stdin.isatty() and sys.stderr.isatty():
        _ask(plans[0], earlier)
    with shown() as progress:
        (sent,) = uploaded(chosen, plans, SILENT if json else progress)
    handle = submitted(chosen, plans[0], sent)
    if not json:
        say(handle.timestamp)
    state = _answer(chosen, handle, plans[0], wait=wait, follow=follow, quiet=json)
    if json:
        facts = _submitted_facts(handle, plans[0], sent, state, follow=follow)
        say(as_json({**facts, "same_as": earlier or None}))
    if state:
        end_with(chosen, handle, state)


@command(starts=True, lists=["data", "key"], help={**WHERE, **_DATA, **BIDS, **JSON})
def forecast(
    data: list[str],
    key: list[str],
    analysis: str = "",
    group: str = "",
    config: str = "",
    instance_type: str = "",
    bids: str = "",
    participants: str = "",
    session: str = "",
    include: str = "",
    json: bool = False,
) -> None:
    """Show what a submission would take and cost, and what is left of the budget. Nothing is uploaded."""
    from neurocaas.checks import Wish

    chosen = analysis_of(analysis, group)
    trees = _trees(chosen, bids, participants, session, include)
    wish = Wish(data, key, config, instance_type=instance_type, trees=trees)
    (plan,) = _planned(chosen, [wish], submits=False)
    _same_work(chosen, plan)
    found = plan.forecast
    say(as_json(_facts(found)) if json else "\n".join(found.lines()))


@command(
    help={**WHERE, **JSON,
        "certificate": "A certificate.json on this computer or in S3 (s3://…), or a job that has ended.",
          "timestamp": "The new job's name; the time of now when left out.",
          "anyway": "With the image, the code and the inputs of now, where those of then cannot be had."},
)  # fmt: skip
def rerun(
    certificate: str,
    analysis: str = "",
    group: str = "",
    timestamp: str = "",
    anyway: bool = False,
    json: bool = False,
) -> None:
    """Run a job again and compare outputs: identical, within a tolerance, or different (exit code 1)."""
    from neurocaas import Analysis
    from neurocaas import rerun as again

    elsewhere = os.path.isfile(certificate) or certificate.startswith("s3://")
    of = again.original(certificate, None if elsewhere else analysis_of(analysis, group))
    chosen = Analysis(analysis or of.bucket, group or of.group)
    about = chosen.about()
    prepared = again.prepare(of, chosen, about, timestamp or None, anyway=anyway)
    handle = again.submit(of, chosen, prepared)
    note(f"job {handle.timestamp} runs {of.timestamp} again")
    state = follow_job(handle, quiet=json, out=sys.stderr)
    if state.phase != "DONE":
        end_with(chosen, handle, state)
    verdicts, more = again.judge(of, handle, about, prepared.names)
    done = again.Rerun(of.timestamp, handle.timestamp, state.end, tuple(verdicts), (*prepared.notes, *more))
    say(as_json({**asdict(done), "reproduced": done.reproduced}) if json else "\n".join(again.lines(done)))
    if not done.reproduced:
        raise Ended(code=1)


def _trees(
    analysis: "Analysis", bids: str, participants: str, session: str, include: str
) -> "tuple[FileTree, ...]":
    ignore = analysis.about().ignore if bids else ()
    return bids_trees(bids, participants, session, include, ignore)


def _same_work(analysis: "Analysis", plan: "SubmissionPlan") -> str:
    """The job of the group that has done the same already, said on standard error; "" for none."""
    from neurocaas.same_work import same_as

    earlier = same_as(analysis, plan)
    if earlier:
        what = "the same code, image, config and data"
        note(f"job {earlier} has done this work ({what}): `{typed('results', earlier)}` fetches its results")
    return earlier


def _ask(plan: "SubmissionPlan", earlier: str) -> None:
    """Exit unless the person at the terminal says yes."""
    config = plan.checked.config
    swept = config is not None and config.combinations
    what = f"submit {plan.forecast.datasets} runs" if swept else "submit"
    sys.stderr.write(f"{what}{' all the same' if earlier else ''}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Ended("nothing was uploaded or submitted", code=1)


def _answer(
    analysis: "Analysis",
    handle: "JobHandle",
    plan: "SubmissionPlan",
    *,
    wait: bool,
    follow: bool,
    quiet: bool,
) -> "JobState | None":
    """The job's state once it has ended (`follow`), or once the service has answered (`wait`); None when
    neither was waited for, or no answer came."""
    from neurocaas.steps import answered

    if follow:
        ended: JobState = follow_job(handle, quiet=quiet, typical=plan.forecast.p50, analysis=analysis)
        return ended
    if not wait:
        return None
    try:
        state = answered(
            handle,
            waiting=lambda: note("waiting for the service's answer"),
            taken=lambda: bool(plan.wish.after and waited_for(handle.answer())),
        )
    except KeyboardInterrupt:
        raise Ended(
            f"job {handle.timestamp} is submitted: {_next(handle, 'status')} says more", 130
        ) from None
    if state is None:
        note(f"the service has not answered yet: {_next(handle, 'explain')} says why")
    elif state.phase == "SUBMITTED":
        note(f"the service has taken it: it waits for job {plan.wish.after} to end")
    elif state.phase != "REJECTED":
        note(f"the service has taken it: {_next(handle, 'follow')} shows it")
    return state


def _next(handle: "JobHandle", command: str) -> str:
    return f"`{typed(command, handle.timestamp)}`"


def _submitted_facts(
    handle: "JobHandle",
    plan: "SubmissionPlan",
    sent: "UploadedData",
    state: "JobState | None",
    *,
    follow: bool,
) -> dict[str, Any]:
    """`answer`: taken, refused, or null where none was waited for or came."""
    answer = None if state is None else "refused" if state.phase == "REJECTED" else "taken"
    facts = {
        "job": handle.timestamp,
        "submission": handle.submission_key,
        "datasets": sent.keys,
        "config": sent.configname,
        "forecast": _facts(plan.forecast),
        "answer": answer,
    }
    return {**facts, "state": state_facts(state)} if follow else facts


def _planned(
    analysis: "Analysis", wishes: "Sequence[Wish]", *, submits: bool = True
) -> "list[SubmissionPlan]":
    """The plans, and on standard error what the authors of the configs may not have meant."""
    from neurocaas.steps import planned

    plans = planned(analysis, wishes, submits=submits)
    notes = [text for plan in plans if plan.checked.config for text in plan.checked.config.notes]
    for text in dict.fromkeys(notes):
        note(f"note: {text}")
    for plan in plans:
        if plan.checked.config and plan.checked.config.combinations:
            note(sweep_note(plan.checked.config, len(plan.checked.sizes)))
    return plans


def _facts(found: "Forecast") -> dict[str, Any]:
    out, facts = found.ways_out, asdict(found)
    del facts["times"]
    return {
        **facts,
        "ways_out": asdict(out) if out else None,
        "usd": found.usd,
        "usd_p50": found.usd_p50,
        "usd_p90": found.usd_p90,
    }


COMMANDS = (submit, forecast, rerun)
