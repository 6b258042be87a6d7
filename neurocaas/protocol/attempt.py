"""What the monitor writes to ask the manager for another machine for a dataset (`JobKeys.retry`): why, and
what that machine gets.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neurocaas.protocol.documents import DocumentError, dumps, loads
from neurocaas.protocol.typed_json import data_of, read, stored

RECLAIM, MEMORY, CAPACITY = "reclaim", "memory", "capacity"
"""Why a dataset gets another machine: AWS took the last one back, its memory was used up, or EC2 ended it
before it ran. All but MEMORY are exit classes.
"""

_WHAT = "a request for another machine"


@dataclass(frozen=True)
class AttemptRequest:
    """`because` is RECLAIM, MEMORY or CAPACITY. `instance_type`: the first of the job's `oom_types` to try,
    None for the job's own types; `grown`: how often this dataset has been given a larger machine.
    `checkpoint`: there is one that the machine can go on from."""

    because: str = field(default=RECLAIM, metadata=stored(added=True))
    instance_type: str | None = None
    grown: int = field(default=0, metadata=stored(added=True))
    checkpoint: bool = field(default=False, metadata=stored(added=True))

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
