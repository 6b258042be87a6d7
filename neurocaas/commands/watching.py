"""The commands about folders that the service watches: thin over `neurocaas.watches`."""

from typing import TYPE_CHECKING, Any

from neurocaas.commands.command import command
from neurocaas.commands.speaking import JSON, WHERE, analysis_of, as_json, note, say
from neurocaas.errors import AnalysisError
from neurocaas.typed import command as typed

if TYPE_CHECKING:
    from neurocaas.watches import Seen


@command(
    help={
        **WHERE,
        "prefix": "A folder of the group's inputs: inputs/rig1/.",
        "config": "The config: a file here, or a key in the bucket (GROUP/configs/…).",
        "cap": "What its jobs may cost in a month at most: $20/month.",
        "quiet": "A dataset is complete when nothing of it has changed for so long.",
        "name": "The watch's name. Default: that of the folder.",
        "folders": "Each folder in it is a dataset, not each file.",
        "pattern": "Which files are datasets: *.nwb, or **/*.tif. Default: all.",
        "existing": "Analyse what is there already, too.",
        "until": "After so long it ends: 30d, 12w.",
        "instance-type": "Another machine than the analysis's default.",
    },
)
def watch_folder(
    prefix: str,
    analysis: str = "",
    group: str = "",
    config: str = "",
    cap: str = "",
    quiet: str = "10m",
    name: str = "",
    folders: bool = False,
    pattern: str = "",
    existing: bool = False,
    until: str = "30d",
    instance_type: str = "",
) -> None:
    """Have the service analyse new recordings of a folder as they arrive, in your name, up to a cap.

    Each dataset is analysed once, and a file once more when its content has changed. `neurocaas watches`
    shows what it does, and pauses or stops it.
    """
    from neurocaas import watches
    from neurocaas.timestamps import new_timestamp, now

    usd = watches.cap_of(cap)
    if not config:
        raise AnalysisError("no --config", "a config file", "name it: --config config.json")
    chosen = analysis_of(analysis, group)
    datasets = "folders" if folders else "files"
    more: dict[str, Any] = {"cap_usd": usd, "quiet": quiet, "datasets": datasets, "pattern": pattern}
    more |= {"until": until, "instance_type": instance_type, "existing": existing or None}
    stem = name or watches.name_of(prefix)
    watches.wanted(chosen.group, prefix, f"{chosen.group}/configs/x.json", **more)
    key = chosen.job_config(config, f"{stem}_{new_timestamp(now())}")
    made = watches.ask(chosen, stem, watches.wanted(chosen.group, prefix, key, **more))
    _tell(stem, made is not None, f"is on: new recordings below {prefix} are analysed as they arrive")


@command(
    help={
        **WHERE,
        **JSON,
        "pause": "The name of a watch that starts nothing for now.",
        "resume": "The name of one that goes on, from now on in your name.",
        "stop": "The name of one that ends. Its jobs go on.",
    }
)
def watches(
    analysis: str = "",
    group: str = "",
    pause: str = "",
    resume: str = "",
    stop: str = "",
    json: bool = False,
) -> None:
    """List the folders that the service watches for your group, or pause, resume or stop one."""
    from neurocaas import watches as library

    chosen = analysis_of(analysis, group)
    asked = [(word, one) for word, one in (("paused", pause), ("on", resume), ("off", stop)) if one]
    if len(asked) > 1:
        raise AnalysisError("several of --pause, --resume and --stop", "one of them", "leave the others out")
    for state, one in asked:
        there = library.found(chosen.objects, chosen.group, one)
        wish = library.wish_again(there) if state == "on" else {"state": state}
        _tell(one, library.ask(chosen, one, wish) is not None, f"is {state}")
    seen = library.listed(chosen.objects, chosen.group)
    if json:
        say(
            as_json(
                {"schema_version": 1, "analysis": chosen.bucket, "watches": [_facts(one) for one in seen]}
            )
        )
        return
    if asked:
        return
    if not seen:
        do = f"{typed('watch-folder', 'inputs/FOLDER/')} --config FILE --cap $20/month"
        note(f"no folder is watched; `{do}` has one watched")
    for line in _lines(seen):
        say(line)


def _tell(name: str, answered: bool, what: str) -> None:
    note(f"watch {name} {what}" if answered else f"watch {name}: the service has not answered yet")


def _facts(one: "Seen") -> dict[str, Any]:
    watch, progress = one.watch, one.progress
    return {
        "name": watch.name,
        "state": watch.state,
        "says": one.says,
        "submitter": watch.submitter,
        "prefix": watch.prefix,
        "config": watch.configname,
        "datasets": watch.datasets,
        "pattern": watch.pattern,
        "quiet_seconds": watch.quiet,
        "cap_usd": watch.cap / 1e6,
        "committed_usd": progress.committed / 1e6 if progress else 0.0,
        "until": watch.until,
        "submitted": progress.submitted if progress else 0,
        "looked": progress.looked or None if progress else None,
    }


def _lines(seen: "list[Seen]") -> list[str]:
    from neurocaas.layout import cell, columns
    from neurocaas.protocol.units import money

    rows = [("name", "folder", "jobs", "this month", "cap", "by", "until", "state")] if seen else []
    for one in seen:
        watch, progress = one.watch, one.progress
        rows.append(
            (
                cell(watch.name),
                cell(watch.prefix),
                str(progress.submitted if progress else 0),
                money(progress.committed / 1e6) if progress else money(0),
                money(watch.cap / 1e6),
                cell(watch.submitter),
                watch.until[:10],
                cell(one.says),
            )
        )
    return columns(rows)


COMMANDS = (watch_folder, watches)
