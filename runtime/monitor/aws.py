"""The monitor's AWS calls. Clients are made at first use, once per container.

Permissions: s3:GetObject on the objects of the analysis buckets and s3:ListBucket on those buckets (by their
bucket policies), the same on the settings of analyses in the artifact bucket, sts:AssumeRole on the writer,
which has s3:PutObject, s3:DeleteObject and, for copies, s3:GetObject on objects of the analysis buckets, and
s3:PutObject where outside buckets take results; dynamodb:GetItem, BatchGetItem, UpdateItem, DeleteItem and
Query on the table, sqs:SendMessage to the queues of submissions, ec2:DescribeInstances,
ec2:TerminateInstances and StopInstances (machines tagged PriceTracking=On), ec2:DescribeSpotPriceHistory,
sns:Publish on the topic.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus

from botocore.exceptions import BotoCoreError, ClientError

from runtime.aws.clients import Clients
from runtime.monitor.confined import Writers
from runtime.monitor.port import (
    ComeAgainError,
    Deployed,
    Heard,
    Instance,
    Move,
    ObjectContent,
    OpenJob,
    Search,
    Written,
)
from runtime.protocol import logline
from runtime.protocol.documents import DocumentError
from runtime.protocol.keys import JobId
from runtime.protocol.ledger import (
    LAUNCHED,
    OPEN_JOBS,
    SEARCHES,
    STARTING,
    change,
    close_writes,
    heard_key,
    item_key,
    note_stop,
    parse_open_job_key,
    retry_name,
    settle_writes,
    transact,
)
from runtime.protocol.limits import JOB_MAX_BYTES
from runtime.protocol.notice import send
from runtime.protocol.objects import LOST_RACE, MISSING, code_of, put
from runtime.protocol.settings import AnalysisSettings
from runtime.protocol.tags import PRICE_TRACKING

_MISSING = MISSING | {"NoSuchBucket"}
_COPIES = 16
"""Objects that are copied at a time."""

_MOVING = 40.0
"""Seconds for which one call moves objects: the function has MONITOR_TIMEOUT for all that it does."""

_COPY_MAX = 5 << 30
"""The largest object that one CopyObject copies (Amazon S3 API reference, "CopyObject")."""

_SETTINGS = "analyses/"
"""Prefix of the settings of all analyses that are deployed, in the artifact bucket."""

_LOOKED_UP = 100
"""Keys of one BatchGetItem (Amazon DynamoDB API reference)."""


class AwsMonitorCloud:
    """The real thing (`MonitorCloud` over botocore). `topic` is None where nobody wants to be notified.
    `service`: its name in the log.
    `artifacts`: the bucket that has the settings of all analyses, "" where nobody searches."""

    def __init__(
        self, table: str, topic: str | None, service: str = "monitor", *, artifacts: str = ""
    ) -> None:
        self._table, self._service = table, service
        self._topic, self._artifacts = topic, artifacts
        self._group: tuple[str, str] | None = None
        self.clients = Clients(5)
        self._writers = Writers(self.clients.session, self.clients.config)

    def acting_for(self, bucket: str, group: str) -> AwsMonitorCloud:
        confined = copy.copy(self)
        confined._group = (bucket, group)
        return confined

    def _writer(self, outside: str | None = None) -> Any:
        """The S3 client that writes what is the group's. Raises PermissionError for whoever acts for no
        group.
        """
        if self._group is None:
            raise PermissionError("nothing is written but for a group: see acting_for")
        return self._writers.s3(*self._group, (outside,) if outside else ())

    def get(self, bucket: str, key: str, limit: int = JOB_MAX_BYTES) -> ObjectContent | None:
        try:
            answer = self.clients.s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if code_of(error) in _MISSING:
                return None
            raise
        with answer["Body"] as body:
            if answer["ContentLength"] > limit:
                return None
            return ObjectContent(bytes(body.read()), answer["Metadata"])

    def put(
        self,
        bucket: str,
        key: str,
        body: str,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        return put(self._writer(), bucket, key, body, if_absent=if_absent, metadata=metadata)

    def hand_over(
        self, bucket: str, keys: Mapping[str, str], to_bucket: str, end: tuple[str, str]
    ) -> str | None:
        s3 = self._writer(to_bucket)

        def hand(key: str) -> None:
            s3.copy_object(CopySource={"Bucket": bucket, "Key": key}, Bucket=to_bucket, Key=keys[key])

        try:
            with ThreadPoolExecutor(_COPIES) as pool:
                list(pool.map(hand, keys))
            put(s3, to_bucket, *end)
        except ClientError as error:
            return code_of(error)
        return None

    def set_aside(self, bucket: str, moves: Sequence[Move]) -> Mapping[str, str]:
        if not moves:
            return {}
        if self._group is None:
            raise PermissionError("nothing is moved but for a group: see acting_for")
        writer, until = self._writers.s3(*self._group, moving=True), time.monotonic() + _MOVING
        refused, left = dict[str, str](), list[str]()

        def move(one: Move) -> None:
            if time.monotonic() > until:
                left.append(one.key)
                return
            try:
                there = self.clients.s3.head_object(Bucket=bucket, Key=one.key)
                etag = str(there["ETag"])
                if one.version not in (None, there.get("VersionId")) or one.etag not in ("", etag.strip('"')):
                    return
                if there["ContentLength"] <= _COPY_MAX:
                    source = {"Bucket": bucket, "Key": one.key}
                    writer.copy_object(CopySource=source, CopySourceIfMatch=etag, Bucket=bucket, Key=one.to)
                writer.delete_object(Bucket=bucket, Key=one.key, IfMatch=etag)
            except ClientError as error:
                if code_of(error) in _MISSING | LOST_RACE:  # gone, or another one, by now
                    return
                if not _is_refusal(error):
                    raise
                refused[one.key] = code_of(error)

        with ThreadPoolExecutor(_COPIES) as pool:
            list(pool.map(move, moves))
        if left:
            raise ComeAgainError(
                f"{len(left)} of {len(moves)} results of an earlier attempt are still to be moved"
            )
        return refused

    def spot_price(self, instance_type: str, zone: str, when: datetime) -> float | None:
        asked = {
            "InstanceTypes": [instance_type],
            "AvailabilityZone": zone,
            "ProductDescriptions": ["Linux/UNIX"],
        }
        # with both times the same, EC2 answers with the price that held then (EC2 API reference,
        # "DescribeSpotPriceHistory")
        try:
            told = self.clients.ec2.describe_spot_price_history(**asked, StartTime=when, EndTime=when)[
                "SpotPriceHistory"
            ]
            prices = {one["Timestamp"]: float(one["SpotPrice"]) for one in told}
            return prices[max(prices)] if prices else None
        # a price that cannot be had keeps no report from being written
        except (ClientError, BotoCoreError, ValueError):
            return None

    def delete(self, bucket: str, key: str) -> None:
        self._writer().delete_object(Bucket=bucket, Key=key)

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        for one in self.files(bucket, prefix):
            yield one.key

    def files(self, bucket: str, prefix: str) -> Iterator[Written]:
        for page in self.clients.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from map(_written, page.get("Contents", []))

    def instances(self, ids: Sequence[str]) -> list[Instance]:
        # A filter, not InstanceIds: one id that EC2 has forgotten would fail the whole call.
        return list(self._describe([{"Name": "instance-id", "Values": list(ids)}])) if ids else []

    def all_instances(self) -> Iterator[Instance]:
        return self._describe([{"Name": f"tag:{PRICE_TRACKING}", "Values": ["On"]}])

    def _describe(self, filters: Sequence[Mapping[str, Any]]) -> Iterator[Instance]:
        for page in self.clients.ec2.get_paginator("describe_instances").paginate(Filters=filters):
            for reservation in page["Reservations"]:
                yield from map(_instance, reservation["Instances"])

    def terminate(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), 100):
            try:
                self.clients.ec2.terminate_instances(InstanceIds=list(ids[start : start + 100]))
            except ClientError as error:
                if code_of(error) != "InvalidInstanceID.NotFound":
                    raise

    def switch_off(self, ids: Sequence[str]) -> None:
        for instance in ids:  # one by one: EC2 refuses all when one is not in the right state
            try:
                self.clients.ec2.stop_instances(InstanceIds=[instance])
            except ClientError as error:
                if code_of(error) == "UnsupportedOperation":  # a one-time spot machine cannot be stopped
                    self.terminate([instance])
                elif code_of(error) not in ("InvalidInstanceID.NotFound", "IncorrectInstanceState"):
                    raise

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
        self, job: JobId, index: int, *, succeeded: bool, instance: str | None, now: float
    ) -> OpenJob | None:
        additions = {"succeeded" if succeeded else "failed": {"NS": [str(index)]}}
        if instance is not None:
            additions["instances"] = {"SS": [instance]}
        return self._add(job, additions, now)

    def retry_dataset(self, job: JobId, index: int, attempt: int, instance: str) -> OpenJob | None:
        return self._add(
            job, {"retries": {"SS": [retry_name(index, attempt)]}, "instances": {"SS": [instance]}}
        )

    def _add(self, job: JobId, additions: Mapping[str, Any], closed: float | None = None) -> OpenJob | None:
        """Add to the sets of an open job's item; the item afterwards, None when the job has ended."""
        update = "ADD " + ", ".join(f"#{name} :{name}" for name in additions)
        values = {f":{name}": value for name, value in additions.items()}
        if closed is not None:
            update, values[":now"] = f"{update} SET #closed = :now", {"N": f"{closed:.3f}"}
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
        if item.reserved is not None and item.budget is not None:
            writes = settle_writes(self._table, item.job, item.budget, item.reserved, spent, ended)
        else:
            writes = close_writes(self._table, item.job, ended)
        transact(self.clients.dynamodb, writes)  # refused when another monitor has settled it already

    def analyses(self) -> Iterator[Deployed]:
        if not self._artifacts:
            return
        for key in list(self.keys(self._artifacts, _SETTINGS)):
            content = self.get(self._artifacts, key)
            if content is not None:
                with suppress(DocumentError):  # of another version: its own deployment comes
                    settings = AnalysisSettings.from_json(content.body)
                    yield Deployed(settings.bucket, tuple(sorted(settings.groups)), settings.queue_url)

    def submissions(self, bucket: str, prefix: str, after: str, limit: int) -> list[Written]:
        answer = self.clients.s3.list_objects_v2(
            Bucket=bucket, Prefix=prefix, StartAfter=after, MaxKeys=limit
        )
        return list(map(_written, answer.get("Contents", [])))

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
        s3 = {
            "bucket": {"name": bucket},
            "object": {"key": quote_plus(written.key), "size": written.size, "eTag": written.etag},
        }
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}
        self.clients.sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps({"Records": [record]}))
        self.clients.dynamodb.update_item(
            TableName=self._table,
            Key=heard_key(bucket, written.key),
            UpdateExpression="SET #sent = :sent, #sent_at = :now",
            ExpressionAttributeNames={"#sent": "sent", "#sent_at": "sent_at"},
            ExpressionAttributeValues={":sent": {"S": written.etag}, ":now": {"N": f"{now:.3f}"}},
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

    def publish(self, subject: str, text: str) -> None:
        if self._topic:
            send(self.clients.sns, self._topic, subject, text, self._service)

    def measure(self, job: JobId, message: str, metrics: Mapping[str, float]) -> None:
        logline.write(self._service, message, job=job, metrics=metrics)


def _is_refusal(error: ClientError) -> bool:
    """Whether S3 would answer the same to the next try."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return (
        400 <= status < 500
        and "Throttl" not in code_of(error)
        and code_of(error) not in ("SlowDown", "RequestTimeout", "ExpiredToken")
    )


def _search_key(bucket: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": SEARCHES}, "sk": {"S": bucket}}


def _instance(item: Mapping[str, Any]) -> Instance:
    reason = item.get("StateReason") or {}
    return Instance(
        instance_id=item["InstanceId"],
        instance_type=item["InstanceType"],
        state=item["State"]["Name"],
        launch_index=item.get("AmiLaunchIndex", 0),
        launched=item["LaunchTime"],
        spot=item.get("InstanceLifecycle") == "spot",
        reason_code=reason.get("Code", ""),
        reason=reason.get("Message", ""),
        image_id=item.get("ImageId"),
        zone=(item.get("Placement") or {}).get("AvailabilityZone", ""),
        transition=item.get("StateTransitionReason", ""),
        tags={tag["Key"]: tag["Value"] for tag in item.get("Tags", [])},
    )


def _written(one: Mapping[str, Any]) -> Written:
    return Written(one["Key"], one["ETag"].strip('"'), one["LastModified"], one["Size"])


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
        retries=frozenset(item.get("retries", {}).get("SS", [])),
        stop=item.get("stop", {}).get("S"),
        stopped=number("stopped"),
        ending=number("ending"),
        since=number("since"),
        submission=item.get("submission", {}).get("S", ""),
        analysis=item.get("analysis", {}).get("S", ""),
    )
