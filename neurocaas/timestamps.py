"""The names of jobs that are named by the time."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(timezone.utc)


def new_timestamp(moment: datetime) -> str:
    """A job name from a moment, fine enough that two submissions by hand do not meet:
    2026-11-25T03-04-05.678Z.
    """
    return f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H-%M-%S}.{moment.microsecond // 1000:03d}Z"
