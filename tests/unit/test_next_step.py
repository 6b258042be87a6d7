"""The next step of an analysis: submitted once by the service when a job ends, by the group's own rights."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from neurocaas.protocol.chain import STEPS_MAX, ChainStep, Source
from neurocaas.protocol.keys import JobKeys
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.dispatch import process
from runtime.manager.events import ObjectCreated
from runtime.monitor.port import Deployed
from tests.unit.fake_aws import KilledError, ManagerView
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

THERE = "spikes-bucket"
SOURCE = Source("dti", "dti-webdev", BUCKET)
KEYS = JobKeys.of("lab", "t1_spikes")
KEY = "jobs/lab/submissions/t1_spikes_submit.json"
SPIKES = replace(
    changed(SETTINGS, analysis="spikes", stack="spikes-webdev", bucket=THERE, queue_url="spikes-queue"),
    sources=(SOURCE,),
)


class Chain(World):
    """`dti`, and the analysis `spikes` that follows it."""

    def __init__(self, step: ChainStep | None = None, deployed: Deployed | None = None, **job: Any) -> None:
        step = step or ChainStep("spikes", {"wait": 7}, ("*.csv",))
        super().__init__(changed(SETTINGS, next=step))
        own = Deployed(THERE, ("lab", "other"), "spikes-queue", "spikes-webdev", (SOURCE,))
        self.aws.deployed = [deployed or own]
        self.aws.upload("artifacts", "analyses/dti-webdev/settings.json", self.settings.to_json())
        self.principal = "AWS:AROAX:ann"
        self.submit(self.submission())
        for name in ("a.csv", "b.csv", "end.txt"):
            self.aws.upload(BUCKET, JobKeys.of("lab", "t1").process_prefix + name, name)

    def there(self, key: str = KEY, receives: int = 1) -> Outcome:
        """The other analysis's manager gets the message."""
        until = self.clock() + timedelta(seconds=121)
        event = ObjectCreated(THERE, key, 1, self.aws.etag(THERE, key))
        delivery = Delivery(event, receives, "run", "arn", until)
        return process(ManagerView(self.aws), SPIKES, self.clock, delivery)

    def asked(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.aws.text(THERE, KEY))
        return found

    def told(self) -> list[str]:
        """The events of the first job."""
        keys = [key for bucket, key in self.aws.objects_ if bucket == BUCKET and "/events/next-job" in key]
        return [json.loads(self.aws.text(BUCKET, key))["text"] for key in keys]


def test_the_next_job_runs_on_the_results_in_the_same_persons_name() -> None:
    world = Chain()
    world.complete("i-00000000000000000")
    assert world.aws.queue == [("spikes-queue", KEY)]
    assert world.facts()["next"] == {"analysis": "spikes", "job_id": "t1_spikes", "refused": ""}
    assert "NEXT STEP: job t1_spikes of spikes" in world.certificate()
    assert "launched 2 machines" in world.there().message
    job = json.loads(world.aws.text(THERE, KEYS.job))
    assert [one["inputpath"] for one in job["datasets"]] == [
        f"s3://{BUCKET}/lab/results/job_t1/process_results/{name}.csv" for name in "ab"
    ]
    assert (job["submitter"], job["by"], job["step"]) == ("ann", "job dti/t1", 1)
    assert job["config"] == {"wait": 7}
    assert world.aws.budgets["spikes/lab/2026-01"][0] > 0


def test_it_is_submitted_once_however_often_the_end_is_written() -> None:
    for kill in range(1, 60):
        world = Chain()
        world.boot("i-00000000000000000")
        world.write_status("i-00000000000000000", "SUCCESS")
        world.aws.set_state("i-00000000000000000", "terminated")
        world.aws.calls.clear()
        world.aws.kill_at = kill
        try:
            world.event("i-00000000000000000", "terminated")
            done = True
        except KilledError:
            done = False
        world.aws.revive()
        for _ in range(3):
            world.clock.forward(1200)
            world.sweep()
        assert world.aws.items == {}
        assert set(world.aws.queue) == {("spikes-queue", KEY)}
        assert world.there().exit_code == 0
        assert "delivered again" in world.there().message
        assert sum(one.tags["job"] == "t1_spikes" for one in world.aws.ec2.values()) == 2
        if done:
            return
    raise AssertionError("the end was never written")


def test_a_job_that_failed_has_no_next_unless_the_blueprint_takes_what_there_is() -> None:
    world = Chain()
    world.complete("i-00000000000000000", "FAILED")
    assert world.aws.queue == []
    assert world.facts()["next"] is None
    world = Chain(ChainStep("spikes", {}, ("*.csv",), "ended"))
    world.complete("i-00000000000000000", "FAILED")
    assert world.asked()["after_when"] == "ended"
    assert "launched 2" in world.there().message


def test_a_cancelled_job_has_no_next_step() -> None:
    world = Chain(ChainStep("spikes", {}, ("*.csv",), "ended"))
    world.complete("i-00000000000000000", "FAILED", reason="cancelled: by ann")
    assert world.aws.queue == []


@pytest.mark.parametrize(
    ("deployed", "says"),
    [
        (Deployed(THERE, ("lab",), "q", "spikes-prod", (SOURCE,)), "spikes-webdev is not deployed"),
        (Deployed(THERE, ("other",), "q", "spikes-webdev", (SOURCE,)), "group lab may not use spikes"),
        (Deployed(THERE, ("lab",), "q", "spikes-webdev", ()), "does not take results of dti"),
        (
            Deployed(THERE, ("lab",), "q", "spikes-webdev", (replace(SOURCE, bucket="dti-old"),)),
            "does not take results of dti",
        ),
    ],
)
def test_a_step_that_the_other_analysis_does_not_let_in_is_told_and_not_taken(
    deployed: Deployed, says: str
) -> None:
    world = Chain(deployed=deployed)
    world.complete("i-00000000000000000")
    assert world.aws.queue == []
    assert says in world.facts()["next"]["refused"]
    assert world.end() == "SUCCESS 1/1\n"
    assert world.aws.items == {}


def test_a_bucket_that_refuses_keeps_no_job_open() -> None:
    world = Chain()
    world.aws.closed.add(THERE)
    world.complete("i-00000000000000000")
    assert world.aws.items == {}


def test_a_chain_of_the_service_ends_after_some_steps() -> None:
    world = Chain()
    key = JobKeys.of("lab", "t1").job
    job = json.loads(world.aws.text(BUCKET, key))
    world.aws.upload(BUCKET, key, json.dumps({**job, "step": STEPS_MAX}))
    world.complete("i-00000000000000000")
    assert "one after another" in world.facts()["next"]["refused"]


def test_a_member_cannot_say_in_whose_name_a_submission_is() -> None:
    world = World()
    world.principal = "AWS:AROAX:bob"
    world.submit(world.submission(asked={"submitter": "ann", "by": "job dti/t0", "step": 1}))
    job = world.job()
    assert (job.submitter, job.by, job.step) == ("bob", "", 0)


def test_a_person_may_submit_beside_it_and_the_timestamp_is_used_once() -> None:
    world = Chain()
    world.aws.upload(THERE, "lab/inputs/a.zip")
    world.aws.upload(THERE, "lab/configs/c.json", "{}")
    own = "lab/submissions/x_submit.json"
    world.aws.upload(THERE, own, json.dumps(world.submission(timestamp="t1_spikes")))
    world.there(own)
    world.complete("i-00000000000000000")
    world.there()
    assert sum(one.tags["job"] == "t1_spikes" for one in world.aws.ec2.values()) == 1
