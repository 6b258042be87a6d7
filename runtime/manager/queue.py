"""A job that waits: its entry in the queue of its analysis, what people are told of it, and the message with
which its manager looks again.

A wait is not one of the attempts that SQS counts: each look is a message of its own, put into the queue by
the one before it. A job has one such chain. Whoever makes room tells the manager sooner, with a message
beside the chain, which goes on with the job if it can and else changes nothing. When the chain breaks, the
sweep begins it again (`runtime.monitor.waking`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from neurocaas.protocol.documents import DocumentError, iso, moment
from neurocaas.protocol.events import tell
from neurocaas.protocol.job import Job
from neurocaas.protocol.limits import SUBMISSION_MAX_BYTES, WAIT_PAUSE
from neurocaas.protocol.waiting import BUDGET, OVER, WAITERS_MAX, WAITING, Waiter, WaitNote, before, heads
from runtime.manager.delivery import Delivery
from runtime.manager.events import message_of
from runtime.manager.port import ManagerCloud

_EARLY = 5
"""Seconds by which a message may come before its time and still be the one that was due."""


@dataclass
class JobQueue:
    """One job before the queue of its analysis, in one delivery of its submission. `queue_url`: that of the
    managers' messages."""

    cloud: ManagerCloud
    job: Job
    delivery: Delivery
    queue_url: str

    def me(self, kind: str, wants: int, now: datetime, budget: str = "") -> Waiter:
        """The job as an entry, whether it is in the queue or not."""
        since = moment(self.job.waits_since).timestamp()
        return Waiter(
            self.job.id,
            since,
            since + self.job.wait_seconds,
            now.timestamp(),
            now.timestamp(),
            kind,
            wants,
            budget if kind == BUDGET else "",
            self.queue_url,
            message_of(self.delivery.event),
        )

    def first(self, budgets: Sequence[str], now: datetime) -> bool:
        """Whether no other job that waits for one of these budgets comes before this one."""
        queue = self._alive(now)
        return not any(before(queue, self.me(BUDGET, 1, now, budget)) for budget in budgets)

    def left(self, now: datetime) -> float:
        """Seconds that the job may still wait."""
        return moment(self.job.waits_since).timestamp() + self.job.wait_seconds - now.timestamp()

    def enter(self, me: Waiter, reason: str, started: int, now: datetime) -> tuple[WaitNote, int | None]:
        """Take a place, or keep it, and tell people. What they are told, and after how many seconds the next
        look is to be asked for: None where that was done already."""
        queue = self._alive(now)
        there = next((one for one in queue if one.job == me.job), None)
        woken = there is not None and self.delivery.receives == 1 and there.due - _EARLY > me.seen
        pause = max(1, min(WAIT_PAUSE, math.ceil(self.left(now))))
        me = replace(me, due=there.due if there is not None and woken else me.seen + pause)
        line = [one for one in queue if (one.kind, one.budget) == (me.kind, me.budget) and one.job != me.job]
        told = WaitNote(
            WAITING,
            me.kind,
            reason,
            1 + len(before(queue, me)),
            1 + len(line),
            started,
            len(self.job.datasets),
            self.job.waits_since,
            iso(moment(self.job.waits_since) + timedelta(seconds=self.job.wait_seconds)),
            iso(now),
        )
        if there is not None or len(queue) < WAITERS_MAX:
            self.cloud.enter_queue(me)
        self.cloud.put(self.job.bucket, self.job.keys.waiting, told.to_json())
        text = f"waits: {told.text}"
        once = f"{me.kind}:{started}:{told.place}"
        tell(self.cloud, self.job.id, "waiting", text, now=now, once=once, place=told.place, reason=me.kind)
        return told, None if woken else pause

    def leave(self, now: datetime) -> None:
        """The job waits no more: it has all its machines, or has ended. Those behind it look at once."""
        raw = self.cloud.get(self.job.bucket, self.job.keys.waiting, SUBMISSION_MAX_BYTES)
        if raw is None:
            return
        self.cloud.leave_queue(self.job.id)
        try:
            told = WaitNote.from_json(raw)
        except DocumentError:
            return
        if told.state == WAITING:
            over = replace(told, state=OVER, updated=iso(now))
            self.cloud.put(self.job.bucket, self.job.keys.waiting, over.to_json())
            tell(self.cloud, self.job.id, "wait-over", "waits no more", now=now, once="over")
        for one in heads(self._alive(now)):
            if one.job.group == self.job.group:
                self.cloud.wake(one)

    def _alive(self, now: datetime) -> list[Waiter]:
        return [one for one in self.cloud.waiters(self.job.bucket) if one.alive(now.timestamp())]
