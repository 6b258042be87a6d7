"""Jobs in bad weather: S3 and the table refuse, answers are lost, functions die between any two calls or meet
another of their kind there, events come twice, late, in another order or not at all, and the clocks of
manager and monitor jump.

Whatever happens: each submission is answered, each job ends once, the ledger is the sum of the reports,
nothing stays reserved, no machine stays, and all that was uploaded has been heard of.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from localcloud.tests.properties import examples
from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.documents import moment
from neurocaas.protocol.keys import JobId, JobKeys, rejected_keys
from neurocaas.protocol.limits import QUEUE_MAX_RECEIVES, QUEUE_VISIBILITY, SWEEP_INTERVAL
from runtime.manager.delivery import Delivery
from runtime.manager.dispatch import process
from runtime.manager.events import ObjectCreated
from runtime.monitor.machine import place
from runtime.monitor.port import ComeAgainError, Deployed
from runtime.monitor.sweep import SweepError, sweep
from runtime.monitor.watch import JobWatch, StateChange
from tests.unit.fake_aws import FakeAws, KilledError, ManagerView, MonitorView
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES") or examples(150))
DATA = ["lab/inputs/a.zip", "lab/inputs/b.zip", "lab/inputs/c.zip"]
FAULTS = ("refused", "lost", "killed", "killed after", "another")
LETHAL = (
    "SlowDown",
    "ServiceUnavailable",
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestTimeout",
)
Error = (ClientError, ReadTimeoutError, KilledError, ComeAgainError, SweepError)

plans = st.dictionaries(st.integers(0, 25), st.sampled_from(FAULTS), max_size=2)
picks = st.randoms(use_true_random=False)


@dataclass
class Weather:
    """A cloud whose call number `n` has the fault `plan[n]`: it is refused, or done without an answer; its
    caller dies before or after it; or `another` of the caller's kind does all its work just before it."""

    view: Any
    plan: dict[int, str]
    another: Callable[[], None]
    number: list[int] = field(default_factory=lambda: [0])

    def acting_for(self, bucket: str, group: str) -> Weather:
        return Weather(self.view.acting_for(bucket, group), self.plan, self.another, self.number)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.view, name)

        def call(*arguments: Any, **options: Any) -> Any:
            fault = self.plan.get(self.number[0])
            self.number[0] += 1
            if fault == "refused":
                raise ClientError({"Error": {"Code": LETHAL[self.number[0] % len(LETHAL)]}}, name)
            if fault == "killed":
                raise KilledError
            if fault == "another":
                self.another()
            answer = method(*arguments, **options)
            if name in ("objects", "keys", "all_instances", "open_jobs", "analyses"):
                answer = iter(list(answer))
            if fault == "lost":
                raise ReadTimeoutError(endpoint_url=name)
            if fault == "killed after":
                raise KilledError
            return answer

        return call


@dataclass
class Skewed:
    """A clock that goes wrong by some seconds."""

    right: Callable[[], datetime]
    off: float = 0.0

    def __call__(self) -> datetime:
        return self.right() + timedelta(seconds=self.off)


class BadWeather(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        larger = {"m5.large": ("m5.xlarge",), "m5.xlarge": ()}
        self.world = World(
            changed(SETTINGS, budget_usd=3.0, market="spot-then-on-demand", attempts=2, oom_types=larger)
        )
        self.aws: FakeAws = self.world.aws
        self.aws.deployed = [Deployed(BUCKET, ("lab",), "queue")]
        self.manager, self.monitor = Skewed(self.world.clock), Skewed(self.world.clock)
        self.messages: list[tuple[str, str, int]] = []
        self.events: list[tuple[str, str, datetime]] = []
        self.jobs, self.runs, self.seen = 0, 0, 0
        self._sweep({})
        self.world.clock.forward(SWEEP_INTERVAL)

    # What the functions do
    # ------------------------------------------------------------------------------------------------
    def _manage(
        self, message: tuple[str, str, int], plan: dict[int, str], *, comes_again: bool = True
    ) -> None:
        """One delivery; the message comes again until it is done, or until the queue gives it up."""
        key, etag, receives = message
        self.runs += 1
        until = self.manager() + timedelta(seconds=121)
        delivery = Delivery(
            ObjectCreated(BUCKET, key, 1, etag), receives, f"run-{self.runs}", "arn:manager", until
        )
        cloud = Weather(
            ManagerView(self.aws), plan, lambda: self._manage((key, etag, receives), {}, comes_again=False)
        )
        try:
            again = process(cloud, self.world.settings, self.manager, delivery).again
        except Error:
            again = True
        if again and comes_again and receives < QUEUE_MAX_RECEIVES:
            self.messages.append((key, etag, receives + 1))
        self._told()

    def _watch(self, event: tuple[str, str, datetime], plan: dict[int, str]) -> None:
        name, state, time = event
        cloud = Weather(MonitorView(self.aws), plan, lambda: self._watch(event, {}))
        try:
            JobWatch(cloud, self.monitor).changed(StateChange(name, state, time), self.aws.ec2[name])
        except Error:
            if plan:
                self.events.append(event)
        self._told()

    def _sweep(self, plan: dict[int, str]) -> None:
        cloud = Weather(MonitorView(self.aws), plan, lambda: self._sweep({}))
        with suppress(*Error):
            sweep(cloud, self.monitor, lambda *_: None)
        self._told()

    def _told(self) -> None:
        """What the sweep has told the queue of comes to a manager like any other message."""
        for _, key in self.aws.queue[self.seen :]:
            self.messages.append((key, self.aws.etag(BUCKET, key), 1))
        self.seen = len(self.aws.queue)

    def _upload(self, key: str, body: str, times: int) -> None:
        self.aws.upload(BUCKET, key, body)
        self.messages += [(key, self.aws.etag(BUCKET, key), 1)] * times

    def _machines(self, *states: str) -> list[str]:
        return [name for name, machine in self.aws.ec2.items() if machine.state in states]

    def _state(self, name: str, state: str, times: int, **changes: str) -> None:
        self.aws.set_state(name, state, **changes)
        self.events += [(name, state, self.world.clock())] * times

    # What happens
    # --------------------------------------------------------------------------------------------------------
    @rule(number=st.integers(1, 3), times=st.integers(0, 2), wrong=st.booleans(), reuse=st.booleans())
    def submit(self, number: int, times: int, wrong: bool, reuse: bool) -> None:
        if self.jobs == 4:
            return
        self.jobs += 1
        timestamp = f"t{max(1, self.jobs - 1) if reuse else self.jobs}"
        body = self.world.submission(
            dataname=["lab/inputs/none.zip"] if wrong and number == 3 else DATA[:number], timestamp=timestamp
        )
        self._upload(f"lab/submissions/{self.jobs}_submit.json", json.dumps(body), times)

    @precondition(lambda self: self.jobs > 0)
    @rule(random=picks, times=st.integers(0, 2))
    def cancel(self, random: Any, times: int) -> None:
        self._upload(f"lab/submissions/{random.randint(1, self.jobs)}_cancel.json", "", times)

    @precondition(lambda self: self.messages)
    @rule(
        random=picks,
        plan=plans,
        capacity=st.integers(0, 3),
        other=st.integers(0, 2),
        twice=st.booleans(),
        tokens=st.sampled_from([None, None, 0, 1]),
    )
    def deliver(
        self, random: Any, plan: dict[int, str], capacity: int, other: int, twice: bool, tokens: int | None
    ) -> None:
        self.aws.capacity = {"m5.large": capacity, "m5.xlarge": other}
        self.aws.tokens, self.aws.filled = tokens, self.world.clock()
        message = self.messages[random.randrange(len(self.messages))]
        if not twice:
            self.messages.remove(message)
        # an outage that is longer than the queue is patient has an alarm, and no answer
        late = message[2] >= QUEUE_MAX_RECEIVES - 2
        self._manage(message, {} if late else plan)

    @precondition(lambda self: self._machines("pending", "running"))
    @rule(
        random=picks,
        way=st.sampled_from(["SUCCESS", "FAILED", "memory", "dies", "reclaimed", "never runs"]),
        times=st.integers(0, 2),
        minutes=st.integers(1, 20),
    )
    def live(self, random: Any, way: str, times: int, minutes: int) -> None:
        name = random.choice(self._machines("pending", "running"))
        if way != "never runs":
            self._state(name, "running", times)
        self.world.clock.forward(60 * minutes)
        where = place(self.aws.ec2[name])
        code = {
            "dies": "Server.InternalError",
            "reclaimed": "Server.SpotInstanceTermination",
            "never runs": "Client.VolumeLimitExceeded",
        }.get(way, "Client.InstanceInitiatedShutdown")
        if (
            where
            and way in ("SUCCESS", "FAILED", "memory")
            and (BUCKET, JobKeys.of("lab", where.job[2]).job) in self.aws.objects_
        ):
            status = "FAILED" if way == "memory" else way
            self.world.write_status(name, status, out_of_memory=way == "memory")
            self.aws.upload(BUCKET, f"{self.world.job(where.job[2]).keys.process_prefix}{name}.csv")
        for state in ("shutting-down", "terminated"):
            self._state(name, state, times, reason_code=code)

    @precondition(lambda self: self.events)
    @rule(random=picks, plan=plans, fate=st.sampled_from(["once", "twice", "never"]))
    def tell(self, random: Any, plan: dict[int, str], fate: str) -> None:
        event = self.events[random.randrange(len(self.events))]
        if fate != "twice":
            self.events.remove(event)
        if fate != "never":
            self._watch(event, plan)

    @rule(plan=plans)
    def sweeps(self, plan: dict[int, str]) -> None:
        self._sweep(plan)

    @rule(minutes=st.sampled_from([1, 3, 20]))
    def time_passes(self, minutes: int) -> None:
        self.world.clock.forward(60 * minutes)

    @rule(who=st.sampled_from(["manager", "monitor"]), minutes=st.sampled_from([-8, -3, 0, 3, 8]))
    def clock_jumps(self, who: str, minutes: int) -> None:
        getattr(self, who).off = 60.0 * minutes

    @precondition(lambda self: self._requests())
    @rule(random=picks, times=st.integers(1, 2))
    def request_is_told(self, random: Any, times: int) -> None:
        """S3 tells of a request for another machine; without this rule, the event is lost."""
        self.messages += [(random.choice(self._requests()), "", 1)] * times

    def _requests(self) -> list[str]:
        return [key for _, key in self.aws.objects_ if key.endswith(".retry")]

    # What must hold
    # -------------------------------------------------------------------------------------------------------
    @invariant()
    def the_ledger_adds_up(self) -> None:
        reserved = sum(item.get("reserved", 0) for item in self.aws.items.values())
        assert sum(amount for amount, _ in self.aws.budgets.values()) == reserved + sum(
            spent for _, spent in self.aws.budgets.values()
        )

    @invariant()
    def no_attempt_has_two_machines(self) -> None:
        places = [place(machine) for machine in self.aws.ec2.values()]
        assert len(places) == len(set(places))

    def teardown(self) -> None:
        """The weather is fair again; the clocks stay as they are."""
        self.aws.capacity, self.aws.tokens = {}, None
        for _ in range(60):
            for message in self.messages[:]:
                self.messages.remove(message)
                self._manage(message, {})
            for event in self.events[:]:
                self.events.remove(event)
                self._watch(event, {})
            self._sweep({})
            for name in self._machines("shutting-down"):
                self._state(name, "terminated", 1)
            self.world.clock.forward(max(QUEUE_VISIBILITY, SWEEP_INTERVAL))
        assert self.messages == []
        assert self.aws.items == {}, "every job has ended"
        assert self._machines("pending", "running", "stopped", "shutting-down") == []
        assert not [key for _, key in self.aws.objects_ if key.startswith("logs/active/")]
        self._answers()
        self._money()

    def _answers(self) -> None:
        for number in range(1, self.jobs + 1):
            key = f"lab/submissions/{number}_submit.json"
            assert self.aws.heard_[BUCKET, key].etag == self.aws.etag(BUCKET, key)
            timestamp = json.loads(self.aws.text(BUCKET, key))["timestamp"]
            claim = self.aws.claims[JobId(BUCKET, "lab", timestamp)]
            mine = (
                JobKeys.of("lab", timestamp) if claim.submission == key else rejected_keys("lab", str(number))
            )
            assert (BUCKET, mine.records.end) in self.aws.objects_, f"submission {number} has no answer"
            if claim.submission == key:
                assert claim.ended
                facts = self.world.facts(timestamp)
                end = self.aws.text(BUCKET, mine.end)
                assert end.startswith(f"{facts['outcome']} {facts['succeeded']}/{facts['total']}")
                assert end == self.aws.text(BUCKET, mine.records.end)
                notices = sum(f"job {timestamp} of lab" in subject for subject, _ in self.aws.notices)
                assert notices >= 1, "somebody is told"
        for _, key in self.aws.objects_:
            if key.endswith("_cancel.json"):
                assert self.aws.heard_[BUCKET, key].etag == self.aws.etag(BUCKET, key)

    def _money(self) -> None:
        reports = [
            json.loads(body)
            for (_, key), (body, _) in self.aws.objects_.items()
            if key.startswith("logs/lab/")
        ]
        cost = sum(
            one["price"] * max(60.0, (moment(one["end"]) - moment(one["start"])).total_seconds()) / 3600
            for one in reports
        )
        spent = sum(amount for _, amount in self.aws.budgets.values())
        assert abs(spent - micro_dollars(cost)) <= 2 * len(reports), "what is spent is what was reported"
        assert {one["instance-id"] for one in reports} == set(self.aws.ec2), "each machine has its report"
        told = [
            machine["instance"]
            for facts in self._ended()
            for dataset in facts["datasets"]
            for machine in dataset["machines"]
        ]
        assert sorted(told) == sorted(self.aws.ec2), "and stands in its job's certificate, once"

    def _ended(self) -> list[Any]:
        records = (
            (key, body) for (_, key), (body, _) in self.aws.objects_.items() if key.startswith("jobs/")
        )
        return [json.loads(body) for key, body in records if key.endswith("/certificate.json")]


BadWeather.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)
TestBadWeather = BadWeather.TestCase
