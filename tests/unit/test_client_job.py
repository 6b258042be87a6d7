"""The client against an in-process S3: what a job looks like to its submitter, from submission to results."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from neurocaas import Analysis, AnalysisError, JobState
from neurocaas.protocol.job import Dataset
from neurocaas.protocol.keys import JobKeys, rejected_keys
from neurocaas.protocol.status import DatasetStatus
from neurocaas.protocol.units import duration
from neurocaas.saying import what_is_said
from neurocaas.states import DatasetState, dataset_state
from neurocaas.view import Changes
from tests.unit.client_jobs import BUCKET, GROUP, KEYS, STAMP, job_json


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Counting:
    """An S3 client that counts calls."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.calls: list[str] = []
        s3.meta.events.register("before-call.s3", lambda model, **_: self.calls.append(model.name))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def put(s3: Any, key: str, body: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())


def status(state: str, **more: Any) -> str:
    return DatasetStatus(status=state, **more).to_json()


def test_a_submission_is_what_the_manager_reads(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_text("data")
    analysis = Analysis(BUCKET, GROUP)
    keys = analysis.upload([tmp_path / "a.nii"])
    job = analysis.submit(keys, {"wait": 5}, STAMP, "m5.xlarge", check=False)
    assert job.submission_key == "debuggers/submissions/2026-01-31_submit.json"
    body = json.loads(s3.get_object(Bucket=BUCKET, Key=job.submission_key)["Body"].read())
    assert body["dataname"] == ["debuggers/inputs/a.nii"]
    assert body["timestamp"] == STAMP
    assert body["instance_type"] == "m5.xlarge"
    assert json.loads(s3.get_object(Bucket=BUCKET, Key=body["configname"])["Body"].read()) == {"wait": 5}
    assert s3.get_object(Bucket=BUCKET, Key=keys[0])["Body"].read() == b"data"


def test_timestamps_made_by_default_are_allowed_and_differ(s3: Any) -> None:
    analysis = Analysis(BUCKET, GROUP)
    first = analysis.submit("debuggers/inputs/a", "debuggers/configs/c.json", check=False)
    assert KEYS.of(GROUP, first.timestamp).prefix == f"debuggers/results/job_{first.timestamp}/"
    assert first.status() == JobState(first.timestamp, "SUBMITTED")


@pytest.mark.parametrize("stamp", ["../x", "a/b", "$(touch x)", "a" * 65, " "])
def test_a_timestamp_that_cannot_be_a_job_is_refused_before_anything_is_sent(s3: Any, stamp: str) -> None:
    with pytest.raises(AnalysisError, match="timestamp"):
        Analysis(BUCKET, GROUP).submit(["x"], {"wait": 1}, stamp)
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)


def test_missing_and_equal_files_are_refused_before_anything_is_uploaded(s3: Any, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").write_text(folder)
    analysis = Analysis(BUCKET, GROUP)
    with pytest.raises(AnalysisError, match="several files are called a"):
        analysis.upload([tmp_path / "one" / "a", tmp_path / "two" / "a"])
    with pytest.raises(AnalysisError, match="no such file"):
        analysis.upload([tmp_path / "one" / "a", tmp_path / "b"])
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)


def test_a_job_runs_and_ends(s3: Any) -> None:
    job = Analysis(BUCKET, GROUP).submit(
        ["debuggers/inputs/a", "debuggers/inputs/b"], "debuggers/configs/c.json", STAMP, check=False
    )
    put(s3, KEYS.job, job_json(str(job.submission_key), "a", "b"))
    assert [d.state for d in job.status().datasets] == ["INITIALIZING", "INITIALIZING"]
    put(
        s3,
        KEYS.status("a"),
        status("IN PROGRESS", stdout={"9": "nine", "10": "ten", "11": " "}, job_start="2026-01-31T12:00:00Z"),
    )
    state = job.status()
    assert state.phase == "RUNNING"
    assert state.datasets[0].last_line == "ten"
    put(
        s3,
        KEYS.status("a"),
        status("SUCCESS", job_start="2026-01-31T12:00:00Z", job_finish="2026-01-31T12:00:07.5Z", exit_code=0),
    )
    failed = status("FAILED", reason="exit status 3", instance="i-1", exit_code=3)
    put(s3, KEYS.status("b"), failed)
    assert {one.state for one in job.status().datasets} == {"IN PROGRESS"}, (
        "a status file is no verdict: any machine can write it"
    )
    put(s3, KEYS.verdict(0), status("SUCCESS", job_finish="2026-01-31T12:00:07.5Z", exit_code=0))
    put(s3, KEYS.verdict(1), failed)
    assert {one.state for one in job.status().datasets} == {"SUCCESS", "FAILED"}
    put(s3, KEYS.end, "SUCCESS 2/2\n")
    assert not job.status().finished, "the service's end.txt, not the last dataset or a copy, ends a job"
    put(s3, KEYS.records.end, "FAILED 1/2\n")
    state = job.status()
    assert (state.phase, state.end, state.succeeded) == ("DONE", "FAILED 1/2", False)
    assert state.datasets[0] == DatasetState("a", "debuggers/inputs/a", "SUCCESS", seconds=7.5, exit_code=0)
    assert state.datasets[1].reason == "exit status 3"


def test_a_status_file_that_a_script_has_spoilt_does_not_end_the_watch(s3: Any) -> None:
    job = Analysis(BUCKET, GROUP).submit("debuggers/inputs/a", "c", STAMP, check=False)
    put(s3, KEYS.job, job_json(str(job.submission_key), "a"))
    put(s3, KEYS.status("a"), status("IN PROGRESS", stdout={"0": "known"}))
    assert job.status().datasets[0].last_line == "known"
    put(s3, KEYS.status("a"), '{"half')
    assert job.status().datasets[0].last_line == "known"


def test_a_quiet_tick_costs_two_calls(s3: Any) -> None:
    job = Analysis(BUCKET, GROUP).submit("debuggers/inputs/a", "c", STAMP, check=False)
    put(s3, KEYS.job, job_json(str(job.submission_key), "a"))
    put(s3, KEYS.status("a"), status("IN PROGRESS"))
    job.status()
    counting = Counting(job.s3)
    job.status()
    assert counting.calls == ["ListObjectsV2"] * 2
    put(s3, KEYS.status("a"), status("IN PROGRESS", stdout={"0": "new"}))
    counting.calls.clear()
    job.status()
    assert counting.calls == ["ListObjectsV2", "ListObjectsV2", "GetObject"]


def test_a_used_timestamp_shows_the_refusal_and_not_the_other_job(s3: Any) -> None:
    put(s3, KEYS.job, job_json("debuggers/submissions/other_submit.json", "a"))
    put(s3, KEYS.records.certificate, "the other job")
    put(s3, rejected_keys(GROUP, STAMP).records.certificate, "timestamp is used already")
    job = Analysis(BUCKET, GROUP).submit("debuggers/inputs/a", "c", STAMP, check=False)
    state = job.status()
    assert (state.phase, state.finished, state.succeeded) == ("REJECTED", True, False)
    assert job.certificate() == "timestamp is used already"


def test_a_refused_submission_is_finished_and_has_its_certificate(s3: Any) -> None:
    job = Analysis(BUCKET, GROUP).submit("debuggers/inputs/none", "c", STAMP, check=False)
    with pytest.raises(AnalysisError, match="no certificate yet"):
        job.certificate()
    put(s3, KEYS.records.certificate, "dataname: no such object")
    put(s3, KEYS.records.end, "REJECTED")
    state = job.follow(lambda _: None, clock=Clock())
    assert (state.phase, state.succeeded) == ("REJECTED", False)
    assert job.certificate() == "dataname: no such object"


def test_follow_gives_up_after_its_timeout_and_says_how_to_go_on(s3: Any) -> None:
    job = Analysis(BUCKET, GROUP).submit("debuggers/inputs/a", "c", STAMP, check=False)
    seen: list[JobState] = []
    with pytest.raises(AnalysisError, match="still SUBMITTED after 5 s"):
        job.follow(seen.append, interval=2.0, timeout=5.0, clock=Clock())
    assert len(seen) == 4


def test_results_are_fetched_with_their_digests(s3: Any, tmp_path: Path) -> None:
    put(s3, f"{KEYS.process_prefix}fa.png", "picture")
    put(s3, f"{KEYS.process_prefix}deep/numbers.json", "{}")
    put(s3, f"{KEYS.prefix}process_results_of_another/x", "no")
    put(s3, KEYS.records.certificate, "text")
    put(s3, KEYS.certificate, "what a machine has made of the copy")
    put(s3, f"{KEYS.process_prefix}folder/", "")
    files = Analysis(BUCKET, GROUP).job(STAMP).fetch(tmp_path)
    assert [one.path for one in files] == [
        "logs/certificate.txt",
        "process_results/deep/numbers.json",
        "process_results/fa.png",
    ]
    assert files[2].sha256 == hashlib.sha256(b"picture").hexdigest()
    assert files[2].size == 7
    assert (tmp_path / "logs" / "certificate.txt").read_text() == "text", "the service's own, not the copy"
    assert (tmp_path / "process_results" / "fa.png").read_text() == "picture"
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "certificate.txt",
        "fa.png",
        "manifest.json",
        "numbers.json",
    ]


def test_a_result_cannot_be_written_outside_the_folder(s3: Any, tmp_path: Path) -> None:
    put(s3, f"{KEYS.process_prefix}../../../../outside", "x")
    (file,) = Analysis(BUCKET, GROUP).job(STAMP).fetch(tmp_path / "a" / "b")
    assert (file.path, file.renamed) == ("process_results/.%2E/.%2E/.%2E/.%2E/outside", True)
    assert [path.name for path in tmp_path.rglob("*outside*")] == ["outside"]
    assert not (tmp_path / "outside").exists()


def test_a_bucket_that_is_not_there_is_said_in_three_parts(s3: Any) -> None:
    with pytest.raises(AnalysisError) as caught:
        Analysis("dtii", GROUP).submit("a", "c")
    assert caught.value.got == "there is no bucket 'dtii'"
    assert "allowed:" in str(caught.value)
    assert "do:" in str(caught.value)


def test_jobs_are_listed_by_timestamp(s3: Any) -> None:
    for stamp in ("b", "a"):
        put(s3, JobKeys.of(GROUP, stamp).records.certificate, "x")
    put(s3, "jobs/debuggers/rejected_z/certificate.txt", "x")
    assert Analysis(BUCKET, GROUP).job_names() == ["a", "b"]


def test_plain_output_says_each_change_once() -> None:
    changes = Changes()
    waiting = JobState("t", "SUBMITTED")
    running = JobState("t", "RUNNING", (DatasetState("a", "g/inputs/a", "IN PROGRESS", 65.0, "hello"),))
    done = JobState(
        "t",
        "DONE",
        (DatasetState("a", "g/inputs/a", "FAILED", 66.0, "hello", "exit status 3"),),
        "FAILED 0/1",
    )
    assert changes.lines("job", waiting) == ["job  SUBMITTED"]
    assert changes.lines("job", waiting) == []
    assert changes.lines("job", running) == ["job  a  IN PROGRESS  1 min 5 s  hello"]
    assert changes.lines("job", running) == []
    assert changes.lines("job", done) == ["job  a  FAILED  1 min 6 s  exit status 3", "job  DONE  FAILED 0/1"]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (
            {
                "progress": 0.25,
                "progress_text": "fitting 3 of 9",
                "stdout": {"0": "::progress 0.25 fitting 3 of 9"},
            },
            "25 % fitting 3 of 9",
        ),
        (
            {"progress": 0.25, "progress_text": "fitting", "eta_seconds": 90, "stdout": {"4": "slice 7"}},
            "25 % fitting, about 1 min 30 s left: slice 7",
        ),
        ({"progress": 1, "stdout": {"0": "::progress 1"}}, "100 %"),
        ({"progress": "soon", "eta_seconds": -1, "stdout": {"0": "::progress soon x"}}, "::progress soon x"),
        ({"progress": 0.5, "eta_seconds": 9, "status": "SUCCESS", "stdout": {"0": "mean 0.4"}}, "mean 0.4"),
        ({"progress": 0.5, "eta_seconds": 9, "status": "FAILED", "reason": "exit status 3"}, "exit status 3"),
    ],
)
def test_progress_is_read_out(status: dict[str, Any], text: str) -> None:
    dataset = Dataset(0, "a", "g/inputs/a", "key")
    read = DatasetStatus.from_json(json.dumps({"status": "IN PROGRESS", **status}))
    assert what_is_said(dataset_state(dataset, read, datetime.now(UTC), read if read.final else None)) == text


def test_plain_output_says_no_time_again_that_is_only_shorter() -> None:
    changes = Changes()
    half = DatasetState(
        "a", "g/inputs/a", "IN PROGRESS", 60.0, progress=0.5, progress_text="fitting", eta_seconds=60.0
    )
    assert changes.lines("job", JobState("t", "RUNNING", (half,))) == [
        "job  a  IN PROGRESS  1 min  50 % fitting, about 1 min left"
    ]
    assert changes.lines("job", JobState("t", "RUNNING", (replace(half, eta_seconds=58.0),))) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.4, "0 s"), (59.9, "59 s"), (60, "1 min"), (3723, "1 h 2 min")]
)
def test_durations_are_read_with_their_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
