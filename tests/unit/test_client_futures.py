"""Futures of jobs and datasets, and the examples of docs/jobs.md as they stand there."""

import json
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, as_completed, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from moto import mock_aws

import neurocaas
from neurocaas import errors
from neurocaas.errors import AnalysisError, UnreachableError
from neurocaas.futures import DatasetFailedError, JobFailedError, of_datasets, of_job
from neurocaas.protocol.job import Dataset
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.published_settings import about_key
from neurocaas.protocol.status import DatasetStatus
from neurocaas.states import DatasetState, JobState
from tests.unit.client_world import ABOUT

PATIENCE = 30


class Job:
    """A job whose states are given one after the other; the last one stays."""

    timestamp = "t1"

    def __init__(self, *states: JobState | Exception) -> None:
        self._states = list(states)

    def status(self) -> JobState:
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if isinstance(state, Exception):
            raise state
        return state

    def reason(self, state: JobState) -> str:
        return state.end or "the submission was refused"


def states(phase: str, end: str = "", **datasets: str) -> JobState:
    return JobState(
        "t1",
        phase,
        tuple(DatasetState(name, f"g/inputs/{name}", state) for name, state in datasets.items()),
        end,
    )


SUBMITTED = states("SUBMITTED")
RUNNING = states("RUNNING", a="IN PROGRESS", b="INITIALIZING")
HALF = states("RUNNING", a="SUCCESS", b="IN PROGRESS")
DONE = states("DONE", "FAILED 1/2", a="SUCCESS", b="FAILED")


def inputs(*names: str) -> Sequence[str]:
    return [f"g/inputs/{name}" for name in names]


def test_a_dataset_is_done_before_its_job() -> None:
    a, b = of_datasets(Job(SUBMITTED, RUNNING, HALF), inputs("a", "b"), 0.001)
    assert a.result(timeout=PATIENCE).state == "SUCCESS"
    assert not b.done()
    with pytest.raises(TimeoutError):
        b.result(timeout=0.01)
    assert b.cancel()
    assert wait([b], timeout=PATIENCE).done == {b}


def test_results_exceptions_and_callbacks_are_those_of_concurrent_futures() -> None:
    b, a = of_datasets(Job(RUNNING, HALF, DONE), inputs("b", "a"), 0.001)
    called = threading.Event()
    a.add_done_callback(lambda _: called.set())
    assert set(as_completed([a, b], timeout=PATIENCE)) == {a, b}
    assert called.wait(PATIENCE)
    assert a.result().name == "a"
    error = b.exception()
    assert isinstance(error, DatasetFailedError)
    assert error.state is not None
    assert "b of job t1 has failed: FAILED 1/2" in str(error)


def test_a_network_that_is_away_for_a_while_is_waited_for() -> None:
    away = UnreachableError("no answer", "one", "wait")
    (a,) = of_datasets(Job(away, RUNNING, away, away, HALF, DONE), inputs("a"), 0.001)
    assert a.result(timeout=PATIENCE).state == "SUCCESS"
    ticks = iter([0.0, 1.0, 2.0, errors.PATIENCE + 1, errors.PATIENCE + 2, 2 * errors.PATIENCE + 3])
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    ask = errors.Patient(Job(away, away, RUNNING, away, away, away).status, clock)
    assert [ask(), ask(), ask(), ask(), ask()] == [None, None, RUNNING, None, None]
    with pytest.raises(UnreachableError):
        [ask() for _ in range(3)]


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"),
        ClientError({"Error": {"Code": "503"}}, "HeadObject"),
        ReadTimeoutError(endpoint_url="https://s3.amazonaws.com/b"),
        ConnectTimeoutError(endpoint_url="https://s3.amazonaws.com/b"),
        ResponseStreamingError(error="cut"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
)
def test_what_may_work_again_in_a_moment_is_told_apart(error: Exception) -> None:
    with (
        pytest.raises(
            UnreachableError, match=r"S3 cannot answer now|no answer from (S3|https://s3\.amazonaws\.com)\n"
        ),
        errors.s3_errors("b", "k"),
    ):
        raise error


def test_a_refused_submission_fails_every_dataset() -> None:
    futures = of_datasets(
        Job(SUBMITTED, states("REJECTED", "FAILED 0/0 no such data")), inputs("a", "b"), 0.001
    )
    for future in futures:
        with pytest.raises(DatasetFailedError, match="no such data"):
            future.result(timeout=PATIENCE)


GOOD = states("DONE", "SUCCESS 2/2", a="SUCCESS", b="SUCCESS")


def test_the_future_of_a_job_has_its_last_state_or_raises_why_there_is_no_good_one() -> None:
    assert of_job(Job(SUBMITTED, RUNNING, GOOD), 0.001).result(timeout=PATIENCE) == GOOD
    with pytest.raises(JobFailedError, match="job t1 has failed: FAILED 1/2") as failed:
        of_job(Job(SUBMITTED, RUNNING, DONE), 0.001).result(timeout=PATIENCE)
    assert failed.value.state == DONE
    with pytest.raises(JobFailedError, match="job t1 was refused: FAILED 0/0 no such data"):
        of_job(Job(SUBMITTED, states("REJECTED", "FAILED 0/0 no such data")), 0.001).result(timeout=PATIENCE)
    future = of_job(Job(RUNNING, AnalysisError("gone", "a bucket", "look")), 0.001)
    assert wait([future], timeout=PATIENCE, return_when=FIRST_COMPLETED).done == {future}
    with pytest.raises(AnalysisError, match="gone"):
        future.result()


def test_a_future_that_was_cancelled_wakes_whoever_waits_and_ends_the_asking() -> None:
    future = of_job(Job(RUNNING), 0.001)
    assert future.cancel()
    assert wait([future], timeout=PATIENCE).done == {future}


EXAMPLES = re.findall(
    r"```python\n(.*?)```", (Path(__file__).resolve().parents[2] / "docs" / "jobs.md").read_text(), re.DOTALL
)


class Service:
    """Does at once what manager, machines and monitor do with a submission: every dataset of it succeeds but
    `bad`.
    """

    def __init__(self, s3: Any, template: str) -> None:
        self._s3, self._template = s3, json.loads(template)

    def answer(self, key: str) -> None:
        body = json.loads(self._s3.get_object(Bucket="dti", Key=key)["Body"].read())
        keys = JobKeys.of("lab", body["timestamp"])
        names = [name.rpartition("/")[2] for name in body["dataname"]]
        datasets = [
            Dataset(i, name, f"lab/inputs/{name}", keys.status(name), 4) for i, name in enumerate(names)
        ]
        job = {**self._template, "timestamp": body["timestamp"], "submission_key": key, "group": "lab"}
        self._put(keys.job, json.dumps({**job, "datasets": [vars(one) for one in datasets]}))
        for one in datasets:
            state = "FAILED" if "bad" in one.name else "SUCCESS"
            begun, done = "2026-01-31T12:00:00Z", "2026-01-31T12:00:07Z"
            status = DatasetStatus(status=state, reason="exit code 3", job_start=begun, job_finish=done)
            self._put(one.status_key, status.to_json())
            self._put(keys.verdict(one.index), status.to_json())
            self._put(f"{keys.process_prefix}{one.name}/fa.json", "{}")
        self._put(keys.records.end, f"SUCCESS {len(datasets)}/{len(datasets)}\n")

    def _put(self, key: str, body: str) -> None:
        self._s3.put_object(Bucket="dti", Key=key, Body=body.encode())


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    from tests.unit.client_jobs import job_json

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("scan1.nii", "scan2.nii"):
        (tmp_path / name).write_text("data")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="dti")
        s3.put_object(Bucket="dti", Key=about_key("lab"), Body=ABOUT.to_json().encode())
        there = Service(s3, job_json("s", "a"))
        submitted = neurocaas.Analysis.submit

        def submit(self: neurocaas.Analysis, *arguments: Any, **options: Any) -> neurocaas.JobHandle:
            job = submitted(self, *arguments, **options)
            there.answer(str(job.submission_key))
            return job

        monkeypatch.setattr(neurocaas.Analysis, "submit", submit)
        yield


@pytest.mark.parametrize("number", range(2))
def test_the_examples_of_the_docs_run(
    service: None, capsys: pytest.CaptureFixture[str], tmp_path: Path, number: int
) -> None:
    assert len(EXAMPLES) == 2
    exec(compile(EXAMPLES[number], f"docs/jobs.md, example {number}", "exec"), {})
    out = capsys.readouterr().out
    if number == 0:
        assert "no history" in out
        assert "DONE SUCCESS 2/2" in out
        (results,) = (tmp_path / "results").iterdir()
        assert (results / "process_results" / "scan1.nii" / "fa.json").is_file()
    else:
        assert sorted(out.splitlines()) == ["scan1.nii 7.0 s", "scan2.nii 7.0 s"]


def test_files_and_keys_are_mapped_together_in_their_order(service: None, tmp_path: Path) -> None:
    (tmp_path / "bad.nii").write_text("data")
    boto3.client("s3").put_object(Bucket="dti", Key="lab/inputs/there.nii", Body=b"data")
    dti = neurocaas.Analysis("dti", "lab")
    futures = dti.map(
        ["bad.nii", "lab/inputs/there.nii", tmp_path / "scan1.nii"], {"fit_method": "WLS"}, timestamp="t9"
    )
    assert [future.exception(timeout=PATIENCE) is None for future in futures] == [False, True, True]
    assert [future.result().name for future in futures[1:]] == ["there.nii", "scan1.nii"]
    error = futures[0].exception()
    assert isinstance(error, neurocaas.DatasetFailedError)
    assert "exit code 3" in str(error)


def test_every_public_name_is_there_with_its_docstring() -> None:
    assert dir(neurocaas) == sorted(neurocaas.__all__)
    for name in neurocaas.__all__:
        thing = getattr(neurocaas, name)
        assert thing.__doc__, name
        for method in (
            value for key, value in vars(thing).items() if callable(value) and not key.startswith("_")
        ):
            assert method.__doc__, f"{name}.{method.__name__}"
    with pytest.raises(AttributeError, match="nonesuch"):
        neurocaas.nonesuch  # noqa: B018
