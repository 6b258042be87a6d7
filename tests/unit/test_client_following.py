"""`neurocaas submit --after`: what can be known of an earlier job's results before it has ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from neurocaas import Analysis
from neurocaas.checks import Wish
from neurocaas.commands.submitting import _answer, submit
from neurocaas.errors import AnalysisError, SeveralErrors
from neurocaas.evidence import gather
from neurocaas.explain import explain
from neurocaas.protocol.chain import Source, waits_line
from neurocaas.protocol.keys import JobKeys
from neurocaas.steps import planned
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ABOUT, MEMBER, ended, put, run, service, tell

PATTERN = "process_results/*.csv"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with service(monkeypatch, variables=MEMBER) as client:
        yield client


def sent(s3: Any, stamp: str) -> dict[str, Any]:
    body = s3.get_object(Bucket=BUCKET, Key=f"{GROUP}/submissions/{stamp}_submit.json")["Body"].read()
    found: dict[str, Any] = json.loads(body)
    return found


def test_the_command_submits_after_a_job_that_runs_still(s3: Any) -> None:
    put(s3, JobKeys.of(GROUP, "one").records.certificate, "JOB ID: one\n")
    run(submit, [], [PATTERN], after="one", timestamp="two", wait=False, after_when="ended")
    body = sent(s3, "two")
    assert (body["after"], body["after_when"], body["dataname"]) == ("one", "ended", [PATTERN])


def test_one_that_waits_is_told_as_taken(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    put(s3, JobKeys.of(GROUP, "one").records.certificate, "JOB ID: one\n")
    keys = JobKeys.of(GROUP, "two")
    plan = planned(Analysis(BUCKET, GROUP), [Wish(keys=[PATTERN], after="one", timestamp="two")])[0]
    handle = Analysis(BUCKET, GROUP).submit(PATTERN, {}, "two", after="one")
    put(s3, keys.records.certificate, f"JOB ID: two\n[Job Manager] {waits_line('one')}\t [+0:00]\n")
    state = _answer(Analysis(BUCKET, GROUP), handle, plan, wait=True, follow=False, quiet=True)
    assert state is not None
    assert state.phase == "SUBMITTED"
    assert "it waits for job one to end" in capsys.readouterr().err
    explained = explain(gather(handle, [], "", None))
    assert "waits for job one to end" in str(explained)


def test_results_of_a_job_that_has_ended_are_counted(s3: Any) -> None:
    ended(s3, "one", {"a": 10.0}, {"x.csv": "1", "y.csv": "22", "log.txt": "3"})
    forecast = Analysis(BUCKET, GROUP)._check([], [PATTERN], {}, "two", after="one")
    assert forecast.datasets == 2


@pytest.mark.parametrize(
    ("key", "after", "says"),
    [
        (PATTERN, "none", "no job 'none'"),
        ("process_results/*.npy", "one", "no result '*.npy' of job one"),
        (PATTERN, "spikes/one", "takes_from"),
        (PATTERN, "", PATTERN),
        (PATTERN, "two", "this job itself"),
    ],
)
def test_what_cannot_be_is_told_before_it_is_submitted(s3: Any, key: str, after: str, says: str) -> None:
    ended(s3, "one", {"a": 10.0}, {"x.csv": "1"})
    with pytest.raises((AnalysisError, SeveralErrors)) as error:
        Analysis(BUCKET, GROUP).submit(key, {}, "two", after=after or None)
    assert says in str(error.value)


def test_a_job_of_another_analysis_may_be_named_where_the_analysis_takes_from_it(s3: Any) -> None:
    s3.create_bucket(Bucket="spikes-data")
    tell(s3, replace(ABOUT, sources=(Source("spikes", "spikes-webdev", "spikes-data"),)))
    Analysis(BUCKET, GROUP).submit(PATTERN, {}, "two", after="spikes/one")
    assert sent(s3, "two")["after"] == "spikes/one"
