"""The manager's few AWS calls. Clients are made at first use, once per container.

Permissions: s3:GetObject, s3:PutObject, s3:ListBucket and s3:ListBucketVersions on the analysis bucket,
s3:GetObjectVersion on its submissions, s3:GetObject and s3:ListBucket on the outside buckets that the
blueprint registers, s3:GetObject on the settings object, dynamodb:GetItem, PutItem, UpdateItem, DeleteItem,
ConditionCheckItem and Query on the table, ec2:RunInstances (with ec2:CreateTags at RunInstances, iam:PassRole
of the groups' instance roles, ssm:GetParameters when the image is `resolve:ssm:…`), ec2:DescribeInstances,
ssm:GetParameters on the budgets of the analysis when the settings name where they are, sns:Publish on the
topic, sqs:SendMessage on its own queue, and sts:DecodeAuthorizationMessage (without it the log has what EC2
has encoded).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from neurocaas.protocol import digest, members
from neurocaas.protocol.cost import STANDARD_CREDITS, burstable
from neurocaas.protocol.job_index import IndexEntry, note_job
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.ledger import (
    LAUNCHED,
    Claim,
    Reservation,
    Waiting,
    budget_read,
    cap_writes,
    change,
    close_writes,
    end_watch_write,
    followers_of,
    heard_key,
    item_key,
    lease_writes,
    note_stop,
    note_waiter,
    read_claim,
    read_waiters,
    remove_waiter,
    reserve_writes,
    settle_cap,
    settle_writes,
    take_claim,
    transact,
    waiting_of,
    watch_key,
)
from neurocaas.protocol.members import Roster
from neurocaas.protocol.notice import send
from neurocaas.protocol.objects import code_of
from neurocaas.protocol.settings import SPOT
from neurocaas.protocol.spending import Figures, read_figures, take_alarm, tell_spending
from neurocaas.protocol.tags import ATTEMPT, BUCKET, GROUP, JOB, OFFSET, RUN
from neurocaas.protocol.waiting import Waiter
from neurocaas.protocol.watches import Watch
from runtime.aws.clients import Clients
from runtime.manager import refusal_log
from runtime.manager.events import ObjectCreated, message_of
from runtime.manager.objects import Objects
from runtime.manager.port import JobGoneError, JobMachine, LaunchError, LaunchRequest


def manager_clients() -> Clients:
    """EC2 answers "no capacity" with a 500, which botocore tries again: once is enough, there are other types
    and zones."""
    return Clients(4, ec2_attempts=1)


class AwsManagerCloud(Objects):
    """The real thing (`ManagerCloud` over botocore). `table`: the service's; `topic`: who is notified of what
    has ended, None for nobody."""

    def __init__(self, table: str, topic: str | None = None, clients: Clients | None = None) -> None:
        super().__init__(clients or manager_clients())
        self._table, self._topic = table, topic

    def lease(
        self,
        job: JobId,
        owner: str,
        now: float,
        until: float,
        about: Mapping[str, str],
    ) -> str:
        refused = self._transact(lease_writes(self._table, job, owner, now, until, about))
        if not refused:
            return "taken"
        if refused[0] != "None":
            return "ended"
        return "launched" if self._item(job).get("state", {}).get("S") == LAUNCHED else "busy"

    def hear(self, bucket: str, key: str, etag: str) -> None:
        self.clients.dynamodb.put_item(
            TableName=self._table, Item={**heard_key(bucket, key), "etag": {"S": etag}}
        )

    def claim(self, job: JobId, claim: Claim, after: Claim | None = None) -> Claim | None:
        return take_claim(self.clients.dynamodb, self._table, job, claim, after)

    def claimed(self, job: JobId) -> Claim | None:
        return read_claim(self.clients.dynamodb, self._table, job)

    def _item(self, job: JobId) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.clients.dynamodb.get_item(
            TableName=self._table, Key=item_key(job), ConsistentRead=True
        ).get("Item", {})
        return found

    def _change(
        self, job: JobId, update: str, values: Mapping[str, Any], condition: str = "attribute_exists(pk)"
    ) -> None:
        change(self.clients.dynamodb, self._table, job, update, values, condition)

    def _transact(self, writes: Sequence[dict[str, Any]]) -> list[str]:
        return transact(self.clients.dynamodb, writes)

    def release(self, job: JobId, owner: str) -> None:
        self._change(job, "REMOVE #lease, #owner", {":owner": {"S": owner}}, "#owner = :owner")

    def pause(self, job: JobId, owner: str, started: int, now: float) -> None:
        values = {":owner": {"S": owner}, ":started": {"N": str(started)}, ":now": {"N": f"{now:.3f}"}}
        update = "SET #started = :started, #since = :now REMOVE #lease, #owner"
        self._change(job, update, values, "#owner = :owner")

    def started(self, job: JobId) -> int:
        return int(self._item(job).get("started", {}).get("N", 0))

    def register(self, watch: Watch) -> None:
        item = {**watch_key(watch.bucket, watch.group, watch.name), "watch": {"S": watch.to_json()}}
        self.clients.dynamodb.put_item(TableName=self._table, Item=item)

    def end_watch(self, bucket: str, group: str, name: str, why: str) -> None:
        self.clients.dynamodb.update_item(**end_watch_write(self._table, bucket, group, name, why))

    def settle_cap(self, cap: str, timestamp: str, spent: int) -> None:
        settle_cap(self.clients.dynamodb, self._table, cap, timestamp, spent)

    def take_cap(self, cap: str, timestamp: str, amount: int, limit: int) -> bool:
        refused = self._transact(cap_writes(self._table, cap, timestamp, amount, limit))
        return not refused or refused[1] != "None"

    def wait(self, job: JobId, owner: str, waiting: Waiting) -> None:
        values = {
            ":owner": {"S": owner},
            ":for": {"S": "/".join(waiting.for_)},
            ":until": {"N": f"{waiting.until:.3f}"},
            ":queue": {"S": waiting.queue},
            ":message": {"S": waiting.message},
        }
        update = (
            "SET #waits_for = :for, #waits_until = :until, #wake_queue = :queue, #wake_message = :message"
        )
        self._change(job, update, values, "#owner = :owner")

    def waiting(self, job: JobId) -> Waiting | None:
        return waiting_of(self._item(job))

    def follow(self, job: JobId, follower: JobId) -> None:
        self._change(job, "ADD #followers :followers", {":followers": {"SS": ["/".join(follower)]}})

    def followers(self, job: JobId) -> tuple[JobId, ...]:
        return followers_of(self._item(job))

    def go_on(self, job: JobId, owner: str, now: float) -> None:
        update = "SET #since = :now REMOVE #waits_for, #waits_until, #wake_queue, #wake_message"
        values = {":owner": {"S": owner}, ":now": {"N": f"{now:.3f}"}}
        self._change(job, update, values, "#owner = :owner")

    def wake(self, waiting: Waiting | Waiter) -> None:
        self.clients.sqs.send_message(QueueUrl=waiting.queue, MessageBody=waiting.message)

    def come_back(self, queue_url: str, event: ObjectCreated, seconds: int) -> None:
        body = message_of(event)
        self.clients.sqs.send_message(QueueUrl=queue_url, MessageBody=body, DelaySeconds=seconds)

    def launched(self, job: JobId, total: int, failed: frozenset[int], now: float) -> None:
        update = "SET #state = :launched, #total = :total, #since = :now REMOVE #lease, #owner"
        values: dict[str, Any] = {
            ":launched": {"S": LAUNCHED},
            ":total": {"N": str(total)},
            ":now": {"N": f"{now:.3f}"},
        }
        if failed:
            update += " ADD #failed :failed"
            values[":failed"] = {"NS": [str(index) for index in sorted(failed)]}
        self._change(job, update, values)

    def abandon(self, job: JobId) -> None:
        self._change(
            job,
            "SET #state = :launched REMOVE #lease, #owner",
            {":launched": {"S": LAUNCHED}},
        )

    def note_stop(self, job: JobId, reason: str, now: float) -> bool:
        return note_stop(self.clients.dynamodb, self._table, job, reason, now)

    def retries(self, job: JobId) -> frozenset[str] | None:
        item = self._item(job)
        if not item:
            return None
        closed = {number for name in ("succeeded", "failed") for number in item.get(name, {}).get("NS", [])}
        return frozenset(
            name for name in item.get("retries", {}).get("SS", []) if name.partition(":")[0] not in closed
        )

    def give_up(self, job: JobId, dataset: int) -> None:
        self._change(job, "ADD #failed :failed", {":failed": {"NS": [str(dataset)]}})

    def forget(self, job: JobId, ended: str) -> bool:
        item = self._item(job)
        if "reserved" not in item:
            return not self._transact(close_writes(self._table, job, ended))
        budget, reserved = item["budget"]["S"], int(item["reserved"]["N"])
        # what is settled of it is spent already
        self._tell_spending(job, budget, settling=True)
        member = item.get("member", {}).get("S")
        refused = self._transact(settle_writes(self._table, job, budget, reserved, 0, ended, member))
        self._tell_spending(job, budget)
        return not refused

    def _tell_spending(self, job: JobId, budget: str, *, settling: bool = False) -> None:
        tell_spending(self.clients.s3, self.clients.dynamodb, self._table, job, budget, settling=settling)

    def parameters(self, names: Sequence[str]) -> Mapping[str, str]:
        found = self.clients.ssm.get_parameters(Names=list(names))["Parameters"]
        return {str(one["Name"]): str(one["Value"]) for one in found}

    def roster(self, group: str) -> Roster:
        return members.read(self.clients.ssm, group)

    def account(self, budget: str, member: str | None = None) -> tuple[int, int]:
        item = self.clients.dynamodb.get_item(**budget_read(self._table, budget, member)).get("Item", {})
        committed, spent = (int(item.get(name, {}).get("N", 0)) for name in ("committed", "spent"))
        return committed, spent

    def figures(self, budget: str) -> Figures:
        return read_figures(self.clients.dynamodb, self._table, budget)

    def take_alarm(self, budget: str, mark: str) -> bool:
        return take_alarm(self.clients.dynamodb, self._table, budget, mark)

    def committed(self, budget: str, member: str | None = None) -> int:
        return self.account(budget, member)[0]

    def reserve(self, job: JobId, wanted: Reservation) -> bool:
        refused = self._transact(reserve_writes(self._table, job, wanted))
        if refused and refused[1] == "None":
            return False
        if refused and "reserved" not in self._item(job):
            raise JobGoneError("another has ended the job: nothing was reserved for it")
        self._tell_spending(job, wanted.budget)  # also for whoever was killed after it had reserved
        return True

    def index(self, bucket: str, group: str, entry: IndexEntry) -> None:
        note_job(self.clients.s3, self.clients.dynamodb, self._table, bucket, group, entry)

    def paid(self, job: JobId) -> int | None:
        item = self._item(job)
        if "reserved" not in item:
            return 0
        return int(item["paid"]["N"]) if int(item.get("paid", {}).get("N", 0)) else None

    def waiters(self, bucket: str) -> list[Waiter]:
        return read_waiters(self.clients.dynamodb, self._table, bucket)

    def enter_queue(self, waiter: Waiter) -> None:
        note_waiter(self.clients.dynamodb, self._table, waiter)

    def leave_queue(self, job: JobId) -> None:
        remove_waiter(self.clients.dynamodb, self._table, job)

    def publish(self, subject: str, text: str, about: Mapping[str, str]) -> None:
        if self._topic:
            send(self.clients.sns, self._topic, subject, text, "manager", about)

    def note_ended(self, group: str, day: str, line: str) -> None:
        digest.note(self.clients.dynamodb, self._table, group, day, line)

    def run(self, request: LaunchRequest) -> list[JobMachine]:
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
            arguments["BlockDeviceMappings"] = [{"DeviceName": request.root_device, "Ebs": disk}]
        if request.market == SPOT:
            once = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
            arguments["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": once}
        if burstable(request.instance_type):  # no other type takes it
            arguments["CreditSpecification"] = {"CpuCredits": STANDARD_CREDITS}
        if request.subnet is not None:
            arguments["SubnetId"] = request.subnet
        elif request.zone is not None:
            arguments["Placement"] = {"AvailabilityZone": request.zone}
        try:
            answer = self.clients.ec2.run_instances(**arguments)
        except ClientError as error:
            refused = LaunchError(code_of(error), str(error.response["Error"].get("Message", "")))
            refusal_log.write(lambda: self.clients.sts, request, refused)
            raise refused from error
        return [_machine(item, request.tags) for item in answer["Instances"]]

    def living(self, tags: Mapping[str, str]) -> int:
        alive = {"Name": "instance-state-name", "Values": ["pending", "running"]}
        return sum(1 for _ in self._described([*_tagged(tags), alive]))

    def machines(self, job: JobId) -> list[JobMachine]:
        return [
            _machine(item, tags)
            for item in self._described(_tagged({BUCKET: job.bucket, GROUP: job.group, JOB: job.timestamp}))
            if OFFSET in (tags := {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])})
        ]

    def _described(self, filters: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        for page in self.clients.ec2.get_paginator("describe_instances").paginate(Filters=filters):
            for reservation in page["Reservations"]:
                yield from reservation["Instances"]


def _machine(item: Mapping[str, Any], tags: Mapping[str, str]) -> JobMachine:
    return JobMachine(
        item["InstanceId"],
        item["InstanceType"],
        item["AmiLaunchIndex"],
        int(tags[OFFSET]),
        int(tags.get(ATTEMPT, "1")),
        tags.get(RUN, ""),
    )


def _tagged(tags: Mapping[str, str]) -> list[Mapping[str, Any]]:
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
