"""The compute report of one machine: what ran where, from when to when, at which price.

`logs/active/{instance}.json` while the machine lives, `logs/{group}/{instance}.json` afterwards. Keys with
'-' and the names `databucket datapath configpath jobpath` are kept from the first implementation: usage
reports read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runtime.protocol.documents import dumps, loads, moment, take, take_optional

_WHAT = "compute report"


@dataclass(frozen=True)
class ComputeReport:
    """`price` in USD an hour: of a spot machine its `spot_price` when it began (None: on demand, or it could
    not be read). `start` and `end` ISO 8601 (never null in a filed report), `jobpath` the job's prefix,
    `attempt` which machine of its dataset it was. `status` (SUCCESS or FAILED), `reason`, `exit_code`,
    `exit_class` (see `certificate.EXIT_CLASSES`) and `out_of_memory` (as its own last status says) are filled
    when the machine has ended; `dataset` is the index, `image_id` the AMI, `run` when the job was created
    (unknown in reports of before they were noted)."""

    instance_id: str
    instance_type: str
    spot: bool
    price: float
    databucket: str
    datapath: str
    configpath: str
    jobpath: str
    group: str
    timestamp: str
    dataset: int
    start: str
    end: str | None = None
    status: str | None = None
    reason: str | None = None
    exit_code: int | None = None
    exit_class: str | None = None
    image_id: str | None = None
    run: str | None = None
    attempt: int = 1
    spot_price: float | None = None
    out_of_memory: bool = False

    @property
    def seconds(self) -> float:
        """How long the machine lived; 0 while it lives. A difference of times, so days count too."""
        if self.end is None:
            return 0.0
        return max(0.0, (moment(self.end) - moment(self.start)).total_seconds())

    @property
    def cost(self) -> float:
        """USD for the machine's life at its price."""
        return self.price * self.seconds / 3600

    def cost_until(self, now: datetime) -> float:
        """USD for a machine that is still alive at `now`."""
        return self.price * max(0.0, (now - moment(self.start)).total_seconds()) / 3600

    def to_json(self) -> str:
        return dumps(
            {
                "instance-id": self.instance_id,
                "instance-type": self.instance_type,
                "image-id": self.image_id,
                "spot": self.spot,
                "price": self.price,
                "databucket": self.databucket,
                "datapath": self.datapath,
                "configpath": self.configpath,
                "jobpath": self.jobpath,
                "group": self.group,
                "timestamp": self.timestamp,
                "dataset": self.dataset,
                "start": self.start,
                "end": self.end,
                "status": self.status,
                "reason": self.reason,
                "exit_code": self.exit_code,
                "exit_class": self.exit_class,
                "run": self.run,
                "attempt": self.attempt,
                "spot_price": self.spot_price,
                "out_of_memory": self.out_of_memory,
                "cost": round(self.cost, 6),
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> ComputeReport:
        """Raises DocumentError."""
        data: dict[str, Any] = loads(text, _WHAT)
        return cls(
            instance_id=take(data, "instance-id", str, _WHAT),
            instance_type=take(data, "instance-type", str, _WHAT),
            spot=take(data, "spot", bool, _WHAT),
            price=take(data, "price", float, _WHAT),
            databucket=take(data, "databucket", str, _WHAT),
            datapath=take(data, "datapath", str, _WHAT),
            configpath=take(data, "configpath", str, _WHAT),
            jobpath=take(data, "jobpath", str, _WHAT),
            group=take(data, "group", str, _WHAT),
            timestamp=take(data, "timestamp", str, _WHAT),
            dataset=take(data, "dataset", int, _WHAT),
            start=take(data, "start", str, _WHAT),
            end=take_optional(data, "end", str, _WHAT),
            status=take_optional(data, "status", str, _WHAT),
            reason=take_optional(data, "reason", str, _WHAT),
            exit_code=take_optional(data, "exit_code", int, _WHAT),
            exit_class=take_optional(data, "exit_class", str, _WHAT),
            image_id=take_optional(data, "image-id", str, _WHAT),
            run=take_optional(data, "run", str, _WHAT),
            attempt=take_optional(data, "attempt", int, _WHAT) or 1,
            spot_price=take_optional(data, "spot_price", float, _WHAT),
            out_of_memory=take_optional(data, "out_of_memory", bool, _WHAT) or False,
        )
