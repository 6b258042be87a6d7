"""Machines that have no job (development instances, or started by hand): when their `Timeout` (minutes since
their last start) has passed, they are stopped.

Their disk, and the work on it, stays; only their developer ends them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from neurocaas.protocol.tags import EXEMPT, TIMEOUT
from runtime.monitor.machine import place
from runtime.monitor.port import Instance

DEFAULT_MINUTES = 60
"""For a machine without a timeout, or with one that is no number."""


def overdue(instances: Iterable[Instance], now: datetime) -> list[str]:
    """The ids of machines without a job that run and whose time is over."""
    return [
        instance.instance_id
        for instance in instances
        if place(instance) is None
        and not exempt(instance)
        and instance.state == "running"
        and now - instance.launched >= lifetime(instance)
    ]


def exempt(instance: Instance) -> bool:
    """Whether an administrator has told the sweep to leave a machine alone."""
    return instance.tags.get(EXEMPT) == "On"


def lifetime(instance: Instance) -> timedelta:
    """How long a machine may run by its tag."""
    text = instance.tags.get(TIMEOUT, "")
    minutes = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else DEFAULT_MINUTES
    return timedelta(minutes=minutes)
