"""Sweeps as one job, on the analyst's side: what is submitted, and the table of its runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neurocaas import AnalysisError
from neurocaas.commands import submitting, sweeping, working
from neurocaas.commands.command import Ended
from neurocaas.protocol.config import ConfigRules
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.outcomes import RunOutcome, SweepTable, read_table, table_csv, table_json
from neurocaas.protocol.status import DatasetStatus
from tests.unit.client_jobs import BUCKET, GROUP, job_json
from tests.unit.client_world import ABOUT, MEMBER, put, run, service
from tests.unit.test_client_sweeps import PARAMETERS, submitted

RULES = ConfigRules(60, 600, 100, 10, PARAMETERS, 20)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scan.txt").write_text("data")
    (tmp_path / "scan2.txt").write_text("more")
    about = replace(ABOUT, config=RULES, max_datasets=9)
    with service(monkeypatch, about, {**MEMBER, "NEUROCAAS_STATE_FOLDER": str(tmp_path / "state")}) as client:
        yield client


def config_of(s3: Any, job: str) -> Any:
    submission = s3.get_object(Bucket=BUCKET, Key=f"{GROUP}/submissions/{job}_submit.json")["Body"].read()
    return json.loads(s3.get_object(Bucket=BUCKET, Key=json.loads(submission)["configname"])["Body"].read())


def test_a_sweep_is_one_job_whose_config_says_it(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("base.yaml").write_text("method: fast\n")
    more = {"config": "base.yaml", "timestamp": "s1", "wait": False}
    run(submitting.submit, ["scan.txt", "scan2.txt"], [], sweep=["threshold=3,4", "rate=0.5,1"], **more)
    out = capsys.readouterr()
    assert out.out == "s1\n"
    assert submitted(s3) == ["s1"]
    assert config_of(s3, "s1") == {"method": "fast", "sweep": {"threshold": [3, 4], "rate": [0.5, 1]}}
    assert "sweep over threshold, rate: 4 combinations for 2 datasets: 8 runs in one job" in out.err
    assert "8 machines m5.large" in out.err
    assert "at most: $" in out.err


def test_rows_of_a_file_are_runs(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.csv").write_text("threshold,method\n3,fast\n4,\n")
    run(submitting.submit, ["scan.txt"], [], sweep_file="rows.csv", timestamp="s1", wait=False)
    assert config_of(s3, "s1") == {"sweep": [{"threshold": 3, "method": "fast"}, {"threshold": 4}]}


@pytest.mark.parametrize(
    ("options", "config", "told"),
    [
        (["threshold=3,44"], "", "config sweep threshold[1]: got 44"),
        (["threshold=1,2,3,4,5"], "", "10 runs (5 combinations for 2 datasets)"),
        (["threshold=3"], "sweep: {rate: [1]}\n", "a sweep in base.yaml and on the command line"),
        ([], "sweep: {rate: [1, x]}\nthreshold: 3\n", "base.yaml:1:19: sweep rate[1]"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_uploaded(
    s3: Any, options: list[str], config: str, told: str
) -> None:
    Path("base.yaml").write_text(config or "{}")
    with pytest.raises(AnalysisError) as caught:
        run(submitting.submit, ["scan.txt", "scan2.txt"], [], sweep=options, config="base.yaml", wait=False)
    assert told in str(caught.value)
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/")["KeyCount"] == 0


def swept_job(s3: Any, states: list[str], *, ended: bool) -> JobKeys:
    keys = JobKeys.of(GROUP, "s1")
    names = [f"scan.txt_threshold={number}" for number in range(3, 3 + len(states))]
    document = json.loads(job_json(f"{GROUP}/submissions/s1_submit.json", *names, stamp="s1"))
    document["swept"] = ["threshold"]
    document["config"] = {"sweep": {"threshold": [3, 4]}}
    for number, one in enumerate(document["datasets"], 3):
        one |= {
            "inputpath": f"{GROUP}/inputs/scan.txt",
            "parameters": {"threshold": number},
            "folder": f"threshold={number}",
        }
    put(s3, f"{GROUP}/inputs/scan.txt", "data")
    put(s3, keys.job, json.dumps(document))
    put(s3, keys.records.certificate, "JOB ID: s1\n")
    for index, (name, state) in enumerate(zip(names, states, strict=True)):
        text = DatasetStatus(status=state, reason="-" if state != "FAILED" else "it broke").to_json()
        for key in (keys.status(name), keys.verdict(index)):
            put(s3, key, text)
    if ended:
        runs = tuple(
            RunOutcome(
                name, f"{GROUP}/inputs/scan.txt", {"threshold": number}, state, 90.0, 0.01,
                "it broke" if state == "FAILED" else None, f"process_results/threshold={number}/",
            )
            for number, (name, state) in enumerate(zip(names, states, strict=True), 3)
        )  # fmt: skip
        put(s3, keys.records.sweep("json"), table_json(SweepTable("s1", ("threshold",), runs)))
        done = sum(state == "SUCCESS" for state in states)
        put(s3, keys.records.end, f"{'SUCCESS' if done == len(states) else 'FAILED'} {done}/{len(states)}\n")
    return keys


def test_the_table_of_runs_before_and_after_the_end(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    swept_job(s3, ["SUCCESS", "INITIALIZING"], ended=False)
    run(sweeping.sweep, "s1")
    shown = capsys.readouterr().out
    assert "1 of 2 runs have ended" in shown
    assert "threshold  state" in shown
    swept_job(s3, ["SUCCESS", "FAILED"], ended=True)
    with pytest.raises(Ended) as caught:
        run(sweeping.sweep, "s1")
    assert caught.value.code == 1
    shown = capsys.readouterr().out
    assert "it broke" in shown
    assert "2 of 2 runs have ended; $0.02" in shown
    with pytest.raises(Ended):
        run(sweeping.sweep, "s1", csv=True)
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[2][1:] == ["4", "FAILED", "90", "0.010000", "it broke", "process_results/threshold=4/"]


def test_a_job_without_a_sweep_has_no_table(s3: Any) -> None:
    keys = JobKeys.of(GROUP, "p1")
    put(s3, keys.job, job_json(f"{GROUP}/submissions/p1_submit.json", "scan.txt", stamp="p1"))
    put(s3, keys.records.certificate, "JOB ID: p1\n")
    with pytest.raises(AnalysisError, match="whose config has no sweep"):
        run(sweeping.sweep, "p1")


def test_the_failed_runs_again_are_those_combinations(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    swept_job(s3, ["SUCCESS", "FAILED"], ended=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurocaas.steps.ANSWER_SECONDS", 0)
        run(working.resubmit, "s1", failed=True, timestamp="s2")
    assert config_of(s3, "s2") == {"sweep": [{"threshold": 4}]}


def test_the_table_can_be_read_again() -> None:
    table = SweepTable("s1", ("a",), (RunOutcome("n", "i", {"a": "=1"}, "FAILED", None, None, None, "f"),))
    assert read_table(table_json(table)) == table
    assert table_csv(table).splitlines()[1].startswith("i,'=1,FAILED,,,")
