"""An account with what a deployment would have made and the handlers need, in whatever cloud the environment
names: moto's server, which is an AWS that nobody here wrote, or a local cloud without machines.

What this does in place of AWS, because neither does:

- it runs the user data of an instance, with an instance metadata service of its own;
- it hands messages to the functions (moto has no event source mappings that run code without containers);
- it makes the events of an instance's states (moto sends none to EventBridge).
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3

from neurocaas.protocol.documents import iso
from neurocaas.protocol.settings import AnalysisSettings, Code, Group
from tests.shell.machines import build_tree
from tests.unit.job_world import BUCKET, SETTINGS

SCRIPT = """\
#!/bin/bash
source "$(dirname "$0")/ncap_utils/workflow.sh"
source "$(dirname "$0")/ncap_utils/transfer.sh"
errorlog
accessdir "$userhome/data" "$NEUROCAAS_OUTPUT/$NEUROCAAS_DATASET"
download "$inputpath" "$bucketname" "$userhome/data"
grep -q good "$userhome/data/$dataname" || { echo "no good data" >&2; exit 65; }
wc -c <"$userhome/data/$dataname" >"$NEUROCAAS_OUTPUT/$NEUROCAAS_DATASET/size.txt"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
"""
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


class Account:
    """Clients of the server, and the names of what a deployment makes. Set the environment first."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.s3, self.ec2 = boto3.client("s3"), boto3.client("ec2")
        self.sqs, self.dynamodb = boto3.client("sqs"), boto3.client("dynamodb")

    def deploy(self, folder: Path, template: dict[str, Any] | None = None) -> AnalysisSettings:
        """Buckets, queue and its notification, table, topic, launch template (with more in it), code and
        settings.
        """
        for bucket in (BUCKET, "artifacts"):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self._table()
        self.submissions, arn = self._queue("submissions")
        self.s3.put_bucket_notification_configuration(
            Bucket=BUCKET,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {
                        "QueueArn": arn,
                        "Events": ["s3:ObjectCreated:*"],
                        "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": suffix}]}},
                    }
                    for suffix in ("_submit.json", ".retry")
                ]
            },
        )
        image = self.ec2.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"]
        data = {"ImageId": image[0]["ImageId"], **(template or {})}
        made = self.ec2.create_launch_template(LaunchTemplateName="lab", LaunchTemplateData=data)
        identifier = made["LaunchTemplate"]["LaunchTemplateId"]
        topic = str(boto3.client("sns").create_topic(Name="notices")["TopicArn"])
        os.environ.update(NEUROCAAS_LEDGER_TABLE=SETTINGS.ledger_table, NEUROCAAS_TOPIC_ARN=topic)
        settings = replace(
            SETTINGS,
            groups={"lab": Group(identifier, "1", "AROALAB")},
            code=self._code(folder),
            queue_url=self.submissions,
            topic_arn=topic,
        )
        self.publish(settings)
        return settings

    def publish(self, settings: AnalysisSettings) -> None:
        """Put settings where the manager reads them; its cache has what it read before."""
        text = settings.to_json()
        self.s3.put_object(Bucket="artifacts", Key="settings.json", Body=text.encode())
        os.environ.update(
            NEUROCAAS_SETTINGS_BUCKET="artifacts",
            NEUROCAAS_SETTINGS_KEY="settings.json",
            NEUROCAAS_SETTINGS_SHA256=hashlib.sha256(text.encode()).hexdigest(),
        )

    def _table(self) -> None:
        keys = (("pk", "HASH"), ("sk", "RANGE"))
        self.dynamodb.create_table(
            TableName="ledger",
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
            BillingMode="PAY_PER_REQUEST",
        )

    def _queue(self, name: str) -> tuple[str, str]:
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arn = found["Attributes"]["QueueArn"]
        send = {
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [send]})
        self.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        return url, arn

    def _code(self, folder: Path) -> Code:
        """The archive of a machine's code, with the analysis's script in it."""
        tree = build_tree(folder / "tree")
        script = tree / SETTINGS.script
        script.parent.mkdir(parents=True)
        script.write_text(SCRIPT)
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as tar:
            for path in sorted(tree.iterdir()):
                tar.add(path, path.name)
        digest = hashlib.sha256(data.getvalue()).hexdigest()
        self.s3.put_object(Bucket="artifacts", Key="code/c.tar.gz", Body=data.getvalue())
        return Code("artifacts", "code/c.tar.gz", digest)

    def messages(self) -> dict[str, Any]:
        """What Lambda would hand to the manager: the messages that S3 has sent."""
        found = self.sqs.receive_message(
            QueueUrl=self.submissions, MaxNumberOfMessages=10, AttributeNames=["ApproximateReceiveCount"]
        ).get("Messages", [])
        return {
            "Records": [
                {"messageId": one["MessageId"], "body": one["Body"], "attributes": one["Attributes"]}
                for one in found
            ]
        }

    def instances(self) -> list[dict[str, Any]]:
        pages = self.ec2.describe_instances()["Reservations"]
        return [one for page in pages for one in page["Instances"]]

    def run(self, instance: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
        """What the instance does from its first line to its shutdown, which only leaves a mark."""
        identifier = instance["InstanceId"]
        encoded = self.ec2.describe_instance_attribute(InstanceId=identifier, Attribute="userData")
        script = base64.b64decode(encoded["UserData"]["Value"]).decode()
        commands = folder / "commands"
        commands.mkdir(parents=True)
        (commands / "shutdown").write_text(f'#!/bin/bash\necho "$@" >"{folder}/shutdown"\n')
        (commands / "shutdown").chmod(0o755)
        with metadata_of(instance) as address:
            return subprocess.run(
                ["bash", "-c", script],
                env={
                    **CREDENTIALS,
                    "AWS_ENDPOINT_URL": self.endpoint,
                    "AWS_EC2_METADATA_SERVICE_ENDPOINT": address,
                    "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
                    "HOME": str(folder),
                    "NEUROCAAS_OPT": str(folder / "opt"),
                    "NEUROCAAS_USERHOME": str(folder / "home"),
                },
                capture_output=True,
                text=True,
                timeout=120,
            )


def state_changes(instance: str, *states: str) -> dict[str, Any]:
    """What Lambda would hand to the monitor of an instance's states."""
    return {
        "Records": [
            {
                "messageId": f"{instance}-{state}",
                "body": json.dumps(
                    {
                        "source": "aws.ec2",
                        "detail-type": "EC2 Instance State-change Notification",
                        "time": iso(datetime.now(UTC)),
                        "detail": {"instance-id": instance, "state": state},
                    }
                ),
            }
            for state in states
        ]
    }


class metadata_of:  # noqa: N801 - a context manager that is used like a function
    """The metadata service of one instance: version 2, on loopback."""

    def __init__(self, instance: dict[str, Any]) -> None:
        keys = {"AccessKeyId": "x", "SecretAccessKey": "x", "Token": "t"}
        answers = {
            "instance-id": instance["InstanceId"],
            "ami-launch-index": str(instance["AmiLaunchIndex"]),
            "placement/region": "us-east-1",
            "iam/security-credentials/": "machine",
            "iam/security-credentials/machine": json.dumps(keys),
        }

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self._answer(200, b"TOKEN")

            def do_GET(self) -> None:
                found = answers.get(self.path.removeprefix("/latest/meta-data/"))
                self._answer(404 if found is None else 200, (found or "").encode())

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
