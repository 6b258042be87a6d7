"""The analyst's commands for whole days of work: jobs again, beside each other, and for others."""

from __future__ import annotations

from dataclasses import asdict

from neurocaas.commands.command import Ended, command
from neurocaas.commands.speaking import (
    JOB,
    JSON,
    WHERE,
    analysis_of,
    as_json,
    end_with,
    job_of,
    named_job,
    note,
    say,
)
from neurocaas.commands.speaking import follow as follow_job
from neurocaas.typed import command as typed


@command(
    help={
        **JOB,
        **JSON,
        "failed": "Only the datasets that have failed.",
        "config": "Another config than the job's: a file here, or a key in the bucket.",
        "timestamp": "The new job's name; the time of now when left out.",
        "follow": "Stay, and show the new job until it ends.",
    }
)
def resubmit(
    job: str,
    analysis: str = "",
    group: str = "",
    failed: bool = False,
    config: str = "",
    timestamp: str = "",
    follow: bool = False,
    json: bool = False,
) -> None:
    """Submit a job's datasets again as a new job, with its config: on the image and code of now."""
    from neurocaas.resubmits import again, datasets_of
    from neurocaas.steps import answered

    chosen, handle = job_of(job, analysis, group)
    datasets = datasets_of(handle, failed=failed)
    new = again(chosen, handle, datasets, config, timestamp, failed=failed)
    note(f"job {new.timestamp} has {_many(len(datasets), 'dataset')} of {handle.timestamp}")
    if not json:
        say(new.timestamp)
    state = follow_job(new, quiet=json) if follow else answered(new)
    if json:
        answer = None if state is None else "refused" if state.phase == "REJECTED" else "taken"
        say(as_json({"job": new.timestamp, "of": handle.timestamp, "datasets": datasets, "answer": answer}))
    if state is None:
        note(f"the service has not answered yet: `{typed('explain', new.timestamp)}` says why")
    else:
        end_with(chosen, new, state)


@command(help={**JOB, **JSON, "other": "The other job of the analysis, or ANALYSIS/JOB of another."})
def compare(job: str, other: str, analysis: str = "", group: str = "", json: bool = False) -> None:
    """Show how two jobs differ: parameters, versions, inputs, and outputs. Exit code 1 when they do."""
    from neurocaas.compare import IDENTICAL
    from neurocaas.job_compare import compare_jobs
    from neurocaas.layout import table

    chosen, first = job_of(job, analysis, group)
    second = chosen.find(other) if "/" not in other else job_of(other, "", group)[1]
    found = compare_jobs(first, second, chosen.about())
    if json:
        say(as_json({**asdict(found), "differ": found.differ}))
    else:
        rows = [[one.kind, one.name, one.first, one.second] for one in found.differences]
        for line in table(["", "name", found.first, found.second], [[r[0] or " ", *r[1:]] for r in rows]):
            say(line)
        outputs = [
            ["output", one.path, one.outcome, one.detail] for one in found.outputs if one.outcome != IDENTICAL
        ]
        for line in table(["", "path", "outcome", "detail"], outputs):
            say(line)
        same = sum(one.outcome == IDENTICAL for one in found.outputs)
        inputs = "" if rows else "parameters, versions and inputs are the same; "
        say(f"{inputs}{same} of {_many(len(found.outputs), 'output')} identical")
        for name in found.open:
            note(f"job {name} has not ended: what it has written so far was compared")
    if found.differ:
        raise Ended(code=1)


@command(help={**JOB, **JSON})
def share(job: str, analysis: str = "", group: str = "", json: bool = False) -> None:
    """Say who can see a job, and what a colleague types to get it. Nothing is made public."""
    chosen, name = named_job(job, analysis, group)
    handle = chosen.find(name)
    record = handle.job()
    where = f"{record.analysis}/{handle.timestamp} --group {chosen.group}"
    bucket, keys = handle.results_place()
    facts = {
        "job": handle.timestamp,
        "analysis": record.analysis,
        "group": chosen.group,
        "results": f"s3://{bucket}/{keys.prefix}",
        "seen_by": [
            f"every member of the group {chosen.group}",
            f"the machines of later jobs of the group {chosen.group}",
            "administrators of the account",
        ],
        "commands": [f"neurocaas status {where}", f"neurocaas results {where}"],
        "outside": (
            f"nobody else can see it: an administrator adds a person to {chosen.group} in groups.yaml, or "
            "you send the folder that `neurocaas results` makes (its manifest.json has the digests)"
        ),
    }
    if bucket != handle.bucket:
        facts["seen_by"].append(f"whoever may read the bucket {bucket}, which the submission named")
    if json:
        say(as_json(facts))
        return
    say(f"job {handle.timestamp} of {record.analysis} can be seen by")
    for one in facts["seen_by"]:
        say(f"  {one}")
    say("a colleague in the group types")
    for one in facts["commands"]:
        say(f"  {one}")
    say(facts["outside"])


@command(
    help={**WHERE, **JSON, "discard": "Give them up: what was sent of them is deleted."},
)
def uploads(analysis: str = "", group: str = "", discard: bool = False, json: bool = False) -> None:
    """List uploads that were begun on this computer and not ended: the same submission goes on with them."""
    from neurocaas.kept_uploads import give_up, unfinished
    from neurocaas.layout import table
    from neurocaas.protocol.units import size

    chosen = analysis_of(analysis, group)
    found = [
        one for one in unfinished() if one.bucket == chosen.bucket and one.key.startswith(f"{chosen.group}/")
    ]
    if discard:
        for one in found:
            give_up(chosen.s3, one)
    if json:
        names = ("key", "file", "size", "begun", "parts", "of")
        say(as_json([{name: getattr(one, name) for name in names} for one in found]))
        return
    rows = [[one.file, size(one.size), f"{one.parts} of {one.of}", one.begun] for one in found]
    for line in table(["file", "size", "parts sent", "begun"], rows, right=["size"]):
        say(line)
    if not found:
        say("no upload was begun on this computer and not ended")
    elif discard:
        say("given up: what was sent of them is deleted")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


COMMANDS = (resubmit, compare, share, uploads)
