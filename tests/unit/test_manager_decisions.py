"""What the manager decides by: the bucket and the group of an event, the document of the very same
submission, and the ledger.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from neurocaas.protocol.keys import JobId, JobKeys
from neurocaas.protocol.limits import (
    JOB_MAX_BYTES,
    LAUNCH_PAUSE,
    LAUNCH_SECONDS,
    STALLED_LAUNCH,
    WAIT_SECONDS,
)
from neurocaas.protocol.logline import BUDGET_USED
from neurocaas.protocol.tags import TIMEOUT
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.dispatch import process
from runtime.manager.events import ObjectCreated
from runtime.manager.port import JobGoneError
from runtime.monitor.port import Heard
from tests.unit.fake_aws import FakeAws, KilledError, ManagerView
from tests.unit.job_world import BUCKET, SETTINGS, SUBMISSION, World, changed

KEYS = JobKeys.of("lab", "t1")
JOB = JobId(BUCKET, "lab", "t1")


@pytest.fixture
def world() -> World:
    return World()


def event(world: World, key: str = SUBMISSION, bucket: str = BUCKET, etag: str = "e") -> Outcome:
    delivery = Delivery(
        ObjectCreated(bucket, key, 1, etag), 1, "run", "arn:manager", world.clock() + timedelta(seconds=121)
    )
    return process(ManagerView(world.aws), world.settings, world.clock, delivery)


def killed_before(world: World, call: str, body: dict[str, Any]) -> None:
    """Submit; the manager dies before the first call of this name."""
    counts = World()
    counts.submit(body)
    world.aws.calls.clear()
    world.aws.kill_at = [name for name, _ in counts.aws.calls].index(call)
    with pytest.raises(KilledError):
        world.submit(body)
    world.aws.revive()
    world.clock.forward(150)


# Whose event it is
# --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("dti2", SUBMISSION),
        ("", SUBMISSION),
        (BUCKET, "nobody/submissions/a_submit.json"),
        (BUCKET, "jobs/submissions/a_submit.json"),
        ("dti2", "lab/submissions/a_cancel.json"),
        ("dti2", KEYS.retry(0, 2)),
        (BUCKET, "lab/inputs/a_submit.json"),
        (BUCKET, "lab/submissions/a.json"),
    ],
)
def test_what_is_not_of_a_group_of_this_analysis_is_neither_heard_nor_done(
    world: World, bucket: str, key: str
) -> None:
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission()))
    world.aws.upload(BUCKET, key, json.dumps(world.submission()))
    world.aws.upload("dti2", key, json.dumps(world.submission()))
    before = dict(world.aws.objects_)
    outcome = event(world, key, bucket)
    assert (outcome.exit_code, outcome.again) == (0, False)
    assert outcome.message.startswith("ignored: ")
    assert world.aws.calls == []
    assert world.aws.objects_ == before


def test_a_submission_counts_as_heard_before_anything_is_done_with_it(world: World) -> None:
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission()))
    event(world, etag="e1")
    assert world.aws.calls[0] == ("hear", SUBMISSION)
    assert world.aws.heard_ == {(BUCKET, SUBMISSION): Heard("e1")}
    event(world, "lab/submissions/a_cancel.json", etag="e2")
    assert world.aws.heard_[BUCKET, "lab/submissions/a_cancel.json"] == Heard("e2")


def test_an_event_without_an_etag_and_a_request_for_an_attempt_are_not_noted(world: World) -> None:
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission()))
    assert event(world, etag="").exit_code == 0
    event(world, KEYS.retry(0, 2))
    assert world.aws.heard_ == {}
    assert len(world.aws.ec2) == 1


# Which document it is
# -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change",
    [{"submission_sha256": "0" * 64}, {"created": "2026-01-31T11:59:59.000Z"}, {"schema_version": 99}],
)
def test_the_document_of_another_submission_is_not_taken_for_this_ones(
    world: World, change: dict[str, Any]
) -> None:
    killed_before(world, "run", world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    document = {**json.loads(world.aws.text(BUCKET, KEYS.job)), "duration_minutes": 599, **change}
    world.aws.upload(BUCKET, KEYS.job, json.dumps(document))
    world.deliver(receives=2)
    job = world.job()
    assert (job.duration_minutes, len(job.datasets), len(world.aws.ec2)) == (60, 2, 2)
    assert {request.tags[TIMEOUT] for request, _ in world.aws.reservations.values()} == {"60"}


def test_the_document_of_the_same_submission_is_kept(world: World) -> None:
    """Its machines may be there already: with another plan they would be others."""
    killed_before(world, "run", world.submission())
    planned = world.aws.text(BUCKET, KEYS.job)
    world.settings = changed(SETTINGS, type="m5.xlarge", fallback=(), duration_minutes=1)
    world.deliver(receives=2)
    assert world.aws.text(BUCKET, KEYS.job) == planned
    assert [machine.instance_type for machine in world.aws.ec2.values()] == ["m5.large"]


# What the ledger says
# -----------------------------------------------------------------------------------------------------
def test_a_job_that_was_ended_while_its_manager_planned_it_starts_no_machine(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock was behind: the sweep has taken the job, and it is over before the money is reserved."""
    real = FakeAws.account

    def late(aws: FakeAws, budget: str) -> tuple[int, int]:
        world.clock.forward(STALLED_LAUNCH + 1)
        world.sweep()
        return real(aws, budget)

    with monkeypatch.context() as patch:
        patch.setattr(FakeAws, "account", late)
        with pytest.raises(JobGoneError):
            world.submit(world.submission())
    end = world.end()
    assert (end or "").startswith("FAILED 0/0")
    assert world.deliver(receives=2).message == "delivered again: the job has ended"
    assert (world.aws.ec2, world.end()) == ({}, end)
    assert all(amount == 0 for amount, _ in world.aws.budgets.values())


def spot(world: World) -> str:
    """A job of a spot machine that AWS has taken back; the request for another is there."""
    world.settings = changed(SETTINGS, market="spot", attempts=3)
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.boot(machine)
    world.die(machine, "Server.SpotInstanceTermination", "Spot Instance termination")
    key = KEYS.retry(0, 2)
    assert (BUCKET, key) in world.aws.objects_
    return key


@pytest.mark.parametrize(
    "key",
    [
        KEYS.retry(0, 3),
        KEYS.retry(1, 2),
        JobKeys.of("lab", "t2").retry(0, 2),
        JobKeys.of("other", "t1").retry(0, 2),
    ],
)
def test_an_attempt_that_the_ledger_does_not_ask_for_starts_nothing(world: World, key: str) -> None:
    spot(world)
    world.aws.upload(BUCKET, key, "")
    assert "ignored: no open job has asked for" in world.deliver(key).message
    assert len(world.aws.ec2) == 1


def test_an_attempt_of_a_dataset_that_is_closed_starts_nothing(world: World) -> None:
    key = spot(world)
    world.aws.items[JOB].setdefault("failed", set()).add(0)
    assert "ignored" in world.deliver(key).message
    assert len(world.aws.ec2) == 1


def test_an_attempt_without_the_jobs_document_starts_nothing(world: World) -> None:
    key = spot(world)
    del world.aws.objects_[BUCKET, KEYS.job]
    assert "the job document is gone" in world.deliver(key).message
    assert len(world.aws.ec2) == 1


def test_an_attempt_says_of_which_machine_it_is_and_waits_for_room(world: World) -> None:
    key = spot(world)
    world.settings = changed(world.settings, machines=0)
    outcome = world.deliver(key)
    assert outcome.again
    assert outcome.message.startswith("waiting: ")
    world.settings = changed(world.settings, machines=1)
    assert world.deliver(key, 2).message.startswith("launched ")
    _, second = world.aws.ec2.values()
    assert (second.tags["attempt"], second.tags["offset"], second.launch_index) == ("2", "0", 0)
    assert "is there for attempt 2 of dataset 0" in world.deliver(key, 3).message
    assert len(world.aws.ec2) == 2


def test_a_document_that_is_larger_than_any_is_no_document(world: World) -> None:
    killed_before(world, "run", world.submission())
    world.aws.upload(BUCKET, KEYS.job, world.aws.text(BUCKET, KEYS.job).ljust(JOB_MAX_BYTES))
    assert world.deliver(receives=2).exit_code == 0
    assert len(world.aws.ec2) == 1


@pytest.mark.parametrize("ahead", [-600, 600])
def test_a_manager_whose_clock_is_wrong_starts_no_second_machine_for_a_dataset(ahead: float) -> None:
    """The first one dies after it has started a machine of another type than the next one would."""
    world = World()
    world.aws.capacity = {"m5.large": 0}
    right = world.clock.now
    world.clock.forward(ahead)
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission()))
    real = FakeAws.run

    def run(aws: FakeAws, request: Any) -> Any:
        wrong, world.clock.now = world.clock.now, right  # EC2's clock is right
        try:
            return real(aws, request)
        finally:
            world.clock.now = wrong

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeAws, "run", run)
        patch.setattr(FakeAws, "launched", lambda *_: (_ for _ in ()).throw(KilledError))
        with pytest.raises(KilledError):
            world.deliver()
    world.aws.capacity = {}
    world.clock.forward(150)
    world.deliver(receives=2)
    assert [machine.instance_type for machine in world.aws.ec2.values()] == ["m5.xlarge"]


def test_the_end_of_a_job_without_a_machine_is_told_whenever_its_manager_dies() -> None:
    number, done = 0, False
    while not done:
        number += 1
        world = World()
        world.aws.kill_at = number
        try:
            done = world.submit(world.submission(dataname="lab/inputs/none.zip")).exit_code == 99
        except KilledError:
            world.aws.revive()
            world.clock.forward(150)
            world.deliver(receives=2)
        world.aws.revive()
        world.deliver(receives=3)
        assert len(world.aws.notices) in ({1} if done else {1, 2}), f"killed after call {number}"
        assert world.aws.claims[JOB].ended
    assert number > 10


# Cancellations
# ------------------------------------------------------------------------------------------------------------
CANCEL = "lab/submissions/a_cancel.json"


def test_a_second_order_after_the_end_is_told_so_and_the_first_one_again_is_not(world: World) -> None:
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission()))
    world.aws.upload(BUCKET, CANCEL, "")
    assert world.deliver(CANCEL).message == "job t1 will not be started"
    assert world.deliver(CANCEL).message == "delivered again: the job is cancelled"
    other = "lab/submissions/b_cancel.json"
    world.aws.upload(BUCKET, other, '{"timestamp": "t1"}')
    assert "which has ended already" in world.deliver(other).message


def test_a_cancellation_between_claim_and_lease_comes_again(world: World) -> None:
    killed_before(world, "lease", world.submission())
    world.aws.upload(BUCKET, CANCEL, "")
    outcome = world.deliver(CANCEL)
    assert (outcome.message, outcome.again) == ("job t1 is only just beginning", True)
    assert world.deliver(receives=2).exit_code == 0
    assert (world.facts()["exit_class"], world.aws.ec2) == ("cancelled", {})


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("5", True), ('"5"', True), ("true", False), ("5.0", False), ("[5]", False), ('"../5"', False)],
)
def test_how_a_cancellation_names_a_job(world: World, value: str, wanted: bool) -> None:
    world.submit(world.submission(timestamp="5"))
    world.aws.upload(BUCKET, "lab/submissions/b_cancel.json", f'{{"timestamp": {value}}}')
    outcome = world.deliver("lab/submissions/b_cancel.json")
    assert (outcome.message == "job 5 is being stopped") is wanted
    assert ((BUCKET, JobKeys.of("lab", "5").stop) in world.aws.objects_) is wanted


@pytest.mark.parametrize(
    ("fields", "exit_class"),
    [
        ({"dataname": "lab/inputs/none.zip"}, "data"),
        ({"configname": "lab/configs/none.json"}, "user"),
        ({"dataname": "lab/inputs/none.zip", "configname": "lab/configs/none.json"}, "user"),
    ],
)
def test_missing_data_is_told_from_other_mistakes(
    world: World, fields: dict[str, str], exit_class: str
) -> None:
    assert world.submit(world.submission(**fields)).exit_code == 99
    assert world.facts()["exit_class"] == exit_class


def test_a_launch_that_stays_partial_has_a_certificate_that_is_complete(world: World) -> None:
    world.aws.capacity = {"m5.large": 1, "m5.xlarge": 0}
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    assert "All jobs submitted" not in world.certificate()
    world.clock.forward(WAIT_SECONDS)
    world.deliver()
    assert "All jobs submitted. Processing..." in world.certificate()
    assert world.aws.items[JOB]["since"] == world.clock().timestamp()


@pytest.mark.parametrize(
    ("budget", "used", "number"), [(0.48, 50.0, 1), (0.96, 75.0, 3), (0.24, 100.0, 1), (0.2, 0.0, 1)]
)
def test_how_much_of_the_budget_is_used_is_measured(budget: float, used: float, number: int) -> None:
    world = World(replace(SETTINGS, budget_usd=budget))
    for job in range(number):
        key = f"lab/submissions/{job}_submit.json"
        world.aws.upload(BUCKET, key, json.dumps(world.submission(timestamp=f"t{job}")))
        until = world.clock() + timedelta(seconds=121)
        delivery = Delivery(ObjectCreated(BUCKET, key, 1, "e"), 1, f"run-{job}", "arn:manager", until)
        process(ManagerView(world.aws), world.settings, world.clock, delivery)
    assert delivery.notes.metrics == {BUDGET_USED: used}


# What EC2 answers
# ---------------------------------------------------------------------------------------------------------
WAITING = (
    *(
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientCapacity",
        "InsufficientReservedInstanceCapacity",
    ),
    *(
        "InsufficientFreeAddressesInSubnet",
        "InsufficientVolumeCapacity",
        "InstanceLimitExceeded",
        "VcpuLimitExceeded",
    ),
    *("VolumeLimitExceeded", "MaxSpotInstanceCountExceeded", "SpotMaxPriceTooLow", "Unsupported"),
)
PACE = ("RequestLimitExceeded", "Throttling", "ThrottlingException")
PASSING = (
    "InternalError",
    "InternalFailure",
    "ServiceUnavailable",
    "Unavailable",
)
IMAGE = (
    *(
        "InvalidAMIID.NotFound",
        "InvalidAMIID.Malformed",
        "InvalidAMIID.Unavailable",
        "InvalidSnapshot.NotFound",
    ),
    "InvalidLaunchTemplateId.VersionNotFound",
)


@pytest.mark.parametrize(
    ("code", "exit_class"),
    [
        *((code, "capacity") for code in WAITING),
        *((code, "platform") for code in PASSING),
        *((code, "image") for code in IMAGE),
        ("Other", "platform"),
    ],
)
def test_what_a_refused_launch_means(world: World, code: str, exit_class: str) -> None:
    world.aws.refusals = {"m5.large": code, "m5.xlarge": code}
    passes = code in (*WAITING, *PASSING)
    assert world.submit(world.submission()).waiting is passes
    assert world.aws.count("run") == (2 if code in WAITING else 1), (
        "another type helps only where there is no capacity"
    )
    if passes:
        world.clock.forward(WAIT_SECONDS)
        world.deliver()
    assert world.facts()["exit_class"] == exit_class
    assert world.aws.items == {}


@pytest.mark.parametrize("code", PACE)
def test_a_launch_that_is_to_slow_down_goes_on_for_hours_and_not_for_ever(world: World, code: str) -> None:
    world.aws.refusals = {"m5.large": code}
    assert world.submit(world.submission()).message.startswith("0 of 1 environments started")
    assert (world.aws.queue, world.aws.pauses) == ([("queue", SUBMISSION)], [LAUNCH_PAUSE])
    assert world.aws.count("run") == 1, "another type would not help"
    world.clock.forward(LAUNCH_SECONDS)
    world.deliver()
    assert world.facts()["exit_class"] == "capacity"
    assert f"AWS starts machines one after another ({code}): 1 of 1 machines missing" in world.certificate()
    assert world.aws.items == {}
    assert len(world.aws.queue) == 1


def test_each_machine_is_named_in_the_certificate(world: World) -> None:
    world.aws.capacity = {"m5.large": 1}
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    for name, machine in world.aws.ec2.items():
        assert f"New instance {name} ({machine.instance_type}) created!" in world.certificate()
    assert len(world.aws.ec2) == 2
