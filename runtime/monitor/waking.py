"""Telling jobs that wait that there may be room: machines have ended, or reservations were released.

They would find out by themselves, a little later: each has a message in the queue with which it looks again.
So this may be left out, and it is, where it was done a moment ago.
"""

from __future__ import annotations

from neurocaas.protocol.keys import JobId
from neurocaas.protocol.limits import WAKE_PAUSE
from neurocaas.protocol.waiting import heads
from runtime.monitor.port import MonitorCloud


def wake(cloud: MonitorCloud, bucket: str, now: float) -> None:
    """Tell the managers of those whose turn it may be. Costs one read where nobody waits."""
    waiting = [one for one in cloud.waiters(bucket) if one.alive(now)]
    if waiting and cloud.may_wake(bucket, now, now - WAKE_PAUSE):
        for one in heads(waiting):
            cloud.wake(one)


def wake_lost(cloud: MonitorCloud, job: JobId, now: float) -> None:
    """Tell the manager of a job that waits and that nobody has looked at for long: its message was lost."""
    for one in cloud.waiters(job.bucket):
        if one.job == job and now > one.due:
            cloud.wake(one)
