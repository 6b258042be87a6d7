"""The whole job path against a model: whatever happens in whatever order, money and machines add up and every
job ends.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from localcloud.tests.properties import examples
from neurocaas.protocol.documents import moment
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.limits import QUEUE_MAX_RECEIVES, WAIT_LOST
from neurocaas.protocol.runs import RunRules
from neurocaas.protocol.status import DatasetStatus
from runtime.monitor.machine import place
from runtime.monitor.port import ComeAgainError
from tests.unit.fake_aws import KilledError
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

DATA = ["lab/inputs/a.zip", "lab/inputs/b.zip", "lab/inputs/c.zip"]
LIMIT = 1_500_000
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES") or examples(150))
picks = st.randoms(use_true_random=False)
paces = st.sampled_from([None, None, 0, 1])
"""How many machines EC2 starts before it makes callers wait."""

asked = st.sampled_from(
    [
        {},
        {"wait": "0s"},
        {"wait": "3h"},
        {"run": "as-budget-allows"},
        {"run": "as-budget-allows", "wait": "30m"},
    ]
)
"""What a submission may ask for beside its data: how long its job waits, and how it runs."""

PATIENCE = 7 * 24 // 2 + 4
"""Rounds of two hours after which no job may be left: the longest that a job waits, and some to end it."""


def _hours(report: dict[str, Any]) -> float:
    """For which a machine is charged: a minute at least."""
    return max(60.0, (moment(report["end"]) - moment(report["start"])).total_seconds()) / 3600


class JobPath(RuleBasedStateMachine):
    """Submissions, cancellations, redeliveries, crashes, machine lives, deaths and reclaims, hosts that fail,
    machines that wait to be held, lost events, and time.
    """

    def __init__(self) -> None:
        super().__init__()
        rules, larger = RunRules(hold_minutes=30), {"m5.large": ("m5.xlarge",)}
        asks = {"market": "spot", "attempts": 2, "oom_types": larger, "machines": 9, "runs": rules}
        self.world = World(changed(SETTINGS, budget_usd=LIMIT / 1e6, **asks))
        self.jobs = 0
        self.messages: dict[str, int] = {}

    def _deliver(self, key: str) -> None:
        """As the queue does: again until it is done or has been received too often."""
        self.messages[key] = self.messages.get(key, 0) + 1
        sent, before = len(self.world.aws.queue), self._committed()
        try:
            again = self.world.deliver(key, self.messages[key]).again
        except KilledError:
            again = True
        self.world.aws.revive()
        # a machine that no sweep has ended in time may cost more than was reserved: that is no reservation
        for budget, amount in self._committed().items():
            assert amount <= max(LIMIT, before.get(budget, 0)), "nothing is reserved above a limit"
        if not again or self.messages[key] >= QUEUE_MAX_RECEIVES:
            del self.messages[key]
        self._told(sent)

    def _told(self, sent: int) -> None:
        """A launch that goes on comes back as a new message, and so does what waited for another job."""
        for _, key in self.world.aws.queue[sent:]:
            self.messages[key] = 0

    def _waiting(self) -> int:
        return sum("waiting" in item for item in self.world.aws.items.values())

    def _committed(self) -> dict[str, int]:
        """What is spent or reserved of each budget."""
        return {name: amount for name, (amount, _) in self.world.aws.budgets.items()}

    def _says(self, name: str, status: str, **fields: Any) -> None:
        """A machine has one final word; one that is held says nothing more."""
        said = self.world.aws.objects_.get((BUCKET, self.world.evidence(name).status))
        if said is None or not DatasetStatus.from_json(said[0]).final:
            self.world.write_status(name, status, **fields)

    def _pace(self, tokens: int | None) -> None:
        self.world.aws.tokens, self.world.aws.filled = tokens, self.world.clock()

    def _requests(self) -> list[str]:
        """Further attempts that the monitor has asked for (S3 tells the queue of each once; the queue may do
        so again).
        """
        return [key for _, key in self.world.aws.objects_ if key.endswith(".retry")]

    def _machines(self, *states: str) -> list[str]:
        return [name for name, machine in self.world.aws.ec2.items() if machine.state in states]

    @rule(
        number=st.integers(1, 3),
        capacity=st.integers(0, 3),
        kill=st.none() | st.integers(1, 14),
        reuse=st.booleans(),
        tokens=paces,
        asks=asked,
    )
    def submit(
        self,
        number: int,
        capacity: int,
        kill: int | None,
        reuse: bool,
        tokens: int | None,
        asks: dict[str, str],
    ) -> None:
        self.jobs += 1
        self._pace(tokens)
        timestamp = f"t{max(1, self.jobs - 1) if reuse else self.jobs}"
        key = f"lab/submissions/{self.jobs}_submit.json"
        body = self.world.submission(dataname=DATA[:number], timestamp=timestamp, **asks)
        self.world.aws.capacity = {"m5.large": capacity, "m5.xlarge": 1}
        self.world.aws.upload(BUCKET, key, str(body).replace("'", '"'))
        self.world.aws.calls.clear()
        self.world.aws.kill_at = kill
        self._deliver(key)

    @precondition(lambda self: self.jobs > 0)
    @rule(
        random=picks,
        capacity=st.integers(0, 3),
        kill=st.none() | st.integers(1, 20),
        when=st.sampled_from(["success", "ended"]),
    )
    def follow(self, random: object, capacity: int, kill: int | None, when: str) -> None:
        """A job after an earlier one, or after one to come."""
        self.jobs += 1
        earlier = random.randint(1, self.jobs + 1)  # type: ignore[attr-defined]
        key, timestamp = f"lab/submissions/{self.jobs}_submit.json", f"t{self.jobs}"
        data = ["process_results/*.csv"]
        body = self.world.submission(dataname=data, timestamp=timestamp, after=f"t{earlier}", after_when=when)
        self.world.aws.capacity = {"m5.large": capacity, "m5.xlarge": 1}
        self.world.aws.upload(BUCKET, key, str(body).replace("'", '"'))
        self.world.aws.calls.clear()
        self.world.aws.kill_at = kill
        self._deliver(key)

    @precondition(lambda self: self.messages)
    @rule(random=picks)
    def the_queue_delivers(self, random: object) -> None:
        self._deliver(random.choice(sorted(self.messages)))  # type: ignore[attr-defined]

    @precondition(lambda self: self.jobs > 0)
    @rule(random=picks, capacity=st.integers(0, 3), tokens=paces)
    def deliver_again(self, random: object, capacity: int, tokens: int | None) -> None:
        self._pace(tokens)
        self.world.aws.capacity = {"m5.large": capacity, "m5.xlarge": 1}
        self._deliver(f"lab/submissions/{random.randint(1, self.jobs)}_submit.json")  # type: ignore[attr-defined]

    @precondition(lambda self: self.jobs > 0)
    @rule(random=picks, kill=st.none() | st.integers(0, 8), named=st.booleans())
    def cancel(self, random: object, kill: int | None, named: bool) -> None:
        number = random.randint(1, self.jobs)  # type: ignore[attr-defined]
        key = f"lab/submissions/{number}_cancel.json"
        self.world.aws.upload(BUCKET, key, f'{{"timestamp": "t{number}"}}' if named else "")
        self.world.aws.calls.clear()
        self.world.aws.kill_at = kill
        self._deliver(key)

    @precondition(lambda self: self._requests())
    @rule(
        random=picks, capacity=st.integers(0, 1), other=st.integers(0, 1), kill=st.none() | st.integers(0, 6)
    )
    def another_attempt(self, random: object, capacity: int, other: int, kill: int | None) -> None:
        self.world.aws.capacity = {"m5.large": capacity, "m5.xlarge": other}
        self.world.aws.calls.clear()
        self.world.aws.kill_at = kill
        self._deliver(random.choice(self._requests()))  # type: ignore[attr-defined]

    @precondition(lambda self: self._machines("pending", "running"))
    @rule(
        random=picks,
        times=st.integers(0, 2),
        warned=st.booleans(),
        code=st.sampled_from(["Server.SpotInstanceTermination", "Server.InternalError"]),
        kill=st.none() | st.integers(0, 12),
    )
    def reclaim(self, random: object, times: int, warned: bool, code: str, kill: int | None) -> None:
        name = random.choice(self._machines("pending", "running"))  # type: ignore[attr-defined]
        if warned:
            self._says(name, "IN PROGRESS", reason="interrupted: AWS takes this spot machine back")
        for state in ("shutting-down", "terminated"):
            self.world.aws.set_state(name, state, reason_code=code)
            for _ in range(times):
                self._event(name, state, kill)

    @precondition(lambda self: self._machines("pending"))
    @rule(random=picks, told=st.booleans())
    def boot(self, random: object, told: bool) -> None:
        name = random.choice(self._machines("pending"))  # type: ignore[attr-defined]
        self.world.aws.set_state(name, "running")
        if told:
            self.world.event(name, "running")

    @precondition(lambda self: self._machines("running"))
    @rule(
        random=picks,
        status=st.sampled_from(["SUCCESS", "FAILED", "IN PROGRESS", "OUT OF MEMORY"]),
        times=st.integers(0, 2),
        stop=st.booleans(),
        kill=st.none() | st.integers(0, 20),
    )
    def end(self, random: object, status: str, times: int, stop: bool, kill: int | None) -> None:
        name = random.choice(self._machines("running"))  # type: ignore[attr-defined]
        job, index = self.world.job_of(name)
        self.world.aws.upload(BUCKET, f"{job.keys.process_prefix}{index}.csv")
        if status == "OUT OF MEMORY":
            self._says(name, "FAILED", out_of_memory=True)
        else:
            self._says(name, status)
        for state in ("stopped",) if stop else ("shutting-down", "terminated"):
            self.world.aws.set_state(name, state)
            for _ in range(times):
                self._event(name, state, kill)

    @precondition(lambda self: self._machines("running"))
    @rule(random=picks, code=st.integers(0, 2))
    def fail_and_wait(self, random: object, code: int) -> None:
        """A script fails, and its machine waits to be held."""
        name = random.choice(self._machines("running"))  # type: ignore[attr-defined]
        self._says(name, "FAILED", exit_code=code)

    @precondition(lambda self: self._machines("running"))
    @rule(random=picks)
    def lose_host(self, random: object) -> None:
        name = random.choice(self._machines("running"))  # type: ignore[attr-defined]
        self.world.aws.failing[name] = self.world.clock()

    def _event(self, name: str, state: str, kill: int | None) -> None:
        """The queue would deliver it again; here the sweep must do without."""
        self.world.aws.calls.clear()
        self.world.aws.kill_at = kill
        sent = len(self.world.aws.queue)
        with suppress(ComeAgainError, KilledError):
            self.world.event(name, state)
        self.world.aws.revive()
        self._told(sent)

    @rule(minutes=st.sampled_from([1, 3, 20, 90]))
    def time_passes(self, minutes: int) -> None:
        self.world.clock.forward(60 * minutes)

    @rule(kill=st.none() | st.integers(1, 30))
    def sweep(self, kill: int | None) -> None:
        self.world.aws.calls.clear()
        self.world.aws.kill_at = kill
        sent = len(self.world.aws.queue)
        with suppress(KilledError):
            self.world.sweep()
        self.world.aws.revive()
        self._told(sent)

    @invariant()
    def what_waits_has_reserved_nothing(self) -> None:
        for item in self.world.aws.items.values():
            assert "waiting" not in item or "reserved" not in item

    @invariant()
    def the_ledger_adds_up(self) -> None:
        reserved = sum(item.get("reserved", 0) for item in self.world.aws.items.values())
        committed = sum(amount for amount, _ in self.world.aws.budgets.values())
        spent = sum(amount for _, amount in self.world.aws.budgets.values())
        held = sum(one.reserved for one in self.world.aws.holds_.values())
        assert committed == reserved + held + spent

    @invariant()
    def no_attempt_has_two_machines(self) -> None:
        places = [place(machine) for machine in self.world.aws.ec2.values()]
        assert len(places) == len(set(places))

    def teardown(self) -> None:
        """Time and the sweep alone must end everything that is left."""
        self._pace(None)
        rounds, most = 4, PATIENCE
        while rounds > 0 or (most > 0 and self.world.aws.items):
            sent, waiting = len(self.world.aws.queue), self._waiting()
            for key in [*self.messages, *self._requests()]:
                self._deliver(key)
            self.world.clock.forward(2 * 3600)
            self.world.sweep()
            self._told(sent)
            # those that follow others begin when these have ended, one after another
            rounds -= self._waiting() == waiting
            most = most - 1 if self._waiting() == waiting else PATIENCE
            for name in self._machines("shutting-down"):
                self.world.aws.set_state(name, "terminated")
                self.world.event(name, "terminated")
        assert self.world.aws.items == {}
        assert self.world.aws.holds_ == {}
        self._nobody_waits()
        reports = [
            self.world.report(key.rpartition("/")[2][:-5])
            for _, key in self.world.aws.objects_
            if key.startswith("logs/lab/")
        ]
        spent = sum(amount for name, (_, amount) in self.world.aws.budgets.items() if "/lab/" in name)
        cost = sum(report["price"] * _hours(report) for report in reports) * 1e6
        assert spent <= cost + len(reports), "nothing is billed twice"
        assert spent >= cost - 1, "nothing is forgotten"
        assert self._machines("pending", "running", "stopped") == []
        for number in range(1, self.jobs + 1):
            keys = JobKeys.of("lab", f"t{number}")
            if (BUCKET, keys.certificate) in self.world.aws.objects_:
                self._ended(f"t{number}")
        assert not [key for _, key in self.world.aws.objects_ if key.startswith("logs/active/")]

    def _nobody_waits(self) -> None:
        """What is left in the queue of a job that nobody could take out counts for nobody."""
        now = self.world.clock().timestamp() + WAIT_LOST
        assert not [one for one in self.world.aws.queued.values() if one.alive(now)]

    def _ended(self, timestamp: str) -> None:
        """The end, the certificate, the status files and the notice of a job say the same."""
        facts, end = self.world.facts(timestamp), self.world.end(timestamp)
        assert end is not None
        assert end.startswith(f"{facts['outcome']} {facts['succeeded']}/{facts['total']}")
        for index, dataset in enumerate(facts["datasets"]):
            assert self.world.status(index, timestamp).status == dataset["status"]
        if facts["datasets"]:
            assert any(f"job {timestamp} of lab" in subject for subject, _ in self.world.aws.notices)


JobPath.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=25, deadline=None)
TestJobPath = JobPath.TestCase
