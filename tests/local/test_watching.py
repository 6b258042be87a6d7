"""What an administrator sees: the functions' logs with the job in every line, alarms, dashboards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from neurocaas import JobHandle
from neurocaas.protocol import logline
from tests.local.deployed import Deployed
from tests.local.job_helpers import Lab, ended, until

pytestmark = pytest.mark.local
STACK = "analysis-webdev"


@pytest.fixture(scope="module")
def lab(service: Deployed) -> Lab:
    return Lab(service)


@pytest.fixture(scope="module")
def job(lab: Lab) -> JobHandle:
    """A job with a dataset that fails."""
    made = lab.submit("exit-3.txt")
    until("the job's end", lambda: made.status().finished)
    assert not ended(made).succeeded
    return made


def lines(service: Deployed, name: str, *more: str) -> list[dict[str, Any]]:
    done = service.ground.invoke("logs", "--lambda", name, "--json", "--local", *more)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_function_tells_of_a_job_in_the_same_format(
    service: Deployed, lab: Lab, job: JobHandle
) -> None:
    about = f"{lab.bucket}/{lab.group}/{job.timestamp}"
    (accepted,) = [
        line
        for line in lines(service, "manager", "--stack", STACK, "--job", job.timestamp)
        if line["exit_code"] == 0
    ]
    assert (accepted["job"], accepted["service"], accepted["stack"]) == (about, "manager", STACK)
    assert 0 < accepted[logline.BUDGET_USED] < 80
    watched = lines(service, "monitor", "--stack", STACK, f"--job={job.timestamp}")
    assert {line["job"] for line in watched} == {about}
    ends = [line for line in watched if line["message"].startswith("job ended: FAILED 0/1")]
    assert [line.get(logline.FAILED) for line in ends if "_aws" in line] == [1]


def test_a_person_reads_one_line_an_event(service: Deployed, job: JobHandle) -> None:
    done = service.ground.invoke("logs", job.timestamp, "--lambda", "manager", "--stack", STACK, "--local")
    (line,) = done.stdout.splitlines()
    assert f"/{job.timestamp}  processing returned exit code 0  launched 1 machines" in line
    assert "BudgetUsed=" in line


def test_the_sweep_has_a_log_of_its_own(service: Deployed, job: JobHandle) -> None:
    service.client("lambda").invoke(FunctionName=service.utils["sweep_function"], Payload=b"{}")
    assert all(line.get("service", "sweep") == "sweep" for line in lines(service, "sweep"))
    assert lines(service, "sweep", f"--job={job.timestamp}") == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--lambda", "manager"), 1, "name it with --stack"),
        (("--lambda", "managr", "--stack", STACK), 1, "manager, monitor, sweep"),
        (("--lambda", "manager", "--stack", "analysis-webdeb"), 1, "did you mean"),
        (("--lambda", "monitor", "--job", 'x" "'), 1, "the timestamp of a job"),
        ((), 1, "or --lambda"),
    ],
)
def test_what_is_wrong_is_said(service: Deployed, words: tuple[str, ...], code: int, said: str) -> None:
    done = service.ground.invoke("logs", *words, "--local", check=False)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_alarms_and_the_dashboard_are_in_the_cloud(service: Deployed) -> None:
    cloudwatch = service.client("cloudwatch")
    alarms = cloudwatch.describe_alarms(MaxRecords=100)["MetricAlarms"]
    assert {one["Namespace"] for one in alarms} == {"AWS/Lambda", "AWS/SQS"}
    for one in alarms:
        assert one["AlarmActions"] == [service.utils["topic_arn"]]
    board = cloudwatch.get_dashboard(DashboardName=f"neurocaas-{service.utils['region']}")
    assert logline.NAMESPACE in board["DashboardBody"]
