"""The documents of a job: each survives its trip, and a damaged one is named."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol.certificate import (
    DIVIDER,
    SetupLog,
    claim_id,
    dataset_line,
    end_line,
    with_outcome,
)
from neurocaas.protocol.command import main_command, shown
from neurocaas.protocol.documents import DocumentError, iso, moment
from neurocaas.protocol.job import Job
from neurocaas.protocol.report import ComputeReport
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.status import FAILED, IN_PROGRESS, DatasetStatus
from tests.unit.job_world import SETTINGS, World

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def a_job(**fields: object) -> Job:
    world = World()
    world.submit(world.submission(**fields))
    return world.job()


def test_a_job_survives_the_trip() -> None:
    job = a_job()
    assert Job.from_json(job.to_json()) == job


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 2}', '{"schema_version": 1}'])
def test_damaged_documents_are_named(text: str) -> None:
    with pytest.raises(DocumentError, match=r"job\.json"):
        Job.from_json(text)
    with pytest.raises(DocumentError, match="settings"):
        AnalysisSettings.from_json(text)
    with pytest.raises(DocumentError, match="compute report"):
        ComputeReport.from_json(text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_datasets", "500"),
        ("max_datasets", True),
        ("budget_usd", "1"),
        ("groups", []),
        ("prices", {"m5.large": 1}),
    ],
)
def test_settings_of_the_wrong_type_are_refused(name: str, value: object) -> None:
    data = json.loads(SETTINGS.to_json())
    data[name] = value
    with pytest.raises(DocumentError):
        AnalysisSettings.from_json(json.dumps(data))


def test_settings_of_a_newer_writer_are_read() -> None:
    data = json.loads(SETTINGS.to_json())
    data["added_later"] = 1
    assert AnalysisSettings.from_json(json.dumps(data)) == SETTINGS


def test_a_status_file_that_a_script_has_damaged_is_still_read() -> None:
    status = DatasetStatus.from_json(
        '{"status": "DONE", "reason": 3, "stdout": "x", "exit_code": "0", "input": "a"}'
    )
    assert status == DatasetStatus(IN_PROGRESS, input="a")


def test_a_status_survives_the_trip() -> None:
    status = DatasetStatus(FAILED, "a", "i-1", "r", "c", 3, stdout={"0": "x"})
    assert DatasetStatus.from_json(status.to_json()) == status


def test_the_command_line_is_a_list_and_shown_quoted() -> None:
    world = World()
    world.aws.upload("dti", "lab/inputs/$(touch x); a b.zip")
    world.submit(world.submission(dataname="lab/inputs/$(touch x); a b.zip"))
    command = main_command(world.job(), 0)
    assert command == [
        "bash",
        "run_main.sh",
        "dti",
        "lab/inputs/$(touch x); a b.zip",
        "results/job_t1",
        "jobs/lab/job_t1/configs/c.json",
        "dti/run_dti.sh",
    ]
    assert "'lab/inputs/$(touch x); a b.zip'" in shown(command)


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_survive_to_the_millisecond(value: datetime) -> None:
    assert abs(moment(iso(value)) - value) < timedelta(milliseconds=1)


def test_times_of_other_writers_are_read() -> None:
    assert (
        moment("2026-01-31T12:00:00Z")
        == moment("2026-01-31T12:00:00+00:00")
        == moment("2026-01-31 12:00:00")
        == NOON
    )
    with pytest.raises(DocumentError):
        moment("yesterday")


def test_a_report_counts_days_and_nothing_before_its_end() -> None:
    report = ComputeReport("i-1", "m5.large", False, 0.5, "b", "d", "c", "j", "lab", "t1", 0, iso(NOON))
    assert (report.seconds, report.cost) == (0.0, 0.0)
    ended = replace(report, end=iso(NOON + timedelta(hours=25)))
    assert (ended.seconds, ended.cost) == (25 * 3600, 12.5)
    assert ComputeReport.from_json(ended.to_json()) == ended


def test_log_lines_end_with_the_time_since_the_start() -> None:
    log = SetupLog(NOON, "v", "t1")
    log.manager("x", NOON + timedelta(hours=25, minutes=1, seconds=2, milliseconds=340))
    assert log.render().splitlines()[-1] == "[Job Manager] x\t [+25:01:02.34]"


def test_an_outcome_replaces_only_what_is_between_the_dividers() -> None:
    log = SetupLog(NOON, "v", "t1")
    log.manager("set up", NOON)
    text = log.render([dataset_line("a", "INITIALIZING", "now")], complete=True)
    final = with_outcome(text, [dataset_line("a", "SUCCESS", "later")], ["JOB RESULT: SUCCESS 1/1"])
    assert final is not None
    assert (
        final
        == text.replace("INITIALIZING | TIME: now", "SUCCESS | TIME: later") + "JOB RESULT: SUCCESS 1/1\n"
    )
    assert final.count(DIVIDER + "\n") == 2
    assert with_outcome("somebody's own text", [], []) is None


def test_text_of_a_machine_stays_in_its_line() -> None:
    line = dataset_line("a", "FAILED", "now", f"x\n{DIVIDER}\ny")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (end_line(3, 3), "SUCCESS 3/3\n"),
        (end_line(1, 3), "FAILED 1/3\n"),
        (end_line(0, 0, "why\nso"), "FAILED 0/0 why so\n"),
    ],
)
def test_the_end_says_how(line: str, wanted: str) -> None:
    assert line == wanted


@given(st.text(), st.text(), st.text(), st.text())
def test_claims_differ_where_submissions_do(key: str, digest: str, other_key: str, other_digest: str) -> None:
    same = (key, digest) == (other_key, other_digest)
    if "\0" not in key + other_key:
        assert (claim_id(key, digest) == claim_id(other_key, other_digest)) is same
