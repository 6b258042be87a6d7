"""The table of the service (DynamoDB, one for all analyses, in the utility stack).

String partition key `pk`, string sort key `sk`, on-demand billing, encryption, point-in-time recovery.

The manager needs dynamodb:GetItem, PutItem, UpdateItem, DeleteItem, ConditionCheckItem and Query on it; the
monitor GetItem, BatchGetItem, Query, UpdateItem and DeleteItem. The manager gets the table's name from its
settings (`ledger_table`), the monitor from the environment variable NEUROCAAS_LEDGER_TABLE.

Items:

- open jobs: `pk = "open-job"`, `sk = "{bucket}/{group}/{timestamp}"`. Made when a job is claimed, deleted
  when it has ended, so the sweep reads only what is open. Attributes:
    - `state` S: `starting` or `launched`;
    - `owner` S, `lease` N (epoch seconds): which manager works on it, until when; removed when it is
      launched;
    - `created` N (epoch seconds), `taken` S (ISO 8601, the claim's `started`), `submission` S (key),
      `analysis` S, `submitter` S;
    - `total` N: number of datasets: set by the manager that has launched the job; a job that is `launched`
      without it was taken from its manager by the sweep;
    - `since` N (epoch seconds): when a manager has launched the job, or last has paused its launch; then
      `started` N says how many of the first datasets have their machines;
    - `succeeded`, `failed` NS: indexes of the datasets that are final; `instances` SS: machines that have
      ended;
    - `retries` SS: `{dataset}:{attempt}` of each further attempt that the monitor has asked for;
    - `closed` N (epoch seconds): when the last of them became final;
    - `ending` N (epoch seconds): since when a monitor is writing the job's end;
    - `stop` S, `stopped` N (epoch seconds): why and since when it is being ended early
      (`neurocaas.protocol.stop`);
    - `reserved` N (micro-dollars), `budget` S (sort key of the budget it is reserved in) and `member` S (who
      submitted, "" where nobody can say; missing in what is older: no member's figures count it); `paid` N:
      for so many of its first datasets that was reserved (all of them, where it is not there); `settled` N:
      what the datasets that have ended have cost, so far as that is in the budget's `spent` already;
    - while it waits for another job, with nothing reserved: `waits_for` S (that job, as in a sort key),
      `waits_until` N (epoch seconds), `wake_queue` and `wake_message` S: what goes on with it;
    - `followers` SS: jobs (as in a sort key) that wait for this one.
- waiting: `pk = "waiting"`, `sk = "{bucket}"`. The queue of an analysis (`neurocaas.protocol.waiting`):
  `jobs` M, an entry for each job that waits, `woken` N (epoch seconds) when they were last told of room.
- claims: `pk = "claim"`, `sk` as of open jobs. Which submission has a timestamp: it is used once, unless the
  records of its job were deleted. Attributes (S): `claim` (`certificate.claim_id`), `submission` (key),
  `started` (ISO 8601), `cancelled_by` (where a cancellation came before any
  manager: the digest of its key), `ended` (ISO 8601, once it is over).
- heard: `pk = "heard"`, `sk = "{bucket}/{key}"`. The submission or cancellation that a manager has last taken
  from the queue; `etag` S, of what was written. A file whose ETag is another one has not been heard of
  (`runtime.monitor.unheard`): `sent` S, `sent_at` N (epoch seconds) say that the sweep has told the queue of
  it, by its ETag.
- searches: `pk = "search"`, `sk = "{bucket}"`. Where the search for files that were not heard of goes on; see
  there.
- index, indexed, index/…: the index of each group's jobs (`neurocaas.protocol.job_index`).
- held machines: `pk = "hold"`, `sk = "{bucket}/{group}/{timestamp}/{instance}"`. `hold` S: the JSON of a
  `neurocaas.protocol.hold.Hold`; deleted when it is settled.
- watches: `pk = "watch"`, `sk = "{bucket}/{group}/{name}"`. `watch` S: what it is, as JSON
  (`neurocaas.protocol.watches`), written by a manager; `ended` S: why the service has ended it since.
- caps: `pk = "cap"`, `sk = "{bucket}/{group}/{watch}/{month}"`: `committed` N, what the jobs of a watch have
  spent or may still spend in a month, in micro-dollars; for each that is open, with `/{timestamp}` behind,
  `reserved` N.
- budgets: `pk = "budget"`, `sk = "{analysis}/{group}/{month}"`, one for each group, analysis and month (UTC,
  of the submission). Attributes: `committed` N = what is spent and what open jobs may still spend, `spent` N,
  in micro-dollars; `limit` N, that of the last reservation; `told` SS, which alarms were sent
  (`neurocaas.protocol.spending`).
- budgets of members: `pk = "member-budget"`, `sk = "{analysis}/{group}/{month}/{member}"`: `committed` and
  `spent` of what this member of the group has submitted.
- digests: `pk = "digest"`, `sk = "{day}/{group}"`: what has ended on a day, until it is told; see
  `neurocaas.protocol.digest`.

A job's item, its claim and its budget change together, in transactions: a reservation is made exactly once,
and settled exactly once, however often a message is delivered.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from neurocaas.protocol.keys import JobId
from neurocaas.protocol.waiting import Waiter

OPEN_JOBS = "open-job"
CLAIMS = "claim"
HEARD = "heard"
SEARCHES = "search"
BUDGETS = "budget"
MEMBER_BUDGETS = "member-budget"
WATCHES = "watch"
CAPS = "cap"
WAITING = "waiting"
_SORT_KEY_MAX_BYTES = 1024
"""Longest sort key (DynamoDB developer guide, "Quotas")."""

_BUSY = frozenset({"TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"})
"""Reasons of a cancelled transaction that pass (DynamoDB API reference, "TransactWriteItems"); botocore does
not try again by itself.
"""

_TRIES = 6
_sleep = time.sleep

STARTING = "starting"
LAUNCHED = "launched"


@dataclass(frozen=True)
class Claim:
    """Which submission has a timestamp, since when (ISO 8601); see above."""

    claim: str
    submission: str
    started: str
    cancelled_by: str = ""
    ended: str = ""


@dataclass(frozen=True)
class Waiting:
    """A job that waits for another, at most until `until` (epoch seconds): sending `message` to `queue` (a
    URL) makes a manager look at it again. It has no machine, and nothing is reserved for it."""

    for_: JobId
    until: float
    queue: str
    message: str


def waiting_of(item: Mapping[str, Any]) -> Waiting | None:
    """What the item of an open job waits for."""
    if "waits_for" not in item:
        return None
    return Waiting(
        parse_open_job_key(item["waits_for"]["S"]),
        float(item["waits_until"]["N"]),
        item["wake_queue"]["S"],
        item["wake_message"]["S"],
    )


def followers_of(item: Mapping[str, Any]) -> tuple[JobId, ...]:
    """The jobs that wait for this one."""
    return tuple(map(parse_open_job_key, sorted(item.get("followers", {}).get("SS", []))))


def open_job_key(job: JobId) -> dict[str, str]:
    """The primary key of a job's item. None of the three parts can contain '/'."""
    return {"pk": OPEN_JOBS, "sk": "/".join(job)}


def parse_open_job_key(sk: str) -> JobId:
    """The job of an item's sort key."""
    bucket, group, timestamp = sk.split("/")
    return JobId(bucket, group, timestamp)


def retry_name(dataset: int, attempt: int) -> str:
    """An entry of `retries`."""
    return f"{dataset}:{attempt}"


def budget_name(analysis: str, group: str, when: datetime) -> str:
    """The sort key of a budget item."""
    return f"{analysis}/{group}/{when.astimezone(timezone.utc):%Y-%m}"


def budget_key(budget: str, member: str | None = None) -> dict[str, dict[str, str]]:
    """The primary key of a group's budget, or of what a member of it has of it, as DynamoDB takes it."""
    if member is None:
        return _strings({"pk": BUDGETS, "sk": budget})
    return _strings({"pk": MEMBER_BUDGETS, "sk": f"{budget}/{member}"})


def budget_read(table: str, budget: str, member: str | None = None) -> dict[str, Any]:
    """The GetItem request for a budget."""
    return {"TableName": table, "Key": budget_key(budget, member), "ConsistentRead": True}


def members_read(table: str, budget: str) -> dict[str, Any]:
    """The Query request for what each member has of a group's budget."""
    return {
        "TableName": table,
        "KeyConditionExpression": "#pk = :pk AND begins_with(#sk, :budget)",
        "ExpressionAttributeNames": {"#pk": "pk", "#sk": "sk"},
        "ExpressionAttributeValues": _strings({":pk": MEMBER_BUDGETS, ":budget": f"{budget}/"}),
        "ConsistentRead": True,
    }


@dataclass(frozen=True)
class Reservation:
    """`amount` (micro-dollars) of a budget for a job, unless more than `limit` would be committed, or more
    than `member_limit` (None: there is none) of what `member`, its submitter, has submitted. With it `paid`
    of the job's first datasets are paid; `before` is how many of them were (0: nothing is reserved yet)."""

    budget: str
    amount: int
    limit: int
    member: str = ""
    member_limit: int | None = None
    paid: int = 0
    before: int = 0


def reserve_writes(table: str, job: JobId, wanted: Reservation) -> list[dict[str, Any]]:
    """The transaction that reserves. First its budget (a failed condition means: not enough left), then the
    job's item (a failed condition: reserved already), then the member's (as the first)."""
    take = _take(table, budget_key(wanted.budget), wanted.amount, wanted.limit)
    take["UpdateExpression"] += " SET #limit = :limit"
    take["ExpressionAttributeNames"]["#limit"] = "limit"
    take["ExpressionAttributeValues"][":limit"] = _number(wanted.limit)
    own = _take(table, budget_key(wanted.budget, wanted.member), wanted.amount, wanted.member_limit)
    update = "SET #budget = :budget, #member = :member, #paid = :paid ADD #reserved :amount"
    condition = (
        "#paid = :before" if wanted.before else "attribute_exists(pk) AND attribute_not_exists(#reserved)"
    )
    note = {
        "TableName": table,
        "Key": item_key(job),
        "ConditionExpression": condition,
        "UpdateExpression": update,
        "ExpressionAttributeNames": _names(update),
        "ExpressionAttributeValues": {
            ":amount": _number(wanted.amount),
            ":budget": {"S": wanted.budget},
            ":member": {"S": wanted.member},
            ":paid": _number(wanted.paid),
            **({":before": _number(wanted.before)} if wanted.before else {}),
        },
    }
    return [{"Update": take}, {"Update": note}, {"Update": own}]


def _take(table: str, key: Mapping[str, Any], amount: int, limit: int | None) -> dict[str, Any]:
    """An update that adds `amount` to what is committed, unless that is more than `limit` then."""
    take: dict[str, Any] = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": "ADD #committed :amount, #spent :nothing",
        "ExpressionAttributeNames": {"#committed": "committed", "#spent": "spent"},
        "ExpressionAttributeValues": {":amount": _number(amount), ":nothing": _number(0)},
    }
    if limit is not None:
        take["ConditionExpression"] = "attribute_not_exists(#committed) OR #committed <= :room"
        take["ExpressionAttributeValues"][":room"] = _number(limit - amount)
    return take


def told_write(table: str, budget: str, mark: str) -> dict[str, Any]:
    """The UpdateItem request by which an alarm is taken on, once: its condition fails for whoever is
    second."""
    return {
        "TableName": table,
        "Key": budget_key(budget),
        "ConditionExpression": "attribute_exists(pk) AND NOT contains(#told, :mark)",
        "UpdateExpression": "ADD #told :marks",
        "ExpressionAttributeNames": {"#told": "told"},
        "ExpressionAttributeValues": {":mark": {"S": mark}, ":marks": {"SS": [mark]}},
    }


def lease_writes(
    table: str, job: JobId, owner: str, now: float, until: float, about: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The transaction by which a manager takes a job until `until` (epoch seconds), noting `about` in its
    item. First its claim (a failed condition means: it has ended), then its item (a failed condition: another
    manager has it, or it is launched)."""
    open_yet = {
        "TableName": table,
        "Key": claim_key(job),
        "ConditionExpression": "attribute_not_exists(#ended)",
        "ExpressionAttributeNames": {"#ended": "ended"},
    }
    names = ("state", "owner", "lease", "created", *about)
    take = {
        "TableName": table,
        "Key": item_key(job),
        "ConditionExpression": (
            "attribute_not_exists(pk) OR (#state = :starting AND (attribute_not_exists(#lease) OR #lease < "
            ":now))"
        ),
        "UpdateExpression": (
            "SET #state = :starting, #owner = :owner, #lease = :until, #created = if_not_exists(#created, "
            ":now)"
        )
        + "".join(f", #{name} = :{name}" for name in about),
        "ExpressionAttributeNames": {f"#{name}": name for name in names},
        "ExpressionAttributeValues": {
            ":starting": {"S": STARTING},
            ":owner": {"S": owner},
            ":now": {"N": f"{now:.3f}"},
            ":until": {"N": f"{until:.3f}"},
            **{f":{name}": {"S": text} for name, text in about.items()},
        },
    }
    return [{"ConditionCheck": open_yet}, {"Update": take}]


def close_paid_writes(
    table: str,
    job: JobId,
    budget: str,
    each: int,
    cost: int,
    index: int,
    update: str,
    values: Mapping[str, Any],
    member: str | None = None,
) -> list[dict[str, Any]]:
    """The transaction with which a dataset ends whose costs are known: `cost` takes the place of `each` that
    was reserved for it, in its group's budget and in its member's, and its job's item is changed by `update`,
    which closes it, and ends in an ADD clause. A failed condition means that the dataset is closed already,
    or that nothing is reserved for it."""
    settle = _settled(table, budget, each, cost, member)
    once = " AND ".join(
        f"(attribute_not_exists(#{name}) OR NOT contains(#{name}, :index))"
        for name in ("succeeded", "failed")
    )
    text = f"{update}, #reserved :less, #settled :cost"
    condition = f"#reserved >= :each AND #budget = :budget AND {once}"
    close = {
        "TableName": table,
        "Key": item_key(job),
        "ConditionExpression": condition,
        "UpdateExpression": text,
        "ExpressionAttributeNames": _names(text, condition),
        "ExpressionAttributeValues": {
            **values,
            ":index": _number(index),
            ":each": _number(each),
            ":less": _number(-each),
            ":cost": _number(cost),
            ":budget": {"S": budget},
        },
    }
    return [*settle, {"Update": close}]


def settle_writes(
    table: str, job: JobId, budget: str, reserved: int, spent: int, ended: str, member: str | None = None
) -> list[dict[str, Any]]:
    """The transaction that ends a job: what it spent (beside what is settled already) takes the place of what
    it had reserved, in its group's budget and in its member's (None: it is counted in none), its item goes,
    and its claim says so.
    """
    close = {
        "TableName": table,
        "Key": item_key(job),
        "ConditionExpression": "#reserved = :reserved",
        "ExpressionAttributeNames": {"#reserved": "reserved"},
        "ExpressionAttributeValues": {":reserved": _number(reserved)},
    }
    settle = _settled(table, budget, reserved, spent, member)
    return [*settle, {"Delete": close}, _note_end(table, job, ended)]


def _settled(table: str, budget: str, reserved: int, spent: int, member: str | None) -> list[dict[str, Any]]:
    """The updates by which `spent` takes the place of what was `reserved` in a budget, and in a member's part
    of it (None: it is counted in nobody's)."""
    return [
        {
            "Update": {
                "TableName": table,
                "Key": budget_key(budget, whose),
                "UpdateExpression": "ADD #committed :difference, #spent :spent",
                "ExpressionAttributeNames": {"#committed": "committed", "#spent": "spent"},
                "ExpressionAttributeValues": {
                    ":difference": _number(spent - reserved),
                    ":spent": _number(spent),
                },
            }
        }
        for whose in ((None,) if member is None else (None, member))
    ]


def close_writes(table: str, job: JobId, ended: str) -> list[dict[str, Any]]:
    """The same for a job for which nothing was reserved. If that has changed since it was read, the
    transaction is refused: what was reserved would be committed for ever."""
    close = {
        "TableName": table,
        "Key": item_key(job),
        "ConditionExpression": "attribute_not_exists(#reserved)",
        "ExpressionAttributeNames": {"#reserved": "reserved"},
    }
    return [{"Delete": close}, _note_end(table, job, ended)]


def _note_end(table: str, job: JobId, ended: str) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": table,
            "Key": claim_key(job),
            "ConditionExpression": "attribute_not_exists(#ended)",
            "UpdateExpression": "SET #ended = :ended",
            "ExpressionAttributeNames": {"#ended": "ended"},
            "ExpressionAttributeValues": {":ended": {"S": ended}},
        }
    }


def watch_key(bucket: str, group: str, name: str) -> dict[str, dict[str, str]]:
    """The primary key of a watch."""
    return _strings({"pk": WATCHES, "sk": f"{bucket}/{group}/{name}"})


def end_watch_write(table: str, bucket: str, group: str, name: str, why: str) -> dict[str, Any]:
    """The UpdateItem request by which the service ends a watch."""
    return {
        "TableName": table,
        "Key": watch_key(bucket, group, name),
        "UpdateExpression": "SET #ended = :why",
        "ExpressionAttributeNames": {"#ended": "ended"},
        "ExpressionAttributeValues": _strings({":why": why}),
    }


def cap_key(cap: str, timestamp: str = "") -> dict[str, dict[str, str]]:
    """The primary key of a month of a watch, or of what one of its jobs has reserved there."""
    return _strings({"pk": CAPS, "sk": f"{cap}/{timestamp}" if timestamp else cap})


def cap_writes(table: str, cap: str, timestamp: str, amount: int, limit: int) -> list[dict[str, Any]]:
    """The transaction that counts a job in a month of its watch, unless more than `limit` would be committed.
    First the month (a failed condition means: not enough left), then the job's share (counted already)."""
    take = {
        "TableName": table,
        "Key": cap_key(cap),
        "ConditionExpression": "attribute_not_exists(#committed) OR #committed <= :room",
        "UpdateExpression": "ADD #committed :amount",
        "ExpressionAttributeNames": {"#committed": "committed"},
        "ExpressionAttributeValues": {":amount": _number(amount), ":room": _number(limit - amount)},
    }
    share = {
        "TableName": table,
        "Item": {**cap_key(cap, timestamp), "reserved": _number(amount)},
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    return [{"Update": take}, {"Put": share}]


def settle_cap(client: Any, table: str, cap: str, timestamp: str, spent: int) -> None:
    """What a job of a watch spent takes the place of what it had reserved in the month's cap, once."""
    share = client.get_item(TableName=table, Key=cap_key(cap, timestamp), ConsistentRead=True).get("Item")
    if share is None:
        return
    reserved = int(share["reserved"]["N"])
    settle = {
        "TableName": table,
        "Key": cap_key(cap),
        "UpdateExpression": "ADD #committed :difference",
        "ExpressionAttributeNames": {"#committed": "committed"},
        "ExpressionAttributeValues": {":difference": _number(spent - reserved)},
    }
    close = {
        "TableName": table,
        "Key": cap_key(cap, timestamp),
        "ConditionExpression": "attribute_exists(pk)",
    }
    transact(client, [{"Update": settle}, {"Delete": close}])


def cap_committed(client: Any, table: str, cap: str) -> int:
    """Micro-dollars that the jobs of a watch have spent or reserved in a month."""
    item = client.get_item(TableName=table, Key=cap_key(cap), ConsistentRead=True).get("Item", {})
    return int(item["committed"]["N"]) if "committed" in item else 0


def take_claim(client: Any, table: str, job: JobId, claim: Claim, after: Claim | None = None) -> Claim | None:
    """Claim a timestamp; None when that was done, else the claim that was there before. `after`: a claim of
    before whose job was deleted, and whose place this one takes."""
    values = {name: {"S": text} for name, text in vars(claim).items() if text}
    condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
    if after is not None:
        condition = {
            "ConditionExpression": "#started = :started AND attribute_exists(#ended)",
            "ExpressionAttributeNames": {"#started": "started", "#ended": "ended"},
            "ExpressionAttributeValues": {":started": {"S": after.started}},
        }
    try:
        _alone(client, client.put_item, TableName=table, Item={**claim_key(job), **values}, **condition)
    except client.exceptions.ConditionalCheckFailedException:
        return read_claim(client, table, job)
    return None


def read_claim(client: Any, table: str, job: JobId) -> Claim | None:
    """The claim of a timestamp, None when it is free."""
    item = client.get_item(TableName=table, Key=claim_key(job), ConsistentRead=True).get("Item")
    if item is None:
        return None
    return Claim(
        **{
            name: item.get(name, {}).get("S", "")
            for name in ("claim", "submission", "started", "cancelled_by", "ended")
        }
    )


def claim_key(job: JobId) -> dict[str, dict[str, str]]:
    """The primary key of a job's claim, as DynamoDB takes it."""
    return _strings({**open_job_key(job), "pk": CLAIMS})


def heard_key(bucket: str, key: str) -> dict[str, dict[str, str]]:
    """The primary key of what was heard of a submission or cancellation. A sort key has room for 1,024 bytes:
    longer ones get a digest.
    """
    name = f"{bucket}/{key}"
    if len(name.encode("utf-8", "surrogatepass")) > _SORT_KEY_MAX_BYTES:
        name = f"{bucket}/{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return _strings({"pk": HEARD, "sk": name})


def item_key(job: JobId) -> dict[str, dict[str, str]]:
    """The primary key of a job's item, as DynamoDB takes it."""
    return _strings(open_job_key(job))


def change(
    client: Any,
    table: str,
    job: JobId,
    update: str,
    values: Mapping[str, Any],
    condition: str = "attribute_exists(pk)",
) -> Mapping[str, Any] | None:
    """Change a job's item with a DynamoDB client; the item afterwards, None when the condition does not hold.
    All attributes are written `#name` in the expressions: DynamoDB reserves hundreds of words."""
    try:
        answer = _alone(
            client,
            client.update_item,
            TableName=table,
            Key=item_key(job),
            ConditionExpression=condition,
            UpdateExpression=update,
            ExpressionAttributeNames=_names(update, condition),
            ExpressionAttributeValues=dict(values),
            ReturnValues="ALL_NEW",
        )
    except client.exceptions.ConditionalCheckFailedException:
        return None
    attributes: Mapping[str, Any] = answer["Attributes"]
    return attributes


def _names(*expressions: str) -> dict[str, str]:
    return {f"#{name}": name for name in re.findall(r"#(\w+)", " ".join(expressions))}


def read_waiters(client: Any, table: str, bucket: str) -> list[Waiter]:
    """The queue of an analysis, in order. What cannot be read is passed over."""
    item = client.get_item(TableName=table, Key=waiting_key(bucket), ConsistentRead=True).get("Item", {})
    found = []
    for name, entry in item.get("jobs", {}).get("M", {}).items():
        group, _, timestamp = name.partition("/")
        with suppress(KeyError, TypeError, ValueError):
            values = {key: value(entry["M"][key]) for key, value in _WAITER.items()}
            found.append(Waiter(JobId(bucket, group, timestamp), **values))
    return sorted(found, key=lambda one: one.order)


def note_waiter(client: Any, table: str, waiter: Waiter) -> None:
    """Put a job into the queue, or what is new of it."""
    key, names = waiting_key(waiter.job.bucket), {"#jobs": "jobs"}
    _alone(
        client,
        client.update_item,
        TableName=table,
        Key=key,
        UpdateExpression="SET #jobs = if_not_exists(#jobs, :none)",
        ExpressionAttributeNames=names,
        ExpressionAttributeValues={":none": {"M": {}}},
    )
    entry = {
        name: {"N": f"{value:.3f}" if isinstance(value, float) else str(value)}
        if not isinstance(value := getattr(waiter, name), str)
        else {"S": value}
        for name in _WAITER
    }
    _alone(
        client,
        client.update_item,
        TableName=table,
        Key=key,
        UpdateExpression="SET #jobs.#job = :entry",
        ExpressionAttributeNames={**names, "#job": waiter_name(waiter.job)},
        ExpressionAttributeValues={":entry": {"M": entry}},
    )


def remove_waiter(client: Any, table: str, job: JobId) -> None:
    """Take a job out of the queue; it may not be in it."""
    with suppress(client.exceptions.ConditionalCheckFailedException):
        _alone(
            client,
            client.update_item,
            TableName=table,
            Key=waiting_key(job.bucket),
            ConditionExpression="attribute_exists(#jobs.#job)",
            UpdateExpression="REMOVE #jobs.#job",
            ExpressionAttributeNames={"#jobs": "jobs", "#job": waiter_name(job)},
        )


def may_wake(client: Any, table: str, bucket: str, now: float, stale: float) -> bool:
    """Take it on to tell the jobs that wait of room; False when another has done that after `stale`."""
    try:
        _alone(
            client,
            client.update_item,
            TableName=table,
            Key=waiting_key(bucket),
            ConditionExpression="attribute_exists(pk) AND (attribute_not_exists(#woken) OR #woken < :stale)",
            UpdateExpression="SET #woken = :now",
            ExpressionAttributeNames={"#woken": "woken"},
            ExpressionAttributeValues={":now": {"N": f"{now:.3f}"}, ":stale": {"N": f"{stale:.3f}"}},
        )
    except client.exceptions.ConditionalCheckFailedException:
        return False
    return True


def waiting_key(bucket: str) -> dict[str, dict[str, str]]:
    """The primary key of an analysis's queue, as DynamoDB takes it."""
    return _strings({"pk": WAITING, "sk": bucket})


def waiter_name(job: JobId) -> str:
    return f"{job.group}/{job.timestamp}"


_WAITER: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("created", "until", "seen", "due"), lambda value: float(value["N"])),
    "wants": lambda value: int(value["N"]),
    **dict.fromkeys(("kind", "budget", "queue", "message"), lambda value: value["S"]),
}
"""The attributes of an entry, and how each is read."""


def note_stop(client: Any, table: str, job: JobId, reason: str, now: float) -> bool:
    """Note in a job's item why and since when it is to end. The first note stays; False when there is no
    item.
    """
    update = "SET #stop = if_not_exists(#stop, :reason), #stopped = if_not_exists(#stopped, :now)"
    return (
        change(client, table, job, update, {":reason": {"S": reason}, ":now": {"N": f"{now:.3f}"}})
        is not None
    )


def transact(
    client: Any, writes: Sequence[dict[str, Any]], pause: Callable[[float], None] | None = None
) -> list[str]:
    """Run a transaction with a DynamoDB client; the codes of the writes that were refused ("None" for the
    others), or [] when it went through. While the table is busy, with other transactions on the same items or
    with too much at once, it is tried again, for about two seconds: a condition that fails beside that says
    nothing about the write that had no turn."""
    for attempt in range(_TRIES):
        try:
            client.transact_write_items(TransactItems=list(writes))
        except client.exceptions.TransactionCanceledException as error:
            codes = [
                str(reason.get("Code", "None")) for reason in error.response.get("CancellationReasons", [])
            ]
            if _BUSY.isdisjoint(codes) and "ConditionalCheckFailed" in codes:
                return codes
            if _BUSY.isdisjoint(codes) or attempt == _TRIES - 1:
                raise
            _wait(attempt, pause)
        else:
            return []
    raise AssertionError("unreachable")


def _alone(client: Any, write: Callable[..., Mapping[str, Any]], **arguments: Any) -> Mapping[str, Any]:
    """A write of one item, which a transaction on this item refuses for as long as it runs."""
    for attempt in range(_TRIES):
        try:
            return write(**arguments)
        except client.exceptions.ClientError as error:
            if error.response["Error"].get("Code") != "TransactionConflictException" or attempt == _TRIES - 1:
                raise
            _wait(attempt)
    raise AssertionError("unreachable")


def _wait(attempt: int, pause: Callable[[float], None] | None = None) -> None:
    (pause or _sleep)(random.uniform(0.02, 0.06) * 2**attempt)  # noqa: S311 (spreads retries, protects nothing)


def _strings(values: dict[str, str]) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in values.items()}


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}
