"""What a job and its datasets look like at one moment."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from neurocaas.layout import cell
from neurocaas.notebook_html import Cell, ShareCell, StateCell, table
from neurocaas.protocol.documents import DocumentError, moment
from neurocaas.protocol.job import Dataset
from neurocaas.protocol.status import FAILED, FINAL, IN_PROGRESS, INITIALIZING, NONE, SUCCESS, DatasetStatus
from neurocaas.protocol.units import duration
from neurocaas.protocol.waiting import WAITING
from neurocaas.saying import what_is_said

_END = re.compile(r"(SUCCESS|FAILED) ([0-9]+)/([0-9]+)\s*(.*)", re.DOTALL)
"""The line of end.txt: how the job ended, how many of its datasets succeeded, and perhaps why."""


@dataclass(frozen=True, repr=False)
class DatasetState:
    """One dataset of a job. `seconds` runs from the start of the analysis script, and stands still once the
    dataset is final.
    `last_line` is what the script printed last (of its errors, when it printed nothing else), `last_error`
    the last of its errors. `progress` (0 to 1) and its text are the script's last mark, `eta_seconds` is
    about what is left.
    `out_of_memory`: its machine has seen that its memory was used up. `cpu` and `memory` are what was in use
    when its machine told it last. `error` and `advice`: what the analysis's author calls its failure, and
    what to do then; `checkpoint`: when the last complete one was saved. `idle_since`: since when its machine
    does next to nothing (ISO 8601)."""

    name: str
    input: str
    state: str
    seconds: float | None = None
    last_line: str = ""
    reason: str = ""
    instance: str = ""
    exit_code: int | None = None
    last_error: str = ""
    progress: float | None = None
    progress_text: str = ""
    eta_seconds: float | None = None
    out_of_memory: bool = False
    cpu: str = ""
    memory: str = ""
    error: str = ""
    advice: str = ""
    checkpoint: str = ""
    idle_since: str = ""

    @property
    def final(self) -> bool:
        return self.state in FINAL

    def __repr__(self) -> str:
        said = "  ".join(part for part in (duration(self.seconds), what_is_said(self)) if part)
        return f"<dataset {cell(self.name)}  {self.state}{f'  {said}' if said else ''}>"

    def _repr_html_(self) -> str:
        return table(_HEADERS, [_row(self)])


@dataclass(frozen=True, repr=False)
class JobState:
    """A job at one moment. `phase` is SUBMITTED (no answer yet), RUNNING, DONE or REJECTED; `end` is the line
    of end.txt. `waits`: what it waits for before it can go on, with its place in the queue; "" for nothing.
    """

    timestamp: str
    phase: str
    datasets: tuple[DatasetState, ...] = ()
    end: str = ""
    waits: str = ""

    @property
    def finished(self) -> bool:
        return self.phase in ("DONE", "REJECTED")

    @property
    def succeeded(self) -> bool:
        return self.phase == "DONE" and bool(self.datasets) and all(d.state == SUCCESS for d in self.datasets)

    def __repr__(self) -> str:
        return f"<job {cell(self.timestamp)}  {self.summary()}>"

    def _repr_html_(self) -> str:
        return table(
            _HEADERS,
            [_row(one) for one in self.datasets[:_SHOWN]],
            f"job {self.timestamp}: {self.summary()}",
            f"and {len(self.datasets) - _SHOWN} more datasets" if len(self.datasets) > _SHOWN else "",
        )

    @property
    def outcome(self) -> str:
        """In a word: SUBMITTED, WAITING (for room, capacity or budget, with no machine yet), RUNNING,
        SUCCESS, FAILED, or REJECTED for a submission that became no job."""
        if self.phase == "RUNNING" and self.waits and all(one.state == INITIALIZING for one in self.datasets):
            return WAITING
        return self.phase if self.phase != "DONE" else SUCCESS if self.succeeded else FAILED

    @property
    def why(self) -> str:
        """What the job's end says beside its counts: why it was refused, or ended early."""
        return JobEnding.of(self.end).why

    @property
    def ending(self) -> str:
        """Its end as people read it: `SUCCESS 2/2`, `FAILED 1/2 …`, or `REJECTED` and why; "" before."""
        return shown_end(self.end) or (self.phase if self.phase == "REJECTED" else "")

    @property
    def counts(self) -> str:
        """How its datasets stand: `2 of 5 datasets done, 1 failed`; "" without any."""
        if not self.datasets:
            return ""
        states = Counter(one.state for one in self.datasets)
        total = len(self.datasets)
        failed = f", {states[FAILED]} failed" if states[FAILED] else ""
        return f"{states[SUCCESS]} of {total} dataset{'' if total == 1 else 's'} done{failed}"

    def summary(self) -> str:
        """In a few words: how it stands, how many of its datasets are done, why it ended like that."""
        return ", ".join(part for part in (self.outcome, self.counts, cell(self.waits or self.why)) if part)


_SHOWN = 200
"""So many datasets of a job are drawn in a notebook."""

_HEADERS = ("dataset", "state", "elapsed", "progress", "says")


def _row(one: DatasetState) -> tuple[Cell, ...]:
    return (
        one.name,
        StateCell(one.state),
        duration(one.seconds),
        None if one.progress is None or one.final else ShareCell(one.progress),
        what_is_said(one),
    )


@dataclass(frozen=True)
class JobEnding:
    """What a line of end.txt says; `state` is "" for none."""

    state: str = ""
    succeeded: int = 0
    total: int = 0
    why: str = ""

    @classmethod
    def of(cls, line: str) -> "JobEnding":
        found = _END.fullmatch(line.strip())
        if found is None:
            return cls(why=line.strip())
        return cls(found[1], int(found[2]), int(found[3]), found[4].strip())


def shown_end(line: str) -> str:
    """A line of end.txt as people read it. What became no job had no dataset that could fail: there, the line
    says `FAILED 0/0`, because tools look for it."""
    ending = JobEnding.of(line)
    return f"REJECTED {ending.why}".rstrip() if ending.state and not ending.total else line


def dataset_state(
    dataset: Dataset, status: DatasetStatus | None, now: datetime, verdict: DatasetStatus | None = None
) -> DatasetState:
    """A dataset as its status file tells it; `status` None (no file yet) means that its machine is not up.
    How it ended is said by `verdict`, which the service writes: any machine of the group can write status
    files, so one that tells of an end is not final yet."""
    if status is None and verdict is None:
        return DatasetState(dataset.name, dataset.inputpath, INITIALIZING)
    status = status or DatasetStatus()
    if verdict is not None:
        start = status.job_start if verdict.job_start == NONE else verdict.job_start
        lines = verdict if verdict.stdout or verdict.stderr else status
        status = replace(verdict, job_start=start, stdout=lines.stdout, stderr=lines.stderr)
    elif status.final:
        status = replace(status, status=IN_PROGRESS, progress=None, eta_seconds=None)
    started, finished = _moment(status.job_start), _moment(status.job_finish)
    until = finished or (None if status.final else now)
    errors = _last_line(status.stderr)
    return DatasetState(
        name=dataset.name,
        input=dataset.inputpath,
        state=status.status,
        seconds=max(0.0, (until - started).total_seconds()) if started and until else None,
        last_line=_last_line(status.stdout) or errors,
        reason=_known(status.reason),
        instance=_known(status.instance),
        exit_code=status.exit_code,
        last_error=errors,
        progress=status.progress,
        progress_text=_known(status.progress_text),
        eta_seconds=None if status.final else status.eta_seconds,
        out_of_memory=status.out_of_memory,
        cpu=_known(status.cpu_usage),
        memory=_known(status.memory_usage),
        error="" if verdict is None else _known(verdict.error),
        advice="" if verdict is None else _known(verdict.advice),
        checkpoint=_known(status.checkpoint),
        idle_since="" if status.final else _known(status.idle_since),
    )


def _known(text: str) -> str:
    return "" if text == NONE else text


def _last_line(lines: Mapping[str, str]) -> str:
    """The last line that is not blank of a status file's `{"0": line, …}`."""
    numbered = sorted((int(number), line) for number, line in lines.items())
    return next((line.rstrip() for _, line in reversed(numbered) if line.strip()), "")


def _moment(text: str) -> datetime | None:
    try:
        return moment(text)
    except (ValueError, DocumentError):
        return None
