"""Jobs that wait for room, capacity or budget; reservations that are released; whose turn it is."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.budget import Budget
from neurocaas.forecast import Forecast
from neurocaas.overview import AnalysisPlace, row
from neurocaas.protocol.afford import ways_out
from neurocaas.protocol.cost import at_most
from neurocaas.protocol.keys import JobId, JobKeys
from neurocaas.protocol.limits import (
    QUEUE_MAX_RECEIVES,
    WAIT_LOST,
    WAIT_MAX_SECONDS,
    WAIT_PAUSE,
    WAIT_SECONDS,
    WAKE_PAUSE,
)
from neurocaas.protocol.status import INITIALIZING
from neurocaas.protocol.waiting import ROOM, Waiter, WaitNote, shares
from neurocaas.states import DatasetState, JobState
from neurocaas.view import Changes
from runtime.monitor import waking
from tests.unit.job_world import BUCKET, SETTINGS, SUBMISSION, World, changed

ALLOWS = "as-budget-allows"
ABC = [f"lab/inputs/{name}.zip" for name in "abc"]
MONTH = "dti/lab/2026-01"
EACH = 240_000
"""Micro-dollars that are reserved for a dataset: 75 minutes of an m5.xlarge."""


def world_of(budget: float = 2.3 * EACH / 1e6, **changes: Any) -> World:
    return World(changed(SETTINGS, budget_usd=budget, **changes))


def waiting(world: World, timestamp: str = "t1") -> WaitNote:
    return WaitNote.from_json(world.aws.text(BUCKET, JobKeys.of("lab", timestamp).waiting))


def machines(world: World, *states: str) -> list[str]:
    return [name for name, one in world.aws.ec2.items() if one.state in (states or ("pending", "running"))]


def finish(world: World, name: str, seconds: int = 600) -> None:
    """The life of a machine that is shorter than jobs are remembered that nobody looks at."""
    world.boot(name)
    world.clock.forward(seconds)
    world.write_status(name, "SUCCESS")
    for state in ("shutting-down", "terminated"):
        world.aws.set_state(name, state)
        world.event(name, state)


def key_of(number: int) -> str:
    return f"lab/submissions/{number}_submit.json"


# As the budget allows
# ----------------------------------------------------------------------------------------------------------
def test_what_fits_is_started_and_the_rest_as_reservations_are_released() -> None:
    world = world_of()
    outcome = world.submit(world.submission(dataname=ABC, run=ALLOWS))
    assert outcome.waiting
    assert len(world.aws.ec2) == 2
    assert world.aws.budgets[MONTH] == (2 * EACH, 0)
    assert "2 of 3 datasets started; place 1 of 1 in the queue" in waiting(world).text
    assert waiting(world).kind == "budget"
    world.complete(machines(world)[0])
    cost = round(0.096 * 1800 / 3600 * 1e6)
    assert world.aws.budgets[MONTH] == (EACH + cost, cost), "its cost has taken its reservation's place"
    assert world.aws.queue[-1] == ("queue", SUBMISSION), "the manager is told of it"
    assert world.deliver().message == "launched 3 machines"
    assert waiting(world).state == "OVER"
    assert world.aws.queued == {}
    for name in machines(world):
        world.complete(name)
    assert (world.end() or "").startswith("SUCCESS 3/3")
    assert world.aws.budgets[MONTH] == (3 * cost, 3 * cost)


def test_a_budget_that_can_never_pay_one_dataset_is_said_at_once() -> None:
    world = world_of(0.2)
    assert world.submit(world.submission(dataname=ABC, run=ALLOWS)).exit_code == 99
    assert world.facts()["exit_class"] == "quota"
    assert (world.aws.items, world.aws.queued) == ({}, {})


def test_when_nothing_can_be_released_any_more_the_rest_fails_with_the_reason() -> None:
    world = world_of(1.1 * EACH / 1e6, duration_minutes=60)
    world.submit(world.submission(dataname=ABC, run=ALLOWS))
    world.complete(machines(world)[0])  # costs 0.048: 0.216 are left, and 0.24 are needed
    assert world.deliver().message.startswith("launched 1 of 3 machines: budget:")
    assert world.status(1).reason.startswith("quota: No machine was started: budget: got projected")
    world.clock.forward(300)
    world.sweep()
    assert (world.end() or "").startswith("FAILED 1/3 b.zip: quota: No machine was started")
    assert world.facts()["exit_class"] == "quota"
    assert world.aws.budgets[MONTH] == (48_000, 48_000)


def test_the_wait_of_a_submission_bounds_it() -> None:
    world = world_of(1.5 * EACH / 1e6)
    outcome = world.submit(world.submission(dataname=ABC, run=ALLOWS, wait="30m"))
    begun, looks = world.clock(), 0
    while outcome.waiting:
        world.clock.forward(world.aws.pauses[-1])
        outcome, looks = world.deliver(), looks + 1
    assert (world.clock() - begun).total_seconds() == 1800
    assert looks == 1800 / WAIT_PAUSE
    assert world.aws.items[JobId(BUCKET, "lab", "t1")]["total"] == 3
    assert world.status(2).status == "FAILED"
    assert len(machines(world)) == 1, "what was paid goes on"


def test_other_jobs_reservations_are_waited_for_too_when_the_submission_says_so() -> None:
    world = world_of(1.5 * EACH / 1e6)
    world.submit(world.submission(), key_of(1))
    assert world.submit(world.submission(timestamp="t2"), key_of(2)).exit_code == 99, "as usual"
    assert world.submit(world.submission(timestamp="t3", wait="4h"), key_of(3)).waiting
    world.complete(machines(world)[0])
    assert world.aws.queue[-1] == ("queue", key_of(3))
    assert world.deliver(key_of(3)).message == "launched 1 machines"


def test_jobs_that_wait_for_a_budget_have_their_turn_in_order() -> None:
    world = world_of(1.5 * EACH / 1e6)
    for number in (1, 2, 3):
        world.submit(world.submission(timestamp=f"t{number}", wait="4h"), key_of(number))
        world.clock.forward(1)
    assert [waiting(world, f"t{n}").place for n in (2, 3)] == [1, 2]
    finish(world, machines(world)[0])
    assert world.deliver(key_of(3)).waiting, "it is not its turn"
    assert world.deliver(key_of(2)).message == "launched 1 machines"
    assert world.aws.queue[-1] == ("queue", key_of(3)), "the next one looks at once"
    assert world.deliver(key_of(3)).waiting
    assert waiting(world, "t3").place == 1


def test_a_manager_that_has_died_holds_no_place() -> None:
    world = world_of(1.5 * EACH / 1e6)
    for number in (1, 2, 3):
        world.submit(world.submission(timestamp=f"t{number}", wait="4h"), key_of(number))
        world.clock.forward(1)
    world.clock.forward(WAIT_LOST)
    world.complete(machines(world)[0])
    assert world.deliver(key_of(3)).message == "launched 1 machines"


def test_several_attempts_of_a_dataset_are_settled_together() -> None:
    world = world_of(market="spot", attempts=3)
    world.submit(world.submission(dataname=ABC, run=ALLOWS))
    first = machines(world)[0]
    world.boot(first)
    world.clock.forward(600)
    world.reclaim(first)
    again = machines(world)[-1]
    world.complete(again)
    cost = round(0.096 * (1800 + 600) / 3600 * 1e6)
    committed, spent = world.aws.budgets[MONTH]
    assert (committed - spent, spent) == (EACH, cost)


def test_spot_jobs_keep_their_reservation_for_further_attempts() -> None:
    world = world_of(10, market="spot", attempts=3)
    world.submit(world.submission(dataname=ABC))
    world.complete(machines(world)[0])
    assert world.aws.budgets[MONTH] == (3 * EACH, 0)


# WaitNote
# ----------------------------------------------------------------------------------------------------------
def test_a_wait_survives_more_deliveries_than_the_queue_counts() -> None:
    world = world_of(10, machines=1)
    world.submit(world.submission(), key_of(1))
    outcome = world.submit(world.submission(timestamp="t2", wait="4h"), key_of(2))
    for _ in range(2 * QUEUE_MAX_RECEIVES):
        assert outcome.waiting
        world.clock.forward(world.aws.pauses[-1])
        world.sweep()
        outcome = world.deliver(key_of(2))
    assert waiting(world, "t2").kind == "room"
    assert "place 1 of 1 in the queue, until 2026-01-31 16:00 UTC" in world.certificate("t2")
    world.complete(machines(world)[0])
    assert world.deliver(key_of(2)).message == "launched 1 machines"


def test_who_is_told_of_room_beside_the_chain_asks_for_no_second_chain() -> None:
    world = world_of(10, machines=1)
    world.submit(world.submission(), key_of(1))
    world.submit(world.submission(timestamp="t2", wait="4h"), key_of(2))
    asked = len(world.aws.pauses)
    world.clock.forward(30)
    assert world.deliver(key_of(2)).waiting
    assert len(world.aws.pauses) == asked
    world.clock.forward(WAIT_PAUSE - 30)
    assert world.deliver(key_of(2)).waiting
    assert len(world.aws.pauses) == asked + 1


def test_a_chain_that_is_broken_is_begun_again_by_the_sweep() -> None:
    world = world_of(10, machines=1)
    world.submit(world.submission(), key_of(1))
    world.submit(world.submission(timestamp="t2", wait="4h"), key_of(2))
    world.aws.queue.clear()
    world.clock.forward(WAIT_LOST + 1)
    world.sweep()
    assert world.aws.queue == [("queue", key_of(2))]


@pytest.mark.parametrize("budget", [10, 1.5 * EACH / 1e6])
def test_a_job_that_waits_can_be_cancelled_and_releases_everything(budget: float) -> None:
    world = world_of(budget, machines=1)
    world.submit(world.submission(), key_of(1))
    world.submit(world.submission(timestamp="t2", wait="4h"), key_of(2))
    world.submit(b"", "lab/submissions/2_cancel.json")
    assert world.aws.queue[-1] == ("queue", key_of(2)), "its manager is told"
    world.deliver(key_of(2))
    assert (world.end("t2") or "").startswith("FAILED 0/1 cancelled")
    assert world.aws.queued == {}
    assert waiting(world, "t2").state == "OVER"
    assert world.aws.budgets[MONTH] == (EACH, 0)


def test_groups_share_the_room_for_which_both_wait() -> None:
    world = world_of(1000, machines=4)
    many = [f"lab/inputs/d/{number}.zip" for number in range(8)]
    for name in many:
        world.aws.upload(BUCKET, name)
    world.aws.upload(BUCKET, "other/inputs/a.zip")
    world.aws.upload(BUCKET, "other/configs/c.json", "{}")
    world.submit(world.submission(dataname=many, wait="1d"), key_of(1))
    assert len(machines(world)) == 4
    theirs = "other/submissions/1_submit.json"
    body = {"dataname": "other/inputs/a.zip", "configname": "other/configs/c.json", "wait": "1d"}
    world.submit({**body, "timestamp": "o1"}, theirs)
    for name in machines(world)[:2]:
        finish(world, name, 100)
    world.deliver(key_of(1))
    assert len(machines(world)) == 3, "one is left for the other group"
    assert world.deliver(theirs).message == "launched 1 machines"


def test_what_happens_to_a_job_that_waits_is_told() -> None:
    world = world_of()
    world.submit(world.submission(dataname=ABC, run=ALLOWS))
    world.complete(machines(world)[0])
    world.deliver()
    prefix = JobKeys.of("lab", "t1").events_prefix
    told = [
        json.loads(body)["event"]
        for (_, key), (body, _) in world.aws.objects_.items()
        if key.startswith(prefix)
    ]
    assert {"waiting", "wait-over"} <= set(told)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"wait": "8d"}, "wait"),
        ({"wait": 4}, "wait"),
        ({"wait": "4 hours"}, "wait"),
        ({"run": "later"}, "run"),
        ({"run": ["at-once"]}, "run"),
    ],
)
def test_a_wait_or_run_that_is_none_is_refused(fields: dict[str, Any], place: str) -> None:
    world = world_of(10)
    assert world.submit(world.submission(**fields)).exit_code == 99
    (problem,) = world.facts()["problems"]
    assert problem["field"] == place
    assert problem["allowed"] in (
        "a time such as 45s, 30m, 4h or 2d, from 0s to 7d",
        "at-once or as-budget-allows",
    )


def test_how_long_a_job_waits_when_it_says_nothing() -> None:
    world = world_of(1.5 * EACH / 1e6)
    world.submit(world.submission(dataname=ABC, run=ALLOWS), key_of(1))
    world.submit(world.submission(timestamp="t2", run="at-once"), key_of(2))
    assert world.job().wait_seconds == WAIT_MAX_SECONDS
    assert world_job_default() == WAIT_SECONDS


def world_job_default() -> int:
    world = world_of(10)
    world.submit(world.submission())
    return world.job().wait_seconds


# The ways out of a refusal
# ----------------------------------------------------------------------------------------------------------
def test_a_refusal_offers_the_ways_out_with_numbers() -> None:
    world = world_of(12, datasets=500)
    many = [f"lab/inputs/d/{name}.zip" for name in range(200)]
    for name in many:
        world.aws.upload(BUCKET, name)
    world.submit(world.submission(dataname=many[:10]), key_of(1))
    for name in machines(world):
        finish(world, name, 12)
    assert (world.end() or "").startswith("SUCCESS 10/10")
    assert world.submit(world.submission(dataname=many, timestamp="t2"), key_of(2)).exit_code == 99
    (problem,) = world.facts("t2")["problems"]
    assert problem["do"].startswith(
        "Set __duration__ to 2 minutes (the longest of 10 earlier runs took 12.0 s), or submit 49 of the 200 "
        'datasets, or submit with "run": "as-budget-allows", which starts 49 now'
    ), problem["do"]
    world.aws.upload(BUCKET, "lab/configs/short.json", '{"__duration__": 2}')
    short = world.submission(dataname=many, timestamp="t3", configname="lab/configs/short.json")
    assert world.submit(short, key_of(3)).message == "launched 200 machines"


def test_without_history_nobody_says_that_a_duration_is_enough() -> None:
    out = ways_out(200, 60, 0.192, 10_000_000, [])
    assert out.minutes is None
    assert out.most_minutes == 0
    assert "__duration__" not in out.text()
    assert "at most" in ways_out(200, 60, 0.096, 10_000_000, [3.0] * 4).text()


@given(
    total=st.integers(1, 500),
    minutes=st.integers(1, 600),
    price=st.floats(0.001, 20),
    left=st.integers(0, 10**8),
    seconds=st.lists(st.floats(1, 40_000), max_size=12),
)
def test_every_way_out_fits(total: int, minutes: int, price: float, left: int, seconds: list[float]) -> None:
    out = ways_out(total, minutes, price, left, seconds)
    assert at_most(out.datasets, minutes, price) <= left
    assert out.datasets == total or at_most(out.datasets + 1, minutes, price) > left
    if out.most_minutes:
        assert at_most(total, out.most_minutes, price) <= left
        assert out.most_minutes == minutes or at_most(total, out.most_minutes + 1, price) > left
    if out.minutes is not None:
        assert at_most(total, out.minutes, price) <= left
        assert out.minutes * 60 >= max(seconds)


# Whose turn it is
# ----------------------------------------------------------------------------------------------------------
def waiter(group: str, number: int, wants: int) -> Waiter:
    return Waiter(JobId(BUCKET, group, f"t{number}"), float(number), 1e9, 0.0, 0.0, ROOM, wants)


queues = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=8).map(
    lambda some: [waiter(group, number, wants) for number, (group, wants) in enumerate(some)]
)


@given(queues, st.integers(0, 40), st.dictionaries(st.sampled_from("abc"), st.integers(0, 30)))
def test_room_is_given_away_whole_and_evenly(queue: list[Waiter], room: int, running: dict[str, int]) -> None:
    given_ = shares(queue, room, running)
    assert sum(given_.values()) == min(room, sum(one.wants for one in queue))
    got, wanted = dict.fromkeys("abc", 0), dict.fromkeys("abc", 0)
    for one in queue:
        assert 0 <= given_[one.job] <= one.wants
        got[one.job.group] += given_[one.job]
        wanted[one.job.group] += one.wants
    for lacking, other in product("abc", "abc"):
        if got[lacking] < wanted[lacking] and got[other]:
            has = [running.get(group, 0) + got[group] for group in (lacking, other)]
            assert has[1] <= has[0] + 1, "who lacks machines has not fewer than another that got some"
    for one in queue:
        later = [other for other in queue if other.job.group == one.job.group and other.order > one.order]
        assert given_[one.job] == one.wants or not any(given_[other.job] for other in later), "in order"


# What people see
# ----------------------------------------------------------------------------------------------------------
def test_a_job_without_a_machine_that_waits_is_shown_as_waiting_and_another_as_running() -> None:
    datasets = tuple(DatasetState(name, name, INITIALIZING) for name in "ab")
    waits = JobState("t1", "RUNNING", datasets, waits="place 2 of 3 in the queue: no room")
    assert (waits.outcome, waits.summary()) == (
        "WAITING",
        "WAITING, 0 of 2 datasets done, place 2 of 3 in the queue: no room",
    )
    begun = (replace(datasets[0], state="IN PROGRESS"), datasets[1])
    assert replace(waits, datasets=begun).outcome == "RUNNING"
    assert Changes().lines("t1", waits)[0] == "t1  RUNNING  place 2 of 3 in the queue: no room"


def test_the_index_says_that_a_job_waits_until_it_has_machines() -> None:
    world = world_of(1.5 * EACH / 1e6)
    world.submit(world.submission(), key_of(1))
    world.submit(world.submission(timestamp="t2", wait="4h"), key_of(2))
    place = AnalysisPlace("dti", "lab", cast(Any, None))
    rows = {one.name: row(place, one) for one in world.aws.index_[BUCKET, "lab"].values()}
    assert (rows["t1"].state, rows["t2"].state) == ("RUNNING", "WAITING")
    assert rows["t2"].why.startswith("waits: place 1 of 1 in the queue, until")
    world.complete(machines(world)[0])
    world.deliver(key_of(2))
    rows = {one.name: row(place, one) for one in world.aws.index_[BUCKET, "lab"].values()}
    assert (rows["t2"].state, rows["t2"].why) == ("RUNNING", "")


def test_a_forecast_offers_the_ways_out_and_refuses_only_what_could_never_be_paid() -> None:
    budget = Budget(12.0, "of $12.00", limit=12.0, exact=True)
    found = Forecast(200, 60, "m5.large", 0.096, 0.192, times=(12.0,) * 10, budget=budget)
    (refusal,) = found.refused()
    assert refusal.do.startswith("set __duration__ to 2 minutes (the longest of 10 earlier runs took 12.0 s)")
    assert "ways out: set __duration__ to 2 minutes" in "\n".join(found.lines())
    assert found.refused(run=ALLOWS) == []
    assert replace(found, datasets=1, minutes=70 * 60).refused(run=ALLOWS) != []
    assert found.refused(wait="4h") != [], "all at once it costs more than the month's budget"
    assert replace(found, datasets=40).refused(wait="4h") == []


def test_who_waits_is_told_again_when_the_pause_is_over_however_much_ends_in_it() -> None:
    """Of two ends in the pause the second makes room too: the job does not wait for its own next look."""

    class Cloud:
        def __init__(self) -> None:
            self.woken, self.at = list[tuple[Waiter, int]](), 0.0

        def waiters(self, bucket: str) -> list[Waiter]:
            return [Waiter(JobId(BUCKET, "lab", "t1"), 900.0, 9000.0, 990.0, 1100.0, ROOM, 1)]

        def may_wake(self, bucket: str, now: float, stale: float) -> bool:
            if self.at >= stale:
                return False
            self.at = now
            return True

        def wake(self, waiting: Waiter, seconds: int = 0) -> None:
            self.woken.append((waiting, seconds))

    cloud: Any = Cloud()
    for now in (1000.0, 1001.0, 1002.0, 1019.0):
        waking.wake(cloud, BUCKET, now)
    assert [seconds for _, seconds in cloud.woken] == [0, WAKE_PAUSE]
    waking.wake(cloud, BUCKET, 1001.0 + WAKE_PAUSE + 1)  # another pause has begun with the late one
    assert [seconds for _, seconds in cloud.woken] == [0, WAKE_PAUSE, WAKE_PAUSE]
    waking.wake(cloud, BUCKET, 1500.0)
    assert [seconds for _, seconds in cloud.woken] == [0, WAKE_PAUSE, WAKE_PAUSE, 0]
