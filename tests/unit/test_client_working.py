"""Jobs again, beside each other, for others, and what they cost."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from neurocaas import AnalysisError, kept_uploads
from neurocaas.commands import paying, working
from neurocaas.commands.command import Ended
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobKeys, rejected_keys
from neurocaas.protocol.settings import Image
from neurocaas.protocol.status import DatasetStatus
from neurocaas.resubmits import origin
from neurocaas.spending import month_of
from tests.unit.client_jobs import BUCKET, GROUP, job_json
from tests.unit.client_world import MEMBER, ended, put, run, service


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.setattr("neurocaas.steps.answered", lambda handle: None)
    monkeypatch.chdir(tmp_path)
    with service(
        monkeypatch, variables={**MEMBER, "NEUROCAAS_STATE_FOLDER": str(tmp_path / "state")}
    ) as client:
        for name in ("a", "b", "c"):
            put(client, f"{GROUP}/inputs/{name}", "data")
        yield client


def failed(s3: Any, stamp: str, *states: str, **record: Any) -> None:
    """A job whose datasets a, b, … have ended like this."""
    keys, names = JobKeys.of(GROUP, stamp), "abc"[: len(states)]
    job = Job.from_json(job_json("s", *names, stamp=stamp))
    put(s3, keys.job, replace(job, config={"wait": 5}, **record).to_json())
    for index, state in enumerate(states):
        if state:
            put(s3, keys.verdict(index), DatasetStatus(status=state, exit_code=1).to_json())
    if all(states):
        put(s3, keys.records.end, f"FAILED {states.count('SUCCESS')}/{len(states)}\n")


def submission(s3: Any, capsys: pytest.CaptureFixture[str], *words: Any, **more: Any) -> dict[str, Any]:
    run(working.resubmit, *words, json=True, **more)
    job = json.loads(capsys.readouterr().out)["job"]
    body = s3.get_object(Bucket=BUCKET, Key=f"{GROUP}/submissions/{job}_submit.json")["Body"].read()
    found: dict[str, Any] = json.loads(body)
    found["config"] = json.loads(s3.get_object(Bucket=BUCKET, Key=found["configname"])["Body"].read())
    return found


def test_only_the_datasets_that_failed_again(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    failed(s3, "t1", "SUCCESS", "FAILED", "FAILED")
    found = submission(s3, capsys, "t1", failed=True)
    assert found["dataname"] == [f"{GROUP}/inputs/b", f"{GROUP}/inputs/c"]
    assert found["config"] == {"wait": 5}, "as it was then"
    assert origin(found["configname"]) == "t1"
    assert found["timestamp"] != "t1"
    whole = submission(s3, capsys, "t1", timestamp="t2")
    assert (whole["timestamp"], len(whole["dataname"])) == ("t2", 3)


def test_with_another_config_and_the_machine_of_then(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    failed(s3, "t1", "FAILED", instance_type="m5.xlarge")
    Path("other.json").write_text('{"wait": 7}')
    found = submission(s3, capsys, "t1", failed=True, config="other.json")
    assert found["config"] == {"wait": 7}
    assert found["instance_type"] == "m5.xlarge"
    assert origin(found["configname"]) == "t1"
    assert origin(f"{GROUP}/configs/c.json") is None


def test_what_cannot_be_submitted_again_is_told(s3: Any) -> None:
    failed(s3, "good", "SUCCESS")
    failed(s3, "open", "SUCCESS", "")
    put(s3, rejected_keys(GROUP, "typo").records.certificate, "no")
    put(s3, rejected_keys(GROUP, "typo").records.end, "FAILED 0/0 no such config")
    for job, told in (("good", "leave out --failed"), ("open", "1 run still"), ("typo", "has no datasets")):
        with pytest.raises(AnalysisError, match=told):
            run(working.resubmit, job, failed=True)
    failed(s3, "gone", "FAILED")
    s3.delete_object(Bucket=BUCKET, Key=f"{GROUP}/inputs/a")
    with pytest.raises(AnalysisError, match="inputs/a"):
        run(working.resubmit, "gone")
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/submissions/")


def test_two_jobs_beside_each_other(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for stamp in ("t1", "t2"):
        ended(s3, stamp, {"a": 1.0}, {"same.csv": "1,2\n", "near.csv": "1.0\n"})
    run(working.compare, "t1", "t2")
    said = capsys.readouterr().out
    assert "parameters, versions and inputs are the same; 2 of 2 outputs identical" in said
    put(s3, JobKeys.of(GROUP, "t2").process_prefix + "near.csv", "1.0000000001\n")
    run(working.compare, "t1", "t2")
    assert "within tolerance" in capsys.readouterr().out
    job = Job.from_json(job_json("s", "a", stamp="t2"))
    other = replace(job, config={"deep": {"wait": 7}}, image=Image("ami-2", True, None))
    put(s3, JobKeys.of(GROUP, "t2").job, other.to_json())
    put(s3, JobKeys.of(GROUP, "t2").process_prefix + "more.csv", "1\n")
    with pytest.raises(Ended) as caught:
        run(working.compare, "t1", "t2", json=True)
    assert caught.value.code == 1
    found = json.loads(capsys.readouterr().out)
    assert {(one["kind"], one["name"], one["first"], one["second"]) for one in found["differences"]} == {
        ("parameter", "deep.wait", "-", "7"),
        ("version", "image", "ami-1", "ami-2"),
    }
    assert {one["path"]: one["detail"] for one in found["outputs"]}["more.csv"] == "only job t2 has it"
    assert found["differ"] is True


def test_a_job_that_never_ran_cannot_be_compared(s3: Any) -> None:
    ended(s3, "t1", {"a": 1.0})
    put(s3, f"{GROUP}/submissions/t3_submit.json", "{}")
    with pytest.raises(AnalysisError, match="job t3 has no record"):
        run(working.compare, "t1", "t3")


def test_who_can_see_a_job_and_how_to_get_it(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ended(s3, "t1", {"a": 1.0})
    run(working.share, "t1")
    said = capsys.readouterr().out
    assert f"neurocaas results dti/t1 --group {GROUP}" in said
    assert "every member of the group" in said
    assert "groups.yaml" in said


def bill(s3: Any, stamp: str, created: str, cost: float) -> None:
    ended(s3, stamp, {"a": 60.0}, created=created, cost_usd=cost)
    put(s3, f"{GROUP}/submissions/{stamp}_submit.json", "{}")


def test_a_months_cost_is_that_of_the_jobs_that_were_taken_in_it(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    month, before = f"{now:%Y-%m}", f"{now.year - 1}-{now:%m}"
    bill(s3, "t1", f"{month}-01T00:00:00.000Z", 0.25)
    bill(s3, "t2", f"{month}-01T10:00:00.000Z", 0.5)
    bill(s3, "old", f"{before}-01T10:00:00.000Z", 7)
    put(s3, f"{GROUP}/submissions/open_submit.json", "{}")
    failed(s3, "open", "")
    run(paying.cost)
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == f"group {GROUP} in {month}: $0.75 for 2 jobs"
    assert "1 job without an end" in said.err
    run(paying.cost, json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["cost_usd"], [one["job"] for one in found["jobs"]]) == (0.75, ["t1", "t2"])
    assert found["analyses"][0]["open"] == ["open"]
    run(paying.cost, csv=True)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["job"], float(row["cost_usd"])) for row in rows] == [("t1", 0.25), ("t2", 0.5)]
    run(paying.cost, month="2001-01", json=True)
    assert json.loads(capsys.readouterr().out)["jobs"] == []


def test_what_a_job_has_cost_is_asked_once(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    month = f"{datetime.now(UTC):%Y-%m}"
    bill(s3, "t1", f"{month}-01T00:00:00.000Z", 0.25)
    run(paying.cost)
    s3.delete_object(Bucket=BUCKET, Key=JobKeys.of(GROUP, "t1").records.certificate_json)
    capsys.readouterr()
    run(paying.cost)
    assert "$0.25 for 1 job" in capsys.readouterr().out


def test_a_month_that_is_none_is_told() -> None:
    assert month_of("", datetime(2026, 11, 30, tzinfo=UTC)) == "2026-11"
    for text in ("2026-13", "November", "2026-1", "26-11"):
        with pytest.raises(AnalysisError, match="2026-11"):
            month_of(text, datetime.now(UTC))


def test_uploads_that_were_begun_are_listed_and_given_up(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=f"{GROUP}/inputs/big")["UploadId"]
    facts = {"bucket": BUCKET, "key": f"{GROUP}/inputs/big", "file": "/x/big", "size": 20 << 20}
    folder = tmp_path / "state" / "uploads"
    folder.mkdir(parents=True)
    more = {"part": 8 << 20, "upload_id": upload, "begun": "2026-11-30T12:00:00+00:00"}
    (folder / "1.jsonl").write_text(json.dumps(facts | more) + '\n[1, "etag", "sha"]\n[2, "et')
    run(working.uploads)
    assert "1 of 3" in capsys.readouterr().out
    run(working.uploads, discard=True, json=True)
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["file"], one["parts"], one["of"]) == ("/x/big", 1, 3)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    assert kept_uploads.unfinished() == []
    run(working.uploads)
    assert "no upload was begun" in capsys.readouterr().out
