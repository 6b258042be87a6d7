"""Running a job again: what is submitted, what is refused, and the verdicts; and the commands around a job, against an in-process S3."""

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from client_jobs import BUCKET, GROUP, job_json
from client_world import ABOUT, ended, put, tell
from invoke.context import Context
from invoke.exceptions import Exit
from moto import mock_aws

from client import Analysis, AnalysisError, commands
from client import rerun as again
from runtime.protocol.keys import JobKeys
from runtime.protocol.status import DatasetStatus


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv(commands.BUCKET, BUCKET)
    monkeypatch.setenv(commands.GROUP, GROUP)
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
        commands.rerun.body(Context(), "first")
    assert "deploy commit abc" in caught.value.do
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/submissions/")


@pytest.mark.parametrize("text", ["{", "{}", '{"datasets": 3}', "REQUEST START TIME"])
def test_what_is_no_certificate_is_one_message(s3: Any, tmp_path: Path, text: str) -> None:
    path = tmp_path / "certificate.txt"
    path.write_text(text)
    with pytest.raises(AnalysisError, match="is not the certificate of a job that ran"):
        again.original(str(path), None)


def test_jobs_are_listed_with_their_outcomes(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ended(s3, "b", {"a": 1.0})
    put(s3, JobKeys.of(GROUP, "c").certificate, "begun")
    ended(s3, "a", {"a": 1.0})
    commands.jobs.body(Context())
    assert capsys.readouterr().out == "a  SUCCESS 1/1\nb  SUCCESS 1/1\nc  open\n"
    commands.jobs.body(Context(), limit=1, json=True)
    assert json.loads(capsys.readouterr().out) == [{"job": "c", "end": ""}]
    assert Analysis(BUCKET, GROUP).jobs(after="a") == ["b", "c"]
    commands.jobs.body(Context(), names=True)
    assert capsys.readouterr().out == "a\nb\nc\n"


def test_a_refused_submission_is_explained_and_exits_with_one(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    keys = JobKeys.of(GROUP, "t1")
    problem = {"field": "dataname", "got": "nothing", "allowed": "a path", "do": "Say which data to analyse"}
    put(s3, keys.certificate, "…")
    put(s3, keys.certificate_json, json.dumps({"exit_class": "user", "problems": [problem]}))
    put(s3, keys.end, "FAILED 0/0")
    commands.explain.body(Context(), "t1")
    out = capsys.readouterr().out
    assert out.startswith("Job t1 was refused: dataname: got nothing; allowed: a path.")
    assert "do: Say which data to analyse" in out
    with pytest.raises(Exit) as caught:
        commands.status.body(Context(), "t1")
    assert caught.value.code == 1


def test_a_job_that_never_was_is_explained_by_its_neighbours(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ended(s3, "monday-1", {"a": 1.0})
    commands.explain.body(Context(), "monday-2", json=True)
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


def test_logs_are_the_pieces_and_then_the_newest_lines(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    keys = JobKeys.of(GROUP, "t1")
    put(s3, keys.job, job_json("s", "a", "b", stamp="t1"))
    put(s3, f"{keys.logs_prefix}a/stdout.00000", "zero\none\n 1%\r 99%\rtwo\nthr")
    put(s3, keys.status("a"), DatasetStatus(status="IN PROGRESS", stdout={"2": "two", "3": "three", "4": "four"}).to_json())
    put(s3, keys.status("b"), DatasetStatus(status="IN PROGRESS", stderr={"0": "oh"}).to_json())
    commands.logs.body(Context(), "t1", [])
    captured = capsys.readouterr()
    assert captured.out == "a: zero\na: one\na: two\na: three\na: four\n"
    assert captured.err == "b: oh\n"
    commands.logs.body(Context(), "t1", ["b"], stderr=True)
    assert capsys.readouterr().out == "oh\n"
    with pytest.raises(AnalysisError, match="no dataset z"):
        commands.logs.body(Context(), "t1", ["z"])


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


def test_submitting_shows_the_forecast_before_anything_is_uploaded(s3: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = tmp_path / "d.txt"
    data.write_text("data")
    config = tmp_path / "c.json"
    config.write_text('{"__duration__": 30}')
    commands.submit.body(Context(), [str(data)], [], config=str(config), timestamp="t1")
    captured = capsys.readouterr()
    assert captured.out == "t1\n"
    assert "ended after 30 minutes" in captured.err
    assert "no history" in captured.err
    commands.forecast.body(Context(), [str(data)], [], config=str(config), json=True)
    assert json.loads(capsys.readouterr().out)["usd"] == pytest.approx(0.75 * 0.096)


def test_a_mistake_in_the_names_ends_with_exit_code_two() -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [str(root / ".venv/bin/invoke"), "status", "t1"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 2
    assert "no --bucket and no --group" in done.stderr
    assert "Traceback" not in done.stderr
