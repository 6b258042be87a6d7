"""The runs of a job with `sweep:` in its configuration, as they are now.

When the job has ended, the service's own table is read (`neurocaas.protocol.outcomes`); before, the table is
made of the job's record and of what its machines say.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from neurocaas.errors import AnalysisError
from neurocaas.job import JobHandle
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.job import Job
from neurocaas.protocol.outcomes import RunOutcome, SweepTable, read_table, results_folder
from neurocaas.protocol.status import FAILED
from neurocaas.protocol.sweep import SWEEP
from neurocaas.states import JobState
from neurocaas.typed import command as typed


def table_of(handle: JobHandle) -> SweepTable:
    """The runs of the job. Raises AnalysisError for one without a sweep."""
    job, state = handle.job(), handle.status()
    if not job.swept:
        raise AnalysisError(
            f"job {handle.timestamp}, whose config has no {SWEEP}",
            f"a job that `{typed('submit')} --sweep` or a config with `{SWEEP}:` has made",
            f"look at it with `{typed('status', handle.timestamp)}`",
        )
    if state.finished:
        with contextlib.suppress(DocumentError):
            raw = handle.objects.get(handle.keys.records.sweep("json"))
            if raw is not None:
                return read_table(raw)
    return _so_far(job, state)


def _so_far(job: Job, state: JobState) -> SweepTable:
    known = {one.name: one for one in state.datasets}
    runs = []
    for dataset in job.datasets:
        one = known.get(dataset.name)
        runs.append(
            RunOutcome(
                name=dataset.name,
                input=dataset.inputpath,
                parameters=dict(dataset.parameters or {}),
                state=one.state if one else state.phase,
                seconds=one.seconds if one else None,
                cost_usd=None,
                reason=one.reason or None if one else None,
                folder=results_folder(job, dataset.index),
            )
        )
    return SweepTable(job.timestamp, job.swept, tuple(runs))


def value_of(rows: Sequence[Mapping[str, Any]], *, product: bool) -> Any:
    """What a config says for these sets of parameters: of a product its values by name, else each set."""
    if not product:
        return [dict(row) for row in rows]
    axes: dict[str, dict[str, Any]] = {}
    for row in rows:
        for name, value in row.items():
            axes.setdefault(name, {})[json.dumps(value, sort_keys=True)] = value
    return {name: list(values.values()) for name, values in axes.items()}


def failed_config(job: Job, state: JobState) -> dict[str, Any]:
    """The job's configuration with those combinations alone of which a run has failed."""
    failed = {one.name for one in state.datasets if one.state == FAILED}
    rows = {
        dataset.folder: dict(dataset.parameters or {})
        for dataset in job.datasets
        if dataset.name in failed and dataset.parameters is not None
    }
    return {**job.config, SWEEP: list(rows.values())} if rows else dict(job.config)
