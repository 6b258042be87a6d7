"""Two groups, their members, and limits that leads change at any time: what is spent and reserved is never
above a limit by which it was reserved, the shares of members add up to their group's, and the index of each
group says at the end what the ledger says, and nothing of the other's."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from localcloud.tests.properties import examples
from neurocaas.protocol.budget_parameters import ROOT, limits, names
from neurocaas.protocol.job_index import IndexEntry, read_lines, segment_key
from tests.unit.fake_aws import KilledError
from tests.unit.job_world import BUCKET, SETTINGS, World

GROUPS = ("lab", "other")
MEMBERS = ("ann", "bob", "")
"""The last is whoever the service has no name for."""
EXAMPLES = int(os.environ.get("MODEL_EXAMPLES") or examples(60))
groups, members = st.sampled_from(GROUPS), st.sampled_from(MEMBERS)
amounts = st.sampled_from([None, 0, 0.3, 0.5, 0.75, 1.5])
WHOSE = ("", "/limit", "/each", "/each/limit", "/members/ann", "/members/ann/limit", "/members/bob/limit")


class Money(RuleBasedStateMachine):
    """Submissions of both groups' members, changed limits, crashes, lives of machines, and time."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(replace(SETTINGS, budget_usd=2.0, budget_parameters=ROOT))
        for name in ("inputs/a.zip", "inputs/b.zip", "configs/c.json"):
            self.world.aws.upload(BUCKET, f"other/{name}", "{}")
        self.jobs = 0
        self.late: list[tuple[str, str]] = []

    def _limits(self, group: str, member: str) -> Any:
        return limits(names(ROOT, group, "dti", member), self.world.aws.parameters_, 2.0)

    def _committed(self, group: str, member: str | None = None) -> int:
        name = f"dti/{group}/2026-01"
        if member is None:
            return self.world.aws.budgets.get(name, (0, 0))[0]
        return self.world.aws.member_budgets.get(f"{name}/{member}", (0, 0))[0]

    def _deliver(self, key: str, who: str, kill: int | None = None) -> None:
        group, _, _ = key.partition("/")
        before = self._committed(group), self._committed(group, who)
        self.world.principal = f"AROAXX:{who}" if who else "AIDANOBODY"
        self.world.aws.calls.clear()
        self.world.aws.kill_at = kill
        try:
            self.world.deliver(key)
        except KilledError:
            self.late.append((key, who))
        self.world.aws.revive()
        allowed = self._limits(group, who)
        after = self._committed(group), self._committed(group, who)
        assert after[0] <= max(before[0], allowed.group), "above the group's limit"
        assert after[1] <= max(before[1], allowed.group if allowed.member is None else allowed.member)

    @rule(group=groups, who=members, number=st.integers(1, 2), kill=st.none() | st.integers(1, 22))
    def submit(self, group: str, who: str, number: int, kill: int | None) -> None:
        self.jobs += 1
        data = [f"{group}/inputs/{name}.zip" for name in "ab"[:number]]
        body = self.world.submission(
            dataname=data, configname=f"{group}/configs/c.json", timestamp=f"t{self.jobs}"
        )
        key = f"{group}/submissions/{self.jobs}_submit.json"
        self.world.aws.upload(BUCKET, key, str(body).replace("'", '"'))
        self._deliver(key, who, kill)

    @rule(group=groups, whose=st.sampled_from(WHOSE), usd=amounts)
    def limit(self, group: str, whose: str, usd: float | None) -> None:
        name = f"{ROOT}/{group}/dti{whose}"
        if usd is None:
            self.world.aws.parameters_.pop(name, None)
        else:
            self.world.aws.parameters_[name] = str(usd)

    @precondition(lambda self: self.late)
    @rule()
    def again(self) -> None:
        self.world.clock.forward(200)
        self._deliver(*self.late.pop())

    @precondition(lambda self: any(one.state == "pending" for one in self.world.aws.ec2.values()))
    @rule(good=st.booleans(), kill=st.none() | st.integers(1, 30))
    def end(self, good: bool, kill: int | None) -> None:
        machine = next(name for name, one in self.world.aws.ec2.items() if one.state == "pending")
        self.world.aws.calls.clear()
        self.world.aws.kill_at = kill
        with suppress(KilledError):
            self.world.complete(machine, "SUCCESS" if good else "FAILED")
        self.world.aws.revive()
        self.world.aws.set_state(machine, "terminated", reason_code="Client.InstanceInitiatedShutdown")

    @invariant()
    def members_add_up_to_their_group(self) -> None:
        aws = self.world.aws
        for budget, figures in aws.budgets.items():
            shares = [own for name, own in aws.member_budgets.items() if name.startswith(f"{budget}/")]
            assert tuple(map(sum, zip(*shares, strict=True))) == figures

    def teardown(self) -> None:
        for key, who in self.late:
            self.world.clock.forward(200)
            self._deliver(key, who)
        for _ in range(4):
            self.world.clock.forward(3 * 3600)
            self.world.sweep()
            for name, one in list(self.world.aws.ec2.items()):
                if one.state == "shutting-down":
                    self.world.aws.set_state(name, "terminated")
                    self.world.event(name, "terminated")
        assert not self.world.aws.items
        for group in GROUPS:
            self._index_is_the_ledgers(group)

    def _index_is_the_ledgers(self, group: str) -> None:
        raw = self.world.aws.objects_.get((BUCKET, segment_key(group, 0)))
        found: list[IndexEntry] = list(read_lines(raw[0])) if raw else []
        assert all(one.submission.startswith(f"{group}/") for one in found)
        assert not any(one.open for one in found)
        budget = f"dti/{group}/2026-01"
        committed, spent = self.world.aws.budgets.get(budget, (0, 0))
        assert committed == spent == sum(one.cost for one in found)
        for who in MEMBERS:
            own = self.world.aws.member_budgets.get(f"{budget}/{who}", (0, 0))
            assert own[1] == sum(one.cost for one in found if one.submitter == who)


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=EXAMPLES, stateful_step_count=20, deadline=None)
