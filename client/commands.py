"""`invoke submit`, `follow`, `fetch`, `job-status`: the analyst's commands. Thin over `client.Analysis`."""

import json
import sys
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

_WHERE = {"bucket": "The analysis's bucket (its name).", "group": "Your group."}
_JOB = {**_WHERE, "job": "The job's timestamp; the last one by name when left out."}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


@task(
    iterable=["data", "key"],
    help={
        **_WHERE,
        "data": "A file to upload and analyse. May be given several times.",
        "key": "A dataset that is in the bucket already (GROUP/inputs/…). May be given several times.",
        "config": "The config: a file here, or a key in the bucket (GROUP/configs/…).",
        "timestamp": "The job's name; the time of now when left out.",
        "instance-type": "Another machine than the analysis's default.",
        "follow": "Stay, and show the job until it ends.",
    },
)
def submit(
    c: Context,
    data: list[str],
    key: list[str],
    bucket: str = "",
    group: str = "",
    config: str = "",
    timestamp: str = "",
    instance_type: str = "",
    follow: bool = False,
) -> None:
    """Upload data, submit it, and print the job's timestamp."""
    from pathlib import Path

    analysis = _analysis(bucket, group)
    if not config:
        configname: Any = {}
    elif config.startswith(f"{group}/configs/") and not Path(config).exists():
        configname = config
    else:
        configname = analysis.upload_config(config)
    keys = [*key, *(analysis.upload(data) if data else [])]
    handle = analysis.submit(keys, configname, timestamp or None, instance_type or None)
    _say(handle.timestamp)
    if follow:
        _follow(handle)


@task(help={**_JOB, "timeout": "Stop following after so many seconds (the job goes on)."})
def follow(c: Context, bucket: str = "", group: str = "", job: str = "", timeout: int = 0) -> None:
    """Show a job until it ends. Exit code 1 when a dataset failed or the submission was refused."""
    _follow(_handle(bucket, group, job), timeout or None)


@task(help={**_JOB, "json": "One JSON object."})
def job_status(c: Context, bucket: str = "", group: str = "", job: str = "", json: bool = False) -> None:
    """Show a job as it is now, with its certificate."""
    handle = _handle(bucket, group, job)
    state = handle.status()
    if json:
        _say(_as_json(state))
        return
    from client.view import Changes

    _say(handle.certificate().rstrip())
    for line in Changes().lines(handle.timestamp, state):
        _say(line)


@task(help={**_JOB, "to": "The folder for the results; made when missing.", "json": "Print the files with their SHA-256 as JSON."})
def fetch(c: Context, bucket: str = "", group: str = "", job: str = "", to: str = "results", json: bool = False) -> None:
    """Copy a job's results and logs to a folder here."""
    from dataclasses import asdict
    from json import dumps

    files = _handle(bucket, group, job).fetch(to)
    if json:
        _say(dumps([asdict(one) for one in files], indent=2))
        return
    for one in files:
        _say(f"{to}/{one.path}  {one.size} bytes")
    _say(f"{len(files)} files in {to}/")


def _analysis(bucket: str, group: str) -> Any:
    from client import Analysis, AnalysisError

    missing = [f"--{name}" for name, value in (("bucket", bucket), ("group", group)) if not value]
    if missing:
        raise AnalysisError(
            f"no {' and no '.join(missing)}", "an analysis's bucket and your group in it", "say which: --bucket NAME --group NAME"
        )
    return Analysis(bucket, group)


def _handle(bucket: str, group: str, job: str) -> Any:
    from client import AnalysisError

    analysis = _analysis(bucket, group)
    if not job:
        jobs = analysis.jobs()
        if not jobs:
            raise AnalysisError(
                f"group {group} has no job in bucket {bucket}", "a job that was submitted", "submit one: `invoke submit --help`"
            )
        job = jobs[-1]
    return analysis.job(job)


def _follow(handle: Any, timeout: float | None = None) -> None:
    from client.view import board

    with board() as shown:
        state = handle.follow(lambda now: shown.show(handle.timestamp, now), timeout=timeout)
    if not state.succeeded:
        raise Exit(f"job {handle.timestamp}: {state.end or state.phase}\n{handle.certificate().rstrip()}", code=1)


def _as_json(state: Any) -> str:
    from dataclasses import asdict

    return json.dumps({**asdict(state), "finished": state.finished, "succeeded": state.succeeded}, indent=2)


collection = Collection(submit, follow, job_status, fetch)
