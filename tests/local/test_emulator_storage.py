"""S3 of the local cloud, where stock MiniStack differs from AWS."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localcloud.tests.homes import Client
from runtime.instance.agent import s3 as agent
from runtime.instance.agent.storage import Location, ObjectPin, StorageError

pytestmark = pytest.mark.local


@pytest.fixture
def bucket(client: Client) -> str:
    name = f"bucket-{uuid.uuid4().hex[:10]}"
    client("s3").create_bucket(Bucket=name)
    return name


def test_encryption_without_a_named_key_takes_the_default(client: Client, bucket: str) -> None:
    s3 = client("s3")
    made = s3.put_object(Bucket=bucket, Key="a", Body=b"1", ServerSideEncryption="aws:kms")
    assert made["SSEKMSKeyId"].endswith(":alias/aws/s3")
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [default]})
    assert (
        s3.put_object(Bucket=bucket, Key="b", Body=b"1", ServerSideEncryption="aws:kms")["SSEKMSKeyId"] == key
    )
    assert (
        s3.put_object(Bucket=bucket, Key="c", Body=b"1", ServerSideEncryption="AES256")[
            "ServerSideEncryption"
        ]
        == "AES256"
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-2", b"012"),
        ("bytes=7-", b"789"),
        ("bytes=-2", b"89"),
        ("bytes=3-3", b"3"),
        ("bytes=5-100", b"56789"),
    ],
)
def test_ranges(client: Client, bucket: str, asked: str, expected: bytes) -> None:
    s3 = client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="digits", Body=b"0123456789")["VersionId"]
    assert s3.get_object(Bucket=bucket, Key="digits", Range=asked)["Body"].read() == expected
    assert s3.get_object(Bucket=bucket, Key="digits")["Body"].read() == b"0123456789"
    for _ in range(2):
        answer = s3.get_object(
            Bucket=bucket, Key="digits", Range=asked, VersionId=version, ChecksumMode="ENABLED"
        )
        assert answer["Body"].read() == expected
        assert answer["ContentRange"].endswith("/10")
        s3.put_object(Bucket=bucket, Key="digits", Body=b"another")


def test_a_range_outside_is_refused(client: Client, bucket: str) -> None:
    s3 = client("s3")
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert s3.get_object(Bucket=bucket, Key="empty")["Body"].read() == b""
    with pytest.raises(s3.exceptions.ClientError, match="InvalidRange"):
        s3.get_object(Bucket=bucket, Key="empty", Range="bytes=0-1")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="empty", Body=b"")["VersionId"]
    with pytest.raises(s3.exceptions.ClientError, match="InvalidRange"):
        s3.get_object(Bucket=bucket, Key="empty", Range="bytes=0-1", VersionId=version)


def test_a_submission_reaches_a_function_through_a_queue(client: Client, bucket: str) -> None:
    """The way that the program uses: bucket notification, queue, function; the queue's policy must let S3
    in.
    """
    s3, sqs = client("s3"), client("sqs")
    queue = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rules: list[dict[str, Any]] = [
        {"Name": "prefix", "Value": "g/submissions/"},
        {"Name": "suffix", "Value": "submit.json"},
    ]
    wanted = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": rules}}}
    configuration = {"Bucket": bucket, "NotificationConfiguration": {"QueueConfigurations": [wanted]}}
    with pytest.raises(s3.exceptions.ClientError, match="Unable to validate the following destination"):
        s3.put_bucket_notification_configuration(**configuration)

    def keys() -> list[str]:
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        records = [
            record for message in messages for record in json.loads(message["Body"]).get("Records", [])
        ]
        return [record["s3"]["object"]["key"] for record in records]

    statement = {
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}},
    }  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    s3.put_bucket_notification_configuration(**configuration)
    for key in ("g/submissions/1_submit.json", "g/submissions/1.txt", "h/submissions/1_submit.json"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"{}")
    assert keys() == ["g/submissions/1_submit.json"]


@pytest.mark.parametrize("latest", [True, False])
def test_a_machine_gets_a_large_object_of_a_version_in_parts(
    client: Client, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, latest: bool
) -> None:
    monkeypatch.setattr(agent, "PART", 1 << 20)
    storage, body, s3 = agent.S3Storage(), os.urandom(5_000_001), client("s3")
    storage.__dict__["_client"] = s3
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    made = s3.put_object(Bucket=bucket, Key="scan", Body=body)
    if not latest:
        s3.put_object(Bucket=bucket, Key="scan", Body=os.urandom(len(body)))
    pin = ObjectPin(made["ETag"].strip('"'), made["VersionId"], len(body))
    assert (
        storage.download(Location(bucket, "scan"), tmp_path / "scan", lambda block: None, pin=pin)
        == made["VersionId"]
    )
    assert (tmp_path / "scan").read_bytes() == body
    with pytest.raises(StorageError, match="the data changed"):
        storage.download(
            Location(bucket, "scan"), tmp_path / "scan", lambda block: None, pin=replace(pin, etag="0" * 32)
        )
