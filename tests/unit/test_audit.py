"""`invoke audit`: the records of a trail, asked by key, job and group."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from invoke.context import Context
from moto import mock_aws

from console import audit, commands
from console.errors import UserError
from neurocaas.protocol import members
from neurocaas.protocol.members import Member

LOGS, ACCOUNT, REGION = "neurocaas-logs", "123456789012", "us-east-1"
NOW = datetime.now(UTC)
ANN = {
    "type": "AssumedRole",
    "principalId": "AROALAB:ann",
    "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/ann",
}
MACHINE = {"type": "AssumedRole", "principalId": "AROAM:i-1",
           "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/neurocaas-machine/i-1"}  # fmt: skip
OUTSIDER = {
    "type": "IAMUser",
    "principalId": "AIDAX",
    "arn": f"arn:aws:iam::{ACCOUNT}:user/x",
    "userName": "x",
}


def record(
    who: dict[str, Any], call: str, key: str, *, bucket: str = "dti", ago: float = 1.0, error: str = ""
) -> dict[str, Any]:
    return {
        "eventTime": f"{NOW - timedelta(hours=ago):%Y-%m-%dT%H:%M:%SZ}",
        "eventName": call,
        "userIdentity": who,
        "requestParameters": {"bucketName": bucket, "key": key},
        "sourceIPAddress": "192.0.2.1",
        "additionalEventData": {"bytesTransferredIn": 0, "bytesTransferredOut": 2048},
        **({"errorCode": error} if error else {}),
    }


RECORDS = [
    record(ANN, "PutObject", "lab/inputs/a.zip", ago=3),
    record(MACHINE, "GetObject", "lab/inputs/a.zip", ago=2),
    record(OUTSIDER, "GetObject", "lab/results/job_t1/process_results/x.csv", error="AccessDenied"),
    record(ANN, "GetObject", "jobs/lab/job_t1/certificate.json", ago=0.5),
    record(ANN, "PutObject", "lab/submissions/t1_submit.json", ago=2.5),
    record(ANN, "GetObject", "lab/results/job_t10/process_results/x.csv", ago=0.4),
    record(MACHINE, "PutObject", "lab10/results/job_t1/x", ago=0.3),
    record(ANN, "PutObject", "lab/inputs/a.zip", ago=30 * 24),
]


def write(s3: Any, name: str, body: bytes, day: datetime = NOW) -> None:
    key = f"cloudtrail/AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/{day:%Y/%m/%d}/{name}.json.gz"
    s3.put_object(Bucket=LOGS, Key=key, Body=body)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    found = {"log_bucket": LOGS, "account": ACCOUNT, "region": REGION}
    engine = SimpleNamespace(outputs=lambda name: found)
    monkeypatch.setattr(commands, "engine_of_deployed", lambda stack: (engine, stack))
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=LOGS)
        text = members.text_of(
            ["AROALAB"], provider=False, most=None, people=[Member("ann", sessions=("ann",))]
        )
        boto3.client("ssm").put_parameter(Name=members.people_parameter("lab", 1), Value=text, Type="String")
        yield client


@pytest.fixture
def recorded(s3: Any) -> Any:
    for number in range(2):
        write(s3, f"f{number}", gzip.compress(json.dumps({"Records": RECORDS[number::2]}).encode()))
    write(s3, "torn", b"no gzip")
    return s3


def calls(capsys: pytest.CaptureFixture[str], key: str = "", **flags: Any) -> list[tuple[str, str, str]]:
    audit.audit(Context(), [key] if key else [], json=True, **flags)
    found = json.loads(capsys.readouterr().out)["calls"]
    return [(one["who"], one["call"], one["key"]) for one in found]


def test_who_has_read_and_written_one_object(recorded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    key = "lab/inputs/a.zip"
    wanted = [("ann", "PutObject", key), ("neurocaas-machine/i-1", "GetObject", key)]
    assert calls(capsys, key) == wanted
    assert calls(capsys, f"s3://dti/{key}") == wanted
    assert calls(capsys, f"s3://other/{key}") == []
    assert calls(capsys, key, people=True) == wanted[:1]
    assert calls(capsys, key, writes=True) == wanted[:1]
    assert calls(capsys, key, limit=1) == wanted[1:]
    assert len(calls(capsys, key, since="40d")) == 3


def test_what_is_a_job_s_and_nothing_of_another_s(recorded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert calls(capsys, job="t1", group="lab") == [
        ("ann", "PutObject", "lab/submissions/t1_submit.json"),
        ("x", "GetObject", "lab/results/job_t1/process_results/x.csv"),
        ("ann", "GetObject", "jobs/lab/job_t1/certificate.json"),
    ]
    assert all(key.split("/")[0] == "lab" or "/lab/" in key for _, _, key in calls(capsys, group="lab"))
    assert len(calls(capsys, group="lab")) == 6


def test_people_read_a_table_with_what_was_refused(recorded: Any, capsys: pytest.CaptureFixture[str]) -> None:
    audit.audit(Context(), ["lab/results/job_t1/"])
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split() == [
        "time",
        "(UTC)",
        "who",
        "call",
        "key",
        "bytes",
        "from",
        "refused",
    ]
    assert "AccessDenied" in said.out
    assert "torn.json.gz is no file of records" in said.err


def test_nothing_is_recorded_unless_it_was_asked_for(s3: Any) -> None:
    with pytest.raises(UserError, match="auditData"):
        audit.audit(Context(), ["lab/inputs/a.zip"])


@pytest.mark.parametrize(
    "flags",
    [{}, {"names": ["a"], "group": "lab"}, {"job": "t1"}, {"names": ["a"], "since": "yesterday"}],
)
def test_mistakes_are_told_in_three_parts(s3: Any, flags: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        audit.audit(Context(), **{"names": [], **flags})
