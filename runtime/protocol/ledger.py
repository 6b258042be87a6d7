"""The table of the service (DynamoDB, one for all analyses, in the utility stack).

String partition key `pk`, string sort key `sk`, on-demand billing, encryption, point-in-time recovery.

The manager needs dynamodb:GetItem, UpdateItem and DeleteItem on it, the monitor those and Query. The manager gets the
table's name from its settings (`ledger_table`), the monitor from the environment variable NEUROCAAS_LEDGER_TABLE.

Items:

- open jobs: `pk = "open-job"`, `sk = "{bucket}/{group}/{timestamp}"`. Made when a job is claimed, deleted when it has
  ended, so the sweep reads only what is open. Attributes:
    - `state` S: `starting` or `launched`;
    - `owner` S, `lease` N (epoch seconds): which manager works on it, until when; removed when it is launched;
    - `created` N (epoch seconds), `submission` S (key), `analysis` S;
    - `total` N: number of datasets, set by the manager that has launched the job; a job that is `launched` without it was
      taken from its manager by the sweep;
    - `succeeded`, `failed` NS: indexes of the datasets that are final; `instances` SS: machines that have ended;
    - `retries` SS: `{dataset}:{attempt}` of each further attempt that the monitor has asked for;
    - `closed` N (epoch seconds): when the last of them became final;
    - `stop` S, `stopped` N (epoch seconds): why and since when it is being ended early (`runtime.protocol.stop`);
    - `reserved` N (micro-dollars) and `budget` S (sort key of the budget it is reserved in).
- budgets: `pk = "budget"`, `sk = "{analysis}/{group}/{month}"`, one for each group, analysis and month (UTC, of the
  submission). Attributes: `committed` N = what is spent and what open jobs may still spend, `spent` N, in micro-dollars.

A job's item and its budget change together, in transactions: a reservation is made exactly once, and settled exactly
once, however often a message is delivered.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

OPEN_JOBS = "open-job"
BUDGETS = "budget"
STARTING = "starting"
LAUNCHED = "launched"


def open_job_key(bucket: str, group: str, timestamp: str) -> dict[str, str]:
    """The primary key of a job's item. None of the three parts can contain '/'."""
    return {"pk": OPEN_JOBS, "sk": f"{bucket}/{group}/{timestamp}"}


def parse_open_job_key(sk: str) -> tuple[str, str, str]:
    """`(bucket, group, timestamp)` of an item's sort key."""
    bucket, group, timestamp = sk.split("/")
    return bucket, group, timestamp


def retry_name(dataset: int, attempt: int) -> str:
    """An entry of `retries`."""
    return f"{dataset}:{attempt}"


def budget_name(analysis: str, group: str, when: datetime) -> str:
    """The sort key of a budget item."""
    return f"{analysis}/{group}/{when.astimezone(timezone.utc):%Y-%m}"


def micro_dollars(usd: float) -> int:
    """Whole micro-dollars, rounded up: sums of them are exact, and nothing costs nothing."""
    return math.ceil(round(usd * 1_000_000, 3))


def budget_read(table: str, budget: str) -> dict[str, Any]:
    """The GetItem request for a budget."""
    return {"TableName": table, "Key": _strings({"pk": BUDGETS, "sk": budget}), "ConsistentRead": True}


def reserve_writes(table: str, job: tuple[str, str, str], budget: str, amount: int, limit: int) -> list[dict[str, Any]]:
    """The transaction that reserves `amount` for a job unless more than `limit` would be committed. First its budget (a
    failed condition means: not enough left), then the job's item (a failed condition: reserved already)."""
    take = {
        "TableName": table,
        "Key": _strings({"pk": BUDGETS, "sk": budget}),
        "ConditionExpression": "attribute_not_exists(#committed) OR #committed <= :room",
        "UpdateExpression": "ADD #committed :amount, #spent :nothing",
        "ExpressionAttributeNames": {"#committed": "committed", "#spent": "spent"},
        "ExpressionAttributeValues": {":amount": _number(amount), ":room": _number(limit - amount), ":nothing": _number(0)},
    }
    note = {
        "TableName": table,
        "Key": item_key(job),
        "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(#reserved)",
        "UpdateExpression": "SET #reserved = :amount, #budget = :budget",
        "ExpressionAttributeNames": {"#reserved": "reserved", "#budget": "budget"},
        "ExpressionAttributeValues": {":amount": _number(amount), ":budget": {"S": budget}},
    }
    return [{"Update": take}, {"Update": note}]


def settle_writes(table: str, job: tuple[str, str, str], budget: str, reserved: int, spent: int) -> list[dict[str, Any]]:
    """The transaction that ends a job: what it spent takes the place of what it had reserved, and its item goes."""
    settle = {
        "TableName": table,
        "Key": _strings({"pk": BUDGETS, "sk": budget}),
        "UpdateExpression": "ADD #committed :difference, #spent :spent",
        "ExpressionAttributeNames": {"#committed": "committed", "#spent": "spent"},
        "ExpressionAttributeValues": {":difference": _number(spent - reserved), ":spent": _number(spent)},
    }
    close = {
        "TableName": table,
        "Key": item_key(job),
        "ConditionExpression": "#reserved = :reserved",
        "ExpressionAttributeNames": {"#reserved": "reserved"},
        "ExpressionAttributeValues": {":reserved": _number(reserved)},
    }
    return [{"Update": settle}, {"Delete": close}]


def item_key(job: tuple[str, str, str]) -> dict[str, dict[str, str]]:
    """The primary key of a job's item, as DynamoDB takes it."""
    return _strings(open_job_key(*job))


def change(
    client: Any, table: str, job: tuple[str, str, str], update: str, values: Mapping[str, Any], condition: str = "attribute_exists(pk)"
) -> Mapping[str, Any] | None:
    """Change a job's item with a DynamoDB client; the item afterwards, None when the condition does not hold. All attributes
    are written `#name` in the expressions: DynamoDB reserves hundreds of words."""
    try:
        answer = client.update_item(
            TableName=table,
            Key=item_key(job),
            ConditionExpression=condition,
            UpdateExpression=update,
            ExpressionAttributeNames={f"#{name}": name for name in re.findall(r"#(\w+)", f"{update} {condition}")},
            ExpressionAttributeValues=dict(values),
            ReturnValues="ALL_NEW",
        )
    except client.exceptions.ConditionalCheckFailedException:
        return None
    attributes: Mapping[str, Any] = answer["Attributes"]
    return attributes


def note_stop(client: Any, table: str, job: tuple[str, str, str], reason: str, now: float) -> bool:
    """Note in a job's item why and since when it is to end. The first note stays; False when there is no item."""
    update = "SET #stop = if_not_exists(#stop, :reason), #stopped = if_not_exists(#stopped, :now)"
    return change(client, table, job, update, {":reason": {"S": reason}, ":now": {"N": f"{now:.3f}"}}) is not None


def transact(client: Any, writes: Sequence[dict[str, Any]], pause: Callable[[float], None] = time.sleep) -> list[str]:
    """Run a transaction with a DynamoDB client; the codes of the writes that were refused ("None" for the others), or []
    when it went through. Conflicts with other transactions on the same items are tried again, for about two seconds."""
    for attempt in range(6):
        try:
            client.transact_write_items(TransactItems=list(writes))
        except client.exceptions.TransactionCanceledException as error:
            codes = [str(reason.get("Code", "None")) for reason in error.response.get("CancellationReasons", [])]
            if "ConditionalCheckFailed" in codes:
                return codes
            if "TransactionConflict" not in codes or attempt == 5:
                raise
            pause(random.uniform(0.02, 0.06) * 2**attempt)  # noqa: S311 (spreads retries, protects nothing)
        else:
            return []
    raise AssertionError("unreachable")


def _strings(values: dict[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in values.items()}


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}
