"""Requests to the local cloud's control plane, one after the other and from eight threads, beside a state
that is small or large:
how many a second, and what one takes of the control plane's processor.

What is answered is on disk before the answer, so this is what that costs.
"""

import json
import os
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import boto3
from botocore.config import Config

from benchmarks.report import Figure, show, wants_json
from localcloud import cloud as cloud_module
from localcloud.cloud import Cloud
from localcloud.paths import Paths

COUNT = 200
THREADS = 8
PORT = 24977
LARGE = 3000
"""Items and messages of the large state."""
ALLOW = {
    "Effect": "Allow",
    "Principal": {"Service": "s3.amazonaws.com"},
    "Action": "sqs:SendMessage",
    "Resource": "*",
}


def measure(call: Callable[[], Any], threads: int, cloud: Cloud) -> tuple[float, float]:
    """Calls a second, and milliseconds of the control plane's processor a call."""

    def work() -> None:
        for _ in range(COUNT // threads):
            call()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    began, before = time.monotonic(), processor(cloud)
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return COUNT / (time.monotonic() - began), (processor(cloud) - before) / COUNT * 1000


def processor(cloud: Cloud) -> float:
    """Seconds that the control plane has used."""
    fields = Path(f"/proc/{cloud.emulator_pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Furnished:
    """One thing of each service that a job uses."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        s3, sqs = self.client("s3"), self.client("sqs")
        for bucket in ("plain", "notified"):
            s3.create_bucket(Bucket=bucket)
        self.queues = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "own")]
        sqs.set_queue_attributes(
            QueueUrl=self.queues[0],
            Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [ALLOW]})},
        )
        arn = sqs.get_queue_attributes(QueueUrl=self.queues[0], AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        wanted = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        s3.put_bucket_notification_configuration(Bucket="notified", NotificationConfiguration=wanted)
        self.client("dynamodb").create_table(
            TableName="table",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
        self.client("iam").create_user(UserName="user")

    def client(self, service: str) -> Any:
        make: Any = boto3.client
        return make(
            service,
            endpoint_url=self._cloud.endpoint,
            region_name=self._cloud.region,
            aws_access_key_id=self._cloud.access_key_id,
            aws_secret_access_key=self._cloud.secret_access_key,
            config=Config(max_pool_connections=THREADS, s3={"addressing_style": "path"}),
        )

    def calls(self) -> dict[str, Callable[[], Any]]:
        s3, sqs, table, iam = (self.client(name) for name in ("s3", "sqs", "dynamodb", "iam"))
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
        }

        def message() -> None:
            sqs.send_message(QueueUrl=self.queues[1], MessageBody="x" * 500)
            for one in sqs.receive_message(QueueUrl=self.queues[1]).get("Messages", []):
                sqs.delete_message(QueueUrl=self.queues[1], ReceiptHandle=one["ReceiptHandle"])

        def grant() -> None:
            policy["Statement"][0]["Resource"] = f"arn:aws:s3:::{uuid.uuid4().hex}"  # type: ignore[index]
            iam.put_user_policy(UserName="user", PolicyName="p", PolicyDocument=json.dumps(policy))

        return {
            "object read": lambda: s3.list_buckets(),
            "object": lambda: s3.put_object(Bucket="plain", Key=uuid.uuid4().hex, Body=b"x" * 1000),
            "object with a message": lambda: s3.put_object(
                Bucket="notified", Key=uuid.uuid4().hex, Body=b"x" * 1000
            ),
            "item": lambda: table.put_item(
                TableName="table", Item={"pk": {"S": uuid.uuid4().hex}, "v": {"S": "x" * 300}}
            ),
            "message sent, received, deleted": message,
            "policy": grant,
        }

    def grow(self) -> None:
        """A state as after many jobs."""
        table, sqs = self.client("dynamodb"), self.client("sqs")
        for start in range(0, LARGE, 25):
            puts = [
                {"PutRequest": {"Item": {"pk": {"S": f"old-{start + n}"}, "v": {"S": "x" * 300}}}}
                for n in range(25)
            ]
            table.batch_write_item(RequestItems={"table": puts})
        for start in range(0, 1000, 10):
            entries = [{"Id": str(n), "MessageBody": f"{start + n}" + "x" * 500} for n in range(10)]
            sqs.send_message_batch(QueueUrl=self.queues[0], Entries=entries)


def main() -> None:
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder) / "local")
        try:
            cloud = cloud_module.up(paths, port=PORT, fleet=False)
            furnished = Furnished(cloud)
            for size in ("small", "large"):
                if size == "large":
                    furnished.grow()
                    time.sleep(1)
                for name, call in furnished.calls().items():
                    call()
                    for threads in (1, THREADS):
                        rate, cost = measure(call, threads, cloud)
                        note = f"{cost:.2f} ms of a processor each"
                        figures.append(
                            Figure(f"{size} state: {name}, {threads} at once", rate, "/s", note=note)
                        )
        finally:
            cloud_module.down(paths)
    show("control_plane", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
