"""The analyst's commands that fetch results."""

from neurocaas.commands.command import command
from neurocaas.commands.speaking import JOB, JSON, as_json, job_of, note, say


@command(
    help={
        **JOB,
        **JSON,
        "to": "The folder for the results; made when missing.",
        "no-logs": "Only the results, without the logs.",
    }
)
def results(
    job: str,
    analysis: str = "",
    group: str = "",
    to: str = "results",
    no_logs: bool = False,
    json: bool = False,
) -> None:
    """Copy a job's results and logs to a folder here, checked by their digests.

    An interrupted copy is continued.
    """
    _, handle = job_of(job, analysis, group)
    files = handle.fetch(to, logs=not no_logs)
    if json:
        say(as_json(files))
    else:
        for one in files:
            say(
                f"{to}/{one.path}  {one.size} bytes  {'was there' if one.kept else 'checked: ' + one.checked}"
            )
        for one in files:
            if one.renamed:
                note(f"{to}/{one.path} is {one.key}, whose name cannot be had here")
        say(f"{len(files)} files in {to}/; their SHA-256 are in {to}/manifest.json")
    if not handle.status().finished:
        note(f"job {handle.timestamp} has not ended: more may come; fetch again then")


COMMANDS = (results,)
