"""Fetching results: what is there is kept, what is half there is completed, and what is wrong is told."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from client_jobs import BUCKET, GROUP, KEYS, STAMP
from moto import mock_aws

from client import Analysis, AnalysisError
from client.results import MANIFEST


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def put(s3: Any, key: str, body: bytes, **more: Any) -> str:
    return str(s3.put_object(Bucket=BUCKET, Key=key, Body=body, **more)["ETag"])


def record(s3: Any, **digests: str) -> None:
    moved = [
        {"kind": "result", "bucket": BUCKET, "key": KEYS.process_prefix + name, "bytes": 1, "sha256": sha} for name, sha in digests.items()
    ]
    put(s3, f"{KEYS.logs_prefix}a_files.json", json.dumps({"inputs": [], "results": moved}).encode())


def fetch(folder: Path, **more: Any) -> dict[str, Any]:
    return {one.path: one for one in Analysis(BUCKET, GROUP).job(STAMP).fetch(folder, **more)}


def gets(s3: Any, folder: Path) -> list[str]:
    """The keys that a fetch downloads."""
    seen: list[str] = []
    analysis = Analysis(BUCKET, GROUP)
    analysis.s3.meta.events.register("before-call.s3.GetObject", lambda params, **_: seen.append(params["url_path"]))
    analysis.job(STAMP).fetch(folder, logs=False)
    return [path for path in seen if not path.startswith("/jobs/")]


def test_a_second_fetch_downloads_only_what_has_changed(s3: Any, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        put(s3, KEYS.process_prefix + name, name.encode())
    assert len(gets(s3, tmp_path)) == 3
    assert gets(s3, tmp_path) == []
    put(s3, KEYS.process_prefix + "b", b"B")
    (tmp_path / "process_results" / "c").write_text("spoilt here")
    assert sorted(path.rpartition("/")[2] for path in gets(s3, tmp_path)) == ["b", "c"]
    assert [(tmp_path / "process_results" / name).read_text() for name in "abc"] == ["a", "B", "c"]


def test_half_a_file_is_completed_from_where_it_stopped(s3: Any, tmp_path: Path) -> None:
    body = bytes(range(256)) * 100
    etag = put(s3, KEYS.process_prefix + "big", body)
    half = tmp_path / "process_results" / f".big.{hashlib.sha256(etag.encode()).hexdigest()[:12]}.part"
    half.parent.mkdir()
    half.write_bytes(body[:1000])
    ranges: list[str] = []
    analysis = Analysis(BUCKET, GROUP)
    analysis.s3.meta.events.register("before-call.s3.GetObject", lambda params, **_: ranges.append(params["headers"].get("Range", "")))
    analysis.job(STAMP).fetch(tmp_path, logs=False)
    assert ranges == ["", "", "bytes=1000-"], "two of the service's records, and the rest of the file"
    assert (tmp_path / "process_results" / "big").read_bytes() == body
    assert not half.exists()


def test_a_half_that_was_spoilt_is_found_out_and_thrown_away(s3: Any, tmp_path: Path) -> None:
    etag = put(s3, KEYS.process_prefix + "big", b"0123456789")
    half = tmp_path / "process_results" / f".big.{hashlib.sha256(etag.encode()).hexdigest()[:12]}.part"
    half.parent.mkdir()
    half.write_bytes(b"x123")
    with pytest.raises(AnalysisError, match="has MD5"):
        fetch(tmp_path)
    assert not half.exists()
    assert fetch(tmp_path)["process_results/big"].checked == "md5"


def test_files_are_checked_against_the_machines_record(s3: Any, tmp_path: Path) -> None:
    put(s3, KEYS.process_prefix + "good", b"good")
    put(s3, KEYS.process_prefix + "bad", b"bad")
    record(s3, good=hashlib.sha256(b"good").hexdigest(), bad="0" * 64)
    with pytest.raises(AnalysisError, match="process_results/bad has SHA-256"):
        fetch(tmp_path)
    assert (tmp_path / "process_results" / "good").read_bytes() == b"good", "one bad file does not keep the others away"
    assert not (tmp_path / "process_results" / "bad").exists()
    record(s3, good=hashlib.sha256(b"good").hexdigest())
    files = fetch(tmp_path)
    assert files["process_results/good"].checked == "certificate"
    assert files["process_results/good"].kept


def test_a_sha256_that_s3_holds_is_used(s3: Any, tmp_path: Path) -> None:
    put(s3, KEYS.process_prefix + "a", b"a", ChecksumAlgorithm="SHA256")
    assert fetch(tmp_path)["process_results/a"].checked == "s3-sha256"


def test_objects_under_a_key_of_kms_have_no_md5_to_check(s3: Any, tmp_path: Path) -> None:
    put(s3, KEYS.process_prefix + "a", b"a", ServerSideEncryption="aws:kms")
    assert fetch(tmp_path)["process_results/a"].checked == "size"


def test_the_manifest_lists_what_was_fetched(s3: Any, tmp_path: Path) -> None:
    put(s3, KEYS.process_prefix + "a", b"a")
    fetch(tmp_path)
    (entry,) = json.loads((tmp_path / MANIFEST).read_text())["files"]
    assert (entry["path"], entry["sha256"]) == ("process_results/a", hashlib.sha256(b"a").hexdigest())
    (tmp_path / MANIFEST).write_text("broken")
    assert not fetch(tmp_path)["process_results/a"].kept, "an unreadable manifest only costs the time of fetching again"


@pytest.mark.parametrize("changes", [1, 9])
def test_what_changes_while_it_is_fetched_is_listed_again(s3: Any, tmp_path: Path, changes: int) -> None:
    """One change is the end of a job that two monitors wrote; a result that goes on changing belongs to a job that has not ended."""
    key = KEYS.process_prefix + "a"
    put(s3, key, b"old")
    left = [b"new %d" % number for number in range(changes)]
    analysis = Analysis(BUCKET, GROUP)

    def change(params: Any, **_: Any) -> None:
        if left and params["url_path"].endswith(key):
            put(s3, key, left.pop())

    analysis.s3.meta.events.register("before-call.s3.GetObject", change)
    if changes == 1:
        analysis.job(STAMP).fetch(tmp_path, logs=False)
        assert (tmp_path / "process_results" / "a").read_bytes() == b"new 0"
    else:
        with pytest.raises(AnalysisError, match="has changed while it was fetched"):
            analysis.job(STAMP).fetch(tmp_path, logs=False)
