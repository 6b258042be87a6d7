"""The monitor's writer in a deployed service: each session writes for one group, and copies results to
registered buckets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from localcloud.tests.denials import denied
from neurocaas.protocol.objects import put
from runtime.monitor.confined import VARIABLE, Writers
from tests.local.deployed import Deployed, client

pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def environment(service: Deployed) -> dict[str, str]:
    """What the deployed function has, but for its credentials."""
    found = service.client("lambda").get_function_configuration(
        FunctionName=service.utils["monitor_function"]
    )
    variables: dict[str, str] = found["Environment"]["Variables"]
    return variables


@pytest.fixture
def writers(service: Deployed, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Writers:
    """As the monitor's function has them."""
    monkeypatch.setenv(VARIABLE, environment[VARIABLE])
    monkeypatch.setenv("AWS_ENDPOINT_URL", service.ground.local_environment()["AWS_ENDPOINT_URL"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", service.utils["region"])
    monitor, session = service.role(service.utils["monitor_role_arn"]), botocore.session.Session()
    assert monitor.access_key
    assert monitor.secret
    session.set_credentials(monitor.access_key, monitor.secret, monitor.token)
    return Writers(session, Config(retries={"total_max_attempts": 1}))


@pytest.fixture(scope="module")
def archive(service: Deployed) -> Iterator[Any]:
    """The outside bucket that lab1's results may go to, and one that nobody has registered."""
    s3 = service.client("s3")
    there = {one["Name"] for one in s3.list_buckets()["Buckets"]}
    made = [name for name in ("lab1-archive", "secret-archive") if name not in there]
    for name in made:
        s3.create_bucket(Bucket=name)
    yield s3
    for name in made:
        for one in s3.list_objects_v2(Bucket=name).get("Contents", []):
            s3.delete_object(Bucket=name, Key=one["Key"])
        s3.delete_bucket(Bucket=name)


def test_the_function_knows_its_writer_and_the_settings_of_all_analyses(
    service: Deployed, environment: dict[str, str]
) -> None:
    assert environment[VARIABLE] == service.utils["monitor_writer_role_arn"]
    monitor = client(service.ground, "s3", service.role(service.utils["monitor_role_arn"]))
    listed = monitor.list_objects_v2(Bucket=environment["NEUROCAAS_ARTIFACT_BUCKET"], Prefix="analyses/")[
        "Contents"
    ]
    assert service.analysis["settings_key"] in {one["Key"] for one in listed}
    text = monitor.get_object(
        Bucket=environment["NEUROCAAS_ARTIFACT_BUCKET"], Key=service.analysis["settings_key"]
    )["Body"].read()
    settings = json.loads(text)
    assert settings["queue_url"] == service.analysis["submission_queue_url"]
    role_of = {group: service.analysis["groups"][group]["instance_role"] for group in settings["groups"]}
    iam = service.client("iam")
    assert {group: own["role_id"] for group, own in settings["groups"].items()} == {
        group: iam.get_role(RoleName=role)["Role"]["RoleId"] for group, role in role_of.items()
    }


def test_a_session_keeps_the_records_of_its_group(service: Deployed, writers: Writers) -> None:
    bucket, root = service.analysis["bucket"], service.client("s3")
    s3 = writers.s3(bucket, "lab1")
    end = "jobs/lab1/job_writer/end.txt"
    assert put(s3, bucket, end, "SUCCESS 1/1", if_absent=True)
    assert not put(s3, bucket, end, "FAILED 0/1", if_absent=True)
    assert put(s3, bucket, "logs/active/i-writer.json", "{}")
    s3.delete_object(Bucket=bucket, Key="logs/active/i-writer.json")
    assert root.get_object(Bucket=bucket, Key=end)["Body"].read() == b"SUCCESS 1/1"
    for key in (end.replace("lab1", "lab10"), "lab1/submissions/x_submit.json", "evidence/x/status.json"):
        assert denied(lambda key=key: s3.put_object(Bucket=bucket, Key=key, Body=b"1")), key  # type: ignore[misc]
    for other in ({"bucket": "analysis-prod", "group": "lab1"}, {"bucket": bucket, "group": "lab10"}):
        assert denied(
            lambda other=other: writers.s3(**other).put_object(Bucket=bucket, Key=end, Body=b"1")  # type: ignore[misc]
        ), other
    root.delete_object(Bucket=bucket, Key=end)


def test_results_are_copied_to_the_bucket_that_they_went_to(
    service: Deployed, writers: Writers, archive: Any
) -> None:
    bucket = service.analysis["bucket"]
    log, copy = "lab1/results/job_writer/logs/certificate.txt", "res/job_writer/logs/certificate.txt"
    archive.put_object(Bucket=bucket, Key=log, Body=b"certificate")
    source = {"Bucket": bucket, "Key": log}
    s3 = writers.s3(bucket, "lab1", ["lab1-archive"])
    s3.copy_object(CopySource=source, Bucket="lab1-archive", Key=copy)
    assert archive.get_object(Bucket="lab1-archive", Key=copy)["Body"].read() == b"certificate"
    assert denied(lambda: s3.copy_object(CopySource=source, Bucket="lab1-archive", Key="elsewhere/x"))
    assert denied(
        lambda: writers.s3(bucket, "lab1").copy_object(CopySource=source, Bucket="lab1-archive", Key=copy)
    )
    assert denied(
        lambda: writers.s3(bucket, "lab10", ["lab1-archive"]).copy_object(
            CopySource=source, Bucket="lab1-archive", Key=copy
        )
    )
    # A bucket of the account that no blueprint registers.
    assert denied(
        lambda: writers.s3(bucket, "lab1", ["secret-archive"]).put_object(
            Bucket="secret-archive", Key="x", Body=b"1"
        )
    )
    archive.delete_object(Bucket=bucket, Key=log)
