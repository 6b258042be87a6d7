"""Sweeps of an earlier version: one set of data with many sets of parameters, a job for each, under one name.
A service of this version takes a sweep as one job (`neurocaas.protocol.sweep`).

The jobs of the sweep NAME are NAME-001, NAME-002, …; what each has for parameters is written down in the
group's `configs/NAME_sweep.json` before the first is submitted, so that everybody of the group can look at
the sweep and fetch it as a whole. The data is uploaded once. A sweep whose submission was interrupted goes on
when the same is asked for again: its name is kept on this computer until all its jobs are submitted, and what
is submitted already is not submitted twice.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from neurocaas.bucket import AT_ONCE, Bucket
from neurocaas.checks import Wish
from neurocaas.errors import AnalysisError
from neurocaas.job import JobHandle
from neurocaas.places import state_folder
from neurocaas.protocol.documents import DocumentError, loads
from neurocaas.protocol.keys import CONFIGS, SUBMISSION_SUFFIX, SUBMISSIONS
from neurocaas.protocol.names import TIMESTAMP
from neurocaas.typed import command as next_command

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Sweep:
    """`rows`: the parameters of each job that the sweep sets, in the order of its jobs."""

    name: str
    rows: tuple[Mapping[str, Any], ...]
    digest: str = ""

    @property
    def jobs(self) -> list[str]:
        """Their names."""
        return [f"{self.name}-{number:03d}" for number in range(1, len(self.rows) + 1)]

    @property
    def parameters(self) -> list[str]:
        """The names of what differs, in the order in which they were given."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def to_json(self) -> str:
        jobs = [{"job": job, "parameters": dict(row)} for job, row in zip(self.jobs, self.rows, strict=True)]
        document = {
            "schema_version": SCHEMA_VERSION,
            "sweep": self.name,
            "digest": self.digest,
            "jobs": jobs,
        }
        return json.dumps(document, indent=1) + "\n"


def key_of(group: str, name: str) -> str:
    return f"{group}/{CONFIGS}/{name}_sweep.json"


def read(objects: Bucket, group: str, name: str) -> Sweep | None:
    """The sweep of that name, None where there is none. Raises AnalysisError for one that cannot be read."""
    key = key_of(group, name)
    # a group may ask for what is not there by a listing alone
    if not TIMESTAMP.fullmatch(name) or objects.entry(key) is None:
        return None
    raw = objects.get(key) or b""
    try:
        document = loads(raw, "sweep", SCHEMA_VERSION)
        rows = tuple(dict(one["parameters"]) for one in document["jobs"])
        return Sweep(name, rows, str(document["digest"]))
    except (DocumentError, LookupError, TypeError, ValueError) as error:
        raise AnalysisError(
            f"{key_of(group, name)} cannot be read ({error})",
            f"a sweep that `{next_command('submit')} --sweep` has made",
            f"look at its jobs one by one: `{next_command('jobs')}`",
        ) from error


def begun(
    objects: Bucket,
    group: str,
    wish: Wish,
    base: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    name: str,
) -> tuple[Sweep, bool]:
    """The sweep that is to be submitted, and whether it was begun already, here or under this very name.
    `name` is used where none was begun. Raises AnalysisError for a name that another sweep has."""
    asked = json.dumps(
        [
            [os.path.abspath(path) for path in wish.files],
            *([list(wish.keys), dict(base), [dict(row) for row in rows]]),
            *(wish.instance_type, wish.resultpath, wish.each, [tree.name for tree in wish.trees]),
        ],
        sort_keys=True,
    )
    digest = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
    pending = _pending(objects.name, group, digest)
    if not wish.timestamp:
        with contextlib.suppress(OSError, ValueError):
            name = pending.read_text(encoding="utf-8").strip() or name
    sweep = Sweep(name, tuple(rows), digest)
    wrong = [job for job in sweep.jobs if not TIMESTAMP.fullmatch(job)]
    if wrong:
        raise AnalysisError(
            f"{name!r} as the name of a sweep", "up to 60 letters, digits and - _ .", "choose another"
        )
    there = read(objects, group, name)
    if there is not None and there.digest != digest:
        raise AnalysisError(
            f"the name {name!r}, which another sweep has", "a name that is used once", "choose another"
        )
    return sweep, there is not None


def wishes(sweep: Sweep, wish: Wish, base: Mapping[str, Any]) -> list[Wish]:
    """One for each job."""
    return [
        replace(wish, config={**base, **row}, timestamp=job)
        for job, row in zip(sweep.jobs, sweep.rows, strict=True)
    ]


def submitted_already(objects: Bucket, group: str, sweep: Sweep) -> set[str]:
    """Those of its jobs whose submission is there."""
    prefix, ending = f"{group}/{SUBMISSIONS}/", f"_{SUBMISSION_SUFFIX}"
    there = {str(entry["Key"]).removeprefix(prefix) for entry in objects.list(f"{prefix}{sweep.name}-")}
    return {job for job in sweep.jobs if f"{job}{ending}" in there}


def written(objects: Bucket, group: str, sweep: Sweep) -> None:
    """Write down what its jobs are: in the bucket, and here that it is under way."""
    with contextlib.suppress(OSError):
        pending = _pending(objects.name, group, sweep.digest)
        pending.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        pending.write_text(sweep.name, encoding="utf-8")
    objects.create(key_of(group, sweep.name), sweep.to_json().encode())


def ended(objects: Bucket, group: str, sweep: Sweep) -> None:
    """All its jobs are submitted: the same asked for again is another sweep."""
    with contextlib.suppress(OSError):
        _pending(objects.name, group, sweep.digest).unlink(missing_ok=True)


def _pending(bucket: str, group: str, digest: str) -> Path:
    where = hashlib.sha256(f"{bucket}\0{group}\0{digest}".encode()).hexdigest()[:32]
    return state_folder() / "sweeps" / where


@dataclass(frozen=True)
class SweptJob:
    """One job of a sweep as it is now. `state`: MISSING where it was not submitted, SUBMITTED, RUNNING,
    REJECTED, SUCCESS or FAILED. `cost_usd` and `seconds` are known when it has ended."""

    job: str
    parameters: Mapping[str, Any]
    state: str
    end: str = ""
    cost_usd: float | None = None
    datasets: Mapping[str, int] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        return self.state in ("SUCCESS", "FAILED", "REJECTED")


def outcomes(sweep: Sweep, handle: Callable[[str], JobHandle], there: set[str]) -> list[SweptJob]:
    """Its jobs as they are now, sixteen asked at a time. `there`: those that were submitted."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(
            pool.map(
                lambda pair: _outcome(handle(pair[0]), pair[1], pair[0] in there),
                zip(sweep.jobs, sweep.rows, strict=True),
            )
        )


def _outcome(handle: JobHandle, row: Mapping[str, Any], there: bool) -> SweptJob:
    state = handle.status()
    if state.phase == "SUBMITTED" and not there:
        return SweptJob(handle.timestamp, row, "MISSING")
    if not state.finished or state.phase == "REJECTED":
        return SweptJob(handle.timestamp, row, state.phase, state.ending)
    cost: float | None = None
    with contextlib.suppress(DocumentError, LookupError, TypeError, ValueError):
        raw = handle.objects.get(handle.keys.records.certificate_json) or b""
        cost = float(loads(raw, "certificate.json")["cost_usd"])
    counts = {
        "succeeded": sum(one.state == "SUCCESS" for one in state.datasets),
        "total": len(state.datasets),
    }
    return SweptJob(
        handle.timestamp, row, "SUCCESS" if state.succeeded else "FAILED", state.end, cost, counts
    )


def table_csv(sweep: Sweep, jobs: Sequence[SweptJob], folders: Mapping[str, str]) -> str:
    """One line a job: its name, its parameters, how it ended, and where its results are."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(["job", *sweep.parameters, "state", "cost_usd", "folder"])
    for one in jobs:
        values = [plain(one.parameters[name]) if name in one.parameters else "" for name in sweep.parameters]
        cost = "" if one.cost_usd is None else f"{one.cost_usd:.6f}"
        lines.writerow([one.job, *values, one.state, cost, folders.get(one.job, "")])
    return out.getvalue()


def plain(value: Any) -> str:
    """A value as people read it in a table."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
