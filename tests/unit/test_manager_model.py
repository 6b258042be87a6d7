"""The whole job path against a model: whatever happens in whatever order, money and machines add up and every job ends."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from fake_aws import KilledError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from job_world import BUCKET, SETTINGS, World

from runtime.monitor.machine import place
from runtime.monitor.watch import StillLaunchingError
from runtime.protocol.keys import JobKeys
from runtime.protocol.limits import QUEUE_MAX_RECEIVES

DATA = ["lab/inputs/a.zip", "lab/inputs/b.zip", "lab/inputs/c.zip"]
LIMIT = 1_500_000
picks = st.randoms(use_true_random=False)


class JobPath(RuleBasedStateMachine):
    """Submissions, redeliveries, crashes, machine lives and deaths, lost events, and time."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(replace(SETTINGS, budget_usd=LIMIT / 1e6))
        self.jobs = 0
        self.messages: dict[str, int] = {}

    def _deliver(self, key: str) -> None:
        """As the queue does: again until it is done or has been received too often."""
        self.messages[key] = self.messages.get(key, 0) + 1
        try:
            again = self.world.deliver(key, self.messages[key]).again
        except KilledError:
            again = True
        self.world.aws.revive()
        if not again or self.messages[key] >= QUEUE_MAX_RECEIVES:
            del self.messages[key]

    def _machines(self, *states: str) -> list[str]:
        return [name for name, machine in self.world.aws.ec2.items() if machine.state in states]

    @rule(number=st.integers(1, 3), capacity=st.integers(0, 3), kill=st.none() | st.integers(1, 14), reuse=st.booleans())
    def submit(self, number: int, capacity: int, kill: int | None, reuse: bool) -> None:
        self.jobs += 1
        timestamp = f"t{max(1, self.jobs - 1) if reuse else self.jobs}"
        key = f"lab/submissions/{self.jobs}_submit.json"
        body = self.world.submission(dataname=DATA[:number], timestamp=timestamp)
        self.world.aws.capacity = {"m5.large": capacity, "m5.xlarge": 1}
        self.world.aws.upload(BUCKET, key, str(body).replace("'", '"'))
        self.world.aws.calls.clear()
        self.world.aws.kill_at = kill
        self._deliver(key)

    @precondition(lambda self: self.jobs > 0)
    @rule(random=picks, capacity=st.integers(0, 3))
    def deliver_again(self, random: object, capacity: int) -> None:
        self.world.aws.capacity = {"m5.large": capacity, "m5.xlarge": 1}
        self._deliver(f"lab/submissions/{random.randint(1, self.jobs)}_submit.json")  # type: ignore[attr-defined]

    @precondition(lambda self: self._machines("pending"))
    @rule(random=picks, told=st.booleans())
    def boot(self, random: object, told: bool) -> None:
        name = random.choice(self._machines("pending"))  # type: ignore[attr-defined]
        self.world.aws.set_state(name, "running")
        if told:
            self.world.event(name, "running")

    @precondition(lambda self: self._machines("running"))
    @rule(random=picks, status=st.sampled_from(["SUCCESS", "FAILED", "IN PROGRESS"]), times=st.integers(0, 2), stop=st.booleans())
    def end(self, random: object, status: str, times: int, stop: bool) -> None:
        name = random.choice(self._machines("running"))  # type: ignore[attr-defined]
        self.world.write_status(name, status)
        for state in ("stopped",) if stop else ("shutting-down", "terminated"):
            self.world.aws.set_state(name, state)
            for _ in range(times):
                self._event(name, state)

    def _event(self, name: str, state: str) -> None:
        """The queue would deliver it again; here the sweep must do without."""
        with suppress(StillLaunchingError):
            self.world.event(name, state)

    @rule(minutes=st.sampled_from([1, 3, 20, 90]))
    def time_passes(self, minutes: int) -> None:
        self.world.clock.forward(60 * minutes)

    @rule()
    def sweep(self) -> None:
        self.world.sweep()

    @invariant()
    def the_ledger_adds_up(self) -> None:
        reserved = sum(item.get("reserved", 0) for item in self.world.aws.items.values())
        committed = sum(amount for amount, _ in self.world.aws.budgets.values())
        spent = sum(amount for _, amount in self.world.aws.budgets.values())
        assert committed == reserved + spent

    @invariant()
    def no_attempt_has_two_machines(self) -> None:
        places = [place(machine) for machine in self.world.aws.ec2.values()]
        assert len(places) == len(set(places))

    def teardown(self) -> None:
        """Time and the sweep alone must end everything that is left."""
        for _ in range(4):
            for key in list(self.messages):
                self._deliver(key)
            self.world.clock.forward(2 * 3600)
            self.world.sweep()
            for name in self._machines("shutting-down"):
                self.world.aws.set_state(name, "terminated")
                self.world.event(name, "terminated")
        assert self.world.aws.items == {}
        assert self._machines("pending", "running", "stopped") == []
        for number in range(1, self.jobs + 1):
            keys = JobKeys.of("lab", f"t{number}")
            if (BUCKET, keys.certificate) in self.world.aws.objects_:
                assert (BUCKET, keys.end) in self.world.aws.objects_
        assert not [key for _, key in self.world.aws.objects_ if key.startswith("logs/active/")]


JobPath.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestJobPath = JobPath.TestCase
