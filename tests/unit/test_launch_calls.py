"""The RunInstances calls of a job: what makes two calls the same, how many machines one asks for, what a
refusal leads to, and how a launch goes on that EC2 slows down."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from neurocaas.evidence import Evidence
from neurocaas.explain import explain
from neurocaas.protocol.keys import JobId, JobKeys
from neurocaas.protocol.limits import (
    CAPACITY_ATTEMPTS,
    LAUNCH_PAUSE,
    LAUNCH_SECONDS,
    STALLED_LAUNCH,
)
from neurocaas.states import DatasetState, JobState
from runtime.manager.launch import Option, request
from runtime.manager.port import LaunchError, LaunchRequest
from runtime.monitor.machine import place
from tests.unit.fake_aws import FakeAws
from tests.unit.job_world import BUCKET, SETTINGS, SUBMISSION, World, changed

KEYS = JobKeys.of("lab", "t1")
JOB = JobId(BUCKET, "lab", "t1")
FULL = "InsufficientInstanceCapacity"
NO_ROLE = "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
THREE = [f"lab/inputs/{name}.zip" for name in "abc"]


def world_of(**changes: Any) -> World:
    return World(changed(SETTINGS, **changes))


def calls(world: World) -> list[tuple[str, int]]:
    """Market and number of machines of each call that EC2 has accepted."""
    return [(call.market, call.count) for call, _ in world.aws.reservations.values()]


def computed(world: World) -> Counter[int]:
    """How many machines compute each dataset."""
    places = [place(machine) for machine in world.aws.ec2.values()]
    return Counter(one.index for one in places if one)


# The same call
# ----------------------------------------------------------------------------------------------------------
def test_calls_that_differ_in_anything_have_different_tokens() -> None:
    world = World()
    world.submit(world.submission(dataname=THREE))
    job = world.job()
    first = request(job, "arn", 0, 3, Option("on-demand", "m5.large", None))
    assert first == request(job, "arn", 0, 3, Option("on-demand", "m5.large", None))
    others = [
        request(job, "arn", 0, 2, Option("on-demand", "m5.large", None)),
        request(job, "other", 0, 3, Option("on-demand", "m5.large", None)),
        request(
            replace(job, dataset_size_gib=1, volume_gib=99), "arn", 0, 3, Option("spot", "m5.large", None)
        ),
        request(replace(job, dataset_size_gib=1), "arn", 0, 3, Option("spot", "m5.large", None)),
    ]
    template = replace(job.launch_template, launch_template_version="2")
    others.append(
        request(replace(job, launch_template=template), "arn", 0, 3, Option("spot", "m5.large", None))
    )
    assert len({call.client_token for call in (first, *others)}) == 6
    named = {one.name for one in fields(LaunchRequest)} - {"client_token"}
    for one in others:
        assert any(getattr(one, name) != getattr(first, name) for name in named)


def test_a_delivery_that_has_another_number_of_machines_to_ask_for_is_refused_nothing() -> None:
    """The first manager's answer is lost, and then there is room for fewer machines."""
    world = world_of(machines=3)
    world.aws.lost = {"run"}
    with pytest.raises(TimeoutError):
        world.submit(world.submission(dataname=THREE))
    started, world.aws.ec2 = world.aws.ec2, {}  # and EC2 shows them late
    world.settings = changed(world.settings, machines=2)
    assert world.deliver(receives=2).waiting
    assert "IdempotentParameterMismatch" not in world.certificate()
    assert calls(world) == [("on-demand", 3), ("on-demand", 2)]
    assert len(started) == 3


def test_machines_of_a_call_without_an_answer_are_adopted() -> None:
    world = World()
    world.aws.lost = {"run"}
    with pytest.raises(TimeoutError):
        world.submit(world.submission(dataname=THREE))
    assert world.deliver(receives=2).message == "launched 3 machines"
    assert calls(world) == [("on-demand", 3)]
    assert computed(world) == Counter([0, 1, 2])


# Spot
# ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("index", [True, False])
def test_each_dataset_has_one_spot_machine_whatever_launch_index_spot_machines_have(index: bool) -> None:
    world = world_of(market="spot")
    world.aws.spot_index = index
    world.submit(world.submission(dataname=THREE))
    assert computed(world) == Counter([0, 1, 2])
    assert calls(world) == [("spot", 1)] * 3


def test_machines_on_demand_after_spot_ran_out_are_asked_for_together() -> None:
    world = world_of(market="spot-then-on-demand", fallback=())
    world.aws.capacity = {"m5.large": 1}
    assert world.submit(world.submission(dataname=THREE)).waiting
    world.aws.capacity, world.aws.refusals = {}, {"m5.large spot": FULL}
    assert world.deliver(receives=2).message == "launched 3 machines"
    assert calls(world) == [("spot", 1), ("on-demand", 2)]
    assert computed(world) == Counter([0, 1, 2])


def test_an_account_without_the_role_for_spot_gets_machines_on_demand() -> None:
    world = world_of(market="spot-then-on-demand", zones=("us-east-1a", "us-east-1b"))
    world.aws.refusals = {
        f"{name} spot {zone}": NO_ROLE
        for name in ("m5.large", "m5.xlarge")
        for zone in ("us-east-1a", "us-east-1b")
    }
    assert world.submit(world.submission()).message == "launched 1 machines"
    assert calls(world) == [("on-demand", 1)]
    assert world.aws.count("run") == 2, "no other spot machine is tried"
    assert f"No m5.large spot us-east-1a available ({NO_ROLE})." in world.certificate()


def test_an_account_without_the_role_for_spot_is_told_what_it_lacks() -> None:
    world = world_of(market="spot")
    world.aws.refusals = {"m5.large": NO_ROLE, "m5.xlarge": NO_ROLE}
    assert world.submit(world.submission()).exit_code == 99
    assert world.aws.count("run") == 1
    (problem,) = world.facts()["problems"]
    assert "lacks the service-linked role AWSServiceRoleForEC2Spot" in str(problem)
    assert "create-service-linked-role --aws-service-name spot.amazonaws.com" in str(problem)
    assert world.facts()["exit_class"] == "platform"


# Limits
# ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("market", ["on-demand", "spot"])
def test_a_limit_that_a_call_would_exceed_leaves_the_part_that_fits(market: str) -> None:
    world = world_of(market=market, fallback=())
    world.aws.limit = 2
    assert world.submit(world.submission(dataname=THREE)).waiting
    assert computed(world) == Counter([0, 1])
    assert "1 of 3 machines missing" in world.certificate()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("PendingVerification", "AWS is still verifying"),
        ("OptInRequired", "has not enabled this region"),
        ("Blocked", "AWS has blocked"),
    ],
)
def test_what_is_wrong_with_the_account_is_told_in_words(code: str, said: str) -> None:
    world = World()
    world.aws.refusals = {"m5.large": LaunchError(code, "see https://example.com/account/123456789012")}
    assert world.submit(world.submission()).exit_code == 99
    assert f"{said}" in world.certificate()
    assert f"({code})" in world.certificate()
    assert "123456789012" not in world.certificate()


def test_an_instance_profile_that_ec2_does_not_know_yet_is_waited_for() -> None:
    world = World()
    text = "Value (x) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN"
    world.aws.refusals = {"m5.large": LaunchError("InvalidParameterValue", text)}
    assert world.submit(world.submission()).waiting
    world.aws.refusals = {}
    assert world.deliver(receives=2).message == "launched 1 machines"

    world.aws.refusals = {"m5.large": LaunchError("InvalidParameterValue", text)}
    other = world.submission(timestamp="t2", wait="0s")
    assert world.submit(other, "lab/submissions/b_submit.json").exit_code == 99
    assert "an instance profile that EC2 does not know, or not yet" in world.certificate("t2")
    assert text not in world.certificate("t2")


# The pace at which EC2 starts machines
# ----------------------------------------------------------------------------------------------------------
def crowd(number: int, **changes: Any) -> World:
    """A job of so many datasets, as the queue holds it."""
    world = world_of(datasets=number, folder="each", budget_usd=1e9, fallback=(), **changes)
    for one in range(number):
        world.aws.upload(BUCKET, f"lab/inputs/d/{one}.zip")
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission(dataname="lab/inputs/d/")))
    world.aws.queue.append(("queue", SUBMISSION))
    return world


def deliver_all(world: World) -> int:
    """Deliver what the queue holds, each message after its pause; how many it were."""
    number = 0
    while world.aws.queue:
        if number:
            world.clock.forward(world.aws.pauses.pop())
        (_, key), *world.aws.queue = world.aws.queue
        assert not world.deliver(key).again
        number += 1
    return number


def test_ten_thousand_datasets_are_launched_as_fast_as_ec2_lets_machines_start() -> None:
    world = crowd(10_000)
    world.aws.tokens = 1000.0
    begun = world.clock()
    assert deliver_all(world) > CAPACITY_ATTEMPTS
    assert computed(world) == Counter(range(10_000))
    least = timedelta(seconds=9000 / 2)
    assert least <= world.clock() - begun < least + timedelta(seconds=LAUNCH_PAUSE)
    assert world.aws.items[JOB]["state"] == "launched"
    assert world.aws.items[JOB]["total"] == 10_000


def test_an_account_whose_bucket_is_smaller_than_a_call_gets_its_machines_too() -> None:
    world = crowd(120)
    world.aws.tokens = 30.0
    world.deliver()
    assert len(world.aws.ec2) == 30
    assert computed(world) == Counter(range(30))


def test_a_wait_says_why_and_how_far_the_launch_has_come() -> None:
    world = crowd(300)
    world.aws.tokens = 200.0
    world.deliver()
    text = "200 of 300 environments started; AWS starts machines one after another, and the rest follows."
    assert text in world.certificate()
    for phase, datasets in (("SUBMITTED", ()), ("RUNNING", (DatasetState("a", "a", "INITIALIZING"),))):
        found = Evidence(JobState("t1", phase, datasets, ""), certificate=world.certificate())
        said = explain(found).sentence
        assert said.startswith("Job t1 has 200 of its 300 machines so far"), said
    world.aws.tokens = 1000.0
    world.deliver()
    found = Evidence(JobState("t1", "RUNNING", datasets, ""), certificate=world.certificate())
    assert "so far" not in explain(found).sentence


def test_a_launch_that_takes_longer_than_a_manager_has_goes_on_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call for each spot machine, at three seconds each."""
    world = crowd(100, market="spot")
    run = FakeAws.run

    def slow(aws: FakeAws, call: LaunchRequest) -> Any:
        world.clock.forward(3)
        return run(aws, call)

    monkeypatch.setattr(FakeAws, "run", slow)
    assert deliver_all(world) == 4
    assert computed(world) == Counter(range(100))
    assert world.aws.pauses == []


def test_machines_that_ec2_no_longer_shows_are_not_started_again() -> None:
    world = crowd(300)
    world.aws.tokens = 100.0
    world.deliver()
    for name in list(world.aws.ec2):
        world.complete(name)
    world.clock.forward(2 * 3600)
    world.aws.ec2 = {}
    world.deliver()
    assert sorted(computed(world)) == list(range(100, 300))


def test_a_paused_launch_is_not_taken_over_while_it_goes_on() -> None:
    world = crowd(300)
    world.aws.tokens = 100.0
    world.deliver()
    world.clock.forward(STALLED_LAUNCH - 1)
    world.aws.tokens = 0.0
    world.aws.filled = world.clock()
    world.deliver()
    world.clock.forward(STALLED_LAUNCH - 1)
    world.sweep()
    assert world.aws.items[JOB]["state"] == "starting"
    world.clock.forward(2)
    world.sweep()
    assert "took over a launch that did not come to its end" in world.log


def test_machines_of_a_launch_that_takes_long_are_ended_at_their_time() -> None:
    world = crowd(300)
    world.aws.tokens = 100.0
    world.deliver()
    first, *_ = world.aws.ec2
    world.boot(first)
    world.clock.forward(60 * SETTINGS.instance.duration_minutes + 600)
    world.aws.tokens, world.aws.filled = 0.0, world.clock()
    world.deliver()
    world.sweep()
    assert world.aws.items[JOB]["state"] == "starting"
    assert world.aws.ec2[first].state == "shutting-down"
    assert 0 in world.aws.items[JOB]["failed"]


def test_a_launch_that_has_taken_its_hours_goes_on_with_the_machines_that_there_are() -> None:
    world = crowd(300)
    world.aws.tokens = 100.0
    world.deliver()
    world.clock.forward(LAUNCH_SECONDS)
    world.aws.tokens, world.aws.filled = 0.0, world.clock()
    outcome = world.deliver()
    assert outcome.message.startswith("launched 100 of 300 machines")
    assert world.status(299).reason.startswith(
        "No machine was started: machines: got AWS starts machines one after another"
    )
    assert world.aws.items[JOB]["state"] == "launched"


# Machines that EC2 accepts and ends at once
# ----------------------------------------------------------------------------------------------------------
VOLUMES = ("Client.VolumeLimitExceeded", "Client.VolumeLimitExceeded: Volume limit exceeded")


def refused_volume(world: World, machine: str, code: tuple[str, str] = VOLUMES) -> None:
    world.clock.forward(20)
    world.die(machine, *code)


def another_attempt(world: World, attempt: int) -> None:
    """The queue delivers the request, each time after a pause that grows with the attempts."""
    for receives in range(1, attempt):
        assert world.deliver(KEYS.retry(0, attempt), receives).again
    assert world.deliver(KEYS.retry(0, attempt), attempt).message.startswith("launched")


@pytest.mark.parametrize("market", ["on-demand", "spot"])
@pytest.mark.parametrize("code", ["Client.VolumeLimitExceeded", "Server.InternalError"])
def test_a_machine_that_ends_before_it_runs_is_replaced_and_costs_nothing(market: str, code: str) -> None:
    world = world_of(market=market)
    world.submit(world.submission())
    (first,) = world.aws.ec2
    refused_volume(world, first, (code, ""))
    assert world.status(0).reason == (
        "EC2 has ended the machine before it ran; attempt 2 of 3 is being started"
    )
    another_attempt(world, 2)
    _, second = world.aws.ec2
    assert (world.report(first)["exit_class"], world.report(first)["cost"]) == ("capacity", 0.0)
    world.complete(second)
    (dataset,) = world.facts()["datasets"]
    assert (world.end(), dataset["attempts"], dataset["instance"]) == ("SUCCESS 1/1\n", 2, second)
    assert world.facts()["cost_usd"] == pytest.approx(world.report(second)["cost"], abs=1e-6)


def test_machines_that_end_before_they_run_are_replaced_as_often_as_the_blueprint_allows() -> None:
    world = world_of(attempts=3)
    world.submit(world.submission())
    for attempt in (2, 3):
        refused_volume(world, list(world.aws.ec2)[-1])
        another_attempt(world, attempt)
    refused_volume(world, list(world.aws.ec2)[-1])
    assert len(world.aws.ec2) == 3
    assert world.facts()["exit_class"] == "capacity"
    assert world.facts()["cost_usd"] == 0
    assert "EC2 ended the machine before it ran (Client.VolumeLimitExceeded" in (world.end() or "")


@pytest.mark.parametrize(
    ("code", "exit_class", "said"),
    [
        ("Client.InternalError", "platform", "the key that encrypts new volumes"),
        ("Client.InvalidSnapshot.NotFound", "image", "a snapshot of the machine image is gone"),
    ],
)
def test_what_no_other_machine_would_help_is_told(code: str, exit_class: str, said: str) -> None:
    world = World()
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    refused_volume(world, machine, (code, f"{code}: error on launch"))
    assert said in (world.end() or "")
    assert (world.facts()["exit_class"], world.facts()["cost_usd"]) == (exit_class, 0)
    assert len(world.aws.ec2) == 1


@pytest.mark.parametrize("seen", ["event", "status"])
def test_a_machine_that_ran_is_paid_and_not_replaced(seen: str) -> None:
    world = World(changed(SETTINGS, attempts=1))
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    if seen == "event":
        world.boot(machine)
    else:
        world.write_status(machine, "IN PROGRESS")
    world.clock.forward(600)
    world.die(machine, "Server.InternalError", "")
    assert world.facts()["exit_class"] == "platform"
    assert world.facts()["cost_usd"] > 0
    assert len(world.aws.ec2) == 1


def test_a_lost_end_of_a_machine_that_never_ran_is_found_by_the_sweep() -> None:
    world = World()
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.aws.set_state(machine, "terminated", reason_code=VOLUMES[0], reason=VOLUMES[1])
    world.sweep()
    assert (BUCKET, KEYS.retry(0, 2)) in world.aws.objects_
    world.clock.forward(60 * SETTINGS.instance.duration_minutes + STALLED_LAUNCH + 60)
    world.sweep()
    assert "dataset 0: EC2 has ended its machine before it ran, and no other was started." in world.log
    assert (world.end() or "").startswith("FAILED 0/1 a.zip: EC2 ended the machine before it ran")
    assert world.facts()["exit_class"] == "capacity"
