"""The analyst's commands against an in-process S3: what is printed, what is refused, and what it costs."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from neurocaas import Analysis, AnalysisError, listing
from neurocaas.commands import fetching
from neurocaas.commands import jobs as job_commands
from neurocaas.commands import submitting as commands
from neurocaas.commands.command import AnalystCommand, Ended
from neurocaas.protocol.certificate import claim_metadata
from neurocaas.protocol.config import ConfigRules
from neurocaas.protocol.keys import JobKeys, rejected_keys
from neurocaas.protocol.status import DatasetStatus
from neurocaas.protocol.units import minute
from tests.unit.client_jobs import BUCKET, GROUP, job_json
from tests.unit.client_world import ABOUT, MEMBER, ended, put, run, service, tell


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with service(monkeypatch, variables=MEMBER) as client:
        yield client


def submitted(s3: Any, *ids: str) -> None:
    for one in ids:
        put(s3, f"{GROUP}/submissions/{one}_submit.json", "{}")


def refused(s3: Any, name: str, problem: str) -> None:
    put(s3, rejected_keys(GROUP, name).records.certificate, "…")
    put(s3, rejected_keys(GROUP, name).records.end, f"FAILED 0/0 {problem}")


def test_jobs_are_listed_with_their_outcomes_the_latest_last(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run(job_commands.jobs)
    assert "has no job in bucket dti yet" in capsys.readouterr().err
    ended(s3, "b", {"a": 1.0})
    put(s3, JobKeys.of(GROUP, "c").records.certificate, "begun")
    ended(s3, "old", {"a": 1.0})
    submitted(s3, "c", "wrong", "b", "new")
    refused(s3, "wrong", "no timestamp")
    refused(s3, "b_cancel", "the answer to a cancellation is no job")
    run(job_commands.jobs)
    out = capsys.readouterr().out
    header, *lines = [re.split(r" {2,}", line.strip()) for line in out.splitlines()]
    assert header == ["analysis", "job", "state", "done", "submitted", "took", "cost", "why"]
    assert "FAILED" not in out, "what was refused has not failed"
    assert sorted(line[1:3] for line in lines) == [
        ["b", "SUCCESS"],
        ["c", "SUBMITTED"],
        ["new", "SUBMITTED"],
        ["old", "SUCCESS"],
        ["wrong", "REJECTED"],
    ]
    (rejected,) = [line for line in lines if line[1] == "wrong"]
    assert rejected[-1] == "no timestamp"
    run(job_commands.jobs, json=True, limit=4)
    captured = capsys.readouterr()
    assert {one["job"] for one in json.loads(captured.out)} == {"b", "c", "new", "wrong"}, (
        "the one without a submission file is the oldest"
    )
    assert "4 of 5 jobs" in captured.err
    run(job_commands.jobs, names=True, json=True, limit=2)
    assert json.loads(capsys.readouterr().out) == ["c", "old"]
    run(job_commands.jobs, names=True)
    assert capsys.readouterr().out == "b\nc\nold\n"
    assert Analysis(BUCKET, GROUP).job_names(after="b") == ["c", "old"]


def test_a_job_is_named_by_its_beginning_or_as_the_last(s3: Any) -> None:
    analysis = Analysis(BUCKET, GROUP)
    with pytest.raises(AnalysisError, match="has no job in bucket"):
        analysis.find("last")
    for stamp in ("2026-01-01", "2026-01-02", "2026"):
        ended(s3, stamp, {"a": 1.0})
    assert analysis.find("2026-01-02").timestamp == "2026-01-02"
    assert analysis.find("2026").timestamp == "2026", "the whole name comes before a beginning"
    with pytest.raises(AnalysisError, match="is the beginning of 2 jobs") as caught:
        analysis.find("2026-0")
    assert caught.value.allowed == "2026-01-01, 2026-01-02"
    submitted(s3, "another")
    assert analysis.find("another").timestamp == "another", "submitted, and not answered yet"
    assert analysis.find("last").timestamp == "another"
    with pytest.raises(AnalysisError, match="has no job '2026-01-03'") as caught:
        analysis.find("2026-01-03")
    assert "2026-01-02" in caught.value.allowed


def test_the_answer_of_a_submission_is_found_whatever_its_file_is_called(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def claimed(stamp: str, name: str, at: datetime) -> None:
        metadata = claim_metadata(f"{GROUP}/submissions/{name}", at)
        s3.put_object(
            Bucket=BUCKET, Key=JobKeys.of(GROUP, stamp).records.certificate, Body=b"begun", Metadata=metadata
        )

    now = datetime.now(UTC)
    for name in ("experiment 7submit.json", "submit.json", "Zürich-submit.json", "unanswered_submit.json"):
        put(s3, f"{GROUP}/submissions/{name}", "{}")
    claimed("t7", "experiment 7submit.json", now + timedelta(seconds=1))
    claimed("a", "Zürich-submit.json", now + timedelta(seconds=2))
    for number in range(listing.LOOKED_AT + 3):  # one file, used for job after job: it answers to the last
        claimed(f"s{number:03d}", "submit.json", now - timedelta(hours=500 - number))
    claimed("b", "submit.json", now + timedelta(seconds=3))
    # replaced since, and not answered again yet
    claimed("u", "unanswered_submit.json", now - timedelta(hours=1))
    found = Analysis(BUCKET, GROUP).listing()
    assert [(one.job, one.answer) for one in found[-4:]] == [
        ("unanswered", ""),
        ("t7", "job"),
        ("a", "job"),
        ("b", "job"),
    ]
    assert [one.job for one in found if one.answer == ""] == ["unanswered"]
    for name, job in (
        ("experiment 7", "t7"),
        ("Zürich", "a"),
        ("", "b"),
        ("unanswered", "unanswered"),
        ("t7", "t7"),
    ):
        assert Analysis(BUCKET, GROUP).find(name).timestamp == job
    run(job_commands.jobs, limit=2)
    assert [line.split()[1:3] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["a", "SUBMITTED"],
        ["b", "SUBMITTED"],
    ]


def test_times_of_s3_are_those_of_botocore(s3: Any) -> None:
    put(s3, f"{GROUP}/submissions/a_submit.json", "{}")
    (job,) = Analysis(BUCKET, GROUP).listing()
    slow = (
        boto3.Session()
        .client("s3")
        .list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/submissions/")["Contents"][0]["LastModified"]
    )
    assert job.submitted == slow
    assert s3.head_object(Bucket=BUCKET, Key=f"{GROUP}/submissions/a_submit.json")[
        "LastModified"
    ] == slow.replace(microsecond=0)


@pytest.mark.parametrize(
    "command", [job_commands.status, job_commands.follow, fetching.results, job_commands.cancel]
)
def test_a_job_that_is_not_there_is_one_message_and_nothing_is_written(
    s3: Any, command: AnalystCommand, tmp_path: Path
) -> None:
    before = s3.list_objects_v2(Bucket=BUCKET)["KeyCount"]
    lists: Any = {name: [] for name in command.lists}
    with pytest.raises(AnalysisError, match="has no job 'nonesuch'"):
        run(command, "nonesuch", **lists)
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == before


def test_a_job_that_has_ended_cannot_be_cancelled(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ended(s3, "t1", {"a": 1.0})
    with pytest.raises(AnalysisError, match="has ended already: SUCCESS 1/1"):
        run(job_commands.cancel, "t1")
    put(s3, JobKeys.of(GROUP, "t2").job, job_json("s", "a", stamp="t2"))
    run(job_commands.cancel, "t2", json=True)
    assert json.loads(capsys.readouterr().out) == {
        "job": "t2",
        "request": f"{GROUP}/submissions/t2_cancel.json",
    }


def test_the_status_is_short_and_the_certificate_is_there_when_asked_for(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(s3, "t1", {"a": 1.0, "längerer name.nii": 1.0})
    run(job_commands.status, "t1")
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith(f"started {minute(datetime(2026, 1, 31, 12, tzinfo=UTC))}, took ")
    assert lines == [
        "job t1  SUCCESS  2 of 2 datasets done",
        f"analysis {BUCKET}, group {GROUP}",
        lines[2],
        "machine m5.large at $0.096 an hour, at most 60 min for a dataset",
        "cost $0.012",
        "",
        "dataset            state",
        "a                  SUCCESS",
        "längerer name.nii  SUCCESS",
        "",
        "next: neurocaas results t1  copies its results here",
    ]
    run(job_commands.status, "t1", certificate=True)
    assert capsys.readouterr().out.startswith("JOB ID: t1\n")
    run(job_commands.status, "t1", json=True)
    text = capsys.readouterr().out
    assert "längerer name.nii" in text, "JSON keeps letters as they are"
    assert json.loads(text)["succeeded"] is True


def test_a_failed_job_shows_why_and_exits_with_one(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    keys = JobKeys.of(GROUP, "t1")
    put(s3, keys.job, job_json("s", "a", stamp="t1"))
    failed = DatasetStatus(
        status="FAILED", reason="exit code 3", exit_code=3, stderr={"0": "no signal"}
    ).to_json()
    put(s3, keys.status("a"), failed)
    put(s3, keys.verdict(0), failed)
    put(s3, keys.records.certificate_json, json.dumps({"exit_class": "analysis", "problems": []}))
    put(s3, keys.records.end, "FAILED 0/1")
    with pytest.raises(Ended) as caught:
        run(job_commands.follow, "t1")
    assert caught.value.code == 1
    assert "a: its script failed (exit code 3)" in str(caught.value.message)
    assert "because: a printed last: no signal" in str(caught.value.message)


def test_everything_wrong_with_a_submission_is_said_at_once_and_nothing_is_uploaded(
    s3: Any, tmp_path: Path
) -> None:
    before = s3.list_objects_v2(Bucket=BUCKET)["KeyCount"]
    with pytest.raises(AnalysisError) as caught:
        run(
            commands.submit,
            [str(tmp_path / "gone")],
            [f"{GROUP}/inputs/none", "other/inputs/x"],
            config="c.txt",
            timestamp="a/b",
            instance_type="p4d.24xlarge",
        )
    text = str(caught.value)
    for part in (
        "no such file",
        "inputs/none' in bucket dti",
        "no dataset 'other/",
        "no config 'c.txt'",
        ".yaml",
        "'a/b'",
        "p4d.24xlarge",
    ):
        assert part in text, part
    assert text.count("\n  do: ") == 7
    assert caught.value.exit_code == 2
    with pytest.raises(AnalysisError, match="no datasets"):
        run(commands.forecast, [], [])
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == before


def test_submitting_shows_the_forecast_before_anything_is_uploaded(
    s3: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = tmp_path / "d.txt"
    data.write_text("data")
    config = tmp_path / "c.json"
    config.write_text('{"__duration__": 30}')
    run(commands.submit, [str(data)], [], config=str(config), timestamp="t1")
    captured = capsys.readouterr()
    assert captured.out == "t1\n"
    assert "ended after 30 minutes" in captured.err
    assert "no history" in captured.err
    run(commands.forecast, [str(data)], [], config=str(config), json=True)
    assert json.loads(capsys.readouterr().out)["usd"] == pytest.approx(0.75 * 0.096)
    run(commands.submit, [str(data)], [], config=str(config), timestamp="t2", json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["job"], told["datasets"], told["forecast"]["minutes"]) == (
        "t2",
        [f"{GROUP}/inputs/d.txt"],
        30,
    )


RULES = ConfigRules(
    60, 120, 100, 20, {"type": "object", "properties": {"detect_threshold": {"type": "number"}}}
)


def test_a_config_is_checked_as_the_manager_does_before_anything_is_uploaded(
    s3: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tell(s3, replace(ABOUT, config=RULES, image_ready=False))
    data, config = tmp_path / "d.txt", tmp_path / "c.yaml"
    data.write_text("data")
    config.write_text("detect_treshold: high\n__duration__: 1:30\nensemble_size: 3\n")
    with pytest.raises(AnalysisError) as caught:
        run(commands.submit, [str(data), "none.txt"], [], config=str(config))
    text = str(caught.value)
    for part in (
        "no such file: none.txt",
        "no machine image is deployed for dti",
        "(`invoke bake-ami --stack dti-webdev`) and deploys it (`invoke deploy dti-webdev`)",
        "c.yaml:1:1: 'detect_treshold': got 'high'",
        "did you mean 'detect_threshold'?",
        "c.yaml:2:15: __duration__: got '1:30'",
        "write 90",
        "write mode: train, or remove ensemble_size",
    ):
        assert part in text, part
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/inputs/")
    config.write_text("detect_threshold: 010\n__duration__: 1e2\nmode: train\nensemble_size: 3\n")
    run(commands.forecast, [str(data)], [], config=str(config), json=True)
    captured = capsys.readouterr()
    assert "note: line 1, detect_threshold: 010 is 10 (YAML 1.2), which YAML 1.1 reads as 8" in captured.err
    told = json.loads(captured.out)
    assert (told["datasets"], told["minutes"]) == (3, 100)


def test_a_config_among_the_inputs_is_taken_though_an_analyst_cannot_read_it(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    put(s3, f"{GROUP}/inputs/c.json", '{"__duration__": 7}')
    put(s3, f"{GROUP}/inputs/d.txt", "data")
    run(commands.submit, [], [f"{GROUP}/inputs/d.txt"], config=f"{GROUP}/inputs/c.json", timestamp="t1")
    assert "ended after 7 minutes" in capsys.readouterr().err


class Terminal:
    """Standard input and standard error at which a person sits."""

    def __init__(self, answer: str = "") -> None:
        self.answer, self.text = answer, ""

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.answer

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("answer", "yes", "goes"),
    [("y\n", False, True), ("\n", False, False), ("", False, False), ("", True, True)],
)
def test_at_a_terminal_the_forecast_is_confirmed(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, yes: bool, goes: bool
) -> None:
    data = tmp_path / "d.txt"
    data.write_text("data")
    person = Terminal(answer)
    monkeypatch.setattr("sys.stdin", person)
    monkeypatch.setattr("sys.stderr", person)
    if goes:
        run(commands.submit, [str(data)], [], timestamp="t1", yes=yes)
    else:
        with pytest.raises(Ended, match="nothing was uploaded or submitted"):
            run(commands.submit, [str(data)], [], timestamp="t1", yes=yes)
    assert ("submit? [y/N]" in person.text) == (not yes)
    assert ("Contents" in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/inputs/")) == goes


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
    assert "no --analysis and no --group" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("code", "got"),
    [
        ("AccessDenied", f"access to s3://{BUCKET}/"),
        ("InvalidAccessKeyId", "is not known to the service"),
        ("SignatureDoesNotMatch", "does not belong to its access key"),
        ("ExpiredToken", "has expired"),
        ("RequestTimeTooSkewed", "the clock of this computer is wrong"),
    ],
)
def test_what_s3_refuses_is_one_message_for_reading_and_for_uploading(
    s3: Any, tmp_path: Path, code: str, got: str
) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "Call")

    analysis = Analysis(BUCKET, GROUP)
    analysis.s3.meta.events.register("before-call.s3", refuse)
    (tmp_path / "a").write_text("a")
    for ask in (analysis.listing, lambda: analysis.upload([tmp_path / "a"])):
        with pytest.raises(AnalysisError, match=re.escape(got)) as caught:
            ask()
        assert "\n  allowed: " in str(caught.value)


def test_a_cloud_that_is_down_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    session = boto3.Session(aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1")
    analysis = Analysis(BUCKET, GROUP, session=session)
    with pytest.raises(AnalysisError, match=r"^no answer from http://127\.0\.0\.1:9\n"):
        analysis.job_names()


@pytest.mark.parametrize("name", ["first_submit.json", "firstsubmit.json", "first-submit.json"])
def test_a_submission_without_an_answer_is_explained_whatever_joins_its_name(
    s3: Any, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    put(s3, f"{GROUP}/submissions/first-of-all_submit.json", "{}")
    run(job_commands.explain, "first")
    assert "There is no job first" in capsys.readouterr().out
    put(s3, f"{GROUP}/submissions/{name}", "{}")
    run(job_commands.explain, "first")
    assert "the submission came" in capsys.readouterr().out
