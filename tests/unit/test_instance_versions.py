"""What a machine reads and writes is recorded with its version, small or in parts, where the bucket keeps
versions.
"""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from runtime.instance.agent import s3
from runtime.instance.agent.storage import Location
from runtime.instance.agent.transfer import Transfer, read_record


@pytest.mark.parametrize("size", [10, 11 << 20])
@pytest.mark.parametrize("versioned", [True, False])
def test_the_record_names_the_versions(
    size: int, versioned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "ACCESS_KEY_ID": "x",
        "SECRET_ACCESS_KEY": "x",
        "DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(s3, "PART", 5 << 20)
    (tmp_path / "a").write_bytes(b"x" * size)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="lab")
        if versioned:
            client.put_bucket_versioning(Bucket="lab", VersioningConfiguration={"Status": "Enabled"})
        transfer = Transfer(s3.S3Storage(), tmp_path / "record")
        transfer.upload(tmp_path / "a", Location("lab", "r"))
        transfer.download(Location("lab", "r/a"), tmp_path / "back")
        there = client.head_object(Bucket="lab", Key="r/a").get("VersionId")
    assert [moved.version_id for moved in read_record(tmp_path / "record")] == [there, there]
    assert (there is not None) is versioned
