"""Jobs that wait: for machines' room, for capacity of AWS, for a budget. What a submission may say of it
(`wait`, `run`), the service's queue of them, and what people are told (`waiting.json`).

The queue of an analysis is one item of the service's table (`neurocaas.protocol.ledger`), with an entry for
each job that waits. It decides whose turn it is: within a group the job that was submitted first, between
groups the room is shared, so that nobody waits for another lab's thousand datasets. Whoever dies leaves an
entry behind, which counts for WAIT_LOST seconds at most. What is lost with the queue is the order only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace

from neurocaas.protocol.documents import dumps, loads
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.limits import WAIT_LOST, WAIT_MAX_SECONDS, WAIT_SECONDS
from neurocaas.protocol.typed_json import data_of, read, stored

AT_ONCE, AS_BUDGET_ALLOWS = "at-once", "as-budget-allows"
RUNS = (AT_ONCE, AS_BUDGET_ALLOWS)
"""How a job runs: all its datasets are paid before the first one starts; or those that fit are started, and
the rest as reservations are released."""

ROOM, CAPACITY, BUDGET = "room", "capacity", "budget"
KINDS = (ROOM, CAPACITY, BUDGET)
"""What a job waits for: the machines that the blueprint's limits leave, AWS, or its group's money."""

WAITING, OVER = "WAITING", "OVER"

WAITERS_MAX = 150
"""Entries of one queue. A DynamoDB item has 400 kB, and an entry at most about 2.5 kB, of which up to 2 kB
are the key of its submission. A job that finds it full waits all the same, behind those that are in it."""

_WHAT = "waiting.json"


def wait_of(asked: int | None, run: str) -> int:
    """Seconds that a job may wait, counted from its submission; `asked` None where that says nothing."""
    if asked is not None:
        return asked
    return WAIT_MAX_SECONDS if run == AS_BUDGET_ALLOWS else WAIT_SECONDS


@dataclass(frozen=True)
class Waiter:
    """An entry of the queue. `created`: when its job was submitted, `until` how long it may wait, `seen` when
    its manager has last looked, `due` when the message comes with which it looks again (epoch seconds).
    `kind` is one of KINDS, `budget` the sort key of the budget that it waits for (with a member's name behind
    it where that is the one), `wants` the machines that it lacks. `message`, in `queue` (a URL), makes a
    manager look."""

    job: JobId
    created: float
    until: float
    seen: float
    due: float
    kind: str
    wants: int
    budget: str = ""
    queue: str = ""
    message: str = ""

    @property
    def order(self) -> tuple[float, JobId]:
        return self.created, self.job

    def alive(self, now: float) -> bool:
        return now < self.until + WAIT_LOST and now < self.seen + WAIT_LOST


def before(queue: Iterable[Waiter], me: Waiter) -> list[Waiter]:
    """Those whose turn comes first: that wait for the same, in one analysis."""
    return sorted(
        (
            one
            for one in queue
            if one.job != me.job and one.order < me.order and (one.kind, one.budget) == (me.kind, me.budget)
        ),
        key=lambda one: one.order,
    )


def shares(
    queue: Iterable[Waiter], room: int, running: Mapping[str, int] | None = None
) -> Mapping[JobId, int]:
    """How many of `room` machines each job that waits for room may start. Each goes to the group that has the
    fewest then, counting those that are `running` (by group); within a group to its jobs in their order.
    Pure."""
    groups: dict[str, list[Waiter]] = {}
    for one in sorted(queue, key=lambda one: one.order):
        if one.kind == ROOM:
            groups.setdefault(one.job.group, []).append(one)
    need = {group: sum(max(0, one.wants) for one in some) for group, some in groups.items()}
    given = dict.fromkeys(groups, 0)
    # those with the fewest come first, and of several the one that has waited longest
    turns = [((running or {}).get(group, 0), place, group) for place, group in enumerate(groups)]
    heapify(turns)
    for _ in range(min(max(0, room), sum(need.values()))):
        while need[turns[0][2]] == given[turns[0][2]]:
            heappop(turns)
        has, place, group = turns[0]
        given[group] += 1
        heapreplace(turns, (has + 1, place, group))
    found: dict[JobId, int] = {}
    for group, some in groups.items():
        for one in some:
            found[one.job] = min(max(0, one.wants), given[group])
            given[group] -= found[one.job]
    return found


def heads(queue: Sequence[Waiter], most: int = 10) -> list[Waiter]:
    """The first of each group, and of each budget: those that may go on when there is room."""
    firsts: dict[tuple[str, str], Waiter] = {}
    for one in sorted(queue, key=lambda one: one.order):
        firsts.setdefault((one.job.group, one.budget), one)
    return list(firsts.values())[:most]


@dataclass(frozen=True)
class WaitNote:
    """What people see of a job that waits: `jobs/{group}/job_{timestamp}/waiting.json`. `state` WAITING while
    it does, OVER once it goes on or has ended. `place` in the queue, from 1, `of` so many; `started` of
    `total` datasets have their machines; `since`, `until`, `updated` ISO 8601."""

    state: str = field(metadata=stored(among=(WAITING, OVER)))
    kind: str = field(metadata=stored(among=KINDS))
    reason: str
    place: int
    of: int
    started: int
    total: int
    since: str
    until: str
    updated: str
    schema_version: int = field(default=1, metadata=stored(added=True))

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> WaitNote:
        """Raises DocumentError."""
        return read(cls, loads(text, _WHAT), _WHAT)

    @property
    def text(self) -> str:
        """One line for people."""
        begun = f"{self.started} of {self.total} datasets started; " if self.started else ""
        return f"{begun}{self.where}: {self.reason}"

    @property
    def where(self) -> str:
        """Its place, and how long at most."""
        until = f"{self.until[:16].replace('T', ' ')} UTC"
        return f"place {self.place} of {self.of} in the queue, until {until} at the latest"
