"""What a client got an answer for is there after ``kill -9`` at any moment, with everything that follows from
it.
"""

from __future__ import annotations

import functools
import io
import json
import random
import resource
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from localcloud.cloud import Cloud
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.tests.homes import CloudHome, client_of, kill

pytestmark = pytest.mark.local

ROUNDS = 8
LONGEST_SECONDS = 0.4
"""A round ends by a kill at a random moment within it."""
Call = Callable[[], Any]


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def sends(service: str) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": "*",
    }


def furnish(cloud: Cloud) -> dict[str, str]:
    """A bucket whose objects and machines whose states become messages, a table, a queue."""
    client = client_of(cloud)
    s3, sqs, events = client("s3"), client("sqs"), client("events")
    urls, arns = {}, {}
    for name in ("submissions", "states", "own"):
        urls[name] = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
        arns[name] = sqs.get_queue_attributes(QueueUrl=urls[name], AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        allowed = policy(sends("s3.amazonaws.com"), sends("events.amazonaws.com"))
        sqs.set_queue_attributes(QueueUrl=urls[name], Attributes={"Policy": allowed})
    s3.create_bucket(Bucket="bucket")
    wanted = {"QueueConfigurations": [{"QueueArn": arns["submissions"], "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="bucket", NotificationConfiguration=wanted)
    events.put_rule(Name="states", EventPattern='{"source": ["aws.ec2"]}')
    events.put_targets(Rule="states", Targets=[{"Id": "1", "Arn": arns["states"]}])
    client("dynamodb").create_table(
        TableName="table",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    return urls


def drain(client: Any, url: str) -> list[str]:
    """The bodies of all messages that can be received."""
    bodies = []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        bodies += [message["Body"] for message in messages]
    return bodies


class Work:
    """Threads that change something again and again, and remember what they were told is done."""

    def __init__(self, cloud: Cloud, urls: dict[str, str], number: int) -> None:
        self._cloud, self._urls, self._number = cloud, urls, number
        self.done: dict[str, list[Any]] = {}
        self._threads = [
            threading.Thread(
                target=self._repeat, args=(kind, getattr(self, f"_{kind}")(client_of(cloud))), daemon=True
            )
            for kind in (
                "submission",
                "item",
                "removed",
                "message",
                "worked_off",
                "parameter",
                "machine",
                "policy",
            )
        ]

    def until_killed(self, seconds: float) -> None:
        for thread in self._threads:
            thread.start()
        time.sleep(seconds)
        kill(self._cloud)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _repeat(self, kind: str, call: Callable[[str], Any]) -> None:
        done = self.done.setdefault(kind, [])
        for turn in range(10_000):
            name = f"{kind}-{self._number}-{turn}"
            try:
                answer = call(name)
            except (BotoCoreError, ClientError, ResponseParserError, OSError):
                return  # it was killed
            done.append((name, answer))

    def _submission(self, client: Any) -> Callable[[str], Any]:
        s3 = client("s3")
        return lambda name: s3.put_object(Bucket="bucket", Key=name, Body=name.encode())

    def _item(self, client: Any) -> Callable[[str], Any]:
        table = client("dynamodb")
        return lambda name: table.put_item(TableName="table", Item={"pk": {"S": name}})

    def _removed(self, client: Any) -> Callable[[str], Any]:
        table = client("dynamodb")

        def call(name: str) -> None:
            table.put_item(TableName="table", Item={"pk": {"S": name}})
            table.delete_item(TableName="table", Key={"pk": {"S": name}})

        return call

    def _message(self, client: Any) -> Callable[[str], Any]:
        sqs = client("sqs")
        return lambda name: sqs.send_message(QueueUrl=self._urls["own"], MessageBody=name)

    def _worked_off(self, client: Any) -> Callable[[str], Any]:
        sqs, own = (
            client("sqs"),
            client("sqs").create_queue(QueueName=f"worked-off-{self._number}")["QueueUrl"],
        )

        def call(name: str) -> str:
            sqs.send_message(QueueUrl=own, MessageBody=name)
            [message] = sqs.receive_message(QueueUrl=own)["Messages"]
            sqs.delete_message(QueueUrl=own, ReceiptHandle=message["ReceiptHandle"])
            return str(own)

        return call

    def _parameter(self, client: Any) -> Callable[[str], Any]:
        ssm = client("ssm")
        return lambda name: ssm.put_parameter(Name=f"/{name}", Value="v", Type="SecureString")

    def _machine(self, client: Any) -> Callable[[str], Any]:
        ec2 = client("ec2")
        return lambda name: launch(ec2, name)

    def _policy(self, client: Any) -> Callable[[str], Any]:
        iam = client("iam")

        def call(name: str) -> None:
            iam.create_user(UserName=name)
            iam.put_user_policy(
                UserName=name, PolicyName="p", PolicyDocument=policy(sends("x") | {"Principal": None})
            )

        return call


def launch(ec2: Any, token: str) -> str:
    image = BASE_IMAGES[0].image_id
    answer = ec2.run_instances(
        ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, ClientToken=token
    )
    return str(answer["Instances"][0]["InstanceId"])


def check(
    cloud: Cloud, urls: dict[str, str], done: dict[str, list[Any]], messages: dict[str, list[str]]
) -> None:
    client = client_of(cloud)
    s3, table, sqs, ec2 = (client(name) for name in ("s3", "dynamodb", "sqs", "ec2"))
    messages["submissions"] += drain(sqs, urls["submissions"])
    messages["own"] += drain(sqs, urls["own"])
    messages["states"] += drain(sqs, urls["states"])
    told = {
        record["s3"]["object"]["key"]
        for body in messages["submissions"]
        for record in json.loads(body).get("Records", [])
    }
    for name, _ in done["submission"]:
        assert s3.get_object(Bucket="bucket", Key=name)["Body"].read() == name.encode()
        assert name in told
    items = {
        item["pk"]["S"]
        for page in table.get_paginator("scan").paginate(TableName="table")
        for item in page["Items"]
    }
    assert {name for name, _ in done["item"]} <= items
    assert not {name for name, _ in done["removed"]} & items
    assert {name for name, _ in done["message"]} <= set(messages["own"])
    for name, own in done["worked_off"][-1:]:
        assert name not in drain(sqs, own)
    for name, _ in done["parameter"]:
        assert client("ssm").get_parameter(Name=f"/{name}", WithDecryption=True)["Parameter"]["Value"] == "v"
    states = [json.loads(body)["detail"] for body in messages["states"]]
    for token, instance in done["machine"]:
        assert launch(ec2, token) == instance
        assert {"instance-id": instance, "state": "pending"} in states
    for name, _ in done["policy"]:
        assert client("iam").get_user_policy(UserName=name, PolicyName="p")


def test_what_was_answered_is_there_after_a_kill_at_any_moment(cloud_home: CloudHome) -> None:
    cloud = cloud_home.up()
    urls = furnish(cloud)
    messages: dict[str, list[str]] = {"submissions": [], "own": [], "states": []}
    seed = random.randrange(2**32)
    moments, answered = random.Random(seed), 0
    for number in range(ROUNDS):
        work = Work(cloud, urls, number)
        work.until_killed(moments.uniform(0.0, LONGEST_SECONDS))
        answered += sum(len(done) for done in work.done.values())
        cloud = cloud_home.up()
        check(cloud, urls, work.done, messages)
    assert answered > ROUNDS, seed


def test_an_answered_submission_always_has_its_message(cloud_home: CloudHome) -> None:
    """Killed as soon as S3 has answered: the moment in which the object was on disk and its message was
    not.
    """
    cloud = cloud_home.up()
    urls = furnish(cloud)
    for turn in range(5):
        client_of(cloud)("s3").put_object(
            Bucket="bucket", Key=f"group/submissions/{turn}_submit.json", Body=b"{}"
        )
        kill(cloud)
        cloud = cloud_home.up()
        bodies = drain(client_of(cloud)("sqs"), urls["submissions"])
        keys = [
            record["s3"]["object"]["key"] for body in bodies for record in json.loads(body).get("Records", [])
        ]
        assert keys == [f"group/submissions/{turn}_submit.json"]


SLOW = """
import os, time, boto3
def handler(event, context):
    s3 = boto3.client("s3")
    for record in event["Records"]:
        seen = s3.list_objects_v2(Bucket="bucket", Prefix="begun/").get("KeyCount", 0)
        s3.put_object(Bucket="bucket", Key=f"begun/{seen}", Body=b"")
        if not seen:
            time.sleep(60)
        s3.put_object(Bucket="bucket", Key=f"done/{record['body']}", Body=b"")
"""


def await_keys(cloud: Cloud, prefix: str, seconds: float) -> list[str]:
    s3, deadline = client_of(cloud)("s3"), time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = [one["Key"] for one in s3.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", [])]
        if found:
            return found
        time.sleep(0.05)
    return []


def feed(client: Any, queue: str) -> str:
    """The function above, which works off a queue; the queue's ARN."""
    trust = policy(
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    )
    role = client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    rights = policy(
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:ListBucket", "sqs:*"], "Resource": "*"}
    )
    client("iam").put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=rights)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("h.py", SLOW)
    code = {"ZipFile": archive.getvalue()}
    client("lambda").create_function(
        FunctionName="slow", Runtime="python3.12", Handler="h.handler", Role=role, Code=code, Timeout=120
    )
    arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    client("lambda").create_event_source_mapping(FunctionName="slow", EventSourceArn=arn)
    return str(arn)


def test_a_stopped_cloud_goes_on_in_another_folder_and_on_another_port(
    cloud_home: CloudHome, tmp_path: Path
) -> None:
    cloud = cloud_home.up()
    urls = furnish(cloud)
    feed(client_of(cloud), urls["own"])
    client_of(cloud)("sqs").send_message(QueueUrl=urls["states"], MessageBody="waits")
    client_of(cloud)("s3").put_object(Bucket="bucket", Key="begun/before", Body=b"")  # so it does not sleep
    cloud_home.down()
    moved = CloudHome(tmp_path / "elsewhere")
    moved.paths.home.parent.mkdir()
    cloud_home.paths.home.rename(moved.paths.home)
    cloud = moved.up()
    try:
        sqs = client_of(cloud)("sqs")
        sqs.send_message(QueueUrl=urls["own"], MessageBody="work")  # the URL that stacks have kept
        assert await_keys(cloud, "done/", 60) == ["done/work"]
        now = sqs.get_queue_url(QueueName="states")["QueueUrl"]
        assert now == urls["states"].replace(f":{cloud_home.port}/", f":{moved.port}/") != urls["states"]
        assert drain(sqs, now) == ["waits"]
    finally:
        moved.down()


def test_a_message_that_a_function_was_working_on_is_given_to_it_again_at_once(cloud_home: CloudHome) -> None:
    """Its visibility timeout is ten minutes: nobody works on it, so nobody has to wait for that. And a kill
    is no failed attempt.
    """
    cloud = cloud_home.up()
    urls, client = furnish(cloud), client_of(cloud)
    arn = feed(client, urls["own"])
    dead = {"deadLetterTargetArn": arn.replace(":own", ":states"), "maxReceiveCount": 1}
    client("sqs").set_queue_attributes(QueueUrl=urls["own"], Attributes={"RedrivePolicy": json.dumps(dead)})
    client("sqs").send_message(QueueUrl=urls["own"], MessageBody="work")
    client("sqs").send_message(QueueUrl=urls["states"], MessageBody="somebody's")
    assert client("sqs").receive_message(QueueUrl=urls["states"])["Messages"]
    assert await_keys(cloud, "begun/", 30) == ["begun/0"]
    kill(cloud)
    cloud = cloud_home.up()
    assert await_keys(cloud, "done/", 60) == ["done/work"]
    # who took it by a request still has it
    assert "Messages" not in client_of(cloud)("sqs").receive_message(QueueUrl=urls["states"])


def test_a_request_that_is_made_again_after_a_kill_is_the_same_request(cloud_home: CloudHome) -> None:
    """Tokens of launches (in the test above), of transactions and of messages; and what a key has sealed can
    be opened.
    """
    cloud = cloud_home.up()
    furnish(cloud)
    client = client_of(cloud)
    fifo = client("sqs").create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    put = {
        "Put": {
            "TableName": "table",
            "Item": {"pk": {"S": "k"}},
            "ConditionExpression": "attribute_not_exists(pk)",
        }
    }

    def twice(client: Any) -> None:
        client("dynamodb").transact_write_items(TransactItems=[put], ClientRequestToken="token")
        client("sqs").send_message(
            QueueUrl=fifo, MessageBody="m", MessageGroupId="g", MessageDeduplicationId="d"
        )

    key = client("kms").create_key()["KeyMetadata"]["KeyId"]
    sealed = client("kms").encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    twice(client)
    for end in (kill, kill, lambda _: cloud_home.down()):
        end(cloud)
        cloud = cloud_home.up()
        twice(client_of(cloud))
    client = client_of(cloud)
    assert drain(client("sqs"), fifo) == ["m"]
    assert client("kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"secret"
    with pytest.raises(ClientError, match="TransactionCanceled"):
        client("dynamodb").transact_write_items(TransactItems=[put], ClientRequestToken="other")


def test_an_upload_in_parts_goes_on_after_a_kill(cloud_home: CloudHome) -> None:
    cloud = cloud_home.up()
    urls = furnish(cloud)
    s3, where = client_of(cloud)("s3"), {"Bucket": "bucket", "Key": "large"}
    begun = s3.create_multipart_upload(**where, Metadata={"a": "1"}, ContentType="text/x")["UploadId"]
    aborted = s3.create_multipart_upload(**where)["UploadId"]
    s3.abort_multipart_upload(**where, UploadId=aborted)
    parts, bodies = [], [bytes([number]) * (5 << 20) for number in (1, 2)]
    for number, body in enumerate(bodies, 1):
        kill(cloud)
        cloud = cloud_home.up()
        answer = client_of(cloud)("s3").upload_part(**where, UploadId=begun, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    kill(cloud)
    cloud = cloud_home.up()
    s3 = client_of(cloud)("s3")
    assert [one["UploadId"] for one in s3.list_multipart_uploads(Bucket="bucket")["Uploads"]] == [begun]
    complete = functools.partial(
        s3.complete_multipart_upload, **where, UploadId=begun, MultipartUpload={"Parts": parts}
    )
    tag = complete()["ETag"]
    kill(cloud)
    cloud = cloud_home.up()
    s3 = client_of(cloud)("s3")
    found = s3.get_object(**where)
    assert (found["Body"].read() == b"".join(bodies), found["Metadata"], found["ContentType"]) == (
        True,
        {"a": "1"},
        "text/x",
    )
    # a client that got no answer
    again = s3.complete_multipart_upload(**where, UploadId=begun, MultipartUpload={"Parts": parts})
    assert again["ETag"] == tag
    told = [
        json.loads(body).get("Records", [{}])[0].get("eventName")
        for body in drain(client_of(cloud)("sqs"), urls["submissions"])
    ]
    assert told.count("ObjectCreated:CompleteMultipartUpload") == 1
    assert list(cloud_home.paths.emulator_uploads.glob("*/*.part*")) == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bucket")


def refused(call: Call) -> bool:
    try:
        call()
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"]) >= 500
    return False


def test_what_cannot_be_written_is_not_answered_as_done(cloud_home: CloudHome) -> None:
    """A full disk, for which a limit of the size of files stands: no answer says that it is done, and later
    everything works again.
    """
    cloud = cloud_home.up()
    urls, client = furnish(cloud), client_of(cloud)
    calls: dict[str, Call] = {
        "object": lambda: client("s3").put_object(Bucket="bucket", Key="k", Body=b"content"),
        "item": lambda: client("dynamodb").put_item(TableName="table", Item={"pk": {"S": "k"}}),
        "message": lambda: client("sqs").send_message(QueueUrl=urls["own"], MessageBody="m"),
        "parameter": lambda: client("ssm").put_parameter(Name="/p", Value="v", Type="String", Overwrite=True),
        "machine": lambda: launch(client("ec2"), "token"),
    }
    before = resource.prlimit(cloud.emulator_pid, resource.RLIMIT_FSIZE)
    resource.prlimit(cloud.emulator_pid, resource.RLIMIT_FSIZE, (0, before[1]))
    assert {name for name, call in calls.items() if not refused(call)} == set()
    resource.prlimit(cloud.emulator_pid, resource.RLIMIT_FSIZE, before)
    for call in calls.values():
        call()
    machine = launch(client("ec2"), "token")
    kill(cloud)
    client = client_of(cloud_home.up())
    assert client("s3").get_object(Bucket="bucket", Key="k")["Body"].read() == b"content"
    assert client("dynamodb").get_item(TableName="table", Key={"pk": {"S": "k"}})["Item"]
    assert "m" in drain(client("sqs"), urls["own"])
    assert launch(client("ec2"), "token") == machine
