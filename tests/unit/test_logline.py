"""Lines of the Lambdas' logs: JSON, and metrics as CloudWatch reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from neurocaas.protocol import logline
from neurocaas.protocol.keys import JobId

JOB = JobId("dti", "lab", "t1")


def read(*args: Any, **more: Any) -> dict[str, Any]:
    text = logline.line(*args, **more)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_line_says_when_who_what_and_about_which_job() -> None:
    line = read("monitor", "job ended\nwell", job=JOB, instance="i-1")
    assert (line["schema_version"], line["level"], line["service"], line["message"]) == (
        1,
        "INFO",
        "monitor",
        "job ended\nwell",
    )
    assert (line["job"], line["instance"]) == ("dti/lab/t1", "i-1")
    assert line["time"].endswith("+00:00")
    assert "_aws" not in line


def test_a_line_without_a_job_has_none() -> None:
    assert "job" not in read("sweep", "nothing to do")


def test_metrics_are_in_the_embedded_format() -> None:
    """The rules of the specification: a name and a unit for each, its value and the dimension's beside it,
    milliseconds.
    """
    line = read("manager", "x", job=JOB, metrics={logline.BUDGET_USED: 81.5, logline.REFUSED: 1})
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "NeuroCAAS"
    assert directive["Dimensions"] == [["Bucket"]]
    assert directive["Metrics"] == [
        {"Name": "BudgetUsed", "Unit": "Percent"},
        {"Name": "SubmissionsRefused", "Unit": "Count"},
    ]
    assert (line["Bucket"], line["BudgetUsed"], line["SubmissionsRefused"]) == ("dti", 81.5, 1)
    assert line["_aws"]["Timestamp"] > 1_700_000_000_000


def test_metrics_are_of_a_bucket() -> None:
    assert read("sweep", "x", bucket="dti", metrics={logline.OVERTIME: 2})["Bucket"] == "dti"
    with pytest.raises(ValueError, match="of no bucket"):
        logline.line("sweep", "x", metrics={logline.OVERTIME: 2})
    with pytest.raises(KeyError):
        logline.line("sweep", "x", bucket="dti", metrics={"Unheard": 1})


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert read("sweep", "x", why=ValueError("broken"))["why"] == "broken"


def test_a_line_is_written_in_one_piece(capsys: pytest.CaptureFixture[str]) -> None:
    logline.write("sweep", "done", level="ERROR")
    out = capsys.readouterr().out
    assert out.endswith("\n")
    assert json.loads(out)["level"] == "ERROR"
