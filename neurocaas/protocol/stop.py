"""`stop.json` among a job's records: the order that ends a running job early. Whoever writes it first
(conditionally) has decided.

Its machines look for it every few seconds: they end the script, keep its partial results, and say why in
their final status, whose reason begins with the outcome. Machines that do not are terminated after
`limits.STOP_GRACE`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neurocaas.protocol.documents import dumps, loads
from neurocaas.protocol.typed_json import data_of, read, stored

CANCELLED = "cancelled"
QUOTA = "quota"
OUTCOMES = (CANCELLED, QUOTA)
"""Exit classes of stopped datasets: somebody asked for it, or the money that was reserved for the job is used
up.
"""

_WHAT = "stop.json"


@dataclass(frozen=True)
class StopOrder:
    """`outcome` is one of OUTCOMES, `reason` one line for people, `time` ISO 8601. `by`: who has cancelled,
    by the name in groups.yaml; "" where nobody can say, and where nobody has."""

    outcome: str = field(metadata=stored(among=OUTCOMES))
    reason: str
    time: str
    schema_version: int = field(default=1, metadata=stored(added=True))
    by: str = field(default="", metadata=stored(added=True))

    @property
    def text(self) -> str:
        """The reason in a status file: `cancelled: by lab/submissions/a_cancel.json (ann)`."""
        return f"{self.outcome}: {self.reason}{f' ({self.by})' if self.by else ''}"

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> StopOrder:
        """Raises DocumentError."""
        return read(cls, loads(text, _WHAT), _WHAT)


def outcome_of(reason: str | None) -> str | None:
    """The outcome that a final status's reason begins with, None when its dataset was not stopped."""
    outcome = (reason or "").partition(":")[0]
    return outcome if outcome in OUTCOMES else None
