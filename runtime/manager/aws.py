"""The manager's few AWS calls. Clients are made at first use, once per container.

Permissions: s3:GetObject, s3:PutObject, s3:ListBucket and s3:ListBucketVersions on the analysis bucket,
s3:GetObjectVersion on its submissions, s3:GetObject and s3:ListBucket on the outside buckets that the
blueprint registers, s3:GetObject on the settings object, dynamodb:GetItem, PutItem, UpdateItem, DeleteItem
and ConditionCheckItem on the table, ec2:RunInstances (with ec2:CreateTags at RunInstances, iam:PassRole of
the groups' instance roles, ssm:GetParameters when the image is `resolve:ssm:…`), ec2:DescribeInstances,
ssm:GetParameters on the budgets of the analysis when the settings name where they are, sns:Publish on the
topic.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from runtime.manager.port import (
    BucketRefusedError,
    Content,
    JobGoneError,
    LaunchError,
    LaunchRequest,
    Machine,
    ObjectTooLargeError,
    StoredObject,
)
from runtime.protocol.keys import JobId
from runtime.protocol.ledger import (
    LAUNCHED,
    Claim,
    budget_read,
    change,
    close_writes,
    heard_key,
    item_key,
    lease_writes,
    note_stop,
    read_claim,
    reserve_writes,
    settle_writes,
    take_claim,
    transact,
)
from runtime.protocol.notice import send
from runtime.protocol.objects import MISSING, code_of, put
from runtime.protocol.settings import SPOT
from runtime.protocol.tags import ATTEMPT, BUCKET, GROUP, JOB, OFFSET, RUN

_REFUSED = frozenset(
    {
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "NoSuchBucket",
        "301",
        "PermanentRedirect",
        "InvalidBucketName",
        # One object: encrypted with a customer's key (HEAD: 400), or in an archive (S3 API reference, "Error
        # responses").
        "400",
        "InvalidRequest",
        "InvalidObjectState",
        "KMS.DisabledException",
        "KMS.InvalidStateException",
        "KMS.NotFoundException",
    }
)


class AwsCloud:
    """The real thing (`Cloud` over botocore)."""

    def __init__(self) -> None:
        self._session = botocore.session.get_session()
        self._config = Config(
            retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=30
        )

    @cached_property
    def _s3(self) -> Any:
        return self._session.create_client("s3", config=self._config)

    @cached_property
    def _ec2(self) -> Any:
        # EC2 answers "no capacity" with a 500, which botocore tries again: once is enough, there are other
        # types and zones.
        once_more = Config(retries={"mode": "standard", "max_attempts": 1})
        return self._session.create_client("ec2", config=self._config.merge(once_more))

    @cached_property
    def _table(self) -> Any:
        return self._session.create_client("dynamodb", config=self._config)

    @cached_property
    def _sns(self) -> Any:
        return self._session.create_client("sns", config=self._config)

    @cached_property
    def _ssm(self) -> Any:
        return self._session.create_client("ssm", config=self._config)

    def get(self, bucket: str, key: str, limit: int, version: str | None = None) -> bytes | None:
        found = self.read(bucket, key, limit, version)
        return None if found is None else found.body

    def read(self, bucket: str, key: str, limit: int, version: str | None = None) -> Content | None:
        answer = self._ask(
            "get_object", Bucket=bucket, Key=key, **({"VersionId": version} if version else {})
        )
        if answer is None:
            return None
        with answer["Body"] as body:
            if answer["ContentLength"] > limit:
                raise ObjectTooLargeError(answer["ContentLength"])
            return Content(bytes(body.read()), _etag(answer), _version(answer))

    def put(
        self,
        bucket: str,
        key: str,
        body: str | bytes,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        return put(self._s3, bucket, key, body, if_absent=if_absent, metadata=metadata)

    def head(self, bucket: str, key: str) -> StoredObject | None:
        answer = self._ask("head_object", Bucket=bucket, Key=key)
        return (
            None
            if answer is None
            else StoredObject(key, answer["ContentLength"], _etag(answer), _version(answer))
        )

    def objects(
        self, bucket: str, prefix: str, after: str, limit: int, *, versions: bool = False
    ) -> Iterator[StoredObject]:
        found = (
            self._versions(bucket, prefix, after) if versions else self._objects(bucket, prefix, after, limit)
        )
        yield from itertools.islice(found, limit)

    def _objects(self, bucket: str, prefix: str, after: str, limit: int) -> Iterator[StoredObject]:
        start = {"StartAfter": after} if after else {}
        while True:
            answer = self._ask(
                "list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=min(limit, 1000), **start
            )
            for item in answer.get("Contents", []):
                yield StoredObject(item["Key"], item["Size"], _etag(item))
            if not answer["IsTruncated"]:
                return
            start = {"ContinuationToken": answer["NextContinuationToken"]}

    def _versions(self, bucket: str, prefix: str, after: str) -> Iterator[StoredObject]:
        start = {"KeyMarker": after} if after else {}
        while True:
            answer = self._ask("list_object_versions", Bucket=bucket, Prefix=prefix, MaxKeys=1000, **start)
            for item in answer.get("Versions", []):
                if item["IsLatest"]:
                    yield StoredObject(item["Key"], item["Size"], _etag(item), _version(item))
            if not answer["IsTruncated"]:
                return
            start = {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer["NextVersionIdMarker"]}

    def _ask(self, operation: str, **arguments: Any) -> Any:
        """The answer of an S3 call, None when there is no such object."""
        try:
            return getattr(self._s3, operation)(**arguments)
        except ClientError as error:
            if code_of(error) in MISSING:
                return None
            if code_of(error) in _REFUSED:
                raise BucketRefusedError(code_of(error)) from error
            raise

    def lease(
        self,
        table: str,
        job: JobId,
        owner: str,
        now: float,
        until: float,
        about: Mapping[str, str],
    ) -> str:
        refused = transact(self._table, lease_writes(table, job, owner, now, until, about))
        if not refused:
            return "taken"
        if refused[0] != "None":
            return "ended"
        return "launched" if self._item(table, job).get("state", {}).get("S") == LAUNCHED else "busy"

    def hear(self, table: str, bucket: str, key: str, etag: str) -> None:
        self._table.put_item(TableName=table, Item={**heard_key(bucket, key), "etag": {"S": etag}})

    def claim(self, table: str, job: JobId, claim: Claim, after: Claim | None = None) -> Claim | None:
        return take_claim(self._table, table, job, claim, after)

    def claimed(self, table: str, job: JobId) -> Claim | None:
        return read_claim(self._table, table, job)

    def _item(self, table: str, job: JobId) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._table.get_item(
            TableName=table, Key=item_key(job), ConsistentRead=True
        ).get("Item", {})
        return found

    def release(self, table: str, job: JobId, owner: str) -> None:
        change(self._table, table, job, "REMOVE #lease, #owner", {":owner": {"S": owner}}, "#owner = :owner")

    def launched(self, table: str, job: JobId, total: int, failed: frozenset[int], now: float) -> None:
        update = "SET #state = :launched, #total = :total, #since = :now REMOVE #lease, #owner"
        values: dict[str, Any] = {
            ":launched": {"S": LAUNCHED},
            ":total": {"N": str(total)},
            ":now": {"N": f"{now:.3f}"},
        }
        if failed:
            update += " ADD #failed :failed"
            values[":failed"] = {"NS": [str(index) for index in sorted(failed)]}
        change(self._table, table, job, update, values)

    def abandon(self, table: str, job: JobId) -> None:
        change(
            self._table,
            table,
            job,
            "SET #state = :launched REMOVE #lease, #owner",
            {":launched": {"S": LAUNCHED}},
        )

    def note_stop(self, table: str, job: JobId, reason: str, now: float) -> bool:
        return note_stop(self._table, table, job, reason, now)

    def retries(self, table: str, job: JobId) -> frozenset[str] | None:
        item = self._item(table, job)
        if not item:
            return None
        closed = {number for name in ("succeeded", "failed") for number in item.get(name, {}).get("NS", [])}
        return frozenset(
            name for name in item.get("retries", {}).get("SS", []) if name.partition(":")[0] not in closed
        )

    def give_up(self, table: str, job: JobId, dataset: int) -> None:
        change(self._table, table, job, "ADD #failed :failed", {":failed": {"NS": [str(dataset)]}})

    def forget(self, table: str, job: JobId, ended: str) -> bool:
        item = self._item(table, job)
        if "reserved" in item:
            writes = settle_writes(table, job, item["budget"]["S"], int(item["reserved"]["N"]), 0, ended)
        else:
            writes = close_writes(table, job, ended)
        return not transact(self._table, writes)

    def parameters(self, names: Sequence[str]) -> Mapping[str, str]:
        found = self._ssm.get_parameters(Names=list(names))["Parameters"]
        return {str(one["Name"]): str(one["Value"]) for one in found}

    def committed(self, table: str, budget: str) -> int:
        item = self._table.get_item(**budget_read(table, budget)).get("Item", {})
        return int(item["committed"]["N"]) if "committed" in item else 0

    def reserve(self, table: str, job: JobId, budget: str, amount: int, limit: int) -> bool:
        refused = transact(self._table, reserve_writes(table, job, budget, amount, limit))
        if not refused:
            return True
        if refused[1] != "None":  # it has a reservation, or is no more
            if "reserved" not in self._item(table, job):
                raise JobGoneError("another has ended the job: nothing was reserved for it")
            return True
        return False

    def publish(self, topic: str, subject: str, text: str) -> None:
        send(self._sns, topic, subject, text, "manager")

    def run(self, request: LaunchRequest) -> list[Machine]:
        tags = [{"Key": key, "Value": value} for key, value in request.tags.items()]
        arguments: dict[str, Any] = {
            "LaunchTemplate": {"LaunchTemplateId": request.template_id, "Version": request.template_version},
            "InstanceType": request.instance_type,
            "MinCount": 1,
            "MaxCount": request.count,
            "UserData": request.user_data,
            "ClientToken": request.client_token,
            "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
        }
        if request.volume_gib is not None:
            disk = {
                "VolumeSize": request.volume_gib,
                "VolumeType": "gp3",
                "Encrypted": True,
                "DeleteOnTermination": True,
            }
            arguments["BlockDeviceMappings"] = [{"DeviceName": "/dev/sda1", "Ebs": disk}]
        if request.market == SPOT:
            once = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
            arguments["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": once}
        if request.zone is not None:
            arguments["Placement"] = {"AvailabilityZone": request.zone}
        try:
            answer = self._ec2.run_instances(**arguments)
        except ClientError as error:
            raise LaunchError(code_of(error), str(error.response["Error"].get("Message", ""))) from error
        return [_machine(item, request.tags) for item in answer["Instances"]]

    def living(self, tags: Mapping[str, str]) -> int:
        alive = {"Name": "instance-state-name", "Values": ["pending", "running"]}
        return sum(1 for _ in self._described([*_tagged(tags), alive]))

    def machines(self, job: JobId) -> list[Machine]:
        return [
            _machine(item, tags)
            for item in self._described(_tagged({BUCKET: job.bucket, GROUP: job.group, JOB: job.timestamp}))
            if OFFSET in (tags := {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])})
        ]

    def _described(self, filters: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        for page in self._ec2.get_paginator("describe_instances").paginate(Filters=filters):
            for reservation in page["Reservations"]:
                yield from reservation["Instances"]


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')


def _version(answer: Mapping[str, Any]) -> str | None:
    """The version of an object; "null" is what a bucket without versions has (S3 user guide, "Working with
    objects in a versioning-suspended bucket"): the next write replaces it."""
    version = answer.get("VersionId")
    return None if version in (None, "null") else str(version)


def _machine(item: Mapping[str, Any], tags: Mapping[str, str]) -> Machine:
    return Machine(
        item["InstanceId"],
        item["InstanceType"],
        item["AmiLaunchIndex"],
        int(tags[OFFSET]),
        int(tags.get(ATTEMPT, "1")),
        tags.get(RUN, ""),
    )


def _tagged(tags: Mapping[str, str]) -> list[Mapping[str, Any]]:
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
