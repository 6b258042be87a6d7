"""The table of a sweep: a line for each run (combination and dataset), with what came of it. The monitor
writes it beside the certificate when the job ends, as `sweep.json` and `sweep.csv`.

Reasons are words of machines: one printable line each, quoted as CSV wants it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurocaas.protocol.certificate import LINE, DatasetOutcome
from neurocaas.protocol.documents import dumps, loads
from neurocaas.protocol.job import Job
from neurocaas.protocol.outside import whole
from neurocaas.protocol.printable import one_line
from neurocaas.protocol.typed_json import data_of, read

SCHEMA_VERSION = 1
_WHAT = "sweep.json"
_FORMULA = "=+-@\t\r"
"""What a cell begins with that spreadsheets take for a formula."""


@dataclass(frozen=True)
class RunOutcome:
    """`parameters` of the combination; `seconds` and `cost_usd` of all its machines, None while they are not
    known; `reason` of a run that has failed, None of another; `folder`: where its results are (in the job's
    folder, or an s3:// path)."""

    name: str
    input: str
    parameters: Mapping[str, Any]
    state: str
    seconds: float | None
    cost_usd: float | None
    reason: str | None
    folder: str


@dataclass(frozen=True)
class SweepTable:
    """`job`: its timestamp; `parameters`: what differs, in the order of the configuration."""

    job: str
    parameters: tuple[str, ...]
    runs: tuple[RunOutcome, ...]
    schema_version: int = SCHEMA_VERSION

    @property
    def cost(self) -> float:
        """USD, as far as it is known."""
        return sum(one.cost_usd or 0 for one in self.runs)


def sweep_table(job: Job, outcomes: Sequence[DatasetOutcome]) -> SweepTable:
    """The table of a job that has ended, from what its certificate says."""
    return SweepTable(
        job.timestamp,
        job.swept,
        tuple(
            RunOutcome(
                name=dataset.name,
                input=dataset.inputpath,
                parameters=dict(dataset.parameters or {}),
                state=one.status,
                seconds=round(one.seconds, 3),
                cost_usd=round(one.cost, 6),
                reason=one_line(one.reason, LINE) if one.reason else None,
                folder=results_folder(job, dataset.index),
            )
            for dataset, one in zip(job.datasets, outcomes, strict=True)
        ),
    )


def results_folder(job: Job, index: int) -> str:
    """Where the results of a dataset are, as people read it."""
    bucket, keys = job.results
    prefix = job.results_prefix(index)
    return prefix.removeprefix(keys.prefix) if bucket == job.bucket else whole(bucket, prefix)


def table_json(table: SweepTable) -> str:
    return dumps(data_of(table))


def read_table(text: str | bytes) -> SweepTable:
    """Raises DocumentError for a document of another version or shape."""
    return read(SweepTable, loads(text, _WHAT, SCHEMA_VERSION), _WHAT)


def table_csv(table: SweepTable) -> str:
    """One line a run. Texts that a spreadsheet would take for a formula get a ' in front."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(
        ["dataset", *map(_safe, table.parameters), "state", "seconds", "cost_usd", "reason", "folder"]
    )
    for one in table.runs:
        values = [plain(one.parameters[name]) if name in one.parameters else "" for name in table.parameters]
        cost = "" if one.cost_usd is None else f"{one.cost_usd:.6f}"
        seconds = "" if one.seconds is None else f"{one.seconds:g}"
        words = [_safe(one.input), *values, one.state, seconds, cost, _safe(one.reason or "")]
        lines.writerow([*words, _safe(one.folder)])
    return out.getvalue()


def plain(value: Any) -> str:
    """A value as people read it in a table."""
    return _safe(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _safe(text: str) -> str:
    return f"'{text}" if text[:1] in _FORMULA and text[:1] else text
