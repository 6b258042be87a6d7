"""What a group has spent and reserved in one month with an analysis: `jobs/{group}/budget/{month}.json` in
the analysis's bucket, for the group's people, who may not read the service's table.

The table decides; the document follows it. Whoever changes the table writes the document afterwards, and
reads the table once more: when that has changed meanwhile, it is written again. So the last writer has
written what the table says. `settling`: an amount is just being settled; when it stays so, the one that did
it was killed between the two, and the figures may be too high until the next job.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from neurocaas.protocol.documents import dumps, loads
from neurocaas.protocol.keys import JOBS, JobId
from neurocaas.protocol.ledger import budget_read
from neurocaas.protocol.objects import put
from neurocaas.protocol.typed_json import data_of, read

SCHEMA_VERSION = 1
_WHAT = "budget"
_TRIES = 5


def month_of(when: datetime) -> str:
    """`2026-11`, of the time in UTC, as budgets go."""
    return f"{when.astimezone(timezone.utc):%Y-%m}"


def spending_key(group: str, month: str) -> str:
    return f"{JOBS}/{group}/budget/{month}.json"


@dataclass(frozen=True)
class Spending:
    """Micro-dollars. `committed` is what is spent and what jobs under way may still spend."""

    month: str
    committed: int
    spent: int
    settling: bool = False
    schema_version: int = SCHEMA_VERSION

    @property
    def reserved(self) -> int:
        """For jobs under way."""
        return max(0, self.committed - self.spent)

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Spending:
        """Raises DocumentError for a document of another version or shape."""
        return read(cls, loads(text, _WHAT, SCHEMA_VERSION), _WHAT)


def tell_spending(
    s3: Any, dynamodb: Any, table: str, job: JobId, budget: str, *, settling: bool = False
) -> None:
    """Write the document of the month in which the job was submitted. `s3` is a botocore client that may
    write for the job's group; `budget` the sort key of the budget. What S3 refuses is no reason for a job to
    stop: people are told less then."""
    key, told = spending_key(job.group, budget.rpartition("/")[2]), None
    with suppress(s3.exceptions.ClientError):
        for _ in range(_TRIES):
            now = _read(dynamodb, table, budget, settling=settling)
            if now == told:
                return
            put(s3, job.bucket, key, now.to_json())
            told = now


def _read(dynamodb: Any, table: str, budget: str, *, settling: bool) -> Spending:
    item: Mapping[str, Any] = dynamodb.get_item(**budget_read(table, budget)).get("Item", {})
    committed, spent = (int(item[name]["N"]) if name in item else 0 for name in ("committed", "spent"))
    return Spending(budget.rpartition("/")[2], committed, spent, settling)
