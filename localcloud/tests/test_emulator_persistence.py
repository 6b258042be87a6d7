"""State survives a clean stop and ``kill -9``; start, stop, wipe and their messages."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from localcloud import cloud as cloud_module
from localcloud import processes
from localcloud.cloud import Cloud, CloudError
from localcloud.commands import shell_lines
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.paths import Paths
from localcloud.processes import Process
from localcloud.tests.homes import CloudHome, client_of, kill

pytestmark = pytest.mark.local
DOCUMENT = (
    "schemaVersion: 1.0\nphases: [{name: build, steps: [{name: s, action: ExecuteBash, inputs: {commands: "
    "['true']}}]}]\n"
)


def furnish(cloud: Cloud) -> dict[str, Any]:
    """One thing of each service that the program uses."""
    client = client_of(cloud)
    client("iam").create_user(UserName="user")
    client("s3").create_bucket(Bucket="bucket")
    client("s3").put_object(Bucket="bucket", Key="k", Body=b"content")
    client("s3").put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    queue = client("sqs").create_queue(QueueName="q")["QueueUrl"]
    client("sqs").send_message(QueueUrl=queue, MessageBody="hello")
    client("ssm").put_parameter(Name="/p", Value="v", Type="SecureString")
    client("dynamodb").create_table(
        TableName="table",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    client("dynamodb").put_item(TableName="table", Item={"pk": {"S": "a"}})
    client("events").put_rule(Name="r", EventPattern='{"source": ["aws.ec2"]}')
    client("logs").create_log_group(logGroupName="g")
    component = client("imagebuilder").create_component(
        name="comp", semanticVersion="1.0.0", platform="Linux", data=DOCUMENT
    )
    instance = client("ec2").run_instances(
        ImageId=BASE_IMAGES[0].image_id,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        ClientToken="token",
        UserData="x",
    )["Instances"][0]
    return {
        "queue": queue,
        "component": component["componentBuildVersionArn"],
        "instance": instance["InstanceId"],
    }


def check(cloud: Cloud, made: dict[str, Any]) -> None:
    client = client_of(cloud)
    assert client("iam").get_user(UserName="user")["User"]["UserName"] == "user"
    assert client("s3").get_object(Bucket="bucket", Key="k")["Body"].read() == b"content"
    assert client("s3").get_bucket_versioning(Bucket="bucket")["Status"] == "Enabled"
    assert client("ssm").get_parameter(Name="/p", WithDecryption=True)["Parameter"]["Value"] == "v"
    assert client("dynamodb").get_item(TableName="table", Key={"pk": {"S": "a"}})["Item"] == {
        "pk": {"S": "a"}
    }
    assert client("events").describe_rule(Name="r")["State"] == "ENABLED"
    assert client("logs").describe_log_groups(logGroupNamePrefix="g")["logGroups"]
    assert (
        client("imagebuilder").get_component(componentBuildVersionArn=made["component"])["component"]["data"]
        == DOCUMENT
    )
    [reservation] = client("ec2").describe_instances(InstanceIds=[made["instance"]])["Reservations"]
    assert reservation["Instances"][0]["ImageId"] == BASE_IMAGES[0].image_id
    attribute = client("ec2").describe_instance_attribute(InstanceId=made["instance"], Attribute="userData")
    assert attribute["UserData"]["Value"] == "eA=="
    again = client("ec2").run_instances(
        ImageId=BASE_IMAGES[0].image_id,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        ClientToken="token",
        UserData="x",
    )["Instances"]
    assert [instance["InstanceId"] for instance in again] == [made["instance"]]
    [message] = client("sqs").receive_message(QueueUrl=made["queue"])["Messages"]
    assert message["Body"] == "hello"


def test_everything_survives_kill_9_as_soon_as_it_was_answered(cloud_home: CloudHome) -> None:
    first = cloud_home.up()
    made = furnish(first)
    kill(first)
    assert Cloud.load(cloud_home.paths) is None
    second = cloud_home.up()
    assert (second.port, second.access_key_id) == (first.port, first.access_key_id)
    check(second, made)


def test_everything_survives_a_stop(cloud_home: CloudHome) -> None:
    first = cloud_home.up()
    made = furnish(first)
    cloud_home.down()
    check(cloud_home.up(), made)


def test_a_build_survives_kill_9(cloud_home: CloudHome) -> None:
    first = cloud_home.up()
    client = client_of(first)
    trust = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'  # noqa: E501
    client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)
    client("iam").create_instance_profile(InstanceProfileName="ipr")
    ib = client("imagebuilder")
    component = ib.create_component(name="comp", semanticVersion="1.0.0", platform="Linux", data=DOCUMENT)[
        "componentBuildVersionArn"
    ]
    given = [{"componentArn": component}]
    recipe = ib.create_image_recipe(
        name="rec", semanticVersion="1.0.0", components=given, parentImage=BASE_IMAGES[0].image_id
    )["imageRecipeArn"]
    infra = ib.create_infrastructure_configuration(name="inf", instanceProfileName="ipr")[
        "infrastructureConfigurationArn"
    ]
    arn = ib.create_image(imageRecipeArn=recipe, infrastructureConfigurationArn=infra)["imageBuildVersionArn"]
    first.admin("POST", "builds", {"arn": arn, "status": "BUILDING"})
    kill(first)
    second = cloud_home.up()
    [work] = second.admin("GET", "changes?since=0&timeout=0")["builds"]
    assert (work["arn"], work["state"]) == (arn, "BUILDING")
    second.admin("POST", "builds", {"arn": arn, "status": "AVAILABLE"})
    kill(second)
    third = cloud_home.up()
    [image] = client_of(third)("ec2").describe_images(Owners=["self"])["Images"]
    assert image["ImageId"] == work["image_id"]


def test_up_twice_is_up_once(cloud_home: CloudHome) -> None:
    assert cloud_home.up() == cloud_home.up()
    assert cloud_module.status(cloud_home.paths)["emulator"]["healthy"]


def test_processes_of_the_code_before_an_update_are_started_anew(
    cloud_home: CloudHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a fleet of the old code would start machines with the new one's files."""
    monkeypatch.setattr(cloud_module, "code_digest", lambda: "before")
    first = cloud_home.up()
    client_of(first)("s3").create_bucket(Bucket="kept")
    monkeypatch.undo()
    second = cloud_module.up(cloud_home.paths, fleet=False)
    assert second.emulator != first.emulator
    assert not first.emulator.alive()
    assert second.port == first.port
    assert [bucket["Name"] for bucket in client_of(second)("s3").list_buckets()["Buckets"]] == ["kept"]
    assert cloud_home.up() == second


def test_the_keys_are_private(cloud_home: CloudHome) -> None:
    cloud = cloud_home.up()
    assert stat.S_IMODE(cloud_home.paths.cloud_file.stat().st_mode) == 0o600
    for secret in (cloud.secret_access_key, cloud.admin_token):
        assert secret.encode() not in Path(f"/proc/{cloud.emulator_pid}/environ").read_bytes()
        assert secret.encode() not in Path(f"/proc/{cloud.emulator_pid}/cmdline").read_bytes()


def test_down_leaves_nothing(cloud_home: CloudHome) -> None:
    cloud = cloud_home.up()
    everyone = processes.family(cloud.emulator)
    assert cloud_module.down(cloud_home.paths) is True
    assert [p for p in everyone if p.alive()] == []
    assert not cloud_home.paths.cloud_file.exists()
    assert cloud_module.down(cloud_home.paths) is False
    assert cloud_module.status(cloud_home.paths)["running"] is False


def test_down_never_stops_a_stranger(cloud_home: CloudHome) -> None:
    """A stale ``cloud.json`` whose pid belongs to another program now."""
    cloud = cloud_home.up()
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        cloud_home.down()
        document = {
            **json.loads(json.dumps(cloud.__dict__)),
            "emulator_pid": stranger.pid,
            "emulator_start": 1,
        }
        cloud_home.paths.cloud_file.write_text(json.dumps(document))
        assert Cloud.load(cloud_home.paths) is None
        assert cloud_module.down(cloud_home.paths) is False
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_reset_wipes_everything(cloud_home: CloudHome) -> None:
    furnish(cloud_home.up())
    locked = cloud_home.paths.image("ami-1") / "layer" / "locked"
    locked.mkdir(parents=True)
    (locked / "file").write_text("x")
    locked.chmod(0o500)
    gone = cloud_module.reset(cloud_home.paths)
    assert cloud_home.paths.emulator in gone
    assert not cloud_home.paths.images.exists()
    client = client_of(cloud_home.up())
    assert client("s3").list_buckets()["Buckets"] == []
    assert client("iam").list_users()["Users"] == []


def test_a_taken_port_is_one_message_and_leaves_nothing(cloud_home: CloudHome) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", cloud_home.port))
        taken.listen()
        with pytest.raises(
            CloudError, match=rf"Port {cloud_home.port} on 127.0.0.1 is taken.*LOCALCLOUD_PORT="
        ):
            cloud_home.up()
    assert not cloud_home.paths.cloud_file.exists()
    cloud_home.up()


def test_a_port_taken_by_another_checkout_s_cloud_says_whose_and_how_it_is_stopped(
    cloud_home: CloudHome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cloud_home.up()
    other = CloudHome(tmp_path_factory.mktemp("other"))
    other.port = cloud_home.port
    home = re.escape(str(cloud_home.paths.home))
    with pytest.raises(
        CloudError, match=rf"the local cloud in {home}.*LOCALCLOUD_HOME={home} invoke local\.down"
    ):
        other.up()


def test_a_damaged_state_is_told_and_not_written_over(cloud_home: CloudHome) -> None:
    client_of(cloud_home.up())("sqs").create_queue(QueueName="kept")
    cloud_home.down()
    file = cloud_home.paths.emulator_state / "sqs.json"
    whole = file.read_text()
    file.write_text(whole[:-20])
    with pytest.raises(CloudError, match=rf"{re.escape(str(file))} .*invoke local\.reset"):
        cloud_home.up()
    assert file.read_text() == whole[:-20]
    file.write_text(whole)
    assert client_of(cloud_home.up())("sqs").get_queue_url(QueueName="kept")["QueueUrl"]


@pytest.mark.parametrize("lost", ["cloud.json damaged", "home deleted"])
def test_a_cloud_that_lost_its_file_is_still_stopped_and_started(cloud_home: CloudHome, lost: str) -> None:
    first = cloud_home.up(fleet=True)
    if lost == "home deleted":
        shutil.rmtree(cloud_home.paths.home)
        assert cloud_module.down(cloud_home.paths)
    else:
        cloud_home.paths.cloud_file.write_text("{")
        second = cloud_home.up(fleet=True)
        assert second.emulator_pid != first.emulator_pid
    assert first.fleet is not None
    assert not first.emulator.alive()
    assert not first.fleet.alive()


@pytest.mark.parametrize("value", ["http", "80", "70000", "-1"])
def test_a_port_that_is_none(cloud_home: CloudHome, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LOCALCLOUD_PORT", value)
    with pytest.raises(CloudError, match="from 1024 to 65535"):
        cloud_module.up(cloud_home.paths, fleet=False)


def test_another_address_is_refused(cloud_home: CloudHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIND_HOST", "0.0.0.0")
    with pytest.raises(CloudError, match=r"BIND_HOST is '0\.0\.0\.0'.*127\.0\.0\.1 only"):
        cloud_home.up()
    assert not cloud_home.paths.cloud_file.exists()


def test_two_clouds_at_once(cloud_home: CloudHome, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = CloudHome(tmp_path_factory.mktemp("other"))
    try:
        first, second = cloud_home.up(), other.up()
        client_of(first)("s3").create_bucket(Bucket="mine")
        assert client_of(second)("s3").list_buckets()["Buckets"] == []
        other.down()
        assert client_of(first)("s3").list_buckets()["Buckets"][0]["Name"] == "mine"
    finally:
        other.down()


def test_a_process_is_a_pid_and_its_start_time() -> None:
    me = processes.identify(os.getpid())
    assert me is not None
    assert me.alive()
    assert not Process(me.pid, me.start + 1).alive()
    assert processes.family(Process(me.pid, me.start + 1)) == []


def test_stop_ends_orphans_of_the_session(tmp_path: Path) -> None:
    script = (
        "import subprocess, os; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); os._exit(0)"
    )
    leader = processes.spawn(
        [sys.executable, "-c", script], env=dict(os.environ), cwd=tmp_path, log=tmp_path / "log"
    )
    deadline = time.monotonic() + 10
    while not (tmp_path / "log").read_text().strip() and time.monotonic() < deadline:
        time.sleep(0.02)
    orphan = processes.identify(int((tmp_path / "log").read_text()))
    assert orphan is not None
    processes.stop([leader])
    assert not orphan.alive()


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    (tmp_path / "a" / "bucket").mkdir(parents=True)
    monkeypatch.delenv("LOCALCLOUD_HOME", raising=False)
    assert Paths.find(tmp_path / "a" / "bucket").home == tmp_path / ".local"
    monkeypatch.setenv("LOCALCLOUD_HOME", str(tmp_path / "elsewhere"))
    assert Paths.find(tmp_path).home == tmp_path / "elsewhere"


def test_shell_lines_are_quoted() -> None:
    lines = shell_lines({"A": "it's $HOME", "B": ""})
    shown = subprocess.run(
        ["bash", "-c", f'{lines}\nprintf "%s|%s" "$A" "${{B-unset}}"'],
        env={"B": "x"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "it's $HOME|unset"
