"""What the monitor writes to ask the manager for another machine for a dataset (`JobKeys.retry`): why, and
what that machine gets.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from runtime.protocol.documents import DocumentError, dumps, loads, take_optional

RECLAIM, MEMORY = "reclaim", "memory"
"""Why a dataset gets another machine: AWS took the last one back, or its memory was used up."""

_WHAT = "a request for another machine"


@dataclass(frozen=True)
class AttemptRequest:
    """`because` is RECLAIM or MEMORY. `instance_type`: the first of the job's `oom_types` to try, None for
    the job's own types; `grown`:
    how often this dataset has been given a larger machine. `checkpoint`: there is one that the machine can go
    on from."""

    because: str = RECLAIM
    instance_type: str | None = None
    grown: int = 0
    checkpoint: bool = False

    def to_json(self) -> str:
        return dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes | None) -> AttemptRequest:
        """An empty request, as the monitor once wrote, and one that cannot be read ask for a machine like the
        first.
        """
        try:
            data = loads(text or b"", _WHAT)
            return cls(
                because=MEMORY if data.get("because") == MEMORY else RECLAIM,
                instance_type=take_optional(data, "instance_type", str, _WHAT),
                grown=take_optional(data, "grown", int, _WHAT) or 0,
                checkpoint=data.get("checkpoint") is True,
            )
        except DocumentError:
            return cls()
