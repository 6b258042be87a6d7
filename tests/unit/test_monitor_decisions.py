"""What the monitor decides by: the first report that was filed, the reports of all attempts, the identity of
a document, and the ledger.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.keys import JobId, JobKeys
from neurocaas.protocol.limits import (
    ENDING_GRACE,
    MONITOR_TIMEOUT,
    ORPHAN_GRACE,
    SETTLE_GRACE,
    STALLED_LAUNCH,
    STOP_GRACE,
)
from neurocaas.protocol.tags import EXEMPT
from runtime.monitor.finish import finish
from runtime.monitor.sweep import sweep
from runtime.monitor.watch import JobWatch
from tests.unit.fake_aws import MonitorView
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

KEYS = JobKeys.of("lab", "t1")
JOB = JobId(BUCKET, "lab", "t1")
TWO = ["lab/inputs/a.zip", "lab/inputs/b.zip"]
MONTH = "dti/lab/2026-01"


@pytest.fixture
def world() -> World:
    return World()


def started(world: World, **fields: object) -> list[str]:
    world.submit(world.submission(**fields))
    for machine in world.aws.ec2:
        world.boot(machine)
    return list(world.aws.ec2)


def spot(attempts: int) -> World:
    return World(changed(SETTINGS, market="spot", attempts=attempts))


# Reports
# ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("first", "then"), [("FAILED", "SUCCESS"), ("SUCCESS", "FAILED")])
def test_the_first_report_stays_whatever_its_machine_says_later(world: World, first: str, then: str) -> None:
    one, other = started(world, dataname=TWO)
    world.complete(one, first, exit_code=0 if first == "SUCCESS" else 3)
    filed = world.report(one)
    world.write_status(one, then, exit_code=7)
    world.clock.forward(3600)
    assert world.event(one, "terminated") == f"dataset 0 closed: {first}"
    assert world.report(one) == filed
    world.complete(other)
    outcome = world.facts()["datasets"][0]
    assert (outcome["status"], outcome["exit_code"]) == (first, filed["exit_code"])
    assert world.aws.budgets[MONTH][1] == pytest.approx(
        micro_dollars(filed["cost"] + world.report(other)["cost"]), abs=2
    )


def test_a_report_that_was_filed_before_a_machine_was_forgotten_stays(world: World) -> None:
    """The monitor was killed between the report and the end of the active one; EC2 shows the machine no
    more.
    """
    one, other = started(world, dataname=TWO)
    active = world.aws.text(BUCKET, f"logs/active/{one}.json")
    world.complete(one)
    filed = world.report(one)
    world.aws.upload(BUCKET, f"logs/active/{one}.json", active)
    world.aws.items[JOB]["succeeded"].clear()
    del world.aws.ec2[one]
    world.clock.forward(SETTLE_GRACE + 1)
    world.sweep()
    assert world.report(one) == filed
    assert (BUCKET, f"logs/active/{one}.json") not in world.aws.objects_
    assert other in world.aws.ec2


# Attempts
# ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_a_dataset_has_as_many_machines_as_its_job_allows(attempts: int) -> None:
    world = spot(attempts)
    world.submit(world.submission())
    for number in range(1, attempts + 1):
        assert len(world.aws.ec2) == number
        assert world.end() is None
        machine = list(world.aws.ec2)[-1]
        world.boot(machine)
        world.clock.forward(60)
        world.reclaim(machine)
    assert len(world.aws.ec2) == attempts
    assert (world.end() or "").startswith("FAILED 0/1 a.zip: AWS has taken the spot machine back")
    requests = [key for _, key in world.aws.objects_ if key.endswith(".retry")]
    assert requests == [KEYS.retry(0, number) for number in range(2, attempts + 1)]


def test_a_job_costs_what_all_attempts_cost() -> None:
    world = spot(3)
    world.submit(world.submission())
    for minutes in (10, 20):
        machine = list(world.aws.ec2)[-1]
        world.boot(machine)
        world.clock.forward(60 * minutes)
        world.reclaim(machine)
    world.complete(list(world.aws.ec2)[-1])
    costs = [world.report(machine)["cost"] for machine in world.aws.ec2]
    assert costs == pytest.approx([0.016, 0.032, 0.048])
    facts = world.facts()
    assert facts["cost_usd"] == pytest.approx(0.096)
    (outcome,) = facts["datasets"]
    assert (outcome["attempts"], outcome["seconds"], outcome["status"]) == (3, 3600, "SUCCESS")
    assert world.aws.budgets[MONTH] == (96_000, 96_000)


# A job without its document
# -----------------------------------------------------------------------------------------------
def test_what_machines_cost_is_paid_without_the_document_too(world: World) -> None:
    first, second = started(world, dataname=TWO)
    world.complete(first)
    del world.aws.objects_[BUCKET, KEYS.job]
    world.aws.set_state(second, "terminated")
    world.event(second, "terminated")
    world.sweep()
    assert (world.end() or "").startswith("FAILED 0/0")
    spent = micro_dollars(world.report(first)["cost"])
    assert spent == 48_000
    assert world.aws.budgets[MONTH] == (spent, spent)
    assert "$0.0480" in world.certificate()
    assert world.facts()["exit_class"] == "platform"


@pytest.mark.parametrize("change", [{"bucket": "dti2"}, {"group": "other"}, {"timestamp": "t2"}])
def test_a_document_of_another_job_is_none(world: World, change: dict[str, Any]) -> None:
    (machine,) = started(world)
    world.aws.upload(BUCKET, KEYS.job, json.dumps({**json.loads(world.aws.text(BUCKET, KEYS.job)), **change}))
    before = {key for _, key in world.aws.objects_}
    world.aws.set_state(machine, "terminated")
    assert JobWatch(MonitorView(world.aws), world.clock).job(JOB) is None
    assert world.event(machine, "terminated") == "ignored: its job document is gone"
    world.sweep()
    assert world.aws.text(BUCKET, KEYS.end).startswith("FAILED 0/0")
    written = {key for _, key in world.aws.objects_} - before
    assert all(key.startswith((KEYS.prefix, "jobs/lab/job_t1/", "logs/")) for key in written)


@pytest.mark.parametrize("offset", ["2", "-1", "999999"])
def test_a_machine_of_a_dataset_that_its_job_has_not_changes_nothing(world: World, offset: str) -> None:
    machine, _ = started(world, dataname=TWO)
    world.aws.ec2[machine] = replace(
        world.aws.ec2[machine], tags={**world.aws.ec2[machine].tags, "offset": offset}
    )
    before = dict(world.aws.objects_)
    assert world.event(machine, "terminated") == "ignored: its job document is gone"
    assert world.aws.objects_ == before
    assert not world.aws.items[JOB].get("failed")


# Machines that nobody needs
# -----------------------------------------------------------------------------------------------
def test_a_machine_whose_dataset_is_closed_is_ended_though_its_job_goes_on(world: World) -> None:
    one, other = started(world, dataname=TWO)
    world.write_status(one, "SUCCESS")
    world.event(one, "terminated")  # EC2 says so; but it runs on
    assert world.aws.items[JOB]["succeeded"] == {0}
    world.clock.forward(ORPHAN_GRACE - 1)
    world.sweep()
    assert world.aws.ec2[one].state == "running", "it may be a race"
    world.clock.forward(1)
    world.sweep()
    assert {name: machine.state for name, machine in world.aws.ec2.items()} == {
        one: "shutting-down",
        other: "running",
    }
    assert world.end() is None


@pytest.mark.parametrize("state", ["pending", "running", "stopped"])
def test_a_machine_of_a_job_that_has_ended_is_ended(world: World, state: str) -> None:
    (machine,) = started(world)
    world.complete(machine)
    world.aws.set_state(machine, state)
    world.clock.forward(ORPHAN_GRACE)
    world.sweep()
    assert world.aws.ec2[machine].state == "shutting-down"
    assert machine in world.aws.notices[-1][1]


def test_a_machine_that_an_administrator_keeps_is_left_alone(world: World) -> None:
    (machine,) = started(world)
    world.complete(machine)
    world.aws.ec2[machine] = replace(
        world.aws.ec2[machine], state="running", tags={**world.aws.ec2[machine].tags, EXEMPT: "On"}
    )
    world.clock.forward(24 * 3600)
    world.sweep()
    assert world.aws.ec2[machine].state == "running"


# The end
# ------------------------------------------------------------------------------------------------------------
def test_a_monitor_that_another_has_overtaken_writes_nothing(world: World) -> None:
    (machine,) = started(world)
    world.write_status(machine, "SUCCESS")
    item = replace(
        world.aws._open(JOB, world.aws.items[JOB]), succeeded=frozenset({0}), instances=frozenset({machine})
    )
    world.aws.items[JOB]["ending"] = world.clock().timestamp() - ENDING_GRACE
    before = dict(world.aws.objects_)
    cloud = MonitorView(world.aws).acting_for(BUCKET, "lab")
    assert not finish(cloud, world.job(), item, world.clock())
    assert (world.aws.objects_, world.aws.notices) == (before, [])
    world.clock.forward(1)
    assert finish(cloud, world.job(), item, world.clock())
    assert (world.end(), len(world.aws.notices)) == ("SUCCESS 1/1\n", 1)


def test_a_job_that_a_dead_monitor_left_is_ended_by_the_sweep_and_not_before(world: World) -> None:
    (machine,) = started(world)
    world.aws.items[JOB].update(succeeded={0}, instances={machine}, closed=world.clock().timestamp())
    world.clock.forward(MONITOR_TIMEOUT)
    world.sweep()
    assert world.end() is None
    world.clock.forward(1)
    world.sweep()
    assert world.end() == "SUCCESS 1/1\n"


@pytest.mark.parametrize(("lease", "taken"), [(0.0, False), (-1.0, True), (None, True)])
def test_a_launch_is_taken_over_when_nobody_has_it(world: World, lease: float | None, taken: bool) -> None:
    started(world)
    world.clock.forward(STALLED_LAUNCH + 1)
    world.aws.items[JOB].update(state="starting", total=None)
    if lease is not None:
        world.aws.items[JOB]["lease"] = world.clock().timestamp() + lease
    world.sweep()
    assert world.aws.items[JOB]["state"] == ("launched" if taken else "starting")


def test_late_news_of_a_reclaimed_machine_do_not_end_a_stopped_job_whose_next_machine_is_there() -> None:
    world = spot(2)
    (first,) = started(world)
    world.reclaim(first)
    _, second = world.aws.ec2
    world.boot(second)
    world.aws.upload(BUCKET, "lab/submissions/a_cancel.json", b"")
    world.deliver("lab/submissions/a_cancel.json")
    world.event(first, "terminated")
    assert world.end() is None
    world.complete(second, "FAILED", reason=json.loads(world.aws.text(BUCKET, KEYS.stop))["outcome"])
    costs = [world.report(machine)["cost"] for machine in (first, second)]
    assert world.aws.budgets[MONTH] == (micro_dollars(sum(costs)),) * 2


def test_a_machine_that_is_taken_back_after_the_order_to_stop_has_no_successor() -> None:
    world = spot(2)
    (first,) = started(world)
    world.aws.upload(BUCKET, "lab/submissions/a_cancel.json", b"")
    world.deliver("lab/submissions/a_cancel.json")
    world.reclaim(first)
    assert len(world.aws.ec2) == 1
    assert (world.end() or "").startswith("FAILED 0/1")


# Clocks that disagree
# -----------------------------------------------------------------------------------------------------
def test_a_machine_that_ends_before_its_start_by_the_monitors_clock_has_an_end(world: World) -> None:
    (machine,) = started(world)
    world.write_status(machine, "SUCCESS")
    world.aws.set_state(machine, "terminated")
    world.clock.forward(-600)
    world.sweep()
    report = world.report(machine)
    assert report["end"] == report["start"]


def test_a_machine_that_ec2_does_not_show_yet_counts_as_gone_only_some_time_after_the_launch(
    world: World,
) -> None:
    """However long the job waited for it."""
    world.aws.capacity = {"m5.large": 0, "m5.xlarge": 0}
    world.submit(world.submission())
    world.clock.forward(900)
    world.aws.capacity = {}
    world.deliver(receives=2)
    hidden, world.aws.ec2 = world.aws.ec2, {}
    world.clock.forward(SETTLE_GRACE)
    world.sweep()
    assert world.end() is None
    world.aws.ec2 = hidden
    world.complete(next(iter(hidden)))
    assert world.end() == "SUCCESS 1/1\n"


def test_a_machine_that_began_while_the_sweep_looked_is_not_ended_whatever_the_clock_says(
    world: World,
) -> None:
    view, jobs = MonitorView(world.aws), dict(world.aws.items)
    started(world)
    fresh, world.aws.items = world.aws.items, jobs

    class Late(MonitorView):
        def all_instances(self) -> Any:
            world.aws.items = fresh
            return self.aws.all_instances()

    world.clock.forward(ORPHAN_GRACE + 60)
    sweep(Late(world.aws), world.clock, lambda *_: None)
    assert [machine.state for machine in world.aws.ec2.values()] == ["running"]
    assert view.open_job(JOB) is not None


@pytest.mark.parametrize("run", ["2026-01-30T12:00:00.000Z", None])
def test_a_machine_of_an_earlier_job_of_the_same_name_says_nothing_of_this_one(
    world: World, run: str | None
) -> None:
    (machine,) = started(world)
    tags = {
        name: text for name, text in {**world.aws.ec2[machine].tags, "run": run}.items() if text is not None
    }
    world.aws.ec2[machine] = replace(world.aws.ec2[machine], tags=tags)
    assert world.event(machine, "terminated") == "ignored: a machine of an earlier job of this name"
    world.aws.set_state(machine, "terminated")
    world.sweep()
    assert not world.aws.items[JOB].get("failed")


@pytest.mark.parametrize("late", ["running", "shutting-down"])
@pytest.mark.parametrize("shown", ["running", "terminated"])
def test_an_event_that_comes_after_the_last_one_leaves_no_active_report(
    world: World, late: str, shown: str
) -> None:
    """What EC2 shows of the machine may be old as well."""
    (machine,) = started(world)
    world.aws.set_state(machine, "terminated")
    world.event(machine, "terminated")
    assert world.end() is not None
    world.aws.set_state(machine, shown)
    world.event(machine, late)
    assert not [key for _, key in world.aws.objects_ if key.startswith("logs/active/")]


def test_a_reclaimed_machine_of_a_job_that_has_ended_asks_for_nothing() -> None:
    world = spot(3)
    (machine,) = started(world)
    world.complete(machine, "FAILED")
    world.aws.objects_.pop((BUCKET, f"logs/lab/{machine}.json"))
    world.write_status(machine, "IN PROGRESS")
    world.aws.set_state(machine, "terminated", reason_code="Server.SpotInstanceTermination")
    assert world.event(machine, "terminated") == "the job has ended already"
    assert not [key for _, key in world.aws.objects_ if key.endswith(".retry")]


def test_a_machine_that_the_sweep_finds_stopped_is_ended_and_its_dataset_closed(world: World) -> None:
    (machine,) = started(world)
    world.aws.set_state(machine, "stopped")
    world.sweep()
    assert world.aws.ec2[machine].state == "shutting-down"
    assert (world.end() or "").startswith("FAILED 0/1 a.zip: The machine was stopped by hand")


# Bounds
# ------------------------------------------------------------------------------------------------------------
def test_the_record_of_the_certificate_is_what_people_see_with_its_submission(world: World) -> None:
    (machine,) = started(world)
    world.complete(machine)
    assert "JOB RESULT: SUCCESS 1/1" in world.aws.text(BUCKET, KEYS.records.certificate)
    assert world.aws.text(BUCKET, KEYS.records.certificate) == world.certificate()
    assert world.aws.objects_[BUCKET, KEYS.records.certificate][1]


def test_a_dataset_that_has_failed_once_has_failed(world: World) -> None:
    (machine,) = started(world)
    world.aws.items[JOB]["failed"] = {0}
    world.complete(machine)
    assert (world.end() or "").startswith("FAILED 0/1")


@pytest.mark.parametrize("without", ["reserved", "nothing"])
def test_a_job_without_a_reservation_is_looked_after_like_any_other(world: World, without: str) -> None:
    (machine,) = started(world)
    world.aws.items[JOB].pop(without, None)
    world.aws.set_state(machine, "terminated")
    world.sweep()
    assert (world.end() or "").startswith("FAILED 0/1")


def test_a_job_that_is_being_stopped_is_not_stopped_for_money_too(world: World) -> None:
    started(world)
    world.aws.items[JOB].update(stop="cancelled: by k", stopped=world.clock().timestamp(), reserved=0)
    world.sweep()
    assert (BUCKET, KEYS.stop) not in world.aws.objects_
    assert world.aws.items[JOB]["stop"] == "cancelled: by k"


def test_an_order_to_stop_leaves_a_machine_its_time_and_no_more(world: World) -> None:
    (machine,) = started(world)
    world.aws.items[JOB].update(stop="cancelled: by k", stopped=world.clock().timestamp())
    world.clock.forward(STOP_GRACE)
    world.sweep()
    assert world.aws.ec2[machine].state == "running"
    world.clock.forward(1)
    world.sweep()
    assert world.aws.ec2[machine].state == "shutting-down"


def test_a_launch_is_left_to_its_manager_for_its_time_and_no_more(world: World) -> None:
    started(world)
    world.aws.items[JOB].update(state="starting", created=world.clock().timestamp())
    world.clock.forward(STALLED_LAUNCH)
    world.sweep()
    assert world.aws.items[JOB]["state"] == "starting"
    world.clock.forward(1)
    world.sweep()
    assert world.aws.items.get(JOB, {"state": "launched"})["state"] == "launched"
