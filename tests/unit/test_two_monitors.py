"""Two monitors that write the end of one job at once, in every order of their calls that is drawn: each line
that claims an end stands there once, and all files say the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.limits import ENDING_GRACE
from runtime.monitor.port import ComeAgainError
from runtime.monitor.sweep import sweep
from runtime.monitor.watch import JobWatch, StateChange
from tests.unit.fake_aws import MonitorView
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

KEYS = JobKeys.of("lab", "t1")
ENDS = ("JOB RESULT: ", "JOB FINISHED: ", "JOB COST: ", "ATTEMPT 1: ", "ATTEMPT 2: ", "All jobs submitted. ")


class Turns:
    """Lets threads make their calls in turn: each waits before every call until it is named, and works until
    its next one.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting, self._done, self._named = set[str](), set[str](), ""

    def wait(self, name: str) -> None:
        with self._changed:
            self._waiting.add(name)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._named == name)
            self._named = ""
            self._waiting.discard(name)

    def run(
        self, order: list[str], work: dict[str, Callable[[], object]], otherwise: Callable[[str], object]
    ) -> None:
        """Give turns in `order`, then to whoever waits. A name that is no thread's is for `otherwise`."""

        def act(name: str) -> None:
            with suppress(ComeAgainError):
                work[name]()
            with self._changed:
                self._done.add(name)
                self._changed.notify_all()

        threads = {name: threading.Thread(target=act, args=(name,)) for name in work}
        for thread in threads.values():
            thread.start()
        left = iter(order)
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: len(self._waiting | self._done) == len(work) and not self._named
                )
                if len(self._done) == len(work):
                    break
                name = next(left, "") or min(self._waiting)
                if name in self._waiting:
                    self._named = name
                    self._changed.notify_all()
                    self._changed.wait_for(
                        lambda name=name: (  # type: ignore[misc]
                            not self._named and (name in self._waiting or name in self._done)
                        )
                    )
            if name not in work:
                otherwise(name)
        for thread in threads.values():
            thread.join()


class Turning:
    """A monitor's cloud whose calls wait for their turn."""

    def __init__(self, view: Any, turns: Turns, name: str) -> None:
        self._view, self._turns, self._name = view, turns, name

    def acting_for(self, bucket: str, group: str) -> Turning:
        return Turning(self._view.acting_for(bucket, group), self._turns, self._name)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._view, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self._turns.wait(self._name)
            answer = method(*arguments, **options)
            return (
                iter(list(answer))
                if name in ("keys", "files", "all_instances", "open_jobs", "analyses")
                else answer
            )

        return call


def ready(attempts: bool) -> tuple[World, str]:
    """A job whose last machine has ended, and nobody has heard of it."""
    world = World(changed(SETTINGS, market="spot"))
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    first, second = world.aws.ec2
    world.complete(second)
    if attempts:
        world.reclaim(first)
        first = list(world.aws.ec2)[-1]
    world.boot(first)
    world.clock.forward(60)
    world.write_status(first, "SUCCESS")
    world.aws.set_state(first, "terminated", reason_code="Client.InstanceInitiatedShutdown")
    return world, first


# Stretches of turns: one monitor goes so many calls ahead, stands still for longer than it is left alone, the
# other one comes, and so on.
stretches = st.lists(st.tuples(st.sampled_from(["one", "two"]), st.integers(1, 45)), min_size=1, max_size=6)
orders = stretches.map(lambda some: [turn for name, number in some for turn in (*[name] * number, "time")])


@settings(deadline=None, max_examples=examples(60))
@given(order=orders, attempts=st.booleans(), sweeps=st.booleans())
def test_whatever_the_order_of_two_monitors_a_job_ends_once(
    order: list[str], attempts: bool, sweeps: bool
) -> None:
    world, machine = ready(attempts)
    change, turns = StateChange(machine, "terminated", world.clock()), Turns()

    def monitor(name: str) -> None:
        JobWatch(Turning(MonitorView(world.aws), turns, name), world.clock).changed(
            change, world.aws.ec2[machine]
        )

    work: dict[str, Callable[[], object]] = {"one": lambda: monitor("one"), "two": lambda: monitor("two")}
    if sweeps:
        work["two"] = lambda: sweep(
            Turning(MonitorView(world.aws), turns, "two"), world.clock, lambda *_: None
        )
    turns.run(order, work, lambda _: world.clock.forward(ENDING_GRACE + 1))
    while world.aws.items:  # an event that must come again comes again
        world.clock.forward(ENDING_GRACE + 1)
        with suppress(ComeAgainError):
            world.event(machine, "terminated")
    records = KEYS.records
    for mine, copy in (
        (records.certificate, KEYS.certificate),
        (records.certificate_json, KEYS.certificate_json),
        (records.end, KEYS.end),
    ):
        assert world.aws.text(BUCKET, mine) == world.aws.text(BUCKET, copy)
    text, facts = world.certificate(), json.loads(world.aws.text(BUCKET, records.certificate_json))
    lines = text.splitlines()
    for begin in ENDS:
        wanted = 1 if attempts or not begin.startswith("ATTEMPT") else 0
        assert [line for line in lines if line.startswith(begin)].__len__() == wanted, begin
    assert sum(" (finished)" in line for line in lines) == 2
    assert f"JOB FINISHED: {facts['finished']} " in text
    assert f"JOB COST: ${facts['cost_usd']:.4f} " in text
    assert world.aws.text(BUCKET, records.end) == "SUCCESS 2/2\n"
    spent = [spent for _, spent in world.aws.budgets.values()]
    assert spent == [round(facts["cost_usd"] * 1e6)]
