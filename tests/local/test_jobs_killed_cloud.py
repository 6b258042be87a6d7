"""A job ends once, and all its machines end, whatever of the local cloud is killed while it runs and started
again.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from localcloud.cloud import Cloud
from localcloud.paths import Paths
from localcloud.tests.homes import kill
from neurocaas import JobHandle
from tests.local.deployed import Deployed
from tests.local.job_helpers import Lab, ended, until

pytestmark = [pytest.mark.local, pytest.mark.slow]

KILLS = 3
AGAIN_SECONDS = "10"
"""A manager that was killed has its job until its lease ends: how soon the next one asks again (on AWS six
times its time limit).
"""
LEASE_SECONDS = 30
"""A manager's time limit, and so the lease: it must end before the submission has been asked for the last
time (8 times).
"""


@pytest.fixture(scope="module")
def lab(service: Deployed) -> Iterator[Lab]:
    """The lab, whose deployment asks again sooner what was not finished, and whose managers hold a job for a
    shorter time.
    """
    sqs, functions, kept = service.client("sqs"), service.client("lambda"), {}
    for queue in sqs.list_queues()["QueueUrls"]:
        kept[queue] = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])[
            "Attributes"
        ]
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": AGAIN_SECONDS})
    manager = service.analysis["manager_function"]
    limit = functions.get_function_configuration(FunctionName=manager)["Timeout"]
    functions.update_function_configuration(FunctionName=manager, Timeout=LEASE_SECONDS)
    yield Lab(service)
    functions.update_function_configuration(FunctionName=manager, Timeout=limit)
    for queue, attributes in kept.items():
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)


def running(lab: Lab) -> Cloud:
    cloud = Cloud.load(Paths(lab.deployed.ground.root / ".local"))
    assert cloud is not None
    return cloud


def kill_fleet(cloud: Cloud) -> None:
    assert cloud.fleet is not None
    os.kill(cloud.fleet.pid, signal.SIGKILL)


def kill_both(cloud: Cloud) -> None:
    kill_fleet(cloud)
    kill(cloud)


def alive(lab: Lab, job: JobHandle) -> list[str]:
    return [one["InstanceId"] for one in lab.machines(job) if one["State"]["Name"] != "terminated"]


def check_end(lab: Lab, job: JobHandle) -> None:
    """It has ended, nothing of it runs or will run, and each of its machines has one report."""
    until("the machines' ends", lambda: not alive(lab, job))
    end = lab.text(job.keys.end)
    until("the reports", lambda: len(lab.reports(job)) >= len(lab.machines(job)))
    assert sorted(report["instance-id"] for report in lab.reports(job)) == sorted(
        one["InstanceId"] for one in lab.machines(job)
    )
    lab.deliver(job)
    queue = lab.deployed.analysis["submission_queue_url"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    sqs = lab.deployed.client("sqs")
    until(
        "the second delivery's end",
        lambda: (
            set(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"].values())
            == {"0"}
        ),
    )
    assert lab.text(job.keys.end) == end
    assert not alive(lab, job)


@pytest.mark.parametrize("victim", [kill, kill_fleet, kill_both], ids=["control plane", "fleet", "both"])
def test_a_job_ends_once_whatever_is_killed(lab: Lab, victim: Callable[[Cloud], None]) -> None:
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    job = lab.submit("killed-1.txt", "killed-2.txt", configname=lab.config(wait=3))
    for _ in range(KILLS):
        time.sleep(moments.uniform(0.0, 1.5))
        victim(running(lab))
        lab.deployed.ground.invoke("local.up")
    state = ended(job)
    check_end(lab, job)
    if victim is kill:
        assert state.succeeded, (seed, job.certificate())
        assert len(lab.machines(job)) == 2, seed


def test_a_submission_is_answered_when_the_cloud_is_killed_as_soon_as_it_is_put(lab: Lab) -> None:
    job = lab.submit("killed-3.txt")
    kill(running(lab))
    lab.deployed.ground.invoke("local.up")
    assert ended(job).succeeded, job.certificate()
    check_end(lab, job)
    assert len(lab.machines(job)) == 1
