"""Telling jobs that wait that there may be room: machines have ended, or reservations were released.

They would find out by themselves, a little later: each has a message in the queue with which it looks again.
So this may come late, and it does, where it was done a moment ago: once more when the pause is over, however
much ends in it.
"""

from __future__ import annotations

from neurocaas.protocol.keys import JobId
from neurocaas.protocol.limits import WAKE_PAUSE
from neurocaas.protocol.waiting import heads
from runtime.monitor.port import MonitorCloud


def wake(cloud: MonitorCloud, bucket: str, now: float) -> None:
    """Tell the managers of those whose turn it may be. Costs one read where nobody waits."""
    waiting = [one for one in cloud.waiters(bucket) if one.alive(now)]
    later = 0
    if waiting and not cloud.may_wake(bucket, now, now - WAKE_PAUSE):
        later = WAKE_PAUSE
        if not cloud.may_wake(bucket, now + later, now):
            return
    for one in heads(waiting):
        cloud.wake(one, later)


def wake_lost(cloud: MonitorCloud, job: JobId, now: float) -> None:
    """Tell the manager of a job that waits and that nobody has looked at for long: its message was lost."""
    for one in cloud.waiters(job.bucket):
        if one.job == job and now > one.due:
            cloud.wake(one)
