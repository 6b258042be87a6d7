"""Manager or monitor dies after any of its AWS calls, and the queue delivers again: one set of machines, one
end, exact money.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.limits import QUEUE_MAX_RECEIVES, QUEUE_VISIBILITY
from runtime.manager import launch, manage
from runtime.monitor.machine import place
from runtime.monitor.port import ComeAgainError
from tests.unit.fake_aws import KilledError
from tests.unit.job_world import BUCKET, SETTINGS, SUBMISSION, World, changed

KEYS = JobKeys.of("lab", "t1")
FIVE = [f"lab/inputs/{name}.zip" for name in "abcde"]


class Life:
    """A job from its submission to its end, in which `actor` dies after its call number `left` (once)."""

    def __init__(self, actor: str, left: int) -> None:
        self.world = World(changed(SETTINGS, budget_usd=10.0, market="spot"))
        self.actor, self.left, self.struck = actor, left, False
        for name in FIVE:
            self.world.aws.upload(BUCKET, name)

    def _survive(self, actor: str, act: Callable[[], bool]) -> None:
        """Do it as often as the queue would: `act` says whether it is done."""
        aws, done = self.world.aws, False
        while not done:
            aws.calls.clear()
            counts = actor == self.actor and not self.struck
            aws.kill_at = self.left if counts else None
            try:
                done = act()
            except KilledError:
                self.struck = True
                aws.capacity.clear()  # what was tried first may be there when it is tried again
            self.left -= len(aws.calls) if counts else 0
            aws.revive()
            if not done:
                self.world.clock.forward(QUEUE_VISIBILITY)

    def manage(self, key: str) -> None:
        self._survive("manager", lambda: not self.world.deliver(key).again)

    def observe(self, machine: str, state: str, code: str = "Client.InstanceInitiatedShutdown") -> None:
        def act() -> bool:
            try:
                self.world.event(machine, state)
            except ComeAgainError:
                return False
            return True

        self.world.aws.set_state(machine, state, reason_code=code)
        self._survive("monitor", act)

    def submit(self, **fields: object) -> list[str]:
        self.world.aws.upload(BUCKET, SUBMISSION, json.dumps(self.world.submission(**fields)))
        self.manage(SUBMISSION)
        return list(self.world.aws.ec2)

    def complete(self, machine: str, status: str = "SUCCESS", reason: str = "NONE") -> None:
        self.observe(machine, "running")
        self.world.clock.forward(60)
        self.world.write_status(machine, status, reason=reason)
        self.observe(machine, "shutting-down")
        self.observe(machine, "terminated")


def one_dataset(life: Life) -> None:
    life.complete(*life.submit())


def many_datasets(life: Life) -> None:
    life.world.aws.capacity = {"m5.large": 3}
    for machine in life.submit(dataname=FIVE):
        life.complete(machine)


def an_ensemble(life: Life) -> None:
    life.world.aws.upload(BUCKET, "lab/configs/c.json", '{"mode": "train", "ensemble_size": 3}')
    for machine in life.submit():
        life.complete(machine)


def a_further_attempt(life: Life) -> None:
    (first,) = life.submit()
    life.observe(first, "running")
    life.world.clock.forward(60)
    for state in ("shutting-down", "terminated"):
        life.observe(first, state, "Server.SpotInstanceTermination")
    life.manage(KEYS.retry(0, 2))
    _, second = life.world.aws.ec2
    life.complete(second)


def a_cancellation(life: Life) -> None:
    first, second = life.submit(dataname=FIVE[:2])
    life.complete(first)
    life.observe(second, "running")
    life.world.aws.upload(BUCKET, "lab/submissions/a_cancel.json", b"")
    life.manage("lab/submissions/a_cancel.json")
    life.complete(
        second, "FAILED", json.loads(life.world.aws.text(BUCKET, KEYS.stop))["outcome"] + ": by the analyst"
    )


LIVES: dict[Callable[[Life], None], tuple[set[tuple[int, int]], str]] = {
    one_dataset: ({(0, 1)}, "SUCCESS 1/1"),
    many_datasets: ({(index, 1) for index in range(5)}, "SUCCESS 5/5"),
    an_ensemble: ({(0, 1), (1, 1), (2, 1)}, "SUCCESS 3/3"),
    a_further_attempt: ({(0, 1), (0, 2)}, "SUCCESS 1/1"),
    a_cancellation: ({(0, 1), (1, 1)}, "FAILED 1/2 b.zip: cancelled: by the analyst"),
}


@pytest.mark.parametrize("actor", ["manager", "monitor"])
@pytest.mark.parametrize("live", LIVES, ids=lambda live: live.__name__)
def test_killed_after_any_call_and_delivered_again(
    live: Callable[[Life], None], actor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "LAUNCH_CHUNK", 2)
    machines, end = LIVES[live]
    number, struck = 0, True
    while struck:
        number += 1
        life = Life(actor, number)
        live(life)
        world, struck = life.world, life.struck
        for _ in range(2):
            world.clock.forward(600)
            world.sweep()
        where = [place(machine) for machine in world.aws.ec2.values()]
        assert sorted((one.index, one.attempt) for one in where if one) == sorted(machines), (
            f"killed after call {number}"
        )
        assert world.end() == f"{end}\n", f"killed after call {number}"
        assert world.aws.written[BUCKET, KEYS.end] in ({1, 2} if struck and actor == "monitor" else {1})
        spent = sum(micro_dollars(world.report(machine)["cost"]) for machine in world.aws.ec2)
        ((committed, settled),) = world.aws.budgets.values()
        assert committed == settled == pytest.approx(spent, abs=len(machines)), f"killed after call {number}"
        assert world.aws.items == {}
        assert not [key for _, key in world.aws.objects_ if key.startswith("logs/active/")]
        assert len(world.aws.notices) in ({1, 2} if struck and actor == "monitor" else {1}), (
            "only the dead may have told it already"
        )
    assert number > 10


ALWAYS = ("look_up", "plan", "reserve", "Launcher", "log_request")


def deliveries(world: World) -> list[str]:
    """What becomes of a submission as often as the queue delivers it."""
    told = []
    for receives in range(1, QUEUE_MAX_RECEIVES + 1):
        try:
            outcome = world.deliver(receives=receives)
        except RuntimeError:
            told.append("error")
        else:
            assert not outcome.again
            told.append(outcome.message)
            break
        world.clock.forward(QUEUE_VISIBILITY)
    return told


@pytest.mark.parametrize("step", ALWAYS)
def test_an_error_of_the_service_that_comes_every_time_is_answered_before_the_queue_gives_up(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission()))

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(manage, step, fail)
    *tries, last = deliveries(world)
    assert tries == ["error"] * (QUEUE_MAX_RECEIVES - 1)
    assert "an error of the service itself, each of 7 times" in last
    assert world.facts()["exit_class"] == "platform"
    assert "INTERNAL ERROR: submission: got an error of the service itself" in world.certificate()
    assert (world.end() or "").startswith("FAILED 0/")
    assert world.aws.items == {}
    assert all(committed == 0 for committed, _ in world.aws.budgets.values())
    assert (len(world.aws.notices), world.aws.ec2) == (1, {})
    world.deliver()
    assert world.aws.written[BUCKET, KEYS.end] == 1


def test_a_submission_that_breaks_the_parser_is_answered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.aws.upload(BUCKET, SUBMISSION, "{}")

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(manage, "parse_submission", fail)
    assert "an error of the service itself" in deliveries(world)[-1]
    facts = json.loads(world.aws.text(BUCKET, "lab/results/rejected_a/logs/certificate.json"))
    assert facts["exit_class"] == "platform"
    assert "INPUT ERROR" not in world.aws.text(BUCKET, "lab/results/rejected_a/logs/certificate.txt")


def test_machines_that_were_started_before_an_error_that_stays_end_their_work() -> None:
    world = World()
    world.aws.capacity = {"m5.large": 1, "m5.xlarge": 0}
    world.aws.upload(
        BUCKET, SUBMISSION, json.dumps(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    )
    world.deliver()
    (machine,) = world.aws.ec2
    last = world.deliver(receives=QUEUE_MAX_RECEIVES)
    assert (last.exit_code, last.again) == (99, False)
    world.complete(machine)
    assert world.end() is None
    world.sweep()
    assert world.end() == "FAILED 1/2 b.zip: No machine was started: the launch did not come to its end.\n"
    assert world.aws.items == {}


def test_the_last_delivery_of_a_job_that_is_launched_or_cancelled_changes_nothing() -> None:
    world = World()
    world.submit(world.submission())
    assert world.deliver(receives=QUEUE_MAX_RECEIVES).message == "delivered again: the job is launched"
    world.aws.upload(
        BUCKET,
        "lab/submissions/b_submit.json",
        json.dumps(world.submission(timestamp="t2", dataname="lab/inputs/no.zip")),
    )
    assert "S3 Bucket does not contain" in world.deliver("lab/submissions/b_submit.json").message
    assert (
        world.deliver("lab/submissions/b_submit.json", QUEUE_MAX_RECEIVES).message
        == "delivered again: the job has ended"
    )
