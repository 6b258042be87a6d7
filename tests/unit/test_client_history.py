"""What happened to a job, as its people see it: while it runs as it is told, then for ever in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from neurocaas.commands import jobs as job_commands
from neurocaas.commands.command import Ended
from neurocaas.protocol.events import DATASET, ENDED, MACHINE, SUBMITTED, event, history, tell
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.objects import put as put_object
from neurocaas.protocol.status import DatasetStatus
from tests.unit.client_jobs import BUCKET, GROUP, job_json
from tests.unit.client_world import MEMBER, put, run, service

JOB = JobId(BUCKET, GROUP, "t1")
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with service(monkeypatch, variables=MEMBER) as client:
        put(client, JOB.keys.job, job_json("s", "a", stamp="t1"))
        put(client, JOB.keys.records.certificate, "begun")
        yield client


class Telling:
    def __init__(self, s3: Any) -> None:
        self.s3 = s3

    def put(self, bucket: str, key: str, body: str, *, if_absent: bool = False) -> bool:
        return put_object(self.s3, bucket, key, body, if_absent=if_absent)


def test_an_open_job_shows_what_was_told_in_order(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = Telling(s3)
    tell(cloud, JOB, "waiting", "waits for \x1b[2J room", now=NOW + timedelta(seconds=9), place=2)
    tell(cloud, JOB, SUBMITTED, "submitted by ada", now=NOW, once="1", submitter="ada")
    run(job_commands.events, "t1")
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("  submitted by ada")
    assert second.endswith("room")
    assert "\x1b" not in second
    run(job_commands.events, "t1", json=True)
    assert json.loads(capsys.readouterr().out)[1]["place"] == 2


def test_who_follows_sees_each_event_once_also_those_that_the_history_tells_in_other_words(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = Telling(s3)
    tell(cloud, JOB, SUBMITTED, "submitted", now=NOW, once="1")
    tell(cloud, JOB, MACHINE, "a: i-1", now=NOW, once="0:1", dataset="a", attempt=1)
    told = [
        event(JOB, SUBMITTED, "1 dataset submitted", NOW).event,
        event(JOB, MACHINE, "a: machine i-1 has started", NOW, dataset="a", attempt=1).event,
        event(JOB, MACHINE, "a: machine i-2 has started", NOW, dataset="a", attempt=2).event,
        event(JOB, DATASET, "a has succeeded", NOW, dataset="a").event,
        event(JOB, ENDED, "SUCCESS 1/1", NOW).event,
    ]

    def ends(seconds: float) -> None:
        put(s3, JOB.keys.verdict(0), DatasetStatus(status="SUCCESS").to_json())
        put(s3, JOB.keys.events, history(told))
        put(s3, JOB.keys.records.end, "SUCCESS 1/1\n")

    monkeypatch.setattr("time.sleep", ends)
    run(job_commands.events, "t1", follow=True)
    lines = [line[21:] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["submitted", "a: i-1", "a: machine i-2 has started", "a has succeeded", "SUCCESS 1/1"]


def test_a_job_of_before_there_were_events_has_none(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(job_commands.events, "t1")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nothing is written down" in captured.err


def test_a_failure_has_its_name_and_advice_in_status_and_explain(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = DatasetStatus(
        status="FAILED", reason="exit code 1", exit_code=1, error="No gradients", advice="Add the .bvec file."
    )
    put(s3, JOB.keys.verdict(0), verdict.to_json())
    put(s3, JOB.keys.status("a"), DatasetStatus(status="FAILED", error="mine", advice="mine").to_json())
    put(s3, JOB.keys.records.certificate_json, json.dumps({"exit_class": "analysis"}))
    put(s3, JOB.keys.records.end, "FAILED 0/1\n")
    run(job_commands.explain, "t1")
    said = capsys.readouterr().out
    assert "(No gradients: exit code 1)" in said
    assert "do: Add the .bvec file." in said
    run(job_commands.explain, "t1", json=True)
    assert json.loads(capsys.readouterr().out)["fix"] == "Add the .bvec file."
    with pytest.raises(Ended, match="Job t1 has failed"):
        run(job_commands.status, "t1")
    assert "No gradients: exit code 1" in capsys.readouterr().out


def test_what_a_machine_calls_a_failure_itself_is_not_believed(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    put(s3, JOB.keys.status("a"), DatasetStatus(status="FAILED", error="mine", advice="mine").to_json())
    run(job_commands.status, "t1", json=True)
    (dataset,) = json.loads(capsys.readouterr().out)["datasets"]
    assert (dataset["error"], dataset["advice"]) == ("", "")
