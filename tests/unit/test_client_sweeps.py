"""Sweeps: their values, their jobs, and what is known of them later."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neurocaas import AnalysisError
from neurocaas.analysis import Analysis
from neurocaas.budget import Budget
from neurocaas.commands import fetching, submitting, sweeping
from neurocaas.commands.command import Ended
from neurocaas.protocol.config import ConfigRules
from neurocaas.protocol.keys import JobKeys
from neurocaas.sweep_values import rows_of
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ABOUT, MEMBER, ended, put, run, service

PARAMETERS = {
    "type": "object",
    "properties": {
        "threshold": {"type": "integer", "minimum": 1, "maximum": 9},
        "rate": {"type": "number"},
        "method": {"type": "string", "enum": ["fast", "1"]},
        "sizes": {"type": "array"},
        "smooth": {"type": "boolean"},
    },
    "additionalProperties": False,
}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scan.txt").write_text("data")
    about = replace(ABOUT, config=ConfigRules(60, 600, 100, 10, PARAMETERS))
    with service(monkeypatch, about, {**MEMBER, "NEUROCAAS_STATE_FOLDER": str(tmp_path / "state")}) as client:
        yield client


def submitted(s3: Any) -> list[str]:
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/submissions/").get("Contents", [])
    return [one["Key"].rpartition("/")[2].removesuffix("_submit.json") for one in found]


def sweep(capsys: pytest.CaptureFixture[str], *options: str, **more: Any) -> dict[str, Any]:
    run(submitting.submit, ["scan.txt"], [], sweep=list(options), json=True, **more)
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def config(s3: Any, job: str) -> Any:
    submission = s3.get_object(Bucket=BUCKET, Key=f"{GROUP}/submissions/{job}_submit.json")["Body"].read()
    key = json.loads(submission)["configname"]
    return json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def test_a_job_for_each_combination_and_the_data_once(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    Path("base.yaml").write_text("method: fast\nthreshold: 1\n")
    answer = sweep(capsys, "threshold=3,4", "rate=0.5,1", config="base.yaml", timestamp="s1")
    assert submitted(s3) == ["s1-001", "s1-002", "s1-003", "s1-004"]
    assert config(s3, "s1-003") == {"method": "fast", "threshold": 4, "rate": 0.5}
    assert [one["parameters"] for one in answer["jobs"]][1] == {"threshold": 3, "rate": 1}
    inputs = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/inputs/")["Contents"]
    assert [one["Key"] for one in inputs] == [f"{GROUP}/inputs/scan.txt"]


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("3,4", "threshold", [3, 4]),
        ("3.0", "threshold", [3]),
        ("1,fast", "method", ["1", "fast"]),
        ('"a,b",c', "method", ["a,b", "c"]),
        ("[1,2],[3]", "sizes", [[1, 2], [3]]),
        ("True,false", "smooth", [True, False]),
        ("1e-3,2", "unknown", [1e-3, 2]),
        ("abc", "unknown", ["abc"]),
    ],
)
def test_values_have_the_types_of_the_analysis(text: str, name: str, values: list[Any]) -> None:
    rows = rows_of([f"{name}={text}"], "", PARAMETERS)
    assert [row[name] for row in rows] == values
    assert [type(row[name]) for row in rows] == [type(value) for value in values]


def test_a_file_of_parameters_has_a_row_for_each_job(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("threshold, method\n3,fast\n\n4,\n")
    (tmp_path / "p.json").write_text(json.dumps([{"threshold": 3, "method": "fast"}, {"threshold": 4}]))
    rows = ({"threshold": 3, "method": "fast"}, {"threshold": 4})
    assert rows_of([], "p.csv", PARAMETERS) == rows_of([], "p.json", PARAMETERS) == rows
    assert len(rows_of(["rate=1,2"], "p.csv", PARAMETERS)) == 4


@pytest.mark.parametrize(
    ("options", "file", "told"),
    [
        (["threshold"], "", "NAME=VALUE"),
        (["threshold=1", "threshold=2"], "", "twice"),
        (["threshold=1,1"], "", "the same parameters twice"),
        ([f"threshold={','.join(map(str, range(600)))}"], "", "up to 500 jobs"),
        (["threshold=1"], "twice.csv", "leave one out"),
        ([], "none.csv", "No such file"),
        ([], "short.csv", "short.csv:2: 1 cells"),
        ([], "header.csv", "a name for each column"),
        ([], "no.json", "no list of mappings"),
        ([], "empty.csv", "no parameters"),
    ],
)
def test_what_is_wrong_with_a_sweep_is_told(s3: Any, options: list[str], file: str, told: str) -> None:
    for name, text in {
        "twice.csv": "threshold\n1\n",
        "short.csv": "a,b\n1\n",
        "header.csv": "a,a\n1,2\n",
        "no.json": "{}",
        "empty.csv": "a\n",
    }.items():
        Path(name).write_text(text)
    with pytest.raises(AnalysisError) as caught:
        rows_of(options, file, PARAMETERS)
    assert told in str(caught.value)


def test_a_value_that_the_analysis_refuses_is_told_before_anything_is_uploaded(s3: Any) -> None:
    with pytest.raises(AnalysisError) as caught:
        run(submitting.submit, ["scan.txt"], [], sweep=["threshold=3,10,11"])
    assert all(word in str(caught.value) for word in ("threshold", "10", "11"))
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/")
    assert found["KeyCount"] == 0


def test_a_sweep_that_was_interrupted_goes_on_and_submits_nothing_twice(
    s3: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, left = Analysis.submit, [2]

    def submit(self: Analysis, *given: Any, **more: Any) -> Any:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return whole(self, *given, **more)

    monkeypatch.setattr(Analysis, "submit", submit)
    with pytest.raises(KeyboardInterrupt):
        sweep(capsys, "threshold=1,2,3,4")
    first = submitted(s3)
    assert len(first) == 2
    left[0] = 9
    answer = sweep(capsys, "threshold=1,2,3,4")
    assert answer["submitted_before"] == first
    assert submitted(s3) == [one["job"] for one in answer["jobs"]]
    assert left[0] == 7, "two more were submitted"
    another = sweep(capsys, "threshold=1,2,3,4")
    assert another["sweep"] != answer["sweep"], "it had come to its end: this is another"
    with pytest.raises(AnalysisError, match="which another sweep has"):
        sweep(capsys, "threshold=1,2", timestamp=answer["sweep"])


def test_a_dry_run_submits_nothing_and_says_what_it_would(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run(submitting.submit, ["scan.txt"], [], sweep=["threshold=1,2"], timestamp="s1", dry_run=True)
    said = capsys.readouterr()
    assert [line.split() for line in said.out.splitlines()] == [
        ["job", "threshold"],
        ["s1-001", "1"],
        ["s1-002", "2"],
    ]
    assert "2 jobs with 2 machines in all: at most $" in said.err
    assert not submitted(s3)


def swept(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A sweep of three: one that succeeded, one that runs not yet, one that failed."""
    sweep(capsys, "threshold=1,2,3", timestamp="s1")
    ended(s3, "s1-001", {"scan.txt": 60.0}, {"out.csv": "1"}, cost_usd=0.25)
    ended(s3, "s1-003", {"scan.txt": 60.0}, {"out.csv": "3"}, cost_usd=0.5)
    put(s3, JobKeys.of(GROUP, "s1-003").records.end, "FAILED 0/1\n")
    put(s3, JobKeys.of(GROUP, "s1-003").verdict(0), json.dumps({"status": "FAILED", "exit_code": 1}))


def test_one_table_of_outcomes(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    swept(s3, capsys)
    with pytest.raises(Ended) as caught:
        run(sweeping.sweep, "s1")
    assert caught.value.code == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:4] == [
        ["job", "threshold", "state", "cost"],
        ["s1-001", "1", "SUCCESS", "$0.25"],
        ["s1-002", "2", "SUBMITTED"],
        ["s1-003", "3", "FAILED", "$0.50"],
    ]
    with pytest.raises(Ended):
        run(sweeping.sweep, "s1", json=True)
    assert json.loads(capsys.readouterr().out)["cost_usd"] == 0.75
    with pytest.raises(AnalysisError, match="no job 's2'"):
        run(sweeping.sweep, "s2")


def test_the_results_of_a_sweep_come_each_into_a_folder_with_its_parameters(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    swept(s3, capsys)
    run(fetching.results, "s1", ["*.csv"], [], [])
    folder = Path("results") / "s1"
    assert (folder / "001" / "process_results" / "out.csv").read_text() == "1"
    assert (folder / "003" / "process_results" / "out.csv").read_text() == "3"
    told = json.loads((folder / "003" / "parameters.json").read_text())
    assert told == {"job": "s1-003", "parameters": {"threshold": 3}}
    rows = list(csv.DictReader((folder / "parameters.csv").open()))
    assert [(row["threshold"], row["state"], row["folder"]) for row in rows] == [
        ("1", "SUCCESS", "001"),
        ("2", "SUBMITTED", ""),
        ("3", "FAILED", "003"),
    ]
    said = capsys.readouterr()
    assert "s1-002 has no results: SUBMITTED" in said.err
    assert "2 files of 2 jobs" in said.out


def test_a_sweep_that_the_budget_has_no_room_for_is_refused(
    s3: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("neurocaas.analysis.budget_left", lambda *_: Budget(0.5, "of $1", 1.0, exact=True))
    with pytest.raises(AnalysisError, match=r"costs of up to .* with \$0.50 left"):
        sweep(capsys, "threshold=1,2,3,4,5,6,7,8,9")
    assert not submitted(s3)
