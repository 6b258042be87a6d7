"""Moving what earlier attempts have written, and asking what spot costs, over botocore against an in-process
AWS.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from runtime.monitor.aws import AwsMonitorCloud
from runtime.monitor.port import ComeAgainError, Move
from tests.unit.job_world import BUCKET


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        for name, value in {
            "ACCESS_KEY_ID": "x",
            "SECRET_ACCESS_KEY": "x",
            "DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(f"AWS_{name}", value)
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture(scope="module")
def cloud(s3: Any) -> AwsMonitorCloud:
    return AwsMonitorCloud("ledger", None).acting_for(BUCKET, "lab")


def test_results_are_set_aside_as_long_as_they_are_those_that_were_meant(
    s3: Any, cloud: AwsMonitorCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, there = "lab/results/job_t1/process_results/", "lab/results/job_t1/attempts/1/process_results/"
    versions = {
        name: s3.put_object(Bucket=BUCKET, Key=folder + name, Body=name.encode())["VersionId"]
        for name in "abcd"
    }
    s3.put_object(Bucket=BUCKET, Key=folder + "b", Body=b"another machine's")
    etag = s3.head_object(Bucket=BUCKET, Key=folder + "c")["ETag"].strip('"')
    moves = [
        *(Move(folder + name, there + name, versions[name]) for name in "ab"),
        Move(folder + "c", there + "c", etag=etag),
        Move(folder + "d", there + "d", etag="of another"),
        Move(folder + "gone", there + "gone"),
    ]
    monkeypatch.setattr("runtime.monitor.objects._MOVING", -1.0)
    with pytest.raises(ComeAgainError, match="5 of 5 results"):
        cloud.set_aside(BUCKET, moves)
    monkeypatch.undo()
    for _ in range(2):  # whoever dies between the two calls for one object leaves it to the next
        assert cloud.set_aside(BUCKET, moves) == {}
    left = {
        entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET, Prefix="lab/results/job_t1/")["Contents"]
    }
    assert left == {folder + "b", folder + "d", there + "a", there + "c"}
    assert s3.get_object(Bucket=BUCKET, Key=there + "a")["Body"].read() == b"a"
    assert s3.get_object(Bucket=BUCKET, Key=folder + "a", VersionId=versions["a"])["Body"].read() == b"a", (
        "nothing is lost"
    )


def test_what_is_larger_than_a_copy_may_be_is_removed_only(
    s3: Any, cloud: AwsMonitorCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "lab/results/job_t2/process_results/large"
    version = s3.put_object(Bucket=BUCKET, Key=key, Body=b"12345")["VersionId"]
    monkeypatch.setattr("runtime.monitor.objects._COPY_MAX", 4)
    assert (
        cloud.set_aside(BUCKET, [Move(key, "lab/results/job_t2/attempts/1/process_results/large", version)])
        == {}
    )
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="lab/results/job_t2/")["KeyCount"] == 0
    assert s3.get_object(Bucket=BUCKET, Key=key, VersionId=version)["Body"].read() == b"12345"


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [("AccessDenied", 403, True), ("SlowDown", 503, False), ("InternalError", 500, False)],
)
def test_a_refusal_to_move_is_told_and_an_error_that_passes_is_raised(
    s3: Any, cloud: AwsMonitorCloud, monkeypatch: pytest.MonkeyPatch, code: str, status: int, said: bool
) -> None:
    key = "lab/results/job_t3/process_results/a"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"a")

    class Refusing:
        def copy_object(self, **_: Any) -> None:
            raise ClientError(
                {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
                "CopyObject",
            )

    monkeypatch.setattr(cloud._writers, "s3", lambda *_, **__: Refusing())
    if said:
        assert cloud.set_aside(BUCKET, [Move(key, "x")]) == {key: code}
    else:
        with pytest.raises(ClientError):
            cloud.set_aside(BUCKET, [Move(key, "x")])


def test_what_spot_costs_is_what_ec2_says_and_nothing_where_it_does_not(
    cloud: AwsMonitorCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    when = datetime(2026, 1, 31, 12, tzinfo=UTC)
    asked: list[dict[str, Any]] = []
    answers = iter(
        [
            [
                {"Timestamp": when, "SpotPrice": "0.031200"},
                {"Timestamp": datetime(2026, 1, 30, tzinfo=UTC), "SpotPrice": "0.02"},
            ],
            [],
            ClientError({"Error": {"Code": "UnauthorizedOperation"}}, "DescribeSpotPriceHistory"),
        ]
    )

    class Ec2:
        def describe_spot_price_history(self, **arguments: Any) -> dict[str, Any]:
            asked.append(arguments)
            answer = next(answers)
            if isinstance(answer, ClientError):
                raise answer
            return {"SpotPriceHistory": answer}

    monkeypatch.setitem(cloud.clients.__dict__, "ec2", Ec2())
    assert [cloud.spot_price("m5.large", "us-east-1a", when) for _ in range(3)] == [0.0312, None, None]
    assert (asked[0]["InstanceTypes"], asked[0]["AvailabilityZone"], asked[0]["StartTime"]) == (
        ["m5.large"],
        "us-east-1a",
        when,
    )
