"""How machines are bought: markets, types, zones, limits; and what happens when AWS takes spot machines
back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.limits import (
    CAPACITY_ATTEMPTS,
    LAUNCH_OPTIONS,
    STALLED_LAUNCH,
    STOP_GRACE,
    SWEEP_INTERVAL,
    WAIT_SECONDS,
)
from neurocaas.protocol.settings import MARKETS, Subnet
from runtime.manager.delivery import Outcome
from runtime.manager.launch import options
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

KEYS = JobKeys.of("lab", "t1")
FULL = "InsufficientInstanceCapacity"


def world_of(**changes: Any) -> World:
    return World(changed(SETTINGS, **changes))


def bought(world: World) -> list[tuple[str, str, str | None]]:
    return [
        (request.market, request.instance_type, request.zone)
        for request, _ in world.aws.reservations.values()
    ]


@pytest.mark.parametrize("market", MARKETS)
def test_options_are_tried_in_turn(market: str) -> None:
    world = world_of(market=market, zones=("us-east-1a", "us-east-1b"))
    world.submit(world.submission())
    tried = [str(option) for option in options(world.job())]
    words = {"spot": " spot", "on-demand": ""}
    expected = [
        f"{name}{words[way]} {zone}"
        for way in MARKETS[market]
        for name in ("m5.large", "m5.xlarge")
        for zone in ("us-east-1a", "us-east-1b")
    ]
    assert tried == expected
    assert bought(world) == [(MARKETS[market][0], "m5.large", "us-east-1a")]


def test_on_demand_machines_when_there_are_no_spot_machines() -> None:
    world = world_of(market="spot-then-on-demand", fallback=())
    world.aws.refusals = {"m5.large spot": FULL}
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    assert bought(world) == [("on-demand", "m5.large", None)]
    assert f"No m5.large spot available ({FULL})." in world.certificate()


def test_the_next_zone_when_one_is_full() -> None:
    world = world_of(zones=("us-east-1a", "us-east-1b"))
    world.aws.refusals = {"m5.large on-demand us-east-1a": FULL}
    world.submit(world.submission())
    assert bought(world) == [("on-demand", "m5.large", "us-east-1b")]


SUBNETS = tuple(Subnet(f"subnet-{letter}", f"us-east-1{letter}") for letter in "abc")


def subnets_of(world: World) -> list[str | None]:
    return [request.subnet for request, _ in world.aws.reservations.values()]


def test_the_next_subnet_when_one_is_full() -> None:
    world = world_of(subnets=SUBNETS, fallback=())
    world.aws.refusals = {"m5.large on-demand us-east-1a": FULL, "m5.large on-demand us-east-1b": FULL}
    world.submit(world.submission())
    assert bought(world) == [("on-demand", "m5.large", "us-east-1c")]
    assert subnets_of(world) == ["subnet-c"]
    assert f"No m5.large us-east-1a subnet-a available ({FULL})." in world.certificate()


def test_zones_of_the_blueprint_choose_among_the_subnets() -> None:
    world = world_of(subnets=SUBNETS, zones=("us-east-1c", "us-east-1b"))
    world.submit(world.submission())
    tried = [(option.zone, option.subnet) for option in options(world.job())][:2]
    assert tried == [("us-east-1c", "subnet-c"), ("us-east-1b", "subnet-b")]
    assert subnets_of(world) == ["subnet-c"]


def test_many_subnets_leave_no_market_and_no_type_untried() -> None:
    many = tuple(Subnet(f"subnet-{number}", f"us-east-1{number % 6}") for number in range(30))
    world = world_of(subnets=many, market="spot-then-on-demand")
    world.submit(world.submission())
    tried = options(world.job())
    assert len(tried) <= LAUNCH_OPTIONS
    assert {(option.market, option.instance_type) for option in tried} == {
        (market, name) for market in ("spot", "on-demand") for name in ("m5.large", "m5.xlarge")
    }


def test_without_spot_capacity_a_spot_job_waits_and_says_so() -> None:
    world = world_of(market="spot")
    world.aws.refusals = {"m5.large": FULL, "m5.xlarge": FULL}
    assert world.submit(world.submission()).waiting
    assert "Waiting for 1 of 1 environments: place 1 of 1 in the queue, until " in world.certificate()
    assert "tried m5.large spot (InsufficientInstanceCapacity), m5.xlarge spot" in world.certificate()


def test_limits_of_machines_hold_jobs_back() -> None:
    world = world_of(machines=2)
    assert world.submit(world.submission(dataname=[f"lab/inputs/{name}.zip" for name in "abc"])).waiting
    assert len(world.aws.ec2) == 2
    assert "no room for 1 of 3 machines" in world.certificate()
    assert world.deliver(receives=2).waiting
    world.complete(next(iter(world.aws.ec2)))
    assert world.deliver(receives=3) == Outcome(0, "launched 3 machines")
    assert len(world.aws.ec2) == 3


def test_the_accounts_machines_count_those_of_other_analyses() -> None:
    world = world_of(machines=5, account_machines=3)
    other = World(replace(SETTINGS, analysis="other"))
    other.aws = world.aws
    other.submit(
        other.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"], timestamp="t2"),
        "lab/submissions/o_submit.json",
    )
    assert world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"])).waiting
    assert len(world.aws.ec2) == 3
    world.clock.forward(WAIT_SECONDS)
    assert world.deliver().exit_code == 99
    assert world.status(1).reason.startswith(
        "No machine was started: machines: got no room for 1 of 2 machines"
    )


def reclaimed(**changes: Any) -> tuple[World, str]:
    world = world_of(market="spot", **changes)
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.boot(machine)
    world.clock.forward(600)
    return world, machine


def test_a_reclaimed_dataset_gets_another_machine() -> None:
    world, first = reclaimed()
    world.write_status(
        first,
        "IN PROGRESS",
        reason="interrupted: AWS takes this spot machine back at 12:10; the checkpoint is saved",
    )
    world.reclaim(first)
    _, second = world.aws.ec2
    assert world.aws.ec2[second].tags["attempt"] == "2"
    assert world.status(0).status == "INITIALIZING"
    assert world.status(0).reason.startswith(
        "interrupted: AWS has taken the spot machine back; attempt 2 of 3"
    )
    assert world.end() is None
    assert world.report(first)["exit_class"] == "reclaim"
    world.complete(second)
    (dataset,) = world.facts()["datasets"]
    assert (world.end(), dataset["attempts"], dataset["instance"]) == ("SUCCESS 1/1\n", 2, second)
    assert dataset["cost"] == pytest.approx(
        sum(world.report(name)["cost"] for name in (first, second)), abs=1e-5
    )
    assert next(iter(world.aws.budgets.values()))[1] >= world.facts()["cost_usd"] * 1e6


def test_a_machine_that_switches_itself_off_in_time_counts_as_reclaimed() -> None:
    world, first = reclaimed()
    world.write_status(first, "IN PROGRESS", reason="interrupted: AWS takes this spot machine back")
    world.die(first, "Client.InstanceInitiatedShutdown", "")
    assert (BUCKET, KEYS.retry(0, 2)) in world.aws.objects_


def test_attempts_are_bounded() -> None:
    world, machine = reclaimed(attempts=3)
    for _ in range(3):
        world.reclaim(machine)
        *_, machine = world.aws.ec2
        world.clock.forward(60)
    assert len(world.aws.ec2) == 3
    assert (
        world.end() == "FAILED 0/1 a.zip: AWS has taken the spot machine back before its analysis was done.\n"
    )
    assert world.facts()["exit_class"] == "reclaim"


def test_late_news_of_a_reclaimed_machine_change_nothing() -> None:
    world, first = reclaimed()
    world.reclaim(first)
    _, second = world.aws.ec2
    world.boot(second)
    world.write_status(second, "SUCCESS")
    before = dict(world.aws.objects_)
    world.event(first, "terminated")
    world.sweep()
    assert world.aws.objects_ == before
    assert len(world.aws.ec2) == 2


def test_two_deliveries_launch_one_machine() -> None:
    world, first = reclaimed()
    world.reclaim(first)
    assert world.deliver(KEYS.retry(0, 2)).exit_code == 0
    assert len(world.aws.ec2) == 2


def test_a_request_delivered_again_finds_its_machine_whatever_has_become_available() -> None:
    world, first = reclaimed()
    world.aws.refusals = {"m5.large": FULL}
    world.reclaim(first)
    world.aws.refusals = {}
    assert world.deliver(KEYS.retry(0, 2)).message.startswith("delivered again")
    assert len(world.aws.ec2) == 2


def test_a_request_delivered_again_gives_up_no_dataset_that_has_its_machine() -> None:
    world, first = reclaimed()
    world.reclaim(first)
    *_, second = world.aws.ec2
    world.boot(second)
    world.submit(b"", "lab/submissions/a_cancel.json")
    world.deliver(KEYS.retry(0, 2))
    assert world.end() is None
    world.die(second)
    assert world.facts()["datasets"][0]["attempts"] == 2
    assert not [key for _, key in world.aws.objects_ if key.startswith("logs/active/")]


@pytest.mark.parametrize(
    "key", [KEYS.retry(0, 2), KEYS.retry(0, 999), KEYS.retry(7, 2), JobKeys.of("lab", "t9").retry(0, 2)]
)
def test_a_machine_cannot_ask_for_machines(key: str) -> None:
    world, _ = reclaimed()
    world.aws.upload(BUCKET, key, "")
    assert world.deliver(key).message.startswith("ignored")
    assert len(world.aws.ec2) == 1


def test_a_lost_request_is_made_again_by_the_sweep() -> None:
    world, first = reclaimed()
    world.die(first, "Server.SpotInstanceTermination", "")
    del world.aws.objects_[BUCKET, KEYS.retry(0, 2)]
    world.sweep()
    assert (BUCKET, KEYS.retry(0, 2)) in world.aws.objects_
    world.clock.forward(60 * SETTINGS.instance.duration_minutes + STALLED_LAUNCH + 60)
    world.sweep()
    assert world.end() == "FAILED 0/1 a.zip: AWS has taken the spot machine back, and no other was started.\n"
    assert world.aws.items == {}


def test_another_attempt_that_finds_no_machine_ends_the_dataset() -> None:
    world, first = reclaimed()
    world.aws.refusals = {"m5.large": FULL, "m5.xlarge": FULL}
    world.reclaim(first)
    outcomes = [world.deliver(KEYS.retry(0, 2), receives) for receives in range(1, CAPACITY_ATTEMPTS + 1)]
    assert [outcome.again for outcome in outcomes] == [True] * (CAPACITY_ATTEMPTS - 1) + [False]
    assert world.status(0).reason.startswith("AWS has taken the spot machine back, and no other was started")
    assert "1 of 1 machines missing" in world.status(0).reason
    world.clock.forward(600)
    world.sweep()
    assert (world.end() or "").startswith(
        "FAILED 0/1 a.zip: AWS has taken the spot machine back, and no other was started"
    )
    assert world.aws.items == {}


def test_a_cancelled_job_starts_no_further_attempt() -> None:
    world, first = reclaimed()
    world.submit(b"", "lab/submissions/a_cancel.json")
    world.reclaim(first)
    assert len(world.aws.ec2) == 1
    assert world.end() is not None


def test_attempts_that_use_the_reservation_up_stop_the_job() -> None:
    world = world_of(market="spot", attempts=20, fallback=())
    world.submit(world.submission())
    minutes = 0
    while (BUCKET, KEYS.stop) not in world.aws.objects_:
        *_, machine = world.aws.ec2
        if world.aws.ec2[machine].state == "pending":
            world.boot(machine)
        world.clock.forward(SWEEP_INTERVAL)
        world.sweep()
        minutes += SWEEP_INTERVAL // 60
        if minutes % 25 == 0:
            world.reclaim(machine)
    assert len(world.aws.ec2) == 3
    world.clock.forward(STOP_GRACE + 1)
    world.sweep()
    assert world.facts()["exit_class"] == "quota"
    assert "are used up" in (world.end() or "")
    ((committed, spent),) = world.aws.budgets.values()
    assert committed == spent <= 75 * 96_000 // 60


def test_a_job_within_its_duration_is_never_stopped_for_money() -> None:
    world = World()
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    for machine in world.aws.ec2:
        world.boot(machine)
    for _ in range(12):
        world.clock.forward(300)
        world.sweep()
    assert (BUCKET, KEYS.stop) not in world.aws.objects_
