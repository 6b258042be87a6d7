"""The administrative interface, and what the emulator keeps closed."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any

import pytest

from localcloud.cloud import Cloud
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.tests.homes import Client, CloudHome

pytestmark = pytest.mark.local


def request(
    cloud: Cloud, method: str, path: str, body: Any = None, token: str | None = None
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=10)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply.status, json.loads(text) if text else None


def test_the_token_is_needed(emulator: Cloud) -> None:
    for token in (None, "", "wrong", emulator.secret_access_key):
        assert request(emulator, "GET", "/_localcloud/health", token=token)[0] == 401
    assert request(emulator, "GET", "/_localcloud/health", token=emulator.admin_token)[1]["ok"] is True


@pytest.mark.parametrize(
    ("method", "name", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("POST", "changes", {}, 404),
        ("POST", "instances", {"id": "i-00000000000000000", "state": "running"}, 404),
        ("POST", "instances", {"id": "i-00000000000000000", "state": "flying"}, 400),
        ("POST", "instances", {"id": "i-00000000000000000"}, 400),
        ("POST", "builds", {"arn": "arn:aws:imagebuilder:x", "status": "BUILDING"}, 404),
    ],
)
def test_wrong_requests_are_answered_in_words(
    emulator: Cloud, method: str, name: str, body: Any, status: int
) -> None:
    found, answer = request(emulator, method, f"/_localcloud/{name}", body, emulator.admin_token)
    assert (found, bool(answer["error"])) == (status, True)


@pytest.mark.parametrize(
    "path", ["/_ministack/reset", "/_ministack/config", "/_ministack/sqs/messages", "/_localstack/init"]
)
def test_ministack_s_own_interface_is_closed(emulator: Cloud, client: Client, path: str) -> None:
    client("sqs").create_queue(QueueName="survivor")
    assert request(emulator, "POST", path)[0] == 404
    assert client("sqs").get_queue_url(QueueName="survivor")["QueueUrl"]


def test_it_listens_on_loopback_only(emulator: Cloud) -> None:
    port = f"{emulator.port:04X}"
    listening = []
    for family in ("tcp", "tcp6"):
        with open(f"/proc/net/{family}") as table:
            listening += [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert [address for address in listening if address.endswith(f":{port}")] == [f"0100007F:{port}"]


def test_a_poll_waits_for_a_change(emulator: Cloud, client: Client) -> None:
    version = emulator.admin("GET", "changes?since=0&timeout=0")["version"]
    answers: list[dict[str, Any]] = []
    waiter = threading.Thread(
        target=lambda: answers.append(
            emulator.admin("GET", f"changes?since={version}&timeout=20", timeout=25)
        )
    )
    waiter.start()
    time.sleep(0.2)
    assert waiter.is_alive()
    made = client("ec2").run_instances(
        ImageId=BASE_IMAGES[0].image_id, InstanceType="t3.micro", MinCount=1, MaxCount=1
    )["Instances"]
    waiter.join(10)
    assert answers[0]["version"] > version
    assert made[0]["InstanceId"] in {instance["id"] for instance in answers[0]["instances"]}


def test_a_poll_without_a_change_ends_in_time(emulator: Cloud) -> None:
    version = emulator.admin("GET", "changes?since=0&timeout=0")["version"]
    assert emulator.admin("GET", f"changes?since={version + 100}&timeout=0.1")["version"] >= version


def test_tags_reach_the_fleet(emulator: Cloud, client: Client) -> None:
    ec2 = client("ec2")
    [instance] = ec2.run_instances(
        ImageId=BASE_IMAGES[0].image_id, InstanceType="t3.micro", MinCount=1, MaxCount=1
    )["Instances"]
    version = emulator.admin("GET", "changes?since=0&timeout=0")["version"]
    ec2.create_tags(Resources=[instance["InstanceId"]], Tags=[{"Key": "late", "Value": "1"}])
    answer = emulator.admin("GET", f"changes?since={version}&timeout=5")
    [record] = [i for i in answer["instances"] if i["id"] == instance["InstanceId"]]
    assert (record["tags"]["late"], record["account"], record["region"]) == (
        "1",
        emulator.account,
        emulator.region,
    )


def test_functions_do_not_see_the_emulator_s_secrets(
    emulator: Cloud, client: Client, emulator_home: CloudHome
) -> None:
    import io
    import zipfile

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(
            "h.py", "import os, sys\ndef handler(event, context):\n    return [dict(os.environ), sys.path]\n"
        )
    iam, functions = client("iam"), client("lambda")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="look", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]
    functions.create_function(
        FunctionName="look",
        Runtime="python3.12",
        Handler="h.handler",
        Role=role["Arn"],
        Code={"ZipFile": archive.getvalue()},
    )
    environment, path = json.load(functions.invoke(FunctionName="look")["Payload"])
    for secret in (emulator.admin_token, emulator.access_key_id, emulator.secret_access_key):
        assert secret not in json.dumps(environment)
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert "LOCALCLOUD_HOME" not in environment
    assert str(emulator_home.paths.home) not in environment.get("PYTHONPATH", "")
    assert not [entry for entry in path if entry.endswith("/main") or entry == str(emulator_home.paths.home)]
    assert client(
        "sts",
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        environment["AWS_SESSION_TOKEN"],
    )
