"""The monitor's AWS calls, behind one port. Clients are made at first use, once per container.

Permissions: s3:GetObject, s3:PutObject and s3:DeleteObject on the objects of the analysis buckets and s3:ListBucket on
those buckets (by their bucket policies), dynamodb:GetItem, UpdateItem, DeleteItem and Query on the table,
ec2:DescribeInstances, ec2:TerminateInstances (machines tagged PriceTracking=On), ec2:StopInstances (development instances),
sns:Publish on the topic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from runtime.protocol.ledger import OPEN_JOBS, open_job_key, parse_open_job_key, settle_writes, transact
from runtime.protocol.tags import PRICE_TRACKING

_MISSING = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchBucket"})
_LOST_RACE = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})
ALIVE = frozenset({"pending", "running"})

JobId = tuple[str, str, str]
"""Bucket, group, timestamp."""


@dataclass(frozen=True)
class Content:
    """An object's bytes and its user metadata."""

    body: bytes
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Instance:
    """What EC2 says of a machine. `reason` is its state reason in words, `transition` the raw transition reason."""

    instance_id: str
    instance_type: str
    state: str
    launch_index: int
    launched: datetime
    spot: bool = False
    reason_code: str = ""
    reason: str = ""
    transition: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenJob:
    """The item of an open job (see `runtime.protocol.ledger`). Times are epoch seconds, `reserved` in micro-dollars;
    `stop` says why the job is being ended early, since `stopped`."""

    job: JobId
    state: str
    created: float
    lease: float | None = None
    total: int | None = None
    succeeded: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()
    instances: frozenset[str] = frozenset()
    closed_at: float | None = None
    reserved: int | None = None
    budget: str | None = None
    stop: str | None = None
    stopped: float | None = None

    @property
    def closed(self) -> frozenset[int]:
        return self.succeeded | self.failed


class Cloud(Protocol):
    """What the monitor needs of AWS."""

    def get(self, bucket: str, key: str) -> Content | None:
        """The object, None when there is none."""

    def put(self, bucket: str, key: str, body: str, *, if_absent: bool = False, metadata: Mapping[str, str] | None = None) -> bool:
        """Write text. With `if_absent`, False (and nothing written) when the key exists."""

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object if it is there."""

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """All keys below `prefix`."""

    def instances(self, ids: Sequence[str]) -> list[Instance]:
        """Those of the named machines that EC2 still knows."""

    def all_instances(self) -> Iterator[Instance]:
        """All machines of the service in this account and region (tag PriceTracking=On), ended ones as long as EC2 shows them."""

    def terminate(self, ids: Sequence[str]) -> None:
        """End machines; those that have ended already are no error."""

    def switch_off(self, ids: Sequence[str]) -> None:
        """Switch machines off; their disks stay. Those that are gone are no error."""

    def open_job(self, job: JobId) -> OpenJob | None:
        """The job's item, None when it has ended."""

    def open_jobs(self) -> Iterator[OpenJob]:
        """All jobs that have not ended."""

    def close_dataset(self, job: JobId, index: int, *, succeeded: bool, instance: str | None, now: float) -> OpenJob | None:
        """Note that a dataset is final; the item afterwards, None when the job has ended. Doing it twice changes nothing."""

    def settle(self, item: OpenJob, spent: int) -> None:
        """The job has ended: its item goes, and in its budget what it spent (micro-dollars) replaces what it had reserved."""

    def publish(self, subject: str, text: str) -> None:
        """Notify the subscribers."""


class AwsCloud:
    """The real thing (`Cloud` over botocore). `topic` is None where nobody wants to be notified."""

    def __init__(self, table: str, topic: str | None) -> None:
        self._name = table
        self._topic = topic
        self._session = botocore.session.get_session()
        self._config = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=30)

    @cached_property
    def _s3(self) -> Any:
        return self._session.create_client("s3", config=self._config)

    @cached_property
    def _ec2(self) -> Any:
        return self._session.create_client("ec2", config=self._config)

    @cached_property
    def _table(self) -> Any:
        return self._session.create_client("dynamodb", config=self._config)

    @cached_property
    def _sns(self) -> Any:
        return self._session.create_client("sns", config=self._config)

    def get(self, bucket: str, key: str) -> Content | None:
        try:
            answer = self._s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise
        with answer["Body"] as body:
            return Content(bytes(body.read()), answer["Metadata"])

    def put(self, bucket: str, key: str, body: str, *, if_absent: bool = False, metadata: Mapping[str, str] | None = None) -> bool:
        kind = "application/json" if key.endswith(".json") else "text/plain; charset=utf-8"
        condition = {"IfNoneMatch": "*"} if if_absent else {}
        try:
            self._s3.put_object(Bucket=bucket, Key=key, Body=body.encode(), ContentType=kind, Metadata=dict(metadata or {}), **condition)
        except ClientError as error:
            if if_absent and _code(error) in _LOST_RACE:
                return False
            raise
        return True

    def delete(self, bucket: str, key: str) -> None:
        self._s3.delete_object(Bucket=bucket, Key=key)

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                yield item["Key"]

    def instances(self, ids: Sequence[str]) -> list[Instance]:
        # A filter, not InstanceIds: one id that EC2 has forgotten would fail the whole call.
        return list(self._describe([{"Name": "instance-id", "Values": list(ids)}])) if ids else []

    def all_instances(self) -> Iterator[Instance]:
        return self._describe([{"Name": f"tag:{PRICE_TRACKING}", "Values": ["On"]}])

    def _describe(self, filters: Sequence[Mapping[str, Any]]) -> Iterator[Instance]:
        for page in self._ec2.get_paginator("describe_instances").paginate(Filters=filters):
            for reservation in page["Reservations"]:
                yield from map(_instance, reservation["Instances"])

    def terminate(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), 100):
            try:
                self._ec2.terminate_instances(InstanceIds=list(ids[start : start + 100]))
            except ClientError as error:
                if _code(error) != "InvalidInstanceID.NotFound":
                    raise

    def switch_off(self, ids: Sequence[str]) -> None:
        for instance in ids:  # one by one: EC2 refuses all when one is not in the right state
            try:
                self._ec2.stop_instances(InstanceIds=[instance])
            except ClientError as error:
                if _code(error) not in ("InvalidInstanceID.NotFound", "IncorrectInstanceState"):
                    raise

    def open_job(self, job: JobId) -> OpenJob | None:
        item = self._table.get_item(TableName=self._name, Key=_key(job), ConsistentRead=True).get("Item")
        return _open_job(item) if item else None

    def open_jobs(self) -> Iterator[OpenJob]:
        pages = self._table.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="pk = :open",
            ExpressionAttributeValues={":open": {"S": OPEN_JOBS}},
            ConsistentRead=True,
        )
        for page in pages:
            yield from map(_open_job, page["Items"])

    def close_dataset(self, job: JobId, index: int, *, succeeded: bool, instance: str | None, now: float) -> OpenJob | None:
        additions = "#outcome :index"
        names = {"#outcome": "succeeded" if succeeded else "failed", "#closed": "closed"}
        values: dict[str, Any] = {":index": {"NS": [str(index)]}, ":now": {"N": f"{now:.3f}"}}
        if instance is not None:
            additions += ", #instances :instance"
            names["#instances"] = "instances"
            values[":instance"] = {"SS": [instance]}
        try:
            answer = self._table.update_item(
                TableName=self._name,
                Key=_key(job),
                ConditionExpression="attribute_exists(pk)",
                UpdateExpression=f"ADD {additions} SET #closed = :now",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
            )
        except ClientError as error:
            if _code(error) == "ConditionalCheckFailedException":
                return None
            raise
        return _open_job(answer["Attributes"])

    def settle(self, item: OpenJob, spent: int) -> None:
        if item.reserved is not None and item.budget is not None:  # refused when another monitor has settled it already
            transact(self._table, settle_writes(self._name, item.job, item.budget, item.reserved, spent))
        else:
            self._table.delete_item(TableName=self._name, Key=_key(item.job))

    def publish(self, subject: str, text: str) -> None:
        if self._topic:
            self._sns.publish(TopicArn=self._topic, Subject=subject, Message=text)


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
        transition=item.get("StateTransitionReason", ""),
        tags={tag["Key"]: tag["Value"] for tag in item.get("Tags", [])},
    )


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
        stop=item.get("stop", {}).get("S"),
        stopped=number("stopped"),
    )


def _key(job: JobId) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in open_job_key(*job).items()}


def _code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", "Unknown"))
