"""What a group has spent and reserved in one month with an analysis, and each of its members:
`jobs/{group}/budget/{month}.json` in the analysis's bucket, for the group's people, who may not read the
service's table.

The table decides; the document follows it. Whoever changes the table writes the document afterwards, and
reads the table once more: when that has changed meanwhile, it is written again. So the last writer has
written what the table says. `settling`: an amount is just being settled; when it stays so, the one that did
it was killed between the two, and the figures may be too high until the next job.

A budget that is nearly used is told of once for what was spent, and once, before that, for what was reserved
besides (`tell_nearly_used`); once more when a lead or an administrator has changed the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Protocol

from neurocaas.protocol.documents import dumps, loads
from neurocaas.protocol.keys import JOBS, JobId
from neurocaas.protocol.ledger import budget_read, members_read, told_write
from neurocaas.protocol.notice import BUDGET, about
from neurocaas.protocol.objects import put
from neurocaas.protocol.typed_json import data_of, read, stored

SCHEMA_VERSION = 1
_WHAT = "budget"
_TRIES = 5


def month_of(when: datetime) -> str:
    """`2026-11`, of the time in UTC, as budgets go."""
    return f"{when.astimezone(timezone.utc):%Y-%m}"


def spending_key(group: str, month: str) -> str:
    return f"{JOBS}/{group}/budget/{month}.json"


@dataclass(frozen=True)
class Share:
    """Micro-dollars, as those of `Spending`, of what one member has submitted."""

    committed: int
    spent: int

    @property
    def reserved(self) -> int:
        """For jobs under way."""
        return max(0, self.committed - self.spent)


@dataclass(frozen=True)
class Spending:
    """Micro-dollars. `committed` is what is spent and what jobs under way may still spend. `members`: of it,
    by who submitted; "" is what nobody can say whose it is. What was submitted before figures of members were
    kept is in none of theirs."""

    month: str
    committed: int
    spent: int
    settling: bool = False
    members: Mapping[str, Share] = field(default_factory=dict, metadata=stored(added=True))
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
    figures = read_figures(dynamodb, table, budget)
    pages = dynamodb.get_paginator("query").paginate(**members_read(table, budget))
    members = {
        item["sk"]["S"].removeprefix(f"{budget}/"): Share(*_amounts(item))
        for page in pages
        for item in page["Items"]
    }
    return Spending(budget.rpartition("/")[2], figures.committed, figures.spent, settling, members)


def _amounts(item: Mapping[str, Any]) -> tuple[int, int]:
    committed, spent = (int(item[name]["N"]) if name in item else 0 for name in ("committed", "spent"))
    return committed, spent


# The alarm
# ------------------------------------------------------------------------------------------------------------
NOTICE_PERCENT = 80
"""Part of a group's budget of a month from which on the group is told."""


@dataclass(frozen=True)
class Figures:
    """A budget in the table, in micro-dollars. `limit`: that by which a job was last paid, 0 for none;
    `told`: the alarms that were sent."""

    committed: int = 0
    spent: int = 0
    limit: int = 0
    told: frozenset[str] = frozenset()

    @property
    def alarm(self) -> str:
        """Which alarm is to be sent; "" for none."""
        if self.limit <= 0:
            return ""
        mark, spent = self.limit * NOTICE_PERCENT, f"spent:{self.limit}"
        if 100 * self.spent >= mark:
            return "" if spent in self.told else spent
        reserved = f"reserved:{self.limit}"
        return reserved if 100 * self.committed >= mark and reserved not in self.told else ""


class Tells(Protocol):
    """What both clouds have."""

    def figures(self, budget: str) -> Figures:
        """The budget of that sort key, as it is now."""

    def take_alarm(self, budget: str, mark: str) -> bool:
        """Note that an alarm of a budget is sent now; False when another has done so."""

    def publish(self, subject: str, text: str, about: Mapping[str, str]) -> None:
        """Tell a notice."""


def read_figures(dynamodb: Any, table: str, budget: str) -> Figures:
    """The budget of that sort key; `dynamodb` is a botocore client."""
    item: Mapping[str, Any] = dynamodb.get_item(**budget_read(table, budget)).get("Item", {})
    committed, spent = _amounts(item)
    limit, told = int(item.get("limit", {}).get("N", 0)), item.get("told", {}).get("SS", ())
    return Figures(committed, spent, limit, frozenset(told))


def take_alarm(dynamodb: Any, table: str, budget: str, mark: str) -> bool:
    """Note that an alarm is sent now; False when another has done so."""
    try:
        dynamodb.update_item(**told_write(table, budget, mark))
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def tell_nearly_used(cloud: Tells, budget: str) -> None:
    """Tell the group, after its budget has changed, when NOTICE_PERCENT of it are spent, or spent and
    reserved. Who finds that it was not told yet tells it: whoever is killed before that leaves it to the
    next."""
    found = cloud.figures(budget)
    alarm = found.alarm
    if not alarm or not cloud.take_alarm(budget, alarm):
        return
    analysis, group, month = budget.split("/")
    spent, limit = dollars(found.spent), dollars(found.limit)
    if alarm.startswith("spent"):
        subject = f"NeuroCAAS {analysis}: {NOTICE_PERCENT} % of a budget is spent"
        text = f"Group {group} has spent ${spent} of its ${limit} of {month} in {analysis}."
    else:
        subject = f"NeuroCAAS {analysis}: {NOTICE_PERCENT} % of a budget is spent or reserved"
        text = (
            f"Group {group} has spent ${spent} of its ${limit} of {month} in {analysis}. "
            f"${dollars(found.committed - found.spent)} more are reserved for jobs under way: that is what "
            "they can cost at most, and what they do not need comes back when they end."
        )
    cloud.publish(subject, text, about(BUDGET, group, analysis))


def dollars(amount: int) -> str:
    """Micro-dollars, with cents."""
    return f"{amount / 1_000_000:.2f}"
