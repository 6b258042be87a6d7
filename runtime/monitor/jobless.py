"""Development instances, which have no job: when their `Timeout` (minutes since their last start) has passed, they are stopped.

Their disk, and the work on it, stays; only their developer ends them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from runtime.monitor.port import Instance
from runtime.protocol.development import TAG
from runtime.protocol.tags import TIMEOUT

DEFAULT_MINUTES = 60
"""For a timeout that is no number: somebody has changed the tag by hand."""


def overdue(instances: Iterable[Instance], now: datetime) -> list[str]:
    """The ids of development instances that run and whose time is over."""
    return [
        instance.instance_id
        for instance in instances
        if instance.tags.get(TAG) == "On" and instance.state == "running" and now - instance.launched >= lifetime(instance)
    ]


def lifetime(instance: Instance) -> timedelta:
    """How long a machine may run by its tag."""
    text = instance.tags.get(TIMEOUT, "")
    minutes = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else DEFAULT_MINUTES
    return timedelta(minutes=minutes)
