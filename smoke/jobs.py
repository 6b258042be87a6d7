"""The steps that are jobs: submitted as an analyst does, and judged by what the service says of them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from image_builder.golden_check import differences
from neurocaas import Analysis, JobHandle, JobState
from neurocaas.protocol.ledger import BUDGETS
from smoke.bench import Bench, SmokeError
from smoke.place import GROUP

LONGEST_S = 900.0
"""Seconds after which a job counts as stuck; the machines' own limit is 15 minutes."""
NUMBERS = {"one.txt": range(1, 101), "two.txt": range(1, 51)}
EXPECTED: Mapping[str, Mapping[str, float]] = {
    name: {"count": len(numbers), "sum": sum(numbers), "mean": sum(numbers) / len(numbers)}
    for name, numbers in NUMBERS.items()
}
_LARGE_MIB = 40
"""Beyond the size from which machines upload in parts (runtime/instance/agent/s3.py)."""


def first(bench: Bench) -> str:
    """Two datasets, of which one fails, as soon as the roles of their machines are made."""
    age = _age_of_role(bench)
    job = _submit(bench, ["one.txt", "bad.txt"], {"large_mib": _LARGE_MIB})
    state = _follow(bench, job)
    outcome = {dataset.name: dataset.state for dataset in state.datasets}
    if outcome != {"one.txt": "SUCCESS", "bad.txt": "FAILED"}:
        raise SmokeError(f"{_told(state)}; expected: one.txt succeeds, bad.txt fails")
    failed = next(one for one in state.datasets if one.name == "bad.txt")
    if failed.exit_code != 3:
        raise SmokeError(f"bad.txt ended with {failed.exit_code} ({failed.reason}); expected exit code 3")
    said = _golden(bench, job, ["one.txt"])
    bench.answers.yes("fresh-profile", f"the role was {age:.0f} s old when the job was submitted")
    bench.answers.yes("managed-keys", "a disk was made, and a job was counted in the table")
    bench.answers.yes("conditional-writes", "a job began and ended")
    _whole_checksum(bench, job)
    return f"one succeeded, one failed as meant; {said}"


def cancelled(bench: Bench) -> str:
    """A job that would wait ten minutes, and is ended when its machine works."""
    job = _submit(bench, ["one.txt"], {"wait": 600})
    _until(
        bench, job, lambda state: any(one.state == "IN PROGRESS" for one in state.datasets), "a machine works"
    )
    begun = time.monotonic()
    job.cancel()
    state = _follow(bench, job)
    if state.succeeded or "cancel" not in f"{state.end} {state.datasets[0].reason}".lower():
        raise SmokeError(f"{_told(state)}; expected: cancelled")
    return f"ended {time.monotonic() - begun:.0f} s after it was asked for"


def budget(bench: Bench) -> str:
    """The ledger's count, and that it refuses what is beyond the group's limit."""
    spent = spent_usd(bench)
    if not 0 < spent <= bench.place.record.budget_usd:
        raise SmokeError(f"${spent:.4f} counted; expected more than 0, at most the budget")
    bench.make("ssm").put_parameter(
        Name=limit_parameter(bench.place.analysis), Value="0.00", Type="String", Overwrite=True
    )
    try:
        state = _follow(bench, _submit(bench, ["one.txt"], {}, check=False))
    finally:
        bench.make("ssm").delete_parameter(Name=limit_parameter(bench.place.analysis))
    if state.phase != "REJECTED":
        raise SmokeError(f"{_told(state)}; expected: refused, the limit is $0")
    return f"${spent:.4f} spent; a job beyond the limit was refused"


def spot(bench: Bench) -> str:
    """Two datasets on spot machines that start from the baked image: each computes its own."""
    job = _submit(bench, ["one.txt", "two.txt"], {})
    state = _follow(bench, job)
    if not state.succeeded:
        raise SmokeError(f"{_told(state)}; expected: both succeed")
    said = _golden(bench, job, ["one.txt", "two.txt"])
    marks = {str(_result(bench, job, name, "image.txt").strip(), "utf-8") for name in NUMBERS}
    if marks != {f"{bench.place.analysis}-first"}:
        raise SmokeError(f"machines of the image {sorted(marks)}; expected: the baked one")
    market = job.job().market
    return f"{said}; machines bought as {market}, from the baked image"


def limit_parameter(analysis: str) -> str:
    from neurocaas.protocol.budget_parameters import ROOT as PARAMETERS

    return f"{PARAMETERS}/{GROUP}/{analysis}/limit"


def spent_usd(bench: Bench) -> float:
    """What the service has counted for the run's group, in this month and the last."""
    items = bench.make("dynamodb").query(
        TableName=bench.utils["ledger_table"],
        ConsistentRead=True,
        KeyConditionExpression="pk = :kind AND begins_with(sk, :analysis)",
        ExpressionAttributeValues={
            ":kind": {"S": BUDGETS},
            ":analysis": {"S": f"{bench.place.analysis}/{GROUP}/"},
        },
    )["Items"]
    return sum(int(item.get("spent", {"N": "0"})["N"]) for item in items) / 1e6


def _submit(
    bench: Bench, names: Sequence[str], config: Mapping[str, Any], *, check: bool = True
) -> JobHandle:
    """Without `check` the service alone decides."""
    folder = bench.place.folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for name in names:
        path = folder / name
        path.write_text("fail\n" if name == "bad.txt" else "".join(f"{one}\n" for one in NUMBERS[name]))
        paths.append(path)
    analysis = Analysis(bench.place.stack, GROUP, session=bench.session)
    return analysis.submit(analysis.upload(paths), dict(config), check=check)


def _follow(bench: Bench, job: JobHandle) -> JobState:
    return _until(bench, job, lambda state: state.finished, "the job ends")


def _until(bench: Bench, job: JobHandle, reached: Any, what: str) -> JobState:
    deadline = time.monotonic() + LONGEST_S
    while True:
        state = job.status()
        if reached(state):
            return state
        if state.finished:
            raise SmokeError(f"{_told(state)}; expected: {what}")
        if time.monotonic() > deadline:
            raise SmokeError(f"{_told(state)} after {LONGEST_S:.0f} s; expected: {what}")
        time.sleep(0.5)


def _told(state: JobState) -> str:
    datasets = [
        f"{one.name} {one.state}" + (f" ({one.reason})" if one.reason else "") for one in state.datasets
    ]
    return f"job {state.phase}: {', '.join(datasets) or 'no machine'}"


def _golden(bench: Bench, job: JobHandle, names: Sequence[str]) -> str:
    wrong = [
        difference
        for name in names
        for difference in differences(
            EXPECTED[name], json.loads(_result(bench, job, name, "summary.json")), 1e-6, name
        )
    ]
    if wrong:
        raise SmokeError(f"results: {'; '.join(wrong)}")
    return f"{len(names)} result{'' if len(names) == 1 else 's'} as expected"


def _key(bench: Bench, job: JobHandle, dataset: str, name: str) -> str:
    bucket, keys = job.results_place()
    listed = bench.make("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=keys.prefix)
    found = [
        one["Key"]
        for page in listed
        for one in page.get("Contents", ())
        if one["Key"].endswith(f"/{dataset}/{name}")
    ]
    if len(found) != 1:
        raise SmokeError(f"{len(found)} results {dataset}/{name}; expected: one")
    return str(found[0])


def _result(bench: Bench, job: JobHandle, dataset: str, name: str) -> bytes:
    key = _key(bench, job, dataset, name)
    content: bytes = bench.make("s3").get_object(Bucket=bench.bucket, Key=key)["Body"].read()
    return content


def _whole_checksum(bench: Bench, job: JobHandle) -> None:
    key = _key(bench, job, "one.txt", "large.bin")
    head = bench.make("s3").head_object(Bucket=bench.bucket, Key=key, ChecksumMode="ENABLED")
    parts, kind = "-" in head["ETag"], head.get("ChecksumType")
    if head["ContentLength"] != _LARGE_MIB << 20:
        raise SmokeError(f"a result of {head['ContentLength']} bytes; expected: {_LARGE_MIB} MiB")
    if not parts:
        bench.answers.unknown("full-object-checksum", "the result was not sent in parts")
    else:
        bench.answers.judge("full-object-checksum", kind == "FULL_OBJECT", f"checksum type {kind}")


def _age_of_role(bench: Bench) -> float:
    role = str(bench.outputs["groups"][GROUP]["instance_role"]).rpartition("/")[2]
    made: datetime = bench.make("iam").get_role(RoleName=role)["Role"]["CreateDate"]
    return (datetime.now(UTC) - made).total_seconds()
