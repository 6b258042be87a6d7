"""One message of the submission queue, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from runtime.manager.events import ObjectCreated


@dataclass(frozen=True)
class Outcome:
    """`exit_code` 0 (done) or 99 (refused or failed); `again` asks the queue to deliver the submission once more."""

    exit_code: int
    message: str
    again: bool = False


@dataclass(frozen=True)
class Delivery:
    """One delivery of a submission. `receives` counts deliveries of the message from 1, `owner` names this run of the
    manager, `owner_arn` the function, `until` is when this run is over at the latest."""

    event: ObjectCreated
    receives: int
    owner: str
    owner_arn: str
    until: datetime
