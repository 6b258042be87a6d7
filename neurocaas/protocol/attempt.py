"""What the monitor writes to ask the manager for another machine for a dataset (`JobKeys.retry`): why, and
what that machine gets.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neurocaas.protocol.documents import DocumentError, dumps, loads
from neurocaas.protocol.typed_json import data_of, read, stored

RECLAIM, MEMORY, CAPACITY, HOST = "reclaim", "memory", "capacity", "host"
"""Why a dataset gets another machine: AWS took the last one back, its memory was used up, EC2 ended it
before it ran, or it failed by AWS's fault. RECLAIM and CAPACITY are exit classes.
"""

_WHAT = "a request for another machine"


@dataclass(frozen=True)
class AttemptRequest:
    """`because` is RECLAIM, MEMORY, CAPACITY or HOST. `instance_type`: the first of the job's `oom_types`
    to try, None for the job's own types; `grown`: how often this dataset has been given a larger machine.
    `checkpoint`: there is one that the machine can go on from, of `checkpoint_time` (ISO 8601; "" where that
    is not known)."""

    because: str = field(default=RECLAIM, metadata=stored(added=True))
    instance_type: str | None = None
    grown: int = field(default=0, metadata=stored(added=True))
    checkpoint: bool = field(default=False, metadata=stored(added=True))
    checkpoint_time: str = field(default="", metadata=stored(added=True))

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes | None) -> AttemptRequest:
        """An empty request, as the monitor once wrote, and one that cannot be read ask for a machine like the
        first.
        """
        try:
            return read(cls, loads(text or b"", _WHAT), _WHAT)
        except DocumentError:
            return cls()
