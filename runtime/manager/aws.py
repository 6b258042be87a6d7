"""The manager's few AWS calls, behind two small ports. Clients are made at first use, once per container.

Permissions: s3:GetObject, s3:PutObject and s3:ListBucket on the analysis bucket, s3:GetObject on the settings object,
dynamodb:GetItem, UpdateItem and DeleteItem on the table, ec2:RunInstances (with ec2:CreateTags at RunInstances,
iam:PassRole of the groups' instance roles, ssm:GetParameters when the image is `resolve:ssm:…`), ec2:DescribeInstances,
ssm:GetParameter on the budgets of the analysis when the settings name where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from runtime.protocol.ledger import LAUNCHED, STARTING, budget_read, open_job_key, reserve_writes, settle_writes, transact
from runtime.protocol.tags import BUCKET, GROUP, JOB, OFFSET

_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
_LOST_RACE = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})


class ObjectTooLargeError(Exception):
    """An object has more bytes than the caller allows; `size` says how many."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


class LaunchError(Exception):
    """RunInstances was refused; `code` is the EC2 error code, `text` what EC2 said."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True)
class StoredObject:
    """Key and size in bytes."""

    key: str
    size: int


@dataclass(frozen=True)
class Machine:
    """An instance of a job: the dataset's index is `offset + launch_index`."""

    instance_id: str
    instance_type: str
    launch_index: int
    offset: int
    launched: datetime | None = None


@dataclass(frozen=True)
class LaunchRequest:
    """One RunInstances call for up to `count` machines. `volume_gib` is None to keep the launch template's."""

    template_id: str
    template_version: str
    instance_type: str
    count: int
    user_data: str
    client_token: str
    tags: Mapping[str, str]
    volume_gib: int | None


class Cloud(Protocol):
    """What the manager needs of AWS."""

    def get(self, bucket: str, key: str, limit: int) -> bytes | None:
        """The object's content, None when there is none. Raises ObjectTooLargeError."""

    def put(self, bucket: str, key: str, body: str, *, if_absent: bool = False, metadata: Mapping[str, str] | None = None) -> bool:
        """Write text. With `if_absent`, False (and nothing written) when the key exists."""

    def head(self, bucket: str, key: str) -> Mapping[str, str] | None:
        """The object's metadata with "size" and "etag", None when there is none."""

    def objects(self, bucket: str, prefix: str, after: str, limit: int) -> Iterator[StoredObject]:
        """Up to `limit` objects below `prefix` in key order, behind key `after`."""

    def lease(self, table: str, job: tuple[str, str, str], owner: str, now: float, until: float, submission: str) -> str:
        """Take the job for this manager: "taken", "busy" (another has it) or "launched" (nothing left to do)."""

    def release(self, table: str, job: tuple[str, str, str], owner: str) -> None:
        """Give the job back, to be taken by the next delivery."""

    def launched(self, table: str, job: tuple[str, str, str], total: int, failed: frozenset[int]) -> None:
        """All machines that will ever be there are there; `failed` are the datasets that got none."""

    def forget(self, table: str, job: tuple[str, str, str]) -> None:
        """The job has ended without a machine: its item goes, its reservation is released."""

    def parameter(self, name: str) -> str | None:
        """The value of an SSM parameter, None when there is none."""

    def committed(self, table: str, budget: str) -> int:
        """Micro-dollars that a budget has spent or reserved so far."""

    def reserve(self, table: str, job: tuple[str, str, str], budget: str, amount: int, limit: int) -> bool:
        """Reserve micro-dollars for a job, once; False when the budget has not enough left."""

    def run(self, request: LaunchRequest) -> list[Machine]:
        """Launch at least one machine. Raises LaunchError."""

    def machines(self, bucket: str, group: str, timestamp: str) -> list[Machine]:
        """The job's machines, ended ones included as long as EC2 shows them."""


class AwsCloud:
    """The real thing (`Cloud` over botocore)."""

    def __init__(self) -> None:
        self._session = botocore.session.get_session()
        self._config = Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=5, read_timeout=30)

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
    def _ssm(self) -> Any:
        return self._session.create_client("ssm", config=self._config)

    def get(self, bucket: str, key: str, limit: int) -> bytes | None:
        try:
            answer = self._s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise
        with answer["Body"] as body:
            if answer["ContentLength"] > limit:
                raise ObjectTooLargeError(answer["ContentLength"])
            return bytes(body.read())

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

    def head(self, bucket: str, key: str) -> Mapping[str, str] | None:
        try:
            answer = self._s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise
        return {**answer["Metadata"], "size": str(answer["ContentLength"]), "etag": answer["ETag"]}

    def objects(self, bucket: str, prefix: str, after: str, limit: int) -> Iterator[StoredObject]:
        start = {"StartAfter": after} if after else {}
        while limit > 0:
            answer = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=min(limit, 1000), **start)
            for item in answer.get("Contents", []):
                yield StoredObject(item["Key"], item["Size"])
            limit -= answer["KeyCount"]
            if not answer["IsTruncated"]:
                return
            start = {"ContinuationToken": answer["NextContinuationToken"]}

    def lease(self, table: str, job: tuple[str, str, str], owner: str, now: float, until: float, submission: str) -> str:
        try:
            self._table.update_item(
                TableName=table,
                Key=_key(job),
                ConditionExpression="attribute_not_exists(pk) OR (#state = :starting AND (attribute_not_exists(#lease) OR #lease < :now))",
                UpdateExpression="SET #state = :starting, #owner = :owner, #lease = :until, #submission = :submission, "
                "#created = if_not_exists(#created, :now)",
                ExpressionAttributeNames=_names("state", "owner", "lease", "submission", "created"),
                ExpressionAttributeValues={
                    ":starting": {"S": STARTING},
                    ":owner": {"S": owner},
                    ":now": {"N": f"{now:.3f}"},
                    ":until": {"N": f"{until:.3f}"},
                    ":submission": {"S": submission},
                },
            )
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise
        else:
            return "taken"
        item = self._table.get_item(TableName=table, Key=_key(job), ConsistentRead=True).get("Item", {})
        return "launched" if item.get("state", {}).get("S") == LAUNCHED else "busy"

    def release(self, table: str, job: tuple[str, str, str], owner: str) -> None:
        try:
            self._table.update_item(
                TableName=table,
                Key=_key(job),
                ConditionExpression="#owner = :owner",
                UpdateExpression="REMOVE #lease, #owner",
                ExpressionAttributeNames=_names("owner", "lease"),
                ExpressionAttributeValues={":owner": {"S": owner}},
            )
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise

    def launched(self, table: str, job: tuple[str, str, str], total: int, failed: frozenset[int]) -> None:
        update = "SET #state = :launched, #total = :total REMOVE #lease, #owner"
        names = ["state", "total", "lease", "owner"]
        values: dict[str, Any] = {":launched": {"S": LAUNCHED}, ":total": {"N": str(total)}}
        if failed:
            update += " ADD #failed :failed"
            names.append("failed")
            values[":failed"] = {"NS": [str(index) for index in sorted(failed)]}
        try:
            self._table.update_item(
                TableName=table,
                Key=_key(job),
                ConditionExpression="attribute_exists(pk)",
                UpdateExpression=update,
                ExpressionAttributeNames=_names(*names),
                ExpressionAttributeValues=values,
            )
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":  # the sweep has given the job up meanwhile
                raise

    def forget(self, table: str, job: tuple[str, str, str]) -> None:
        item = self._table.get_item(TableName=table, Key=_key(job), ConsistentRead=True).get("Item", {})
        if "reserved" in item:  # a refused transaction means that another run has released it already
            transact(self._table, settle_writes(table, job, item["budget"]["S"], int(item["reserved"]["N"]), 0))
        else:
            self._table.delete_item(TableName=table, Key=_key(job))

    def parameter(self, name: str) -> str | None:
        try:
            return str(self._ssm.get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError as error:
            if _code(error) == "ParameterNotFound":
                return None
            raise

    def committed(self, table: str, budget: str) -> int:
        item = self._table.get_item(**budget_read(table, budget)).get("Item", {})
        return int(item["committed"]["N"]) if "committed" in item else 0

    def reserve(self, table: str, job: tuple[str, str, str], budget: str, amount: int, limit: int) -> bool:
        refused = transact(self._table, reserve_writes(table, job, budget, amount, limit))
        return not refused or refused[1] == "ConditionalCheckFailed"

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
            disk = {"VolumeSize": request.volume_gib, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
            arguments["BlockDeviceMappings"] = [{"DeviceName": "/dev/sda1", "Ebs": disk}]
        try:
            answer = self._ec2.run_instances(**arguments)
        except ClientError as error:
            raise LaunchError(_code(error), str(error.response["Error"].get("Message", ""))) from error
        offset = int(request.tags[OFFSET])
        return [
            Machine(item["InstanceId"], item["InstanceType"], item["AmiLaunchIndex"], offset, item.get("LaunchTime"))
            for item in answer["Instances"]
        ]

    def machines(self, bucket: str, group: str, timestamp: str) -> list[Machine]:
        wanted = {BUCKET: bucket, GROUP: group, JOB: timestamp}
        pages = self._ec2.get_paginator("describe_instances").paginate(
            Filters=[{"Name": f"tag:{key}", "Values": [value]} for key, value in wanted.items()]
        )
        return [
            Machine(item["InstanceId"], item["InstanceType"], item["AmiLaunchIndex"], int(tags[OFFSET]), item["LaunchTime"])
            for page in pages
            for reservation in page["Reservations"]
            for item in reservation["Instances"]
            if OFFSET in (tags := {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])})
        ]


def _names(*names: str) -> dict[str, str]:
    """Placeholders for all attribute names: DynamoDB reserves hundreds of words."""
    return {f"#{name}": name for name in names}


def _key(job: tuple[str, str, str]) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in open_job_key(*job).items()}


def _code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", "Unknown"))
