"""Jobs of the deployed mock analysis, for the scenarios A11 to A21: submit, wait, read what is in the
bucket.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote_plus

from localcloud.cloud import Cloud
from localcloud.paths import Paths
from neurocaas import Analysis, JobHandle, JobState
from neurocaas.protocol.keys import JobKeys
from tests.local.deployed import Deployed, Keys

T = TypeVar("T")
PATIENCE = 150.0
"""Seconds after which something that must happen has not: a failure, with what there was instead."""


class Session:
    """What `neurocaas.Analysis` wants of a boto3 session, with the rights of root or of `keys`."""

    def __init__(self, deployed: Deployed, keys: Keys | None = None) -> None:
        self._deployed, self._keys = deployed, keys

    def client(self, service: str) -> Any:
        return self._deployed.client(service, self._keys)


class Lab:
    """One group of the deployed analysis."""

    def __init__(self, deployed: Deployed, group: str = "lab1") -> None:
        self.deployed, self.group = deployed, group
        self.bucket = str(deployed.analysis["bucket"])
        self.analysis = Analysis(self.bucket, group, session=Session(deployed))
        self.s3, self.ec2 = self.analysis.s3, deployed.client("ec2")

    def put(self, key: str, body: str | bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return key

    def data(self, name: str, body: str = "data") -> str:
        return self.put(f"{self.group}/inputs/{name}", body)

    def config(self, **values: Any) -> str:
        return self.put(
            f"{self.group}/configs/{uuid.uuid4().hex[:8]}.json", json.dumps({"wait": 0, **values})
        )

    def submit(
        self, *names: str, stamp: str = "", submission: str = "", body: bytes | None = None, **fields: Any
    ) -> JobHandle:
        """Put a submission for datasets (which are made) as people do it by hand; `body` is the whole file
        instead.
        """
        stamp = stamp or f"t-{uuid.uuid4().hex[:8]}"
        document = {
            "dataname": [self.data(name) for name in names],
            "configname": "",
            "timestamp": stamp,
            **fields,
        }
        if document["configname"] == "":
            document["configname"] = self.config()
        key = f"{self.group}/submissions/{submission or stamp + '_submit.json'}"
        self.put(
            key,
            body
            if body is not None
            else json.dumps({name: value for name, value in document.items() if value is not None}),
        )
        return JobHandle(self.s3, self.bucket, self.group, stamp, key)

    def text(self, key: str) -> str:
        return self.analysis.objects.text(key)

    def keys_below(self, prefix: str) -> set[str]:
        return {str(entry["Key"]) for entry in self.analysis.objects.list(prefix)}

    def reports(self, job: JobHandle) -> list[dict[str, Any]]:
        """The filed compute reports of a job."""
        found = [json.loads(self.text(key)) for key in self.keys_below(f"logs/{self.group}/")]
        return [report for report in found if report["timestamp"] == job.timestamp]

    def deliver(self, job: JobHandle) -> None:
        """Tell the manager of a job's submission once more, as S3 and the queue may do."""
        document = {
            "bucket": {"name": self.bucket},
            "object": {"key": quote_plus(str(job.submission_key)), "size": 1},
        }
        event = {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": document}]}
        queue = self.deployed.analysis["submission_queue_url"]
        self.deployed.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(event))

    def admin(self, operation: str, **body: Any) -> None:
        """Do what only AWS can: take a machine back, have no capacity."""
        cloud = Cloud.load(Paths(self.deployed.ground.root / ".local"))
        assert cloud is not None
        cloud.admin("POST", operation, body)

    def machines(self, job: JobHandle) -> list[dict[str, Any]]:
        """All machines that EC2 still shows of a job, in any state."""
        answer = self.ec2.describe_instances(Filters=[{"Name": "tag:job", "Values": [job.timestamp]}])
        return [one for reservation in answer["Reservations"] for one in reservation["Instances"]]


class Inbox:
    """What the topic of the service sends to a subscriber."""

    def __init__(self, deployed: Deployed) -> None:
        self._sqs, sns = deployed.client("sqs"), deployed.client("sns")
        self._queue = self._sqs.create_queue(QueueName=f"inbox-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": policy})
        sns.subscribe(TopicArn=deployed.utils["topic_arn"], Protocol="sqs", Endpoint=arn)
        self._notices: list[dict[str, str]] = []

    def about(self, job: JobHandle) -> list[dict[str, str]]:
        """The notices of a job so far."""
        return [one for one in self.all() if job.timestamp in one["Subject"]]

    def all(self) -> list[dict[str, str]]:
        """All notices so far."""
        while found := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in found:
                self._notices.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return self._notices


class Mailboxes:
    """What the local cloud keeps of the mail that SNS sends."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed

    def confirm(self) -> None:
        """Ask the addresses of groups.yaml (once more: mail is not kept over a restart), and follow their
        links."""
        self._deployed.ground.invoke("notify", "--again", "--local")
        sns = self._deployed.client("sns")
        for one in self._mail():
            if "confirm" in one:
                with suppress(sns.exceptions.InvalidParameterException):  # an older link
                    sns.confirm_subscription(**one["confirm"])

    def subjects(self, address: str) -> list[str]:
        return [one["subject"] for one in self._mail() if one["to"] == address]

    def got(self, address: str, subject: str) -> bool:
        return subject in self.subjects(address)

    def _mail(self) -> list[dict[str, Any]]:
        cloud = Cloud.load(Paths(self._deployed.ground.root / ".local"))
        assert cloud is not None
        return list(cloud.admin("GET", "mail", None)["messages"])


def until(what: str, ask: Callable[[], T]) -> T:
    """The first answer that is true; AssertionError when there is none in time."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE:.0f} s"
        time.sleep(0.25)
    return answer


def ended(job: JobHandle) -> JobState:
    """The state of a job when it has ended."""
    return job.follow(lambda _: None, interval=0.25, timeout=PATIENCE)


def certificate_facts(lab: Lab, job: JobHandle) -> Mapping[str, Any]:
    document: dict[str, Any] = json.loads(lab.text(JobKeys.of(lab.group, job.timestamp).certificate_json))
    return document
