"""The compute report of one machine: what ran where, from when to when, at which price.

`logs/active/{instance}.json` while the machine lives, `logs/{group}/{instance}.json` afterwards. Keys with
'-' and the names `databucket datapath configpath jobpath` are kept from the first implementation: usage
reports read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from neurocaas.protocol.cost import charge
from neurocaas.protocol.documents import dumps, loads, moment
from neurocaas.protocol.typed_json import data_of, read, stored

_WHAT = "compute report"


@dataclass(frozen=True)
class ComputeReport:
    """`price` in USD an hour: of a spot machine its `spot_price` when it began (None: on demand, or it could
    not be read); `besides_price`: of its volume and its address (0 in reports of before these were counted).
    `start` and `end` ISO 8601 (never null in a filed report), `jobpath` the job's prefix,
    `attempt` which machine of its dataset it was. `status` (SUCCESS or FAILED), `reason`, `exit_code`,
    `exit_class` (see `certificate.EXIT_CLASSES`), `out_of_memory` and `disk_full` (as its own last status
    says) are filled when the machine has ended, and `first_command`, the seconds from its launch to the first
    command of the script, by its own word (None: not said); `dataset` is the index, `image_id` the AMI,
    `run` when the job was created (unknown in reports of before they were noted). `volume_gib`: its disk."""

    instance_id: str = field(metadata=stored("instance-id"))
    instance_type: str = field(metadata=stored("instance-type"))
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
    image_id: str | None = field(default=None, metadata=stored("image-id"))
    run: str | None = None
    attempt: int = field(default=1, metadata=stored(added=True))
    spot_price: float | None = None
    out_of_memory: bool = field(default=False, metadata=stored(added=True))
    besides_price: float = field(default=0.0, metadata=stored(added=True))
    first_command: float | None = field(default=None, metadata=stored("first-command-seconds", added=True))
    disk_full: bool = field(default=False, metadata=stored(added=True))
    volume_gib: int | None = None

    @property
    def seconds(self) -> float:
        """How long the machine lived; 0 while it lives. A difference of times, so days count too."""
        if self.end is None:
            return 0.0
        return max(0.0, (moment(self.end) - moment(self.start)).total_seconds())

    @property
    def cost(self) -> float:
        """USD for the machine's life, with its volume and address; 0 while it lives."""
        return 0.0 if self.end is None else self._charged(self.seconds)

    def cost_until(self, now: datetime) -> float:
        """USD for a machine that is still alive at `now`."""
        return self._charged((now - moment(self.start)).total_seconds())

    def _charged(self, seconds: float) -> float:
        return charge(self.price + self.besides_price, seconds) / 1e6

    def to_json(self) -> str:
        return dumps({**data_of(self), "cost": round(self.cost, 6)})

    @classmethod
    def from_json(cls, text: str | bytes) -> ComputeReport:
        """Raises DocumentError."""
        return read(cls, loads(text, _WHAT), _WHAT)
