"""Cancelling a job: before it begins, while it starts or runs, after its end, twice, and of a job that is not
there.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from neurocaas.protocol.keys import JobKeys, early_cancel_key, rejected_keys
from neurocaas.protocol.limits import EARLY_CANCEL, STOP_GRACE
from neurocaas.protocol.stop import StopOrder
from runtime.manager import cancel as cancel_module
from runtime.manager import early
from runtime.manager.delivery import Outcome
from tests.unit.fake_aws import KilledError
from tests.unit.job_world import BUCKET, SUBMISSION, World

CANCEL = "lab/submissions/a_cancel.json"
KEYS = JobKeys.of("lab", "t1")
REFUSED = rejected_keys("lab", "a_cancel")


def cancel(world: World, body: object = None, key: str = CANCEL) -> Outcome:
    return world.submit(b"" if body is None else json.dumps(body).encode(), key)


def end_by_the_order(world: World, instance: str) -> None:
    """What an agent does that has found the order: partial results, a final status with the order's text."""
    order = StopOrder.from_json(world.aws.text(BUCKET, KEYS.stop))
    world.complete(instance, "FAILED", reason=order.text)


def refusal(world: World) -> str:
    assert (BUCKET, REFUSED.end) in world.aws.objects_
    return world.aws.text(BUCKET, REFUSED.certificate)


def money_is_free(world: World) -> bool:
    return world.aws.items == {} and all(
        committed == spent for committed, spent in world.aws.budgets.values()
    )


@pytest.fixture
def world() -> World:
    return World()


def test_a_running_job_ends_with_its_order(world: World) -> None:
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    first, second = world.aws.ec2
    world.complete(first)
    assert cancel(world) == Outcome(0, "job t1 is being stopped")
    end_by_the_order(world, second)
    assert world.end() == f"FAILED 1/2 b.zip: cancelled: by {CANCEL}\n"
    assert world.facts()["exit_class"] == "cancelled"
    assert "exit class: cancelled" in world.certificate()
    assert world.report(second)["exit_class"] == "cancelled"
    assert money_is_free(world)
    assert next(iter(world.aws.budgets.values()))[1] > 0


def test_a_machine_that_does_not_obey_is_ended_by_the_sweep(world: World) -> None:
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.boot(machine)
    cancel(world)
    world.sweep()
    assert world.aws.ec2[machine].state == "running"
    world.clock.forward(STOP_GRACE + 1)
    world.sweep()
    assert world.aws.ec2[machine].state == "shutting-down"
    assert world.end() == f"FAILED 0/1 a.zip: cancelled: by {CANCEL}\n"
    assert money_is_free(world)


def test_a_job_that_has_not_begun_never_begins(world: World) -> None:
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission()))
    assert cancel(world) == Outcome(0, "job t1 will not be started")
    assert world.deliver() == Outcome(0, "delivered again: the job has ended")
    assert world.aws.ec2 == {}
    assert world.end() == f"FAILED 0/0 cancelled: by {CANCEL}\n"
    assert world.facts()["exit_class"] == "cancelled"
    assert f"Job cancelled: by {CANCEL}." in world.certificate()


@pytest.mark.parametrize("capacity", [0, 1])
def test_a_job_that_waits_for_capacity_waits_no_longer(world: World, capacity: int) -> None:
    world.aws.capacity = {"m5.large": capacity, "m5.xlarge": 0}
    assert world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"])).waiting
    cancel(world)
    assert world.deliver(receives=2) == Outcome(0, f"cancelled: by {CANCEL}")
    assert len(world.aws.ec2) == capacity
    for machine in world.aws.ec2:
        end_by_the_order(world, machine)
    assert world.end() is not None
    assert world.facts()["exit_class"] == "cancelled"
    assert money_is_free(world)


def test_twice_is_once(world: World) -> None:
    world.submit(world.submission())
    first = cancel(world)
    assert cancel(world) == first
    assert cancel(world, {"timestamp": "t1"}, "lab/submissions/other_cancel.json") == first
    assert StopOrder.from_json(world.aws.text(BUCKET, KEYS.stop)).reason == f"by {CANCEL}"
    end_by_the_order(world, next(iter(world.aws.ec2)))
    assert cancel(world) == Outcome(0, "delivered again: the job is cancelled")
    assert (BUCKET, REFUSED.certificate) not in world.aws.objects_


def test_after_the_end_nothing_is_left_to_cancel(world: World) -> None:
    world.submit(world.submission())
    world.complete(next(iter(world.aws.ec2)))
    before = dict(world.aws.objects_)
    assert cancel(world).exit_code == 99
    assert "which has ended already" in refusal(world)
    assert world.end() == "SUCCESS 1/1\n"
    assert {key: world.aws.objects_[key] for key in before} == before


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (None, "no submission 'lab/submissions/a_submit.json' beside it"),
        ({"timestamp": "nobody"}, "which no job of group 'lab' has"),
        ({"timestamp": "../other"}, "timestamp: got"),
        (["t1"], "is not a JSON object"),
    ],
)
def test_an_unknown_job_is_said_to_be_unknown(world: World, body: object, told: str) -> None:
    assert cancel(world, body).exit_code == 99
    assert told in refusal(world)
    assert not any(key.endswith("stop.json") for _, key in world.aws.objects_)


@pytest.mark.parametrize(
    ("body", "name"), [(None, CANCEL), ({"timestamp": "t1"}, "lab/submissions/any_cancel.json")]
)
def test_a_cancellation_that_comes_first_waits_for_its_submission(
    world: World, body: object, name: str
) -> None:
    assert cancel(world, body, name).exit_code == 99
    assert "not started if it comes within 15 minutes" in world.aws.text(
        BUCKET, rejected_keys("lab", name[16:-5]).certificate
    )
    assert world.submit(world.submission()) == Outcome(0, f"cancelled: by {name}")
    assert world.aws.ec2 == {}
    assert world.end() == f"FAILED 0/0 cancelled: by {name}\n"
    assert world.facts()["exit_class"] == "cancelled"
    assert money_is_free(world)
    assert world.deliver() == Outcome(0, "delivered again: the job has ended")
    world.submit(world.submission(timestamp="t2"))  # it was for one submission
    assert len(world.aws.ec2) == 1


def test_a_cancellation_does_not_wait_for_ever(world: World) -> None:
    cancel(world)
    world.clock.forward(EARLY_CANCEL + 1)
    world.submit(world.submission())
    assert len(world.aws.ec2) == 1


def test_a_submission_that_comes_while_its_cancellation_looks_is_cancelled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, body = early.keep, json.dumps(world.submission())

    def keep(*arguments: Any, **more: Any) -> None:
        if (BUCKET, SUBMISSION) not in world.aws.objects_:
            world.submit(body.encode())  # its manager has looked, and found nothing
        real(*arguments, **more)

    monkeypatch.setattr(cancel_module, "keep", keep)
    assert cancel(world) == Outcome(0, "job t1 is being stopped")
    end_by_the_order(world, next(iter(world.aws.ec2)))
    assert world.facts()["exit_class"] == "cancelled"
    monkeypatch.undo()
    world.submit(world.submission(timestamp="t2"))
    assert len(world.aws.ec2) == 2


@pytest.mark.parametrize("after", range(1, 30))
def test_a_manager_that_dies_over_an_early_cancellation_leaves_no_machine(world: World, after: int) -> None:
    cancel(world)
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission()))
    world.aws.revive()
    world.aws.kill_at = after
    obeyed = True
    try:
        world.deliver()
    except KilledError:
        world.aws.revive()
        obeyed = bool(json.loads(world.aws.text(BUCKET, early_cancel_key("lab", SUBMISSION)))["obeyed"])
        world.clock.forward(EARLY_CANCEL + 200)  # one that nobody has read in time waits no longer
        world.deliver(receives=2)
    assert (world.aws.ec2 == {}) == obeyed
    assert (world.end() == f"FAILED 0/0 cancelled: by {CANCEL}\n") == obeyed


def test_the_job_of_another_submission_is_cancelled_by_name_only(world: World) -> None:
    world.submit(world.submission(), "lab/submissions/b_submit.json")
    world.submit(world.submission(), SUBMISSION)
    assert cancel(world).exit_code == 99
    assert "another submission than 'a_submit.json' has used" in refusal(world)
    assert cancel(world, {"timestamp": "t1"}) == Outcome(0, "job t1 is being stopped")


def test_another_group_cannot_cancel(world: World) -> None:
    world.submit(world.submission())
    assert cancel(world, {"timestamp": "t1"}, "other/submissions/a_cancel.json").exit_code == 99
    assert (BUCKET, KEYS.stop) not in world.aws.objects_


@pytest.mark.parametrize("begun", [False, True])
def test_killed_after_any_call_and_delivered_again(begun: bool) -> None:
    for number in range(12):
        world = World()
        world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission()))
        if begun:
            world.deliver()
        world.aws.upload(BUCKET, CANCEL, b"")
        world.aws.revive()
        world.aws.kill_at = number
        try:
            world.deliver(CANCEL)
        except KilledError:
            world.aws.revive()
            world.deliver(CANCEL, 2)
        world.aws.revive()
        world.deliver(receives=2)
        for machine in world.aws.ec2:
            end_by_the_order(world, machine)
        assert len(world.aws.ec2) == begun
        assert world.facts()["exit_class"] == "cancelled"
        assert money_is_free(world)


@pytest.mark.parametrize(
    "body", [b"\xef\xbb\xbf", b" \n", b"{}", b'\xef\xbb\xbf{"timestamp": "t1"}', b'{"timestamp": null}']
)
def test_what_editors_make_of_an_empty_file_cancels_all_the_same(world: World, body: bytes) -> None:
    world.submit(world.submission())
    world.aws.upload(BUCKET, CANCEL, body)
    assert world.deliver(CANCEL) == Outcome(0, "job t1 is being stopped")
