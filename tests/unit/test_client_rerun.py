"""Running a job again: what is submitted, what is refused, and the verdicts; and the commands around a job, against an in-process S3."""

import json
from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from client_jobs import BUCKET, GROUP, job_json
from client_world import ABOUT, ended, put, run, tell
from invoke.exceptions import Exit
from moto import mock_aws

from client import Analysis, AnalysisError, commands, job_commands, speaking
from client import rerun as again
from runtime.protocol.keys import JobKeys


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv(speaking.BUCKET, BUCKET)
    monkeypatch.setenv(speaking.GROUP, GROUP)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        tell(client)
        yield client


def record(s3: Any, stamp: str, inputs: dict[str, str]) -> None:
    moved = [{"key": key, "sha256": digest} for key, digest in inputs.items()]
    put(s3, f"{JobKeys.of(GROUP, stamp).logs_prefix}a_files.json", json.dumps({"inputs": moved, "results": []}))


def verdicts(s3: Any) -> tuple[dict[str, str], list[str]]:
    analysis = Analysis(BUCKET, GROUP)
    found, notes = again.judge(again.original("first", analysis), analysis.job("second"), analysis.about())
    return {one.path: one.outcome for one in found}, notes


def test_every_output_gets_its_verdict(s3: Any) -> None:
    service = {"end.txt": "SUCCESS 1/1", "update.txt": "x", "c.json": "{}"}
    ended(s3, "first", {"a": 9.0}, {**service, "same.bin": "1", "near.json": '{"v": 1.0}', "far.json": '{"v": 1}', "gone.txt": "x"})
    ended(
        s3, "second", {"a": 9.0}, {**service, "same.bin": "1", "near.json": '{"v": 1.0000000001}', "far.json": '{"v": 2}', "new.txt": "x"}
    )
    found, notes = verdicts(s3)
    assert found == {
        "same.bin": "identical",
        "near.json": "within tolerance",
        "far.json": "different",
        "gone.txt": "different",
        "new.txt": "different",
    }
    assert notes == []


def test_the_blueprints_rules_and_changed_inputs_are_told(s3: Any) -> None:
    tell(s3, replace(ABOUT, compare={"*.log": {"as": "ignore"}}))
    for stamp in ("first", "second"):
        ended(s3, stamp, {"a": 9.0}, {"x.log": stamp})
        record(s3, stamp, {"g/inputs/a": stamp, "g/inputs/b": "same"})
    assert verdicts(s3) == ({"x.log": "within tolerance"}, ["the input g/inputs/a has changed since the first run"])


def test_a_job_without_outputs_cannot_be_reproduced(s3: Any) -> None:
    for stamp in ("first", "second"):
        ended(s3, stamp, {"a": 9.0})
    with pytest.raises(AnalysisError, match="no outputs to compare with"):
        verdicts(s3)


def test_the_same_inputs_config_and_machine_are_submitted(s3: Any, tmp_path: Path) -> None:
    ended(s3, "first", {"a": 9.0, "b": 9.0})
    path = tmp_path / "certificate.json"
    path.write_bytes(s3.get_object(Bucket=BUCKET, Key=JobKeys.of(GROUP, "first").certificate_json)["Body"].read())
    of = again.original(str(path), None)
    job = again.submit(of, Analysis(BUCKET, GROUP), "second")
    body = json.loads(s3.get_object(Bucket=BUCKET, Key=job.submission_key)["Body"].read())
    assert body["dataname"] == [f"{GROUP}/inputs/a", f"{GROUP}/inputs/b"]
    assert body["instance_type"] == "m5.large"
    assert json.loads(s3.get_object(Bucket=BUCKET, Key=body["configname"])["Body"].read()) == {"wait": 5}


def test_an_analysis_that_has_moved_on_is_refused_before_anything_is_submitted(s3: Any) -> None:
    ended(s3, "first", {"a": 9.0})
    tell(s3, replace(ABOUT, image_id="ami-2", code_sha256="2" * 64))
    with pytest.raises(AnalysisError, match=r"the image was ami-1, now it is ami-2; the code was 1{12}, now it is 2{12}") as caught:
        run(commands.rerun, "first")
    assert "deploy commit abc" in caught.value.do
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/submissions/")


@pytest.mark.parametrize("text", ["{", "{}", '{"datasets": 3}', "REQUEST START TIME"])
def test_what_is_no_certificate_is_one_message(s3: Any, tmp_path: Path, text: str) -> None:
    path = tmp_path / "certificate.txt"
    path.write_text(text)
    with pytest.raises(AnalysisError, match="is not the certificate of a job that ran"):
        again.original(str(path), None)


def test_a_refused_submission_is_explained_and_exits_with_one(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    keys = JobKeys.of(GROUP, "t1")
    problem = {"field": "dataname", "got": "nothing", "allowed": "a path", "do": "Say which data to analyse"}
    put(s3, keys.certificate, "…")
    put(s3, keys.certificate_json, json.dumps({"exit_class": "user", "problems": [problem]}))
    put(s3, keys.end, "FAILED 0/0")
    run(job_commands.explain, "t1")
    out = capsys.readouterr().out
    assert out.startswith("Job t1 was refused: dataname: got nothing; allowed: a path.")
    assert "do: Say which data to analyse" in out
    with pytest.raises(Exit) as caught:
        run(job_commands.status, "t1")
    assert caught.value.code == 1


def test_a_job_that_never_was_is_explained_by_its_neighbours(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ended(s3, "monday-1", {"a": 1.0})
    run(job_commands.explain, "monday-2", json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["sentence"] == ("There is no job monday-2: no submission and no result has this name. Jobs with a name like it: monday-1.")


def test_a_submission_that_is_set_aside_is_found_in_the_dead_letter_queue(s3: Any) -> None:
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="dead")["QueueUrl"]
    tell(s3, replace(ABOUT, dead_letter_queue_url=queue))
    analysis = Analysis(BUCKET, GROUP)
    job = analysis.submit("x", "c", "t1")
    assert analysis.evidence(analysis.job("t1")).dead is False
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"key": job.submission_key}))
    assert analysis.evidence(analysis.job("t1")).dead is True
    assert analysis.evidence(analysis.job("t1")).dead is True, "looking does not take the message away"


def test_a_job_can_be_waited_for_as_a_future(s3: Any) -> None:
    ended(s3, "good", {"a": 1.0})
    analysis = Analysis(BUCKET, GROUP)
    future = analysis.job("good").future(interval=0.01)
    assert future.result(timeout=30).succeeded
    other = analysis.job("never").future(interval=0.01)
    assert other.cancel()
    assert wait([other], timeout=30).done
    put(s3, JobKeys.of(GROUP, "bad").job, "{")
    with pytest.raises(AnalysisError, match="cannot be read"):
        analysis.job("bad").future(interval=0.01).result(timeout=30)


def test_a_cancellation_lies_beside_its_submission(s3: Any) -> None:
    analysis = Analysis(BUCKET, GROUP)
    assert analysis.submit("x", "c", "t1").cancel() == f"{GROUP}/submissions/t1_cancel.json"
    body = s3.get_object(Bucket=BUCKET, Key=f"{GROUP}/submissions/t1_cancel.json")["Body"].read()
    assert json.loads(body) == {"timestamp": "t1"}


def test_a_job_that_ended_without_machines_is_done(s3: Any) -> None:
    keys = JobKeys.of(GROUP, "t1")
    put(s3, keys.job, job_json("s", "a", stamp="t1"))
    job = Analysis(BUCKET, GROUP).job("t1")
    assert job.status().phase == "RUNNING"
    put(s3, keys.certificate_json, json.dumps({"exit_class": "capacity", "problems": []}))
    put(s3, keys.end, "FAILED 0/1 AWS has none")
    assert (job.status().phase, job.status().succeeded) == ("DONE", False)
