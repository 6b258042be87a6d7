"""Two jobs beside each other: what they were given, what they ran, and whether their outputs are the same by
the analysis's rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from neurocaas.compare import DIFFERENT, OutputVerdict, checked
from neurocaas.errors import AnalysisError, raise_all
from neurocaas.job import JobHandle
from neurocaas.protocol.job import Job
from neurocaas.protocol.published_settings import About
from neurocaas.rerun import JobOutputs, verdict

NONE = "-"


@dataclass(frozen=True)
class JobDifference:
    """`kind` is parameter, version or input; `first` and `second` are what each job has, "-" for nothing."""

    kind: str
    name: str
    first: str
    second: str


@dataclass(frozen=True)
class JobComparison:
    """`differences` of what went in, `outputs` of what came out. `open` jobs have not ended: what they have
    written so far is compared."""

    first: str
    second: str
    differences: tuple[JobDifference, ...]
    outputs: tuple[OutputVerdict, ...]
    open: tuple[str, ...] = ()

    @property
    def differ(self) -> bool:
        """Outputs within their tolerance are the same."""
        return bool(self.differences) or any(one.outcome == DIFFERENT for one in self.outputs)


def compare_jobs(first: JobHandle, second: JobHandle, about: About) -> JobComparison:
    """Raises AnalysisError for a job that never ran."""
    records, errors = list[Job](), list[AnalysisError]()
    for handle in (first, second):
        try:
            records.append(handle.job())
        except AnalysisError as error:
            errors.append(error)
    raise_all(errors)
    rules = checked(about.compare)
    before, after = (
        JobOutputs(handle, record.configname) for handle, record in zip((first, second), records, strict=True)
    )
    called = (f"job {first.timestamp}", f"job {second.timestamp}")
    with ThreadPoolExecutor(4) as pool:
        outputs = pool.map(
            lambda path: verdict(path, before, after, rules, called),
            sorted(before.sizes.keys() | after.sizes.keys()),
        )
        verdicts = tuple(outputs)
    return JobComparison(
        first.timestamp,
        second.timestamp,
        (
            *_differences("parameter", *(_flat(record.config) for record in records)),
            *_differences("version", *(_versions(record) for record in records)),
            *_differences(
                "input",
                *(_inputs(record, side) for record, side in zip(records, (before, after), strict=True)),
            ),
        ),
        verdicts,
        tuple(handle.timestamp for handle in (first, second) if not handle.status().finished),
    )


def _differences(kind: str, first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[JobDifference]:
    for name in sorted(first.keys() | second.keys()):
        pair = first.get(name, NONE), second.get(name, NONE)
        if pair[0] != pair[1]:
            yield JobDifference(kind, name, *pair)


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, str]:
    found = dict[str, str]()
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return found


def _versions(record: Job) -> dict[str, str]:
    return {
        "analysis": f"{record.analysis}-{record.stage}",
        "image": record.image.id,
        "code": record.code.sha256[:12],
        "blueprint": (record.blueprint_commit or NONE)[:12],
        "instance type": record.instance_type,
        "duration": f"{record.duration_minutes} min",
    }


def _inputs(record: Job, outputs: JobOutputs) -> dict[str, str]:
    """Each dataset by the digest that its machine has read, its ETag, or its size. Configs differ by their
    parameters, which are told apart."""
    configs = {record.configpath, *(one.configpath for one in record.datasets if one.configpath)}
    found = {
        key: f"sha256 {digest[:12]}"
        for key, digest in outputs.inputs.items()
        if key not in configs and "/configs/" not in key
    }
    for one in record.datasets:
        if one.inputpath not in found and not one.inputpath.endswith("/"):
            found[one.inputpath] = f"etag {one.etag[:12]}" if one.etag else f"{one.size} bytes"
    return found
