"""The monitor's entry point and its AWS calls, over botocore against an in-process AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from neurocaas.protocol.documents import iso
from neurocaas.protocol.keys import EvidenceKeys, JobId, JobKeys
from neurocaas.protocol.ledger import BUDGETS, OPEN_JOBS
from neurocaas.protocol.limits import STATUS_MAX_BYTES
from neurocaas.protocol.status import DatasetStatus
from neurocaas.protocol.tags import job_tags
from runtime.manager.aws import AwsManagerCloud
from runtime.monitor import handler as module
from runtime.monitor.aws import AwsMonitorCloud
from runtime.monitor.port import Instance
from tests.unit.job_world import BUCKET, World
from tests.unit.moto_images import IMAGE

JOB = JobId(BUCKET, "lab", "t1")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**environment, "NEUROCAAS_LEDGER_TABLE": "ledger"}.items():
        monkeypatch.setenv(name, value)
    module._cloud.cache_clear()
    with mock_aws():
        clients: dict[str, Any] = {
            name: boto3.client(name) for name in ("s3", "ec2", "dynamodb", "sns", "sqs")
        }
        clients["s3"].create_bucket(Bucket=BUCKET)
        clients["dynamodb"].create_table(
            TableName="ledger",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        topic = clients["sns"].create_topic(Name="jobs")["TopicArn"]
        queue = clients["sqs"].create_queue(QueueName="inbox")["QueueUrl"]
        clients["inbox"] = queue
        arn = clients["sqs"].get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        clients["sns"].subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        monkeypatch.setenv("NEUROCAAS_TOPIC_ARN", topic)
        yield clients
    module._cloud.cache_clear()


def start(account: dict[str, Any]) -> str:
    """A launched job of one dataset with a real (mocked) machine."""
    world = World()
    world.clock.now = datetime.now(UTC)
    world.submit(world.submission())
    job = world.job()
    for (bucket, key), (body, metadata) in world.aws.objects_.items():
        account["s3"].put_object(Bucket=bucket, Key=key, Body=body, Metadata=metadata)
    tags = [{"Key": key, "Value": value} for key, value in job_tags(job, "arn:manager", 0).items()]
    specification = [{"ResourceType": "instance", "Tags": tags}]
    answer = account["ec2"].run_instances(
        ImageId=IMAGE, MinCount=1, MaxCount=1, InstanceType="m5.large", TagSpecifications=specification
    )
    open_item()
    return str(answer["Instances"][0]["InstanceId"])


def open_item() -> None:
    manager = AwsManagerCloud("ledger")
    manager.lease(JOB, "one", 100.0, 200.0, {"submission": "k", "analysis": "dti"})
    manager.launched(JOB, 1, frozenset(), 300.0)


def nothing_open(account: dict[str, Any]) -> bool:
    """Whether nothing of a job under way is left in the table."""
    kinds = {item["pk"]["S"] for item in account["dynamodb"].scan(TableName="ledger")["Items"]}
    return kinds.isdisjoint({OPEN_JOBS, BUDGETS})


def event(instance: str, state: str, name: str = "m1") -> dict[str, Any]:
    detail = {"instance-id": instance, "state": state}
    body = {
        "source": "aws.ec2",
        "detail-type": "EC2 Instance State-change Notification",
        "time": iso(datetime.now(UTC)),
        "detail": detail,
    }
    return {"messageId": name, "body": json.dumps(body)}


def test_a_job_through_the_whole_handler(account: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    instance = start(account)
    assert module.handler({"Records": [event(instance, "running")]}, None) == {"batchItemFailures": []}
    active = json.loads(
        account["s3"].get_object(Bucket=BUCKET, Key=f"logs/active/{instance}.json")["Body"].read()
    )
    assert active["instance-id"] == instance
    status = DatasetStatus("SUCCESS", "lab/inputs/a.zip", instance, exit_code=0)
    account["s3"].put_object(
        Bucket=BUCKET, Key=EvidenceKeys("AROALAB", instance).status, Body=status.to_json()
    )
    account["ec2"].terminate_instances(InstanceIds=[instance])
    records = [
        event(instance, "shutting-down", "m1"),
        event(instance, "terminated", "m2"),
        event("i-00000000000000000", "terminated", "m3"),
    ]
    assert module.handler({"Records": records}, None) == {"batchItemFailures": []}
    end = account["s3"].get_object(Bucket=BUCKET, Key=JobKeys.of("lab", "t1").end)["Body"].read()
    assert end == b"SUCCESS 1/1\n"
    assert nothing_open(account)
    (notice,) = account["sqs"].receive_message(QueueUrl=account["inbox"], MaxNumberOfMessages=10)["Messages"]
    assert "SUCCESS 1/1" in json.loads(notice["Body"])["Subject"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["service"] for line in lines} == {"monitor"}
    assert {line.get("job") for line in lines} == {"/".join(JOB), None}
    assert [(line["message"], line["JobsSucceeded"]) for line in lines if "_aws" in line] == [
        ("job ended: SUCCESS 1/1", 1)
    ]


def test_the_schedule_sweeps(account: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    instance = start(account)
    account["ec2"].terminate_instances(InstanceIds=[instance])
    assert module.handler({"source": "aws.events", "detail-type": "Scheduled Event"}, None) == {}
    end = account["s3"].get_object(Bucket=BUCKET, Key=JobKeys.of("lab", "t1").end)["Body"].read()
    assert end.startswith(b"FAILED 0/1")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["service"] for line in lines} == {"sweep"}
    assert any(line["message"].startswith("job ended: FAILED 0/1") for line in lines)
    assert not any("_aws" in line for line in lines), "what somebody ended by hand is no failure"


def test_a_dry_run_answers_what_it_would_do(
    account: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    instance = start(account)
    account["ec2"].terminate_instances(InstanceIds=[instance])
    answer = module.handler({"dry_run": True}, None)
    assert "close dataset 0 of dti/lab/t1 as failed" in answer["would"]
    assert "_aws" not in capsys.readouterr().out
    assert "Contents" not in account["s3"].list_objects_v2(Bucket=BUCKET, Prefix=JobKeys.of("lab", "t1").end)


def test_one_event_fails_alone(account: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    instance = start(account)
    monkeypatch.setattr(
        AwsMonitorCloud,
        "put",
        lambda *_args, **_options: (_ for _ in ()).throw(ConnectionError("no network")),
    )
    records = [event(instance, "running", "m1"), {"messageId": "m2", "body": "{}"}]
    assert module.handler({"Records": records}, None) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_closing_a_dataset_twice_changes_nothing(account: dict[str, Any]) -> None:
    open_item()
    cloud = AwsMonitorCloud("ledger", None)
    for _ in range(2):
        item = cloud.close_dataset(JOB, 0, succeeded=True, instance="i-1", now=5.0)
        assert item is not None
        assert (item.closed, item.instances, item.total, item.state) == (
            frozenset({0}),
            frozenset({"i-1"}),
            1,
            "launched",
        )
    assert cloud.open_job(JOB) == item
    assert list(cloud.open_jobs()) == [item]
    assert item is not None
    cloud.settle(item, 0, "2026-01-31")
    assert cloud.close_dataset(JOB, 0, succeeded=True, instance=None, now=6.0) is None
    assert cloud.open_job(JOB) is None


def test_a_launch_is_taken_over_from_nobody_who_works_on_it(account: dict[str, Any]) -> None:
    AwsManagerCloud("ledger").lease(JOB, "one", 100.0, 200.0, {"submission": "k", "analysis": "dti"})
    cloud = AwsMonitorCloud("ledger", None)
    assert not cloud.abandon(JOB, 200.0)
    assert cloud.abandon(JOB, 201.0)
    assert not cloud.abandon(JOB, 202.0)
    item = cloud.open_job(JOB)
    assert item is not None
    assert (item.state, item.total, item.lease, item.submission, item.analysis) == (
        "launched",
        None,
        None,
        "k",
        "dti",
    )
    assert AwsManagerCloud("ledger").lease(JOB, "two", 300.0, 400.0, {}) == "launched"
    assert not cloud.abandon(JobId(BUCKET, "lab", "unknown"), 201.0)


def test_terminating_what_is_gone_is_no_error(account: dict[str, Any]) -> None:
    instance = start(account)
    cloud = AwsMonitorCloud("ledger", None)
    cloud.terminate(["i-00000000000000000"])
    cloud.terminate([instance])
    (found,) = cloud.instances([instance, "i-00000000000000000"])
    assert isinstance(found, Instance)
    assert found.state == "terminated"
    assert found.tags["job"] == "t1"
    assert cloud.instances([]) == []


def test_objects(account: dict[str, Any]) -> None:
    cloud = AwsMonitorCloud("ledger", None).acting_for(BUCKET, "lab")
    with pytest.raises(PermissionError):
        AwsMonitorCloud("ledger", None).put(BUCKET, "p/a", "text")
    assert cloud.get(BUCKET, "none") is None
    assert cloud.get("no-such-bucket", "none") is None
    assert cloud.put(BUCKET, "p/a", "text", if_absent=True, metadata={"claim": "x"})
    assert not cloud.put(BUCKET, "p/a", "other", if_absent=True)
    content = cloud.get(BUCKET, "p/a")
    assert content is not None
    assert (content.body, content.metadata) == (b"text", {"claim": "x"})
    assert list(cloud.keys(BUCKET, "p/")) == ["p/a"]
    cloud.delete(BUCKET, "p/a")
    assert list(cloud.keys(BUCKET, "p/")) == []


def test_neither_a_topic_that_is_gone_nor_a_status_file_of_any_size_keeps_a_job_open(
    account: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEUROCAAS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:gone")
    instance = start(account)
    for key in (EvidenceKeys("AROALAB", instance).status, JobKeys.of("lab", "t1").status("a.zip")):
        account["s3"].put_object(Bucket=BUCKET, Key=key, Body=b"{" + b" " * STATUS_MAX_BYTES + b"}")
    account["ec2"].terminate_instances(InstanceIds=[instance])
    assert module.handler({"Records": [event(instance, "terminated")]}, None) == {"batchItemFailures": []}
    account["s3"].head_object(Bucket=BUCKET, Key=JobKeys.of("lab", "t1").end)
    assert nothing_open(account)
    assert "no notice was sent, because SNS refuses (NotFound)" in capsys.readouterr().out
