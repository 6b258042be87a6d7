"""A job's datasets again, as a new job: all, or those that have failed. In contrast to a rerun
(`neurocaas.rerun`) it has the inputs, the image and the code of now. The new job's config lies in the group's
`configs/resubmit_of_JOB/`, which says where it comes from (`origin`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from neurocaas.checks import Wish
from neurocaas.errors import AnalysisError
from neurocaas.job import JobHandle
from neurocaas.protocol.chain import ENDED
from neurocaas.protocol.job import Job
from neurocaas.protocol.outside import SCHEME
from neurocaas.protocol.status import FAILED
from neurocaas.steps import UploadedData, planned, submitted
from neurocaas.swept_job import failed_config
from neurocaas.typed import command as typed

_FOLDER = "resubmit_of_"


def datasets_of(handle: JobHandle, *, failed: bool) -> list[str]:
    """The inputs of a job's datasets, in order, each once. Raises AnalysisError for a job that was refused,
    and where none has failed."""
    state = handle.status()
    if not state.datasets:
        raise AnalysisError(
            f"job {handle.timestamp} has no datasets ({state.ending or state.phase})",
            "a job that the service has taken",
            f"submit it with what its certificate asks for: `{typed('submit')}`",
        )
    chosen = [one for one in state.datasets if not failed or one.state == FAILED]
    if not chosen:
        still = sum(not one.final for one in state.datasets)
        raise AnalysisError(
            f"no dataset of job {handle.timestamp} has failed" + (f", {still} run still" if still else ""),
            "a job with datasets that have failed",
            "wait for its end" if still else "leave out --failed to run all again",
        )
    return list(dict.fromkeys(one.input for one in chosen))


def again(
    analysis: Any,
    handle: JobHandle,
    datasets: list[str],
    config: str,
    timestamp: str,
    *,
    failed: bool = False,
) -> JobHandle:
    """Submit them with the job's config (as it was then, whatever lies at its name now), or another. Of a
    sweep, `failed` takes the combinations alone of which a run has failed."""
    record: Job = handle.job()
    own = failed_config(record, handle.status()) if failed and record.swept else dict(record.config)
    about = analysis.about()
    same = record.instance_type in about.instance_types and record.instance_type != about.instance_type
    wish = Wish(
        keys=datasets,
        config=config or own,
        timestamp=timestamp,
        instance_type=record.instance_type if same else "",
        resultpath=_resultpath(record),
        after=record.after,
        after_when=ENDED if record.after else "",
    )
    (plan,) = planned(analysis, [wish], past=False)
    stamp = plan.wish.timestamp
    folder = f"{_FOLDER}{handle.timestamp}/{stamp}"
    if not config:
        key = analysis.upload_config(own, f"{folder}/{record.configname}")
    elif Path(config).is_file():
        key = analysis.upload_config(config, f"{folder}/{Path(config).name}")
    else:
        key = config
    return submitted(
        analysis, replace(plan, wish=replace(plan.wish, config=key)), UploadedData(tuple(datasets), key)
    )


def origin(configpath: str) -> str | None:
    """The job that a config's job has resubmitted; None for one of its own."""
    parts = configpath.split("/")
    found = next((part for part in parts if part.startswith(_FOLDER)), "")
    return found.removeprefix(_FOLDER) or None


def _resultpath(record: Job) -> str:
    """The outside folder that the job was to write to, "" for the group's own."""
    if not record.resultdir.startswith(SCHEME):
        return ""
    return record.resultdir.rstrip("/").rpartition("/")[0]
