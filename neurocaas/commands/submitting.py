"""The commands that start jobs: thin over `neurocaas.Analysis`."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurocaas.commands.command import Ended, command
from neurocaas.commands.speaking import JSON, WHERE, analysis_of, as_json, end_with, note, say
from neurocaas.commands.speaking import follow as follow_job

if TYPE_CHECKING:
    from neurocaas.analysis import Analysis
    from neurocaas.checks import Wish
    from neurocaas.forecast import Forecast

_DATA = {
    "data": (
        "A file or a folder to upload and analyse. Nothing that is there is replaced. May be given several "
        "times."
    ),
    "key": (
        "A dataset in the bucket (GROUP/inputs/…), or in a registered outside bucket (s3://…). May be given "
        "several times."
    ),
    "config": (
        "The config: a file here, a key in the bucket (GROUP/configs/…), or s3://… beside data of an "
        "outside bucket."
    ),
    "instance-type": "Another machine than the analysis's default.",
}


@command(
    starts=True,
    lists=["data", "key"],
    help={
        **WHERE,
        **_DATA,
        **JSON,
        "timestamp": "The job's name; the time of now when left out.",
        "resultpath": "A folder s3://… of a registered outside bucket that gets the results.",
        "follow": "Stay, and show the job until it ends.",
        "forecast": (
            "Show first what it will take and cost (standard error). On by default; --no-forecast leaves it "
            "out."
        ),
        "yes": "Do not ask. Without a terminal nothing is asked.",
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
    follow: bool = False,
    forecast: bool = True,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Show the forecast, upload data, submit it, and print the job's timestamp."""
    from neurocaas.analysis import new_timestamp, now
    from neurocaas.checks import Wish

    chosen = analysis_of(analysis, group)
    foreseen = _forecast(chosen, Wish(data, key, config, timestamp, instance_type))
    if forecast:
        for line in foreseen.lines():
            note(line)
        if not yes and sys.stdin.isatty() and sys.stderr.isatty():
            _ask()
    stamp = timestamp or new_timestamp(now())
    keys = [*key, *(chosen.upload(data) if data else [])]
    configname = _configname(chosen, config, stamp)
    handle = chosen.submit(keys, configname, stamp, instance_type or None, resultpath or None)
    if not json:
        say(handle.timestamp)
    state = follow_job(handle, quiet=json, typical=foreseen.p50) if follow else None
    if json:
        submitted = {"job": handle.timestamp, "submission": handle.submission_key, "datasets": keys}
        submitted |= {"config": configname, "forecast": _facts(foreseen)}
        say(as_json({**submitted, "state": state} if state else submitted))
    if state:
        end_with(chosen, handle, state)


@command(starts=True, lists=["data", "key"], help={**WHERE, **_DATA, **JSON})
def forecast(
    data: list[str],
    key: list[str],
    analysis: str = "",
    group: str = "",
    config: str = "",
    instance_type: str = "",
    json: bool = False,
) -> None:
    """Show what a submission would take and cost, and what is left of the budget. Nothing is uploaded."""
    from neurocaas.checks import Wish

    wish = Wish(data, key, config, instance_type=instance_type)
    found = _forecast(analysis_of(analysis, group), wish, submits=False)
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


def _ask() -> None:
    """Exit unless the person at the terminal says yes."""
    sys.stderr.write("submit? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Ended("nothing was uploaded or submitted", code=1)


def _configname(analysis: Any, config: str, stamp: str) -> Any:
    """The config's key in the bucket: what was named, or what was uploaded under a name of the job's own."""
    if config and not Path(config).is_file():
        return config
    return (
        analysis.upload_config(config, f"{stamp}_{Path(config).name}")
        if config
        else analysis.upload_config({}, f"{stamp}_config.json")
    )


def _forecast(analysis: "Analysis", wish: "Wish", *, submits: bool = True) -> "Forecast":
    """The forecast of a submission that has nothing wrong that can be seen from here."""
    from neurocaas.checks import check

    checked = check(wish, analysis.about(), analysis.objects, analysis.group, submits=submits)
    config, sizes = checked.config, [*analysis.sizes(wish.keys), *checked.sizes]
    for text in config.notes if config else ():
        note(f"note: {text}")
    machines = sizes * (config.members or 1) if config else sizes
    minutes = config.duration_minutes if config else analysis.duration(wish.config)
    return analysis.forecast(
        machines,
        minutes=minutes,
        instance_type=wish.instance_type or None,
        dataset_size_gib=config.dataset_size_gib if config else 0,
    )


def _facts(found: "Forecast") -> dict[str, Any]:
    return {
        **asdict(found),
        "usd": found.usd,
        "usd_p50": found.usd_p50,
        "usd_p90": found.usd_p90,
    }


COMMANDS = (submit, forecast, rerun)
