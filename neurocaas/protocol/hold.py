"""A machine that stays after its script has failed (`on_failure: hold 30m` of a blueprint), for the
analysis's developers to look at.

Its dataset is over: the job ends without it, and is charged for the machine until it was held. From then on
the developers' group pays, from its own budget of the analysis, in which the whole hold is reserved before
it begins. The item `hold` of the ledger is what counts; `jobs/{developers}/holds/{instance}.json` tells
developers of it, and stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from neurocaas.protocol.cost import at_most, charge
from neurocaas.protocol.development import GROUP
from neurocaas.protocol.documents import dumps, loads, moment
from neurocaas.protocol.keys import JOBS, JobId
from neurocaas.protocol.ledger import item_key
from neurocaas.protocol.typed_json import data_of, read, stored

HOLDS = "hold"
"""Partition key of the items of held machines in the ledger."""

TAG = "neurocaas-held"
"""A machine with this tag is held; its value says until when (ISO 8601)."""

TAKEN, THERE, NO_MONEY = "taken", "there", "no money"

_WHAT = "a held machine"


@dataclass(frozen=True)
class Hold:
    """`dataset` and `attempt` of which the machine was, `since` and `until` ISO 8601. `usd_per_hour` with its
    disk and address, `reserved` in micro-dollars, in the budget with the sort key `budget`. `ended` and
    `usd` are filled when it is over."""

    bucket: str
    group: str
    timestamp: str
    analysis: str
    dataset: str
    index: int
    attempt: int
    instance: str
    instance_type: str
    since: str
    until: str
    usd_per_hour: float
    reserved: int
    budget: str
    reason: str = field(default="", metadata=stored(added=True))
    ended: str | None = None
    usd: float | None = None

    @property
    def job(self) -> JobId:
        return JobId(self.bucket, self.group, self.timestamp)

    @property
    def key(self) -> str:
        """Of the document for developers."""
        return f"{JOBS}/{GROUP}/holds/{self.instance}.json"

    def spent(self, end: str) -> int:
        """Micro-dollars of a hold that ended then: never more than was reserved."""
        seconds = (moment(end) - moment(self.since)).total_seconds()
        return min(self.reserved, charge(self.usd_per_hour, max(0.0, seconds)))

    def to_json(self) -> str:
        return dumps(data_of(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Hold:
        """Raises DocumentError."""
        return read(cls, loads(text, _WHAT), _WHAT)


def to_reserve(usd_per_hour: float, minutes: int) -> int:
    """Micro-dollars for a hold of so many minutes."""
    return at_most(1, minutes, usd_per_hour)


def hold_key(job: JobId, instance: str) -> dict[str, dict[str, str]]:
    """The primary key of a held machine's item, as DynamoDB takes it."""
    return {"pk": {"S": HOLDS}, "sk": {"S": f"{item_key(job)['sk']['S']}/{instance}"}}


def hold_writes(table: str, budget_key: Mapping[str, Any], hold: Hold, limit: int) -> list[dict[str, Any]]:
    """The transaction that reserves a hold, once. First the budget (a failed condition means: not enough
    left), then its item (a failed condition: it is held already)."""
    take = {
        "TableName": table,
        "Key": budget_key,
        "ConditionExpression": "attribute_not_exists(#committed) OR #committed <= :room",
        "UpdateExpression": "ADD #committed :amount, #spent :nothing",
        "ExpressionAttributeNames": {"#committed": "committed", "#spent": "spent"},
        "ExpressionAttributeValues": {
            ":amount": {"N": str(hold.reserved)},
            ":room": {"N": str(limit - hold.reserved)},
            ":nothing": {"N": "0"},
        },
    }
    note = {
        "TableName": table,
        "Key": hold_key(hold.job, hold.instance),
        "ConditionExpression": "attribute_not_exists(pk)",
        "UpdateExpression": "SET #hold = :hold",
        "ExpressionAttributeNames": {"#hold": "hold"},
        "ExpressionAttributeValues": {":hold": {"S": hold.to_json()}},
    }
    return [{"Update": take}, {"Update": note}]


def release_writes(table: str, budget_key: Mapping[str, Any], hold: Hold, spent: int) -> list[dict[str, Any]]:
    """The transaction that settles a hold, once: what it cost takes the place of what was reserved."""
    settle = {
        "TableName": table,
        "Key": budget_key,
        "UpdateExpression": "ADD #committed :difference, #spent :spent",
        "ExpressionAttributeNames": {"#committed": "committed", "#spent": "spent"},
        "ExpressionAttributeValues": {
            ":difference": {"N": str(spent - hold.reserved)},
            ":spent": {"N": str(spent)},
        },
    }
    close = {
        "TableName": table,
        "Key": hold_key(hold.job, hold.instance),
        "ConditionExpression": "attribute_exists(pk)",
    }
    return [{"Update": settle}, {"Delete": close}]
