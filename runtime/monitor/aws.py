"""The monitor's AWS calls. Clients are made at first use, once per container.

Permissions: s3:GetObject on the objects of the analysis buckets and s3:ListBucket on those buckets (by their
bucket policies), the same on the settings of analyses in the artifact bucket, sts:AssumeRole on the writer,
which has s3:PutObject, s3:DeleteObject and, for copies, s3:GetObject on objects of the analysis buckets, and
s3:PutObject where outside buckets take results; dynamodb:GetItem, BatchGetItem, UpdateItem, DeleteItem and
Query on the table, sqs:SendMessage to the queues of submissions, ec2:DescribeInstances,
ec2:DescribeInstanceStatus, ec2:CreateTags (neurocaas-held), ec2:TerminateInstances and StopInstances
(machines tagged PriceTracking=On),
ec2:DescribeSpotPriceHistory, sns:Publish on the topic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from neurocaas.protocol import digest, logline
from neurocaas.protocol.development import GROUP
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.hold import HOLDS, NO_MONEY, TAKEN, Hold, hold_key, hold_writes, release_writes
from neurocaas.protocol.job_index import IndexEntry, note_job
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.ledger import (
    LAUNCHED,
    OPEN_JOBS,
    SEARCHES,
    STARTING,
    WATCHES,
    Waiting,
    budget_key,
    cap_committed,
    change,
    close_paid_writes,
    close_writes,
    end_watch_write,
    followers_of,
    heard_key,
    item_key,
    may_wake,
    note_stop,
    parse_open_job_key,
    read_waiters,
    retry_name,
    settle_cap,
    settle_writes,
    transact,
    waiting_of,
)
from neurocaas.protocol.notice import send
from neurocaas.protocol.notification import notification
from neurocaas.protocol.objects import code_of
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.spending import Figures, read_figures, take_alarm, tell_spending
from neurocaas.protocol.waiting import Waiter
from neurocaas.protocol.watches import Watch
from runtime.aws.clients import Clients
from runtime.monitor.ec2 import Ec2Machines
from runtime.monitor.objects import ConfinedObjects, is_refusal
from runtime.monitor.port import Deployed, Heard, OpenJob, Paid, Search, Written

_SETTINGS = "analyses/"
"""Prefix of the settings of all analyses that are deployed, in the artifact bucket."""

_LOOKED_UP = 100
"""Keys of one BatchGetItem (Amazon DynamoDB API reference)."""


class AwsMonitorCloud(ConfinedObjects, Ec2Machines):
    """The real thing (`MonitorCloud` over botocore). `topic` is None where nobody wants to be notified.
    `service`: its name in the log.
    `artifacts`: the bucket that has the settings of all analyses, "" where nobody searches."""

    def __init__(
        self, table: str, topic: str | None, service: str = "monitor", *, artifacts: str = ""
    ) -> None:
        super().__init__(Clients(5))
        self._table, self._service = table, service
        self._topic, self._artifacts = topic, artifacts

    def _item(self, key: Mapping[str, Any]) -> Any:
        found = self.clients.dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return found.get("Item")

    def _change(
        self, job: JobId, update: str, values: Mapping[str, Any], condition: str = "attribute_exists(pk)"
    ) -> Mapping[str, Any] | None:
        return change(self.clients.dynamodb, self._table, job, update, values, condition)

    def open_job(self, job: JobId) -> OpenJob | None:
        item = self._item(item_key(job))
        return _open_job(item) if item else None

    def open_jobs(self) -> Iterator[OpenJob]:
        pages = self.clients.dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :open",
            ExpressionAttributeValues={":open": {"S": OPEN_JOBS}},
            ConsistentRead=True,
        )
        for page in pages:
            yield from map(_open_job, page["Items"])

    def close_dataset(
        self,
        job: JobId,
        index: int,
        *,
        succeeded: bool,
        instance: str | None,
        now: float,
        paid: Paid | None = None,
    ) -> OpenJob | None:
        additions: dict[str, Any] = {"succeeded" if succeeded else "failed": {"NS": [str(index)]}}
        if instance is not None:
            additions["instances"] = {"SS": [instance]}
        if paid is not None:
            update, values = _additions(additions, now)
            writes = close_paid_writes(
                self._table, job, paid.budget, paid.each, paid.cost, index, update, values, paid.member
            )
            if not transact(self.clients.dynamodb, writes):
                self._tell_spending(job, paid.budget)
                return self.open_job(job)
        return self._add(job, additions, now)

    def waiters(self, bucket: str) -> list[Waiter]:
        return read_waiters(self.clients.dynamodb, self._table, bucket)

    def may_wake(self, bucket: str, now: float, stale: float) -> bool:
        return may_wake(self.clients.dynamodb, self._table, bucket, now, stale)

    def retry_dataset(self, job: JobId, index: int, attempt: int, instance: str) -> OpenJob | None:
        return self._add(
            job, {"retries": {"SS": [retry_name(index, attempt)]}, "instances": {"SS": [instance]}}
        )

    def _add(self, job: JobId, additions: Mapping[str, Any], closed: float | None = None) -> OpenJob | None:
        """Add to the sets of an open job's item; the item afterwards, None when the job has ended."""
        update, values = _additions(additions, closed)
        item = self._change(job, update, values)
        return None if item is None else _open_job(item)

    def abandon(self, job: JobId, now: float) -> bool:
        values = {":starting": {"S": STARTING}, ":launched": {"S": LAUNCHED}, ":now": {"N": f"{now:.3f}"}}
        condition = "#state = :starting AND (attribute_not_exists(#lease) OR #lease < :now)"
        update = "SET #state = :launched REMOVE #lease, #owner"
        return self._change(job, update, values, condition) is not None

    def note_stop(self, job: JobId, reason: str, now: float) -> bool:
        return note_stop(self.clients.dynamodb, self._table, job, reason, now)

    def begin_end(self, job: JobId, now: float, stale: float) -> bool:
        values = {":now": {"N": f"{now:.3f}"}, ":stale": {"N": f"{stale:.3f}"}}
        condition = "attribute_exists(pk) AND (attribute_not_exists(#ending) OR #ending < :stale)"
        return self._change(job, "SET #ending = :now", values, condition) is not None

    def settle(self, item: OpenJob, spent: int, ended: str) -> None:
        # refused when another monitor has settled it already
        if item.reserved is None or item.budget is None:
            transact(self.clients.dynamodb, close_writes(self._table, item.job, ended))
            return
        rest = max(0, spent - item.settled)
        writes = settle_writes(self._table, item.job, item.budget, item.reserved, rest, ended, item.member)
        self._tell_spending(item.job, item.budget, settling=True)
        transact(self.clients.dynamodb, writes)
        self._tell_spending(item.job, item.budget)

    def figures(self, budget: str) -> Figures:
        return read_figures(self.clients.dynamodb, self._table, budget)

    def take_alarm(self, budget: str, mark: str) -> bool:
        return take_alarm(self.clients.dynamodb, self._table, budget, mark)

    def hold(self, hold: Hold, limit: int) -> str | Hold:
        writes = hold_writes(self._table, budget_key(hold.budget), hold, limit)
        refused = transact(self.clients.dynamodb, writes)
        if refused and refused[1] != "None":
            found = self._item(hold_key(hold.job, hold.instance))
            return Hold.from_json(found["hold"]["S"]) if found else NO_MONEY
        if refused:
            return NO_MONEY
        self._tell_spending(JobId(hold.bucket, GROUP, ""), hold.budget)
        return TAKEN

    def holds(self) -> Iterator[Hold]:
        pages = self.clients.dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :holds",
            ExpressionAttributeValues={":holds": {"S": HOLDS}},
            ConsistentRead=True,
        )
        for page in pages:
            for item in page["Items"]:
                yield Hold.from_json(item["hold"]["S"])

    def release_hold(self, hold: Hold, spent: int) -> None:
        # refused when another has settled it already
        transact(self.clients.dynamodb, release_writes(self._table, budget_key(hold.budget), hold, spent))
        self._tell_spending(JobId(hold.bucket, GROUP, ""), hold.budget)

    def _tell_spending(self, job: JobId, budget: str, *, settling: bool = False) -> None:
        s3 = self.acting_for(job.bucket, job.group)._writer()
        tell_spending(s3, self.clients.dynamodb, self._table, job, budget, settling=settling)

    def analyses(self) -> Iterator[Deployed]:
        if not self._artifacts:
            return
        for key in list(self.keys(self._artifacts, _SETTINGS)):
            content = self.get(self._artifacts, key)
            if content is not None:
                with suppress(DocumentError):  # of another version: its own deployment comes
                    yield _deployed(content.body)

    def end_watch(self, bucket: str, group: str, name: str, why: str) -> None:
        self.clients.dynamodb.update_item(**end_watch_write(self._table, bucket, group, name, why))

    def settle_cap(self, cap: str, timestamp: str, spent: int) -> None:
        settle_cap(self.clients.dynamodb, self._table, cap, timestamp, spent)

    def committed_of_cap(self, cap: str) -> int:
        return cap_committed(self.clients.dynamodb, self._table, cap)

    def watches(self) -> Iterator[tuple[Watch, str]]:
        pages = self.clients.dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :watches",
            ExpressionAttributeValues={":watches": {"S": WATCHES}},
            ConsistentRead=True,
        )
        for page in pages:
            for item in page["Items"]:
                with suppress(DocumentError):  # of another version
                    yield Watch.from_json(item["watch"]["S"]), item.get("ended", {}).get("S", "")

    def deployed_as(self, stack: str) -> Deployed | None:
        key = f"{_SETTINGS}{stack}/settings.json"
        content = self.get(self._artifacts, key) if self._artifacts else None
        if content is None:
            return None
        try:
            return _deployed(content.body)
        except DocumentError:
            return None

    def submit(self, queue_url: str, bucket: str, files: Mapping[str, str]) -> str | None:
        key, body = list(files.items())[-1]
        raw = body.encode()
        message = notification(bucket, key, len(raw), hashlib.md5(raw, usedforsecurity=False).hexdigest())
        try:
            for name, text in files.items():
                self.put(bucket, name, text)
            self.clients.sqs.send_message(QueueUrl=queue_url, MessageBody=message)
        except ClientError as error:
            if not is_refusal(error):
                raise
            return code_of(error)
        return None

    def heard(self, bucket: str, keys: Sequence[str]) -> Mapping[str, Heard]:
        found: dict[str, Heard] = {}
        for start in range(0, len(keys), _LOOKED_UP):
            names = {heard_key(bucket, key)["sk"]["S"]: key for key in keys[start : start + _LOOKED_UP]}
            wanted: Mapping[str, Any] = {
                self._table: {
                    "Keys": [heard_key(bucket, key) for key in names.values()],
                    "ConsistentRead": True,
                }
            }
            while wanted:
                answer = self.clients.dynamodb.batch_get_item(RequestItems=wanted)
                for item in answer["Responses"].get(self._table, []):
                    text = {name: item.get(name, {}).get("S", "") for name in ("etag", "sent")}
                    found[names[item["sk"]["S"]]] = Heard(
                        **text, sent_at=float(item.get("sent_at", {}).get("N", 0))
                    )
                wanted = answer.get("UnprocessedKeys") or {}
        return found

    def deliver(self, queue_url: str, bucket: str, written: Written, now: float) -> None:
        body = notification(bucket, written.key, written.size, written.etag)
        self.clients.sqs.send_message(QueueUrl=queue_url, MessageBody=body)
        self.clients.dynamodb.update_item(
            TableName=self._table,
            Key=heard_key(bucket, written.key),
            UpdateExpression="SET #sent = :sent, #sent_at = :now",
            ExpressionAttributeNames={"#sent": "sent", "#sent_at": "sent_at"},
            ExpressionAttributeValues={":sent": {"S": written.etag}, ":now": {"N": f"{now:.3f}"}},
        )

    def wake(self, waiting: Waiting | Waiter, seconds: int = 0) -> None:
        self.clients.sqs.send_message(
            QueueUrl=waiting.queue, MessageBody=waiting.message, DelaySeconds=seconds
        )

    def searched(self, bucket: str) -> Search | None:
        item = self._item(_search_key(bucket))
        return item and Search(item["after"]["S"], float(item["begun"]["N"]), float(item["through"]["N"]))

    def note_search(self, bucket: str, search: Search) -> None:
        values = {
            ":after": {"S": search.after},
            ":begun": {"N": f"{search.begun:.3f}"},
            ":through": {"N": f"{search.through:.3f}"},
        }
        self.clients.dynamodb.update_item(
            TableName=self._table,
            Key=_search_key(bucket),
            UpdateExpression="SET #after = :after, #begun = :begun, #through = :through",
            ExpressionAttributeNames={"#after": "after", "#begun": "begun", "#through": "through"},
            ExpressionAttributeValues=values,
        )

    def index(self, bucket: str, group: str, entry: IndexEntry) -> None:
        s3 = self.acting_for(bucket, group)._writer()
        note_job(s3, self.clients.dynamodb, self._table, bucket, group, entry)

    def publish(self, subject: str, text: str, about: Mapping[str, str]) -> None:
        if self._topic:
            send(self.clients.sns, self._topic, subject, text, self._service, about)

    def note_ended(self, group: str, day: str, line: str) -> None:
        digest.note(self.clients.dynamodb, self._table, group, day, line)

    def digests(self, before: str, most: int) -> Sequence[digest.Digest]:
        return digest.untold(self.clients.dynamodb, self._table, before, most)

    def digest_groups(self) -> frozenset[str]:
        found = self.get(self._artifacts, digest.KEY) if self._artifacts else None
        return digest.read_groups(found.body if found else None)

    def take_digest(self, digest_: digest.Digest, now: float, stale: float) -> bool:
        return digest.take(self.clients.dynamodb, self._table, digest_, now, stale)

    def drop_digest(self, digest_: digest.Digest) -> None:
        key = digest.key_of(digest_.group, digest_.day)
        self.clients.dynamodb.delete_item(TableName=self._table, Key=key)

    def measure(self, job: JobId, message: str, metrics: Mapping[str, float]) -> None:
        logline.write(self._service, message, job=job, metrics=metrics)


def _deployed(settings: bytes) -> Deployed:
    """Raises DocumentError."""
    one = AnalysisSettings.from_json(settings)
    return Deployed(one.bucket, tuple(sorted(one.groups)), one.queue_url, one.stack, one.sources)


def _additions(additions: Mapping[str, Any], closed: float | None) -> tuple[str, dict[str, Any]]:
    """The update that adds to the sets of an item, and its values."""
    update = "ADD " + ", ".join(f"#{name} :{name}" for name in additions)
    values = {f":{name}": value for name, value in additions.items()}
    if closed is not None:
        update, values[":now"] = f"SET #closed = :now {update}", {"N": f"{closed:.3f}"}
    return update, values


def _search_key(bucket: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": SEARCHES}, "sk": {"S": bucket}}


def _open_job(item: Mapping[str, Any]) -> OpenJob:
    def number(name: str) -> float | None:
        return float(item[name]["N"]) if name in item else None

    def indexes(name: str) -> frozenset[int]:
        return frozenset(int(value) for value in item.get(name, {}).get("NS", []))

    total = number("total")
    return OpenJob(
        job=parse_open_job_key(item["sk"]["S"]),
        state=item.get("state", {}).get("S", ""),
        created=number("created") or 0.0,
        lease=number("lease"),
        total=None if total is None else int(total),
        succeeded=indexes("succeeded"),
        failed=indexes("failed"),
        instances=frozenset(item.get("instances", {}).get("SS", [])),
        closed_at=number("closed"),
        reserved=int(item["reserved"]["N"]) if "reserved" in item else None,
        budget=item.get("budget", {}).get("S"),
        member=item.get("member", {}).get("S"),
        retries=frozenset(item.get("retries", {}).get("SS", [])),
        stop=item.get("stop", {}).get("S"),
        stopped=number("stopped"),
        ending=number("ending"),
        since=number("since"),
        settled=int(item.get("settled", {}).get("N", 0)),
        submission=item.get("submission", {}).get("S", ""),
        analysis=item.get("analysis", {}).get("S", ""),
        taken=item.get("taken", {}).get("S", ""),
        submitter=item.get("submitter", {}).get("S", ""),
        waiting=waiting_of(item),
        followers=followers_of(item),
    )
