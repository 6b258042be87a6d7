"""What a run of the tour leaves for programs: `summary.json` beside the results."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from neurocaas import FetchedFile, JobState
from neurocaas.protocol.job import Job
from neurocaas.protocol.report import ComputeReport


@dataclass(frozen=True)
class TourPhase:
    """One part of the tour and how long it took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class DatasetResult:
    """A dataset's outcome, where it ran, for how long (script, and the machine's whole life), and what that
    costs on AWS.
    """

    name: str
    input: str
    outcome: str
    reason: str
    instance: str
    instance_type: str
    script_seconds: float | None
    machine_seconds: float | None
    cost_usd: float | None
    exit_code: int | None


@dataclass(frozen=True)
class AnalysisResult:
    """One analysis of the tour. `files` are relative to the analysis's folder below the results."""

    stack: str
    bucket: str
    group: str
    job: str
    image: str
    outcome: str
    datasets: Sequence[DatasetResult]
    files: Sequence[FetchedFile] = field(default_factory=tuple)

    @property
    def cost_usd(self) -> float:
        return sum(dataset.cost_usd or 0.0 for dataset in self.datasets)


def dataset_results(state: JobState, job: Job, reports: Mapping[str, ComputeReport]) -> list[DatasetResult]:
    """The datasets of a finished job with the compute reports of their machines (by instance id) laid beside
    them.
    """
    results = []
    for dataset in state.datasets:
        report = reports.get(dataset.instance)
        results.append(
            DatasetResult(
                name=dataset.name,
                input=dataset.input,
                outcome=dataset.state,
                reason=dataset.reason,
                instance=dataset.instance,
                instance_type=report.instance_type if report else job.instance_type,
                script_seconds=dataset.seconds,
                machine_seconds=report.seconds if report else None,
                cost_usd=round(report.cost, 6) if report else None,
                exit_code=dataset.exit_code,
            )
        )
    return results


def write(
    path: Path, cloud: str, phases: Sequence[TourPhase], analyses: Mapping[str, AnalysisResult]
) -> None:
    """Write `summary.json`."""
    document: dict[str, Any] = {
        "schema_version": 1,
        "cloud": cloud,
        "phases": [asdict(phase) for phase in phases],
        "seconds": round(sum(phase.seconds for phase in phases), 2),
        "analyses": {name: _analysis(one) for name, one in analyses.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def _analysis(result: AnalysisResult) -> dict[str, Any]:
    return {
        **{name: value for name, value in asdict(result).items() if name != "files"},
        "cost_usd": round(result.cost_usd, 6),
        "files": [{"path": one.path, "bytes": one.size, "sha256": one.sha256} for one in result.files],
    }
