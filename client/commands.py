"""The analyst's commands: thin over `client.Analysis`.

Exit codes: 0; 1: a job failed, a rerun differs; 2: a mistake in what was asked."""

import json
import os
import sys
from dataclasses import asdict, is_dataclass
from typing import Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

BUCKET, GROUP = "NEUROCAAS_BUCKET", "NEUROCAAS_GROUP"
_WHERE = {"bucket": f"The analysis's bucket (its name). Default: ${BUCKET}.", "group": f"Your group. Default: ${GROUP}."}
_JOB = {**_WHERE, "job": "The job's timestamp, or 'last'."}
_JSON = {"json": "One JSON document."}
_DATA = {
    "data": "A file to upload and analyse. May be given several times.",
    "key": "A dataset that is in the bucket already (GROUP/inputs/…). May be given several times.",
    "config": "The config: a file here, or a key in the bucket (GROUP/configs/…).",
    "instance-type": "Another machine than the analysis's default.",
}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")


@task(
    iterable=["data", "key"],
    help={
        **_WHERE,
        **_DATA,
        "timestamp": "The job's name; the time of now when left out.",
        "follow": "Stay, and show the job until it ends.",
        "forecast": "Show first what it will take and cost (standard error). On by default; --no-forecast leaves it out.",
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
    forecast: bool = True,
) -> None:
    """Show the forecast, upload data, submit it, and print the job's timestamp."""
    from client.analysis import new_timestamp, now

    analysis = _analysis(bucket, group)
    if forecast:
        for line in _forecast(analysis, data, key, config, instance_type).lines():
            _note(line)
    stamp = timestamp or new_timestamp(now())
    keys = [*key, *(analysis.upload(data) if data else [])]
    handle = analysis.submit(keys, _configname(analysis, config, stamp), stamp, instance_type or None)
    _say(handle.timestamp)
    if follow:
        _follow(handle)


@task(iterable=["data", "key"], help={**_WHERE, **_DATA, **_JSON})
def forecast(
    c: Context,
    data: list[str],
    key: list[str],
    bucket: str = "",
    group: str = "",
    config: str = "",
    instance_type: str = "",
    json: bool = False,
) -> None:
    """Show what a submission would take and cost, and what is left of the budget. Nothing is uploaded."""
    found = _forecast(_analysis(bucket, group), data, key, config, instance_type)
    _say(
        _as_json({**asdict(found), "usd": found.usd, "usd_p50": found.usd_p50, "usd_p90": found.usd_p90})
        if json
        else "\n".join(found.lines())
    )


@task(help={**_WHERE, **_JSON, "limit": "So many, the last by name; 0: all.", "names": "Only the names: a thousand in one request."})
def jobs(c: Context, bucket: str = "", group: str = "", limit: int = 20, names: bool = False, json: bool = False) -> None:
    """List the group's jobs with their outcomes."""
    analysis = _analysis(bucket, group)
    every = analysis.jobs()
    shown = every[-limit:] if limit > 0 else every
    found = [(stamp, None) for stamp in shown] if names else analysis.outcomes(shown)
    if json:
        _say(_as_json([{"job": stamp} if end is None else {"job": stamp, "end": end} for stamp, end in found]))
        return
    for stamp, end in found:
        _say(stamp if end is None else f"{stamp}  {end or 'open'}")
    if len(every) > len(found):
        _note(f"{len(found)} of {len(every)} jobs; --limit 0 shows all")


@task(help={**_JOB, "timeout": "Stop following after so many seconds (the job goes on)."})
def follow(c: Context, job: str, bucket: str = "", group: str = "", timeout: int = 0) -> None:
    """Show a job until it ends. Exit code 1 when a dataset failed or the submission was refused."""
    _follow(_handle(bucket, group, job), timeout or None)


@task(help={**_JOB, **_JSON})
def status(c: Context, job: str, bucket: str = "", group: str = "", json: bool = False) -> None:
    """Show a job as it is now, with its certificate. Exit code 1 when it has failed."""
    handle = _handle(bucket, group, job)
    state = handle.status()
    if json:
        _say(_as_json({**asdict(state), "finished": state.finished, "succeeded": state.succeeded}))
    else:
        from client.view import Changes

        _say(handle.answer().rstrip() or "no certificate yet")
        for line in Changes().lines(handle.timestamp, state):
            _say(line)
    if state.finished and not state.succeeded:
        raise Exit(code=1)


@task(
    iterable=["dataset"],
    help={**_JOB, "follow": "Stay, and show new lines until the job ends.", "dataset": "Only this one. May be given several times.",
          "stderr": "Only what went to standard error."},
)  # fmt: skip
def logs(c: Context, job: str, dataset: list[str], bucket: str = "", group: str = "", follow: bool = False, stderr: bool = False) -> None:
    """Print what the scripts of a job have printed, each line after the name of its dataset when there are several."""
    from client.logs import STREAMS, LogReader

    handle = _handle(bucket, group, job)
    reader = LogReader(handle, dataset, ("stderr",) if stderr else STREAMS)
    several = len(dataset) != 1 and len(handle.job().datasets) > 1

    def show(lines: Any) -> None:
        for line in lines:
            (sys.stderr if line.stream == "stderr" and not stderr else sys.stdout).write(
                f"{line.dataset}: {line.text}\n" if several else f"{line.text}\n"
            )
        sys.stdout.flush()

    show(reader.full())
    if follow:
        handle.follow(lambda _: show(reader.fresh()))


@task(help={**_JOB, **_JSON, "to": "The folder for the results; made when missing.", "no-logs": "Only the results, without the logs."})
def results(
    c: Context, job: str, bucket: str = "", group: str = "", to: str = "results", no_logs: bool = False, json: bool = False
) -> None:
    """Copy a job's results and logs to a folder here, checked by their digests. An interrupted copy is continued."""
    files = _handle(bucket, group, job).fetch(to, logs=not no_logs)
    if json:
        _say(_as_json(files))
        return
    for one in files:
        _say(f"{to}/{one.path}  {one.size} bytes  {'was there' if one.kept else 'checked: ' + one.checked}")
    _say(f"{len(files)} files in {to}/; their SHA-256 are in {to}/manifest.json")


@task(help={**_JOB, "follow": "Stay until the job has ended."})
def cancel(c: Context, job: str, bucket: str = "", group: str = "", follow: bool = False) -> None:
    """End a job: its machines stop, what they have so far is kept, and only the time that they ran is paid."""
    handle = _handle(bucket, group, job)
    _say(f"asked for it: {handle.cancel()}")
    if follow:
        state = handle.follow(lambda _: None)
        _say(f"{handle.timestamp}  {state.phase}  {state.end}")


@task(help={**_JOB, **_JSON})
def explain(c: Context, job: str, bucket: str = "", group: str = "", json: bool = False) -> None:
    """Say in one sentence why a job waits or failed, on what evidence, and what to do."""
    from client.explain import explain as why

    analysis = _analysis(bucket, group)
    found = why(analysis.evidence(_handle(bucket, group, job)))
    if json:
        _say(_as_json(found))
        return
    _say(found.sentence)
    for line in found.evidence:
        _say(f"  because: {line}")
    if found.fix:
        _say(f"  do: {found.fix}")


@task(
    help={**_WHERE, **_JSON, "certificate": "A certificate.json on this computer, or the timestamp of a job that has ended.",
          "timestamp": "The new job's name; the time of now when left out.", "anyway": "Even if another image or code is deployed by now."},
)  # fmt: skip
def rerun(
    c: Context, certificate: str, bucket: str = "", group: str = "", timestamp: str = "", anyway: bool = False, json: bool = False
) -> None:
    """Run a job again and compare its outputs: identical, within a stated tolerance, or different (exit code 1)."""
    from client import Analysis
    from client import rerun as again

    named = os.path.isfile(certificate)
    of = again.original(certificate, None if named else _analysis(bucket, group))
    analysis = Analysis(bucket or of.bucket, group or of.group)
    about = analysis.about()
    notes = again.differences(of, about) if anyway else again.check(of, about)
    handle = again.submit(of, analysis, timestamp or None)
    _note(f"job {handle.timestamp} runs {of.timestamp} again")
    state = handle.follow(lambda _: None)
    if state.phase != "DONE":
        raise Exit(f"job {handle.timestamp} was refused: {state.end}\n{handle.answer().rstrip()}", code=1)
    verdicts, changed = again.judge(of, handle, about)
    done = again.Rerun(of.timestamp, handle.timestamp, state.end, tuple(verdicts), (*notes, *changed))
    _say(_as_json({**asdict(done), "reproduced": done.reproduced}) if json else "\n".join(again.lines(done)))
    if not done.reproduced:
        raise Exit(code=1)


def _analysis(bucket: str, group: str) -> Any:
    from client import Analysis, AnalysisError

    bucket, group = bucket or os.environ.get(BUCKET, ""), group or os.environ.get(GROUP, "")
    missing = [f"--{name}" for name, value in (("bucket", bucket), ("group", group)) if not value]
    if missing:
        raise AnalysisError(
            f"no {' and no '.join(missing)}",
            "an analysis's bucket and your group in it",
            f"say which: --bucket NAME --group NAME, or set {BUCKET} and {GROUP}",
        )
    return Analysis(bucket, group)


def _handle(bucket: str, group: str, job: str) -> Any:
    from client import AnalysisError

    analysis = _analysis(bucket, group)
    if job == "last":
        every = analysis.jobs()
        if not every:
            raise AnalysisError(
                f"group {analysis.group} has no job in bucket {analysis.bucket}",
                "a job that was submitted",
                "submit one: `invoke submit --help`",
            )
        job = every[-1]
    return analysis.job(job)


def _configname(analysis: Any, config: str, stamp: str) -> Any:
    """The config's key in the bucket: what was named, or the file uploaded under a name of the job's own."""
    from pathlib import Path

    if not config:
        return {}
    if config.startswith(f"{analysis.group}/") and not Path(config).exists():
        return config
    return analysis.upload_config(config, f"{stamp}_{Path(config).name}")


def _forecast(analysis: Any, data: list[str], key: list[str], config: str, instance_type: str) -> Any:
    from pathlib import Path

    sizes = [path.stat().st_size if path.is_file() else None for path in map(Path, data)]
    return analysis.forecast([*analysis.sizes(key), *sizes], minutes=analysis.duration(config), instance_type=instance_type or None)


def _follow(handle: Any, timeout: float | None = None) -> None:
    from client.view import board

    with board() as shown:
        state = handle.follow(lambda now: shown.show(handle.timestamp, now), timeout=timeout)
    if not state.succeeded:
        raise Exit(f"job {handle.timestamp}: {state.end or state.phase}\n{handle.answer().rstrip()}", code=1)


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, default=lambda one: asdict(one) if is_dataclass(one) and not isinstance(one, type) else str(one))


collection = Collection(submit, forecast, jobs, status, follow, logs, results, cancel, explain, rerun)
