"""A17: budgets. A18: events that come twice. A19: durations, machines stopped by hand, and jobs that are
cancelled.

The job of A19 that has to run into its duration of one minute is submitted first; the other scenarios fill
that minute.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from neurocaas import JobHandle
from neurocaas.explain import explain
from neurocaas.job_index import index_of
from neurocaas.overview import overview
from neurocaas.protocol.ledger import BUDGETS, MEMBER_BUDGETS, OPEN_JOBS
from tests.local.deployed import Deployed
from tests.local.job_helpers import Inbox, Lab, certificate_facts, ended, until

pytestmark = [pytest.mark.local, pytest.mark.slow]
PARAMETER = "/neurocaas/budgets/lab10/analysis"


@pytest.fixture(scope="module")
def lab(service: Deployed) -> Lab:
    return Lab(service)


@pytest.fixture(scope="module", autouse=True)
def timed(lab: Lab) -> JobHandle:
    return lab.submit("slow.txt", configname=lab.config(wait=600, __duration__=1))


@pytest.fixture(scope="module")
def poor(service: Deployed) -> Iterator[Lab]:
    """A group whose budget these tests set."""
    yield Lab(service, "lab10")
    service.client("ssm").delete_parameter(Name=PARAMETER)


def budget(service: Deployed, amount: str) -> None:
    service.client("ssm").put_parameter(Name=PARAMETER, Value=amount, Type="String", Overwrite=True)


def ledger(service: Deployed, kind: str) -> list[dict[str, Any]]:
    items = service.client("dynamodb").scan(TableName=service.utils["ledger_table"])["Items"]
    return [item for item in items if item["pk"]["S"] == kind]


def test_a17_without_a_budget_of_its_own_a_group_has_the_blueprints(poor: Lab) -> None:
    job = poor.submit("x.txt")
    assert ended(job).succeeded
    assert "Customized budget not found. Using default budget value of 300.00" in job.certificate()


def test_a17_a_budget_decides_before_anything_is_launched(service: Deployed, poor: Lab) -> None:
    budget(service, "0.01")
    job = poor.submit("x.txt")
    assert ended(job).phase == "REJECTED"
    assert "Over budget ($0.01), cancelling job. Contact administrator." in job.certificate()
    assert certificate_facts(poor, job)["exit_class"] == "quota"
    assert poor.machines(job) == []
    assert "larger budget" in explain(poor.analysis.evidence(job)).fix
    forecast = poor.analysis.forecast([4])
    assert any("would be refused" in line for line in forecast.lines()), forecast.lines()


def test_a17_two_submissions_at_once_cannot_both_have_the_last_money(service: Deployed, poor: Lab) -> None:
    worst = poor.analysis.forecast([4], budget=False).usd
    budget(service, f"{worst * 1.5:.4f}")
    jobs = [poor.submit(f"{name}.txt") for name in ("one", "two")]
    assert sorted(ended(job).phase for job in jobs) == ["DONE", "REJECTED"]
    (item,) = [item for item in ledger(service, BUDGETS) if "/lab10/" in item["sk"]["S"]]
    spent, committed = int(item["spent"]["N"]), int(item["committed"]["N"])
    assert 0 < spent == committed < worst * 1e6, "what was reserved is settled to what was spent"


def test_a17_a_large_budget_lets_it_pass_and_is_told(service: Deployed, poor: Lab) -> None:
    budget(service, "1000000")
    job = poor.submit("x.txt")
    assert ended(job).succeeded
    assert "Remaining budget: $999999." in job.certificate()
    assert "Customized budget not found" not in job.certificate()


def test_a18_events_that_come_again_launch_nothing_again(lab: Lab) -> None:
    job = lab.submit("twice.txt")
    for _ in range(3):
        lab.deliver(job)
    assert ended(job).succeeded
    assert len(lab.machines(job)) == 1
    lab.submit(
        "twice.txt", stamp=job.timestamp, submission="another_submit.json", configname=job.job().configpath
    )
    answer = until(
        "the refusal of a used timestamp",
        lambda: lab.text("lab1/results/rejected_another/logs/certificate.txt"),
    )
    assert "which another submission of group 'lab1' has used" in answer
    assert len(lab.machines(job)) == 1
    assert lab.text(job.keys.end) == "SUCCESS 1/1\n"


def test_a18_without_capacity_a_job_waits_visibly_and_starts_once_when_there_is_some(lab: Lab) -> None:
    lab.admin("capacity", machines=0)
    try:
        job = lab.submit("patient.txt")
        until("the claim", lambda: job.keys.certificate in lab.keys_below(job.keys.logs_prefix))
        until("the wait", lambda: "Waiting for 1 of 1 environments: place 1 of 1" in job.certificate())
        text = job.certificate()
        assert "No m5.large available (InsufficientInstanceCapacity)." in text
        assert "AWS capacity reached" in text
        assert job.status().finished is False
    finally:
        lab.admin("capacity")
    lab.deliver(job)
    lab.deliver(job)
    assert ended(job).succeeded, job.certificate()
    assert len(lab.machines(job)) == 1


def test_a18_a_machine_that_is_ended_from_outside_closes_its_report_and_its_job(lab: Lab) -> None:
    job = lab.submit("ended.txt", configname=lab.config(wait=600))
    (machine,) = until(
        "a machine", lambda: [one for one in lab.machines(job) if one["State"]["Name"] == "running"]
    )
    lab.ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    assert ended(job).succeeded is False
    assert certificate_facts(lab, job)["exit_class"] == "cancelled"
    (report,) = until("the report", lambda: lab.reports(job))
    assert report["start"] <= report["end"]
    assert f"logs/active/{machine['InstanceId']}.json" not in lab.keys_below("logs/active/")


def test_a19_the_sweep_ends_what_has_no_job_and_says_so(service: Deployed, lab: Lab) -> None:
    inbox, sweep = Inbox(service), service.client("lambda")
    template = service.analysis["groups"]["lab1"]["launch_template_id"]

    def by_hand(**tags: str) -> str:
        every = [
            {"Key": key.replace("_", "-"), "Value": value}
            for key, value in {"PriceTracking": "On", **tags}.items()
        ]
        specification = [{"ResourceType": "instance", "Tags": every}]
        answer = lab.ec2.run_instances(
            LaunchTemplate={"LaunchTemplateId": template},
            MinCount=1,
            MaxCount=1,
            TagSpecifications=specification,
            UserData="#!/bin/sh\n",
        )
        return str(answer["Instances"][0]["InstanceId"])

    def state(machine: str) -> str:
        return str(
            lab.ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"][0]["State"][
                "Name"
            ]
        )

    def swept(**event: bool) -> dict[str, list[str]]:
        answer = sweep.invoke(FunctionName=service.utils["sweep_function"], Payload=json.dumps(event))
        assert "FunctionError" not in answer
        told: dict[str, list[str]] = json.loads(answer["Payload"].read())
        return told

    over, exempt, fresh = (
        by_hand(Timeout="0"),
        by_hand(Timeout="0", neurocaas_exempt="On"),
        by_hand(Timeout="60"),
    )
    until("the machines", lambda: {state(one) for one in (over, exempt, fresh)} == {"running"})
    assert [line for line in swept(dry_run=True)["would"] if line.startswith("stop ")] == [f"stop {over}"]
    assert state(over) == "running"
    swept()
    until("its end", lambda: state(over) in ("stopping", "stopped"))
    assert {state(exempt), state(fresh)} == {"running"}
    assert until("the notice", lambda: [one for one in inbox.all() if over in one["Message"]])[0][
        "Subject"
    ].startswith("NeuroCAAS: stopped")
    lab.ec2.terminate_instances(InstanceIds=[over, exempt, fresh])


def test_a19_a_machine_that_is_stopped_by_hand_closes_its_job(lab: Lab) -> None:
    job = lab.submit("stopped.txt", configname=lab.config(wait=600))
    until(
        "the script's start",
        lambda: job.status().datasets and job.status().datasets[0].state == "IN PROGRESS",
    )
    (machine,) = lab.machines(job)
    lab.ec2.stop_instances(InstanceIds=[machine["InstanceId"]])
    assert ended(job).succeeded is False
    assert certificate_facts(lab, job)["exit_class"] == "cancelled"
    until("the machine's end", lambda: lab.machines(job)[0]["State"]["Name"] == "terminated")


def of_job(service: Deployed, job: JobHandle) -> list[dict[str, Any]]:
    """The job's item in the table, while it is open."""
    return [item for item in ledger(service, OPEN_JOBS) if item["sk"]["S"].endswith(job.timestamp)]


def test_a19_a_cancelled_job_ends_keeps_its_logs_and_is_settled(service: Deployed, lab: Lab) -> None:
    job = lab.submit("cancelled.txt", configname=lab.config(wait=600))
    until(
        "the script's start",
        lambda: job.status().datasets and job.status().datasets[0].state == "IN PROGRESS",
    )
    service.ground.invoke("cancel", job.timestamp, "--local", "--bucket", lab.bucket, "--group", "lab1")
    state = ended(job)
    assert state.succeeded is False
    assert state.datasets[0].reason.startswith("cancelled")
    facts = certificate_facts(lab, job)
    assert facts["exit_class"] == "cancelled"
    assert 0 < facts["cost_usd"] < 0.01, "only the time that it ran is paid"
    until("its settlement", lambda: not of_job(service, job))
    assert "submit again if it was not meant" in explain(lab.analysis.evidence(job)).fix


def test_a19_a_job_at_its_duration_is_ended_and_marked(lab: Lab, timed: JobHandle) -> None:
    state = ended(timed)
    assert state.succeeded is False
    assert state.datasets[0].reason.startswith("timed out")
    assert certificate_facts(lab, timed)["exit_class"] == "timeout"
    (report,) = until("the report", lambda: lab.reports(timed))
    assert report["exit_class"] == "timeout"
    assert "raise __duration__" in explain(lab.analysis.evidence(timed)).fix


def test_the_index_of_jobs_says_what_the_ledger_says(service: Deployed, lab: Lab, poor: Lab) -> None:
    """Of both groups, after all that has happened to their jobs here: ended, refused, cancelled, timed out,
    reclaimed."""

    def complete() -> bool:
        """An index is complete once a sweep has looked at the jobs of before."""
        service.client("lambda").invoke(FunctionName=service.utils["sweep_function"], Payload=b"{}")
        return all(index_of(one.analysis.objects, one.group).complete for one in (lab, poor))

    until("complete indexes", complete)
    for one in (lab, poor):
        group = one.group
        found = overview([one.analysis], limit=0).rows
        assert {row.job for row in found if row.state != "REJECTED"} <= set(one.analysis.job_names())
        assert set(one.analysis.job_names()) <= {row.job for row in found}
        index = index_of(one.analysis.objects, group)
        assert index.complete
        budgets = [item for item in ledger(service, BUDGETS) if f"/{group}/" in item["sk"]["S"]]
        spent = sum(int(item["spent"]["N"]) for item in budgets)
        assert sum(entry.cost for entry in index.entries() if not entry.open) == spent > 0
        members = [item for item in ledger(service, MEMBER_BUDGETS) if f"/{group}/" in item["sk"]["S"]]
        assert sum(int(item["spent"]["N"]) for item in members) == spent
        shown = one.analysis.budget()
        assert shown.spent == pytest.approx(spent / 1e6)
        assert all(entry.submission.startswith(f"{group}/") for entry in index.entries())
