"""`invoke cost` of a whole account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from invoke.context import Context
from moto import mock_aws

from console import analysts, costs, idle_commands
from neurocaas.protocol.documents import iso
from neurocaas.protocol.job_index import IndexEntry, complete_key, segment_key

NOW = datetime.now(UTC)
ALARM: list[tuple[str, dict[str, Any]]] = [("aws:cloudwatch/metricAlarm:MetricAlarm", {})]


class Engine:
    """A project with two analyses and `utils`."""

    def __init__(self, root: Path) -> None:
        self.stacks = {"utils": {}, "dti-prod": {"bucket": "dti"}, "motion-prod": {"bucket": "motion"}}

    def stack_names(self) -> list[str]:
        return list(self.stacks)

    def outputs_if_any(self, name: str) -> dict[str, Any]:
        return self.stacks[name]

    def resources(self, name: str) -> list[dict[str, Any]]:
        return [{"type": kind, "inputs": inputs} for kind, inputs in ALARM] if name == "utils" else []


def index(s3: Any, bucket: str, group: str, *entries: IndexEntry) -> None:
    s3.put_object(Bucket=bucket, Key=complete_key(group), Body=b"{}")
    s3.put_object(
        Bucket=bucket, Key=segment_key(group, 0), Body="\n".join(e.line() for e in entries).encode()
    )


def entry(name: str, who: str, usd: float) -> IndexEntry:
    return IndexEntry(f"job_{name}", iso(NOW), "SUCCESS", submitter=who, ended=iso(NOW), datasets=1, done=1,
                      cost=round(usd * 1e6), seconds=60.0)  # fmt: skip


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
                        "AWS_DEFAULT_REGION": "us-east-1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "NEUROCAAS_GROUP", "NEUROCAAS_ANALYSIS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NEUROCAAS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr("console.cloud.project_root", lambda: tmp_path)
    monkeypatch.setattr("console.engine.Engine", Engine)
    monkeypatch.setattr(costs, "images_of", lambda ec2: {"old-prod": [("ami-1", 0.4)]})
    with mock_aws():
        s3 = boto3.client("s3")
        for bucket in ("dti", "motion"):
            s3.create_bucket(Bucket=bucket)
        open_job = IndexEntry("job_on", iso(NOW), "RUNNING", submitter="bob", datasets=1, reserved=240_000)
        index(s3, "dti", "lab1", entry("a", "ann", 1.5), open_job)
        index(s3, "dti", "lab2", entry("b", "eve", 2))
        index(s3, "motion", "lab1", entry("c", "ann", 0.25))
        yield s3


def shown(capsys: pytest.CaptureFixture[str], **flags: Any) -> Any:
    task = costs.with_account(analysts.collection.tasks["cost"])
    task.body(Context(), json=True, **flags)
    return json.loads(capsys.readouterr().out)


def test_all_groups_and_analyses_are_one_report(account: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = shown(capsys)
    rows = {(one["group"], one["analysis"]): one for one in found["groups"]}
    assert {key: one["cost_usd"] for key, one in rows.items()} == {
        ("lab1", "dti-prod"): 1.5, ("lab2", "dti-prod"): 2, ("lab1", "motion-prod"): 0.25}  # fmt: skip
    assert (found["cost_usd"], found["reserved_usd"]) == (3.75, 0.24)
    assert [one["bucket"] for one in found["storage"]] == ["dti", "motion"]
    assert all(one["bytes"] > 0 for one in found["storage"])
    assert found["idle_usd_per_month"] == idle_commands.facts({"utils": ALARM}, {})["usd"]
    assert found["images"] == [
        {"stack": "old-prod", "stack_is_there": False, "image_id": "ami-1", "usd_per_month": 0.4}
    ]
    members = shown(capsys, by="member")["totals"]
    assert {one["name"]: one["cost_usd"] for one in members} == {"ann": 1.75, "eve": 2, "bob": 0}
    text = "\n".join(costs.lines(found))
    for part in ("lab2", "$3.75", "when nobody works", "ami-1 of old-prod (the stack is gone)"):
        assert part in text


def test_what_s3_reports_is_not_counted(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "_reported", lambda bucket, now: 2**30)
    found = costs.stored("dti-prod", "dti", account)
    assert (found["bytes"], found["counted"], found["usd_per_month"]) == (2**30, False, 0.023)
    monkeypatch.setattr(costs, "_reported", lambda bucket, now: None)
    found = costs.stored("dti-prod", "dti", account)
    assert (found["counted"], found["at_least"]) == (True, False)
    assert found["bytes"] > 400
    monkeypatch.setattr(costs, "LISTED", 2)
    assert costs.stored("dti-prod", "dti", account)["at_least"]


def test_what_s3_reports_is_its_latest_report(account: Any) -> None:
    assert costs._reported("dti", NOW) is not None, "moto reports what its buckets hold"
    assert costs._reported("nowhere", NOW) is None


def test_with_a_group_it_is_the_groups(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    task = analysts.collection.tasks["cost"]
    monkeypatch.setattr(task, "body", lambda c, **named: given.append(named))
    costs.with_account(task).body(Context(), group="lab1", analysis="dti")
    assert given == [{"group": "lab1", "analysis": "dti"}]
