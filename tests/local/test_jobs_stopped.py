"""Jobs that do not end by themselves alone: cancelled ones, machines that AWS takes back; and ensembles (A21), folders of datasets."""

from __future__ import annotations

import json

import pytest
from deployed import Deployed
from job_helpers import Lab, certificate_facts, ended, until

from localcloud.cloud import Cloud
from localcloud.paths import Paths
from runtime.protocol.keys import JobKeys

pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def lab(service: Deployed) -> Lab:
    return Lab(service)


def test_a_cancelled_job_ends_with_what_it_has(lab: Lab) -> None:
    job = lab.submit("patient.txt", configname=lab.config(wait=600))
    keys = JobKeys.of(lab.group, job.timestamp)
    until(
        "the script's start",
        lambda: (
            "waiting 600" in lab.text(keys.status("patient.txt"))
            if keys.status("patient.txt") in lab.keys_below(keys.logs_prefix)
            else False
        ),
    )
    lab.put(job.submission_key.replace("submit.json", "cancel.json"), "")
    state = ended(job)
    facts = certificate_facts(lab, job)
    assert [one.state for one in state.datasets] == ["FAILED"]
    assert (facts["exit_class"], facts["datasets"][0]["exit_class"]) == ("cancelled", "cancelled")
    assert facts["datasets"][0]["seconds"] > 0
    assert "cancelled: by lab1/submissions/" in lab.text(keys.end)
    assert all(one["State"]["Name"] in ("shutting-down", "terminated") for one in lab.machines(job))


def test_a_machine_that_aws_takes_back_is_replaced(lab: Lab) -> None:
    job = lab.submit("kept.txt", configname=lab.config(wait=20))
    (first,) = until("a running machine", lambda: [one for one in lab.machines(job) if one["State"]["Name"] == "running"])
    cloud = Cloud.load(Paths(lab.deployed.ground.root / ".local"))
    assert cloud is not None
    reason = {"code": "Server.SpotInstanceTermination", "message": "Server.SpotInstanceTermination: Spot instance termination"}
    cloud.admin("POST", "instances", {"id": first["InstanceId"], "state": "shutting-down", "reason": reason})
    state = ended(job)
    (dataset,) = certificate_facts(lab, job)["datasets"]
    assert [one.state for one in state.datasets] == ["SUCCESS"]
    assert (dataset["attempts"], dataset["exit_class"]) == (2, "success")
    assert {report["exit_class"] for report in lab.reports(job)} == {"reclaim", "success"}


def test_a21_an_ensemble_analyses_one_dataset_many_times(lab: Lab) -> None:
    job = lab.submit("train.txt", configname=lab.config(mode="train", ensemble_size=3))
    state = ended(job)
    keys = JobKeys.of(lab.group, job.timestamp)
    assert [one.state for one in state.datasets] == ["SUCCESS"] * 3
    assert len({one.instance for one in state.datasets}) == 3
    copies = [key for key in lab.keys_below(keys.process_prefix) if key.rpartition("/")[2].startswith("inst")]
    assert sorted(json.loads(lab.text(key))["jobnb"] for key in copies) == [1, 2, 3]
