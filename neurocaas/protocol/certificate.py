"""The certificate of a job: `logs/certificate.txt` for people, `logs/certificate.json` for machines.

The text has the wording of the guide, because people and tools look for it: header, the block PER ENVIRONMENT
MONITORING between two divider lines with a line for each dataset, and the set-up log. It is written a
constant number of times per
job: at the claim, after the launch (and once per wait for capacity), and at the end. What happens in between
is in the status files.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from neurocaas.protocol.documents import dumps, iso
from neurocaas.protocol.job import Dataset, Job
from neurocaas.protocol.printable import one_line, printable
from neurocaas.protocol.problems import Problem
from neurocaas.protocol.settings import SPOT
from neurocaas.protocol.status import FAILED, INITIALIZING, NONE, SUCCESS
from neurocaas.protocol.typed_json import data_of

DIVIDER = "================"
STEPS = ("Initialization", "Validation", "Environment Setup", "Initialize Processing")
INDENT = " " * 8
STARTED_METADATA = "neurocaas-started"
"""Name of the S3 metadata of certificate.txt (the service's own) that says when the timestamp was claimed."""
SUBMISSION_METADATA = "neurocaas-submission"
"""The digest of the key of that submission: whoever lists jobs finds the one of a file by it, whatever the
file is called.
"""

EXIT_CLASSES = (
    "success",
    "analysis",
    "user",
    "data",
    "image",
    "capacity",
    "reclaim",
    "quota",
    "timeout",
    "cancelled",
    "platform",
)
"""Why a job ended as it did: `analysis` is a script that failed, `user` a submission with mistakes, `data`
one whose datasets are not there, `platform` a fault of the service."""

LINE = 300
"""Longest text from a machine in one line of the certificate."""

_SETUP = "JOB MANAGER SETUP LOG:"
_RESULT = "JOB RESULT: "
_ATTEMPT = "ATTEMPT "
_NOTES = (
    "Once jobs start, these logs will be updated regularly. Allow some time [~1 minute] after all jobs "
    "finish for results to appear.",
    "For more information, see DATASET_NAME: files for stdout and stderr output.",
    " ",
    "++++++++++++++++++",
    " ",
)
_COMPLETE = "JOB MONITOR LOG COMPLETE. SEE TOP FOR LIVE PER-DATASET MONITORING"


def claim_id(submission_key: str, submission_sha256: str) -> str:
    """Identifies one submission: the same file with the same content has the same claim, however often it is
    delivered.
    """
    return hashlib.sha256(
        f"{submission_key}\0{submission_sha256}".encode("utf-8", "surrogatepass")
    ).hexdigest()


def claim_metadata(submission_key: str, started: datetime) -> dict[str, str]:
    """The metadata of the certificate of a job, for whoever lists jobs."""
    return {STARTED_METADATA: iso(started), SUBMISSION_METADATA: digest_of(submission_key)}


def digest_of(key: str) -> str:
    """Stands for a key in S3 metadata, which is ASCII and short."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def datanames(datasets: Sequence[Dataset]) -> list[str]:
    """What the lines of a job's datasets call them: their paths, and where several have the same (members of
    an ensemble), also their names, which are unique in a job."""
    paths = [printable(dataset.inputpath, keep="") for dataset in datasets]
    often = Counter(paths)
    return [
        path if often[path] == 1 else f"{path} ({one.name})"
        for path, one in zip(paths, datasets, strict=True)
    ]


def dataset_line(
    dataname: str, status: str, time: str, last_command: str = NONE, cpu_usage: str | None = None
) -> str:
    """The monitoring line of one dataset."""
    line = (
        f"DATANAME: {dataname} | STATUS: {status} | TIME: {time} | LAST COMMAND: "
        f"{one_line(last_command, LINE)}"
    )
    return line if cpu_usage is None else f"{line} | CPU_USAGE: {one_line(cpu_usage, LINE)}"


def final_line(
    dataname: str,
    status: str,
    time: str,
    reason: str | None = None,
    note: str | None = None,
    error: str | None = None,
    advice: str | None = None,
) -> str:
    """The monitoring line of a dataset that has ended. `note`: what is to be said of one that may have
    succeeded; `error` and `advice`: the name that the analysis's author has for a failure, and what to do.
    """
    parts = {"REASON": reason, "KNOWN AS": error, "ADVICE": advice, "NOTE": note}
    line = f"DATANAME: {dataname} | STATUS: {status} | TIME: {time} (finished)"
    return " | ".join([line, *(f"{name}: {one_line(text, LINE)}" for name, text in parts.items() if text)])


@dataclass
class SetupLog:
    """The set-up log while it grows. Lines end with the time since `started`. `submitter` as in job.json."""

    started: datetime
    version: str
    job_id: str
    submitter: str = ""
    lines: list[str] = field(default_factory=list)

    def manager(self, text: str, now: datetime) -> None:
        self._add(f"[Job Manager] {text}", now)

    def detail(self, part: str, text: str, now: datetime) -> None:
        """A line of a part of the manager: `init`, `parse_config`, `check_existence`, …"""
        self._add(f"{INDENT}[Internal ({part})] {text}", now)

    def utils(self, text: str, now: datetime) -> None:
        self._add(f"{INDENT}[Utils] {text}", now)

    def step_done(self, number: int, now: datetime) -> None:
        self.manager(f"STEP {number}/4 ({STEPS[number - 1]}): DONE", now)

    def step_failed(self, number: int, kind: str, now: datetime) -> None:
        """`kind` is INPUT, RESOURCE, AWS or INTERNAL."""
        self.manager(f"STEP {number}/4 ({STEPS[number - 1]}): {kind} ERROR.", now)
        self.manager("Shutting down job.", now)

    def problems(self, part: str, problems: Iterable[Problem], now: datetime, kind: str = "INPUT") -> None:
        for problem in problems:
            self.detail(part, f"{kind} ERROR: {problem.text()}", now)

    def _add(self, text: str, now: datetime) -> None:
        self.lines.append(f"{text}\t [+{_elapsed(now - self.started)}]")

    def render(self, datasets: Sequence[str] = (), *, complete: bool = False) -> str:
        """The whole certificate. `datasets` are monitoring lines; without any, the block is left out."""
        text = [
            f"REQUEST START TIME: {self.started.astimezone(timezone.utc).replace(tzinfo=None)} (GMT)",
            f"ANALYSIS VERSION ID: {self.version}",
            f"JOB ID: {self.job_id}",
            *([f"SUBMITTED BY: {self.submitter}"] if self.submitter else []),
            "",
        ]
        if datasets:
            text += ["PER ENVIRONMENT MONITORING:", DIVIDER, *datasets, DIVIDER, *_NOTES, _SETUP]
        text += self.lines
        if complete:
            text += ["All jobs submitted. Processing...", _COMPLETE]
        return "\n".join(text) + "\n"


def initial_lines(job: Job, time: str) -> list[str]:
    return [dataset_line(name, INITIALIZING, time) for name in datanames(job.datasets)]


def attempt_lines(names: Sequence[str], outcomes: Sequence[DatasetOutcome]) -> list[str]:
    """A line for each machine of the datasets that had several: what became of it, what it cost, and where
    its results are. `names` of the datasets as in their own lines."""
    return [
        _attempt_line(name, machine)
        for name, outcome in zip(names, outcomes, strict=True)
        for machine in outcome.machines
        if len(outcome.machines) > 1
    ]


def _attempt_line(name: str, machine: MachineOutcome) -> str:
    of = f" OF {machine.resumed_from}" if machine.resumed_from else ""
    begun = (
        ""
        if machine.attempt == 1
        else f"RESUMED FROM A CHECKPOINT{of}, "
        if machine.resumed
        else "BEGUN AGAIN, "
    )
    unknown = (
        " (on demand: spot's price could not be read)"
        if machine.market == SPOT and machine.spot_price is None
        else ""
    )
    parts = [
        f"{_ATTEMPT}{machine.attempt}: {one_line(name, LINE)}",
        f"MACHINE: {machine.instance} {machine.instance_type} {machine.market}",
        f"STATUS: {begun}{machine.status} ({machine.exit_class})",
        f"TIME: {machine.start} to {machine.end}",
        f"COST: ${machine.cost:.4f} at ${machine.price:g} an hour{unknown}{_besides(machine.besides_price)}",
        f"RESULTS: {machine.results_are}",
    ]
    return " | ".join([*parts, f"REASON: {one_line(machine.reason, LINE)}"] if machine.reason else parts)


def _besides(price: float) -> str:
    return f" and ${price:.4f} for disk and address" if price else ""


def closing_lines(
    end: str, finished: datetime, exit_class: str, cost: float, seconds: float, attempts: Sequence[str] = ()
) -> list[str]:
    """The last lines of a job's certificate. `cost` in USD, `seconds` of all its machines; `attempts` as
    `attempt_lines` gives them.
    """
    return [
        *attempts,
        f"{_RESULT}{end.strip()}",
        f"JOB FINISHED: {iso(finished)} (exit class: {exit_class})",
        f"JOB COST: ${cost:.4f} for {seconds / 3600:.4f} machine hours with their disks and addresses",
    ]


def with_closing(text: str, closing: Sequence[str]) -> str:
    """A certificate with `closing` lines at its end, in place of those that it has already."""
    lines = text.removesuffix("\n").split("\n") if text else []
    kept = next(
        (number for number, line in enumerate(lines) if line.startswith((_RESULT, _ATTEMPT))), len(lines)
    )
    return "\n".join([*lines[:kept], *closing]) + "\n"


def with_outcome(text: str, datasets: Sequence[str], closing: Sequence[str]) -> str | None:
    """An earlier certificate with its monitoring lines replaced and `closing` lines at its end; None when
    `text` has no monitoring block (its job was never launched)."""
    lines = text.removesuffix("\n").split("\n")
    dividers = [number for number, line in enumerate(lines) if line == DIVIDER]
    if len(dividers) != 2:
        return None
    top, bottom = dividers
    return with_closing("\n".join([*lines[: top + 1], *datasets, *lines[bottom:]]), closing)


def end_line(succeeded: int, total: int, note: str = "") -> str:
    """The one line of `end.txt`: `SUCCESS 3/3`, or `FAILED 1/3`; `total` is 0 for a submission that never
    became a job.
    """
    outcome = SUCCESS if total and succeeded == total else FAILED
    return f"{outcome} {succeeded}/{total}{' ' + one_line(note, LINE) if note else ''}\n"


@dataclass(frozen=True)
class MovedFile:
    """A file that a machine read or wrote. `sha256` of its content; `version_id` is its version in the
    bucket, None when the machine could not tell."""

    bucket: str
    key: str
    bytes: int
    sha256: str
    version_id: str | None = None


@dataclass(frozen=True)
class MachineOutcome:
    """What became of one machine of a dataset. `attempt` counts from 1; `market` is `on-demand` or `spot`;
    `price` in USD an hour is what it cost: of a spot machine its `spot_price` when it began, where AWS has
    told that (else null, and the price on demand); `besides_price` what its volume and its public address
    cost an hour; `seconds` and `cost` (USD) of its life. `reason` says why it did not succeed, `exit_class`
    is one of EXIT_CLASSES, `out_of_memory` that its memory was used up. `first_command_seconds`: from its
    launch to the first command of the script, by its own word (null: it has not said). `resumed`: it had the
    checkpoint of an earlier machine to go on from, saved at `resumed_from`. Of a machine that was not the
    last: `recorded` says whether it has left a record of what it wrote, `results` are the files of that
    record, where they lie now, and `results_are` says where in words. The results of the last one are those
    of the dataset."""

    attempt: int
    instance: str
    instance_type: str
    market: str
    price: float
    spot_price: float | None
    start: str
    end: str
    seconds: float
    cost: float
    status: str
    reason: str | None
    exit_class: str
    out_of_memory: bool
    resumed: bool = False
    recorded: bool = True
    results_are: str = "those of the dataset"
    results: tuple[MovedFile, ...] = ()
    besides_price: float = 0.0
    resumed_from: str | None = None
    first_command_seconds: float | None = None


@dataclass(frozen=True)
class DatasetOutcome:
    """How one dataset ended. `attempts` machines have worked on it; `instance` is the last one, `image_id`
    the AMI that it ran (the job's `image` may be the name of a parameter). Times ISO 8601, None when no
    machine was started; `seconds` and `cost` (USD) of all its machines. `exit_class` is one of EXIT_CLASSES.
    `inputs` (the configuration among them) and `results` are what its last machine moved; `machines` are all
    of them, in their order. `note` is what is to be said of a dataset besides: that it has succeeded without
    a result, or that another has written results of the same names. `error`: what the analysis's author calls
    this failure, `advice`: what to do then (null: it is none that the blueprint knows)."""

    name: str
    inputpath: str
    status: str
    reason: str | None
    exit_code: int | None
    exit_class: str
    instance: str | None
    instance_type: str | None
    image_id: str | None
    start: str | None
    end: str | None
    attempts: int
    seconds: float
    cost: float
    configpath: str
    inputs: tuple[MovedFile, ...] = ()
    results: tuple[MovedFile, ...] = ()
    machines: tuple[MachineOutcome, ...] = ()
    note: str | None = None
    error: str | None = None
    advice: str | None = None


@dataclass(frozen=True)
class NextJob:
    """What the service has submitted by itself when a job had ended: a job of `analysis`, named `job_id`; ""
    where it has not, as `refused` says."""

    analysis: str
    job_id: str
    refused: str

    @property
    def line(self) -> str:
        if self.refused:
            return f"NEXT STEP: no job of {self.analysis}: {one_line(self.refused, LINE)}"
        return f"NEXT STEP: job {self.job_id} of {self.analysis}"


@dataclass(frozen=True)
class CertificateFacts:
    """`certificate.json`. `job` is None for a submission that was refused; `exit_class` is one of
    EXIT_CLASSES. `submitter`: of what became no job; a job says its own.
    """

    exit_class: str
    finished: datetime
    group: str
    job_id: str
    submission_key: str
    analysis: str
    bucket: str
    job: Job | None = None
    datasets: tuple[DatasetOutcome, ...] = ()
    problems: tuple[Problem, ...] = ()
    next: NextJob | None = None
    submitter: str = ""

    @property
    def by(self) -> str:
        """Who submitted, "" where nobody can say."""
        return self.job.submitter if self.job else self.submitter

    @property
    def succeeded(self) -> int:
        return sum(dataset.status == SUCCESS for dataset in self.datasets)

    @property
    def cost(self) -> float:
        return sum(dataset.cost for dataset in self.datasets)

    def to_json(self) -> str:
        data: dict[str, Any] = {
            "schema_version": 1,
            "outcome": SUCCESS if self.datasets and self.succeeded == len(self.datasets) else FAILED,
            "exit_class": self.exit_class,
            "analysis": self.analysis,
            "bucket": self.bucket,
            "group": self.group,
            "job_id": self.job_id,
            "submission_key": self.submission_key,
            "submitter": self.by,
            "finished": iso(self.finished),
            "succeeded": self.succeeded,
            "total": len(self.job.datasets) if self.job else 0,
            "cost_usd": round(self.cost, 6),
            "datasets": [data_of(dataset) for dataset in self.datasets],
            "problems": [problem.to_dict() for problem in self.problems],
        }
        if self.job is not None:
            data |= _job_facts(self.job)
            data["next"] = data_of(self.next) if self.next else None
        return dumps(data)


def _job_facts(job: Job) -> Mapping[str, Any]:
    return {
        "stage": job.stage,
        "created": job.created,
        "image": data_of(job.image),
        "code_sha256": job.code.sha256,
        "blueprint_digest": job.blueprint_digest,
        "blueprint_commit": job.blueprint_commit,
        "script": job.script,
        "configpath": job.configpath,
        "config": job.config,
        "duration_minutes": job.duration_minutes,
        "instance_type": job.instance_type,
        "market": job.market,
        "work": job.work,
        "same_as": job.same_as,
        "after": job.after,
        "by": job.by,
    }


def _elapsed(span: timedelta) -> str:
    hundredths = max(0, round(span.total_seconds() * 100))
    seconds, rest = divmod(hundredths, 100)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:02}"
