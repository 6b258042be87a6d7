"""What the analyst hears of work that a job of the group has done already, before anything is uploaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neurocaas.commands import submitting
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.pins import Pin
from neurocaas.protocol.work import DoneWork, content_of, work_key, work_of
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ABOUT, MEMBER, put, run, service
from tests.unit.test_client_job_sweeps import RULES
from tests.unit.test_client_sweeps import submitted


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scan.txt").write_text("data")
    about = replace(ABOUT, config=RULES, script="dti/run.sh")
    with service(monkeypatch, about, {**MEMBER, "NEUROCAAS_STATE_FOLDER": str(tmp_path / "state")}) as client:
        yield client


def done(s3: Any, config: dict[str, Any], end: str = "SUCCESS 1/1\n", group: str = GROUP) -> None:
    """What the service leaves of a job `t1` over scan.txt."""
    put(s3, f"{GROUP}/inputs/scan.txt", "data")
    etag = s3.head_object(Bucket=BUCKET, Key=f"{GROUP}/inputs/scan.txt")["ETag"].strip('"')
    content = content_of("x", [Pin("x", 4, etag)])
    work = work_of(ABOUT.code_sha256, "ami-1", "dti/run.sh", [("scan.txt", config, content)])
    keys = JobKeys.of(group, "t1")
    put(s3, work_key(group, work), DoneWork("t1").to_json())
    put(s3, keys.records.end, end)
    put(s3, f"{keys.process_prefix}summary.json", "{}")


def submit(*data: str, **more: Any) -> None:
    run(submitting.submit, list(data), [], wait=False, timestamp="t2", **more)


@pytest.mark.parametrize("how", ["file", "key"])
def test_the_earlier_job_is_told_and_the_new_one_runs(
    s3: Any, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    done(s3, {})
    if how == "file":
        submit("scan.txt")
    else:
        run(submitting.submit, [], [f"{GROUP}/inputs/scan.txt"], wait=False, timestamp="t2")
    said = capsys.readouterr().err
    assert "job t1 has done this work" in said
    assert "`neurocaas results t1` fetches its results" in said
    assert submitted(s3) == ["t2"]


def test_reuse_submits_nothing_and_again_does_not_look(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    done(s3, {})
    submit("scan.txt", reuse=True)
    assert capsys.readouterr().out == "t1\n"
    assert submitted(s3) == []
    submit("scan.txt", dry_run=True, json=True)
    assert json.loads(capsys.readouterr().out)["same_as"] == "t1"
    submit("scan.txt", again=True)
    assert "has done this work" not in capsys.readouterr().err
    assert submitted(s3) == ["t2"]


@pytest.mark.parametrize("what", ["content", "config", "failed", "results", "not there", "other group"])
def test_what_is_not_the_same_is_not_told(s3: Any, capsys: pytest.CaptureFixture[str], what: str) -> None:
    group = "others" if what == "other group" else GROUP
    done(
        s3,
        {"rate": 1} if what == "config" else {},
        "FAILED 0/1\n" if what == "failed" else "SUCCESS 1/1\n",
        group,
    )
    if what == "content":
        Path("scan.txt").write_text("Data")
    elif what == "results":
        s3.delete_object(Bucket=BUCKET, Key=f"{JobKeys.of(GROUP, 't1').process_prefix}summary.json")
    elif what == "not there":
        s3.delete_object(Bucket=BUCKET, Key=f"{GROUP}/inputs/scan.txt")
    submit("scan.txt", reuse=True)
    assert "has done this work" not in capsys.readouterr().err
    assert submitted(s3) == ["t2"]
