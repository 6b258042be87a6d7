"""One message of the submission queue, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from neurocaas.protocol.limits import LAUNCH_MARGIN, QUEUE_MAX_RECEIVES
from runtime.manager.events import ObjectCreated


@dataclass(frozen=True)
class Outcome:
    """`exit_code` 0 (done) or 99 (refused or failed); `again` asks the queue to deliver the submission once
    more; `waiting`: another message is on its way for it.
    """

    exit_code: int
    message: str
    again: bool = False
    waiting: bool = False


@dataclass
class Notes:
    """What turns out while a delivery is worked on: the job that it is about, metrics, and whether another
    file has taken the place of the one that it tells of."""

    timestamp: str | None = None
    replaced: bool = False
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """One delivery of a submission. `receives` counts deliveries of the message from 1, `owner` names this
    run of the manager, `owner_arn` the function, `until` is when this run is over at the latest. `notes` are
    written as it goes."""

    event: ObjectCreated
    receives: int
    owner: str
    owner_arn: str
    until: datetime
    notes: Notes = field(default_factory=Notes)

    @property
    def replaced(self) -> str:
        """The ETag of the file that it tells of, where another has taken the file's place; else ""."""
        return self.event.etag if self.notes.replaced else ""

    def ending(self, now: datetime) -> bool:
        """Whether the time of this run is too short for another launch call."""
        return now > self.until - timedelta(seconds=LAUNCH_MARGIN)

    @property
    def last(self) -> bool:
        """Whether the queue gives the message up after this delivery: it is used for an answer, and nothing
        is tried any more.
        """
        return self.receives >= QUEUE_MAX_RECEIVES
