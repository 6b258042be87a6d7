"""`invoke logs --lambda manager|monitor|sweep`: what the service's functions have written
(`neurocaas.protocol.logline`).
"""

import inspect
import json as json_format
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from invoke.exceptions import Exit
from invoke.tasks import Task

from console.errors import UserError
from console.names import Names
from neurocaas.protocol.printable import printable, printable_json

LAMBDAS = ("manager", "monitor", "sweep")
OUTPUTS = {"manager": "manager_log_group", "monitor": "monitor_log_group", "sweep": "monitor_log_group"}
"""The output of a stack that names the log group."""
EVERY_SECONDS = 2.0
OVERLAP_MS = 30_000
"""How far back each look goes again: events of several streams do not come in order."""
_PLATFORM = re.compile(r"(START|END|REPORT) RequestId: |INIT_START ")
_HELP = {
    "job": "The job's timestamp, the beginning of only one, or 'last' for the latest submission. With "
    "--lambda: "
    "its whole timestamp, for lines about it only.",
    "lambda": "The log of the service instead: manager, monitor or sweep.",
    "stack": "With --lambda: the analysis's stack; the manager needs it, and the others show only its jobs.",
    "since": "With --lambda: how many minutes back to begin.",
    "json": "One JSON document; with --lambda, the lines as they are, one JSON object each.",
}


class _JobOrNone(Task):  # type: ignore[type-arg]
    """A task whose positional argument `job` may be left out."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Any]:
        found = super().get_arguments(ignore_unknown_help)
        return [
            Names(names=one.names, help=one.help, positional=True) if one.name == "job" else one
            for one in found
        ]


def with_lambdas(task: Any) -> Task:  # type: ignore[type-arg]
    """The task `logs` of jobs, which now shows the functions' logs as well."""
    body: Callable[..., Any] = task.body

    def logs(
        c: Any,
        job: list[str],
        *args: Any,
        lambda_: str = "",
        stack: str = "",
        since: int = 60,
        json: bool = False,
        **more: Any,
    ) -> None:
        if len(job) > 1:
            raise UserError(f"{len(job)} jobs: {', '.join(job)}", "one job", "ask for one after the other")
        if lambda_:
            show(lambda_, stack, job[0] if job else "", since, follow=bool(more.get("follow")), as_json=json)
        elif not job:
            do = (
                "name it, or 'last': `invoke logs last`; for the service's own: `invoke logs --lambda "
                "manager --stack STACK`"
            )
            raise UserError("no job", "the timestamp of a job, or --lambda", do)
        elif stack:
            raise UserError("--stack without --lambda", "it for the logs of the service only", "leave it out")
        else:
            body(c, job[0], *args, json=json, **more)

    mine = inspect.signature(logs).parameters
    own = [mine[name] for name in ("lambda_", "stack", "since")]
    theirs = list(inspect.signature(body).parameters.values())
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*theirs[2:], *own)]
    logs.__signature__ = inspect.Signature([*theirs[:2], *keywords])  # type: ignore[attr-defined]
    logs.__doc__ = f"{inspect.getdoc(body)} With --lambda, what a function of the service has logged."
    return _JobOrNone(logs, name="logs", iterable=task.iterable, help={**task.help, **_HELP})


def show(service: str, stack: str, job: str, minutes: int, *, follow: bool, as_json: bool) -> None:
    """Print the log of a function of the last `minutes`, and with `follow` what comes, until Ctrl-C."""
    group, bucket = _place(service, stack, job)
    client = _client()
    seen: set[tuple[str, int, str]] = set()
    start = int(time.time() * 1000) - minutes * 60_000
    try:
        while True:
            begun = int(time.time() * 1000)
            for event in _events(client, group, start, job):
                known = event["logStreamName"], event["timestamp"], event["message"]
                if known not in seen:
                    seen.add(known)
                    text = told(event["message"].rstrip("\n"), service, bucket, job, as_json=as_json)
                    if text is not None:
                        sys.stdout.write(text + "\n")
            sys.stdout.flush()
            if not follow:
                return
            start = max(start, begun - OVERLAP_MS)
            time.sleep(EVERY_SECONDS)
    except KeyboardInterrupt:
        raise Exit(code=130) from None


def _place(service: str, stack: str, job: str) -> tuple[str, str | None]:
    """The log group, and the bucket whose jobs alone are asked for."""
    from console import stacks
    from console.cloud import project_root
    from console.engine import Engine

    if service not in LAMBDAS:
        raise UserError(f"--lambda {service}", ", ".join(LAMBDAS), "choose one of them")
    if job and not re.fullmatch(r"[A-Za-z0-9._:+-]+", job):
        raise UserError(f"job {job!r}", "the timestamp of a job", "`invoke jobs` shows them")
    root = project_root()
    engine = Engine(root)
    if service == "manager" and stack in ("", "utils"):
        known = ", ".join(name for name in engine.stack_names() if name != "utils")
        raise UserError(
            "--lambda manager without the stack of an analysis",
            known or "a stack that is deployed",
            "name it with --stack",
        )
    own = engine.outputs(stacks.check(stack, root)) if stack and stack != "utils" else None
    outputs = own if service == "manager" and own is not None else engine.outputs("utils")
    return str(outputs[OUTPUTS[service]]), str(own["bucket"]) if own is not None else None


def _client() -> Any:
    import boto3

    return boto3.client("logs")


def _events(client: Any, group: str, start: int, job: str) -> Iterator[Mapping[str, Any]]:
    """The events of all streams, those about a job only when one is named."""
    request = {"logGroupName": group, "startTime": start, **({"filterPattern": f'"{job}"'} if job else {})}
    for page in client.get_paginator("filter_log_events").paginate(**request):
        yield from page["events"]


def told(message: str, service: str, bucket: str | None, job: str, *, as_json: bool) -> str | None:
    """A line of the log for a person or a program; None for one that is not asked for. A log has the words of
    users, in keys and
    documents: nothing in them is obeyed, and none begins a line of its own."""
    try:
        entry = json_format.loads(message)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or "service" not in entry:
        foreign = _foreign(message, entry, bucket or job, as_json=as_json)
        return foreign and (printable_json(foreign) if as_json else printable(foreign))
    about = str(entry.get("job") or "")
    if (
        entry["service"] != service
        or (job and about.rpartition("/")[2] != job)
        or (bucket and about and about.partition("/")[0] != bucket)
    ):
        return None
    if as_json:
        return printable_json(message)
    known = ("schema_version", "time", "level", "service", "message", "job", "detail", "traceback", "_aws")
    facts = [f"{key}={value}" for key, value in entry.items() if key not in known and value not in (None, "")]
    words = [
        entry.get("time"),
        entry.get("level"),
        about,
        entry.get("message"),
        entry.get("detail"),
        " ".join(facts),
    ]
    text = "  ".join(printable(str(word), keep="\t") for word in words if word)
    return f"{text}\n{printable(str(entry['traceback'])).rstrip()}" if entry.get("traceback") else text


def _foreign(message: str, entry: Any, narrowed: str, *, as_json: bool) -> str | None:
    """A line that the runtime wrote: only errors are of interest, and none when one job or one analysis is
    asked for.
    """
    if narrowed:
        return None
    if isinstance(entry, dict):
        failed = entry.get("level") == "ERROR" or "errorMessage" in entry
        return message if failed else None
    if not message.strip() or _PLATFORM.match(message):
        return None
    return json_format.dumps({"level": "ERROR", "message": message}) if as_json else message
