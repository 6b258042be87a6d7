"""The analyst's commands that fetch results."""

from pathlib import Path
from typing import Any

from neurocaas.commands.command import command
from neurocaas.commands.speaking import JOB, JSON, as_json, job_of, note, say
from neurocaas.commands.sweeping import fetch_sweep, sweep_of


@command(
    lists=["only", "without", "dataset"],
    help={
        **JOB,
        **JSON,
        "to": "The folder for the results, made when missing. Default: results/JOB.",
        "only": "Only files of such names ('*.csv', 'figures/*'). May be given several times.",
        "without": "No files of such names. May be given several times.",
        "dataset": "Only what this dataset has written, and its logs. May be given several times.",
        "no-logs": "Only the results, without the logs.",
        "overwrite": "Also files that were edited here.",
    },
)
def results(
    job: str,
    only: list[str],
    without: list[str],
    dataset: list[str],
    analysis: str = "",
    group: str = "",
    to: str = "",
    no_logs: bool = False,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Copy the results and logs of a job, or of a sweep, to a folder here, checked by their digests.

    An interrupted copy is continued. A folder belongs to one job, and what was edited here stays. `neurocaas
    download` is the same command.
    """
    from neurocaas.progress import SILENT, shown
    from neurocaas.results import own_folder

    how: dict[str, Any] = {
        "logs": not no_logs,
        "only": only,
        "without": without,
        "datasets": dataset,
        "overwrite": overwrite,
    }
    if (swept := sweep_of(job, analysis, group)) is not None:
        fetch_sweep(*swept, Path(to) if to else own_folder(swept[1].name), json, **how)
        return
    _, handle = job_of(job, analysis, group)
    folder = Path(to) if to else own_folder(handle.timestamp)
    with shown() as progress:
        files = handle.fetch(folder, progress=SILENT if json else progress, say=note, **how)
    if json:
        say(as_json(files))
    else:
        for one in files:
            if one.renamed and not one.path.startswith("logs/"):
                note(f"{folder / one.path} is {one.key}, whose name cannot be had everywhere")
        there = sum(one.kept for one in files)
        some = f", {there} of them were there" if there else ""
        say(f"{len(files)} files in {folder}{some}; their SHA-256 are in {folder / 'manifest.json'}")
    if not handle.status().finished:
        note(f"job {handle.timestamp} has not ended: more may come; fetch again then")


COMMANDS = (results,)
