"""A11: one dataset, from the submission to the results, as the guide describes it; and what the analyst's
commands make of it.
"""

import json
import uuid
from typing import Any

import pytest

from neurocaas import Analysis, JobHandle
from tests.local.deployed import Deployed
from tests.local.job_helpers import Lab, Session, certificate_facts, ended, until

pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def lab(service: Deployed) -> Lab:
    return Lab(service)


@pytest.fixture(scope="module")
def tags() -> dict[str, str]:
    """The tags of the machine, seen while it lived."""
    return {}


@pytest.fixture(scope="module")
def seen() -> list[str]:
    """The states of the dataset, seen while the job ran."""
    return []


@pytest.fixture(scope="module")
def job(lab: Lab, tags: dict[str, str], seen: list[str]) -> JobHandle:
    stamp = f"a11-{uuid.uuid4().hex[:8]}"
    made = lab.submit(
        "a11.txt", stamp=stamp, submission=f"{stamp}submit.json", configname=lab.config(wait=2.5)
    )
    machine = until("a machine", lambda: lab.machines(made))[0]
    tags.update({tag["Key"]: tag["Value"] for tag in machine["Tags"]})

    def over() -> bool:
        status = made.status()
        seen.extend(one.state for one in status.datasets if one.state not in seen)
        return status.finished

    until("the job's end", over)
    assert ended(made).succeeded, made.certificate()
    return made


def test_a11_its_states_follow_each_other(job: JobHandle, seen: list[str]) -> None:
    assert [state for state in seen if state != "INITIALIZING"] == ["IN PROGRESS", "SUCCESS"]
    assert seen.index("SUCCESS") == len(seen) - 1


def test_a11_the_certificate_tells_every_step(lab: Lab, job: JobHandle) -> None:
    text = job.certificate()
    head = text.splitlines()
    assert head[0].startswith("REQUEST START TIME: ")
    assert head[0].endswith(" (GMT)")
    assert head[1].startswith("ANALYSIS VERSION ID: ")
    assert head[2] == f"JOB ID: {job.timestamp}"
    for number, step in enumerate(
        ("Initialization", "Validation", "Environment Setup", "Initialize Processing"), 1
    ):
        assert f"STEP {number}/4 ({step}): DONE" in text
    assert "| STATUS: SUCCESS |" in text
    assert "JOB RESULT: SUCCESS 1/1" in text


def test_a11_the_results_are_all_there(lab: Lab, job: JobHandle) -> None:
    below = {key.removeprefix(job.keys.process_prefix) for key in lab.keys_below(job.keys.process_prefix)}
    config = job.job().configname
    assert {"end.txt", "update.txt", config, "a11.txt/summary.json"} <= below
    assert json.loads(lab.text(f"{job.keys.process_prefix}{config}"))["wait"] == 2.5
    assert lab.text(job.keys.end) == "SUCCESS 1/1\n"


def test_a11_the_machine_had_its_tags(tags: dict[str, str], lab: Lab, job: JobHandle) -> None:
    assert {
        "PriceTracking": "On",
        "group": "lab1",
        "analysis": "analysis",
        "job": job.timestamp,
    }.items() <= tags.items()
    assert int(tags["Timeout"]) == 60
    assert tags["OwnerArn"]


def test_a11_the_compute_report_is_filed_and_nothing_is_left(lab: Lab, job: JobHandle) -> None:
    (report,) = until("the report", lambda: lab.reports(job))
    assert report["start"] < report["end"]
    assert (report["status"], report["group"], report["databucket"]) == ("SUCCESS", "lab1", lab.bucket)
    assert report["cost"] > 0
    assert f"logs/active/{report['instance-id']}.json" not in lab.keys_below("logs/active/")
    rules = lab.deployed.client("events").list_rules()["Rules"]
    assert not [rule for rule in rules if job.timestamp in json.dumps(rule)], "no rule of its own"
    until("the machine's end", lambda: all(one["State"]["Name"] == "terminated" for one in lab.machines(job)))


def test_a11_the_certificate_for_machines_has_the_same_facts(lab: Lab, job: JobHandle) -> None:
    facts = certificate_facts(lab, job)
    assert (facts["outcome"], facts["exit_class"], facts["job_id"]) == ("SUCCESS", "success", job.timestamp)
    assert facts["config"]["wait"] == 2.5
    assert facts["cost_usd"] > 0
    (dataset,) = facts["datasets"]
    assert dataset["image_id"].startswith("ami-"), "also where the analysis names a parameter"
    moved = [*dataset["inputs"], *dataset["results"]]
    assert {"lab1/inputs/a11.txt", job.job().configpath_of(0)} <= {one["key"] for one in dataset["inputs"]}
    assert all(len(one["sha256"]) == 64 for one in moved)
    assert all(one["version_id"] or one["key"].startswith("jobs/") for one in moved), (
        "the service's records have one version only"
    )


def test_a11_an_analyst_needs_no_other_rights_than_the_groups(
    service: Deployed, lab: Lab, job: JobHandle, tmp_path: Any
) -> None:
    """Forecast, submission, follow, results and explanation with the keys of a member of the group."""
    member = Analysis(lab.bucket, "lab1", session=Session(service, service.user("ann")))
    forecast = member.forecast(member.sizes(["lab1/inputs/a11.txt"]))
    assert forecast.runs >= 1
    assert forecast.budget is not None
    budget = forecast.budget
    assert budget.exact, "the service tells the group what is spent and reserved"
    figures = (budget.limit, budget.spent, budget.reserved)
    limit, spent, reserved = (one for one in figures if one is not None)
    assert budget.left == pytest.approx(limit - spent - reserved)
    assert spent > 0
    assert job.timestamp in member.job_names()
    files = {one.path: one.checked for one in member.job(job.timestamp).fetch(tmp_path)}
    assert files["process_results/a11.txt/summary.json"] == "certificate", (
        "checked against the machine's own record"
    )
    assert member.job(job.timestamp).future().result(timeout=30).succeeded
    from neurocaas.explain import explain

    assert "has succeeded" in explain(member.evidence(member.job(job.timestamp))).sentence


def test_a11_the_commands_show_it(service: Deployed, lab: Lab, job: JobHandle) -> None:
    where = ("--local", "--bucket", lab.bucket, "--group", "lab1")
    state = json.loads(service.ground.invoke("status", job.timestamp, *where, "--json").stdout)
    assert state["succeeded"] is True
    assert "::progress 1 done" in service.ground.invoke("logs", job.timestamp, *where).stdout
    (line,) = [
        one for one in service.ground.invoke("jobs", *where).stdout.splitlines() if job.timestamp in one
    ]
    assert {"SUCCESS", "1/1"} <= set(line.split())
    done = service.ground.invoke("explain", "nonesuch", *where)
    assert "There is no job nonesuch" in done.stdout


def test_a11_a_rerun_reproduces_it(service: Deployed, lab: Lab, job: JobHandle) -> None:
    done = service.ground.invoke(
        "rerun", job.timestamp, "--local", "--bucket", lab.bucket, "--group", "lab1", "--json", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["reproduced"] is True
    assert {one["path"]: one["outcome"] for one in told["verdicts"]} == {"a11.txt/summary.json": "identical"}
