"""Jobs in a difficult account, one property at a time: the manager and the monitor say what AWS refuses, and
leave nothing half-made. A control plane without machines is enough: EC2 ends or refuses them before they run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.cloud import Cloud
from localcloud.tests.homes import CloudHome, client_of
from neurocaas import Analysis
from neurocaas.job import JobHandle
from runtime.manager import handler as manager
from runtime.monitor import handler as monitor
from runtime.protocol.ledger import BUDGETS, CLAIMS, HEARD, OPEN_JOBS
from runtime.protocol.settings import AnalysisSettings
from tests.bare_account import Account, state_changes
from tests.unit.job_world import BUCKET, changed

pytestmark = pytest.mark.local
CACHED = (manager._clients, manager._cloud, manager._settings, monitor._cloud)
DEVICE = "/dev/sda1"
RIGHTS = ["ec2:*", "s3:*", "dynamodb:*", "sqs:*", "sns:*", "iam:PassRole"]
"""What the handlers may: no service-linked role, and nothing of a key."""


class Bench:
    """One account, and jobs of two datasets in it."""

    def __init__(self, cloud: Cloud, account: Account, settings: AnalysisSettings, inputs: list[str]) -> None:
        self.cloud, self.account, self.settings, self._inputs = cloud, account, settings, inputs

    def difficult(self, **properties: Any) -> None:
        self.cloud.admin("POST", "account", properties)

    def publish(self, **changes: Any) -> None:
        """Settings that differ from the usual ones."""
        self.account.publish(changed(self.settings, **changes))
        manager._settings.cache_clear()

    def submit(self, name: str, **config: Any) -> JobHandle:
        """Submit, and let the manager work on it once."""
        handle = Analysis(BUCKET, "lab").submit(self._inputs, {"wait": 0, **config}, timestamp=name)
        manager.handler(self.account.messages(), None)
        return handle

    def machines(self, name: str) -> list[dict[str, Any]]:
        return [
            one
            for one in self.account.instances()
            if {"Key": "job", "Value": name} in one["Tags"]
        ]  # fmt: skip

    def ended(self, name: str) -> list[dict[str, Any]]:
        """The job's machines, when EC2 has ended all of them; the monitor has heard of it."""
        deadline = time.monotonic() + 10
        while any(one["State"]["Name"] != "terminated" for one in self.machines(name)):
            assert time.monotonic() < deadline, "EC2 has not ended the machines"
            time.sleep(0.1)
        for one in self.machines(name):
            monitor.handler(state_changes(one["InstanceId"], "terminated"), None)
        return self.machines(name)

    def open_items(self) -> set[str]:
        """What the ledger holds beyond claims, money and what was heard."""
        items = self.account.dynamodb.scan(TableName="ledger")["Items"]
        return {item["pk"]["S"] for item in items} - {BUDGETS, CLAIMS, HEARD}

    def clean(self) -> None:
        """As after a test that went well: an easy account, no machines, no open jobs."""
        self.difficult()
        for one in self.account.instances():
            if one["State"]["Name"] != "terminated":
                self.account.ec2.terminate_instances(InstanceIds=[one["InstanceId"]])
        for item in self.account.dynamodb.scan(TableName="ledger")["Items"]:
            if item["pk"]["S"] == OPEN_JOBS:
                key = {name: item[name] for name in ("pk", "sk")}
                self.account.dynamodb.delete_item(TableName="ledger", Key=key)
        self.account.sqs.purge_queue(QueueUrl=self.account.submissions)
        self.publish()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    home = CloudHome(tmp_path_factory.mktemp("difficult"))
    yield home.up()
    home.down()


def keys_of_a_role(cloud: Cloud) -> dict[str, str]:
    """The environment of a function whose role has the rights above."""
    client = client_of(cloud)
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = client("iam").create_role(
        RoleName="handlers",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    rights = {"Effect": "Allow", "Action": RIGHTS, "Resource": "*"}
    client("iam").put_role_policy(
        RoleName="handlers",
        PolicyName="rights",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [rights]}),
    )
    keys = client("sts").assume_role(RoleArn=role, RoleSessionName="handlers")["Credentials"]
    return {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_DEFAULT_REGION": cloud.region,
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }


@pytest.fixture(scope="module")
def deployed(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder: Path = tmp_path_factory.mktemp("account")
    with pytest.MonkeyPatch.context() as patch:
        names = ("SETTINGS_BUCKET", "SETTINGS_KEY", "SETTINGS_SHA256", "LEDGER_TABLE", "TOPIC_ARN")
        for name in names:  # so that they are as before when the tests are done
            patch.setenv(f"NEUROCAAS_{name}", "")
        for name, value in keys_of_a_role(cloud).items():
            patch.setenv(name, value)
        for cached in CACHED:
            cached.cache_clear()
        account = Account(cloud.endpoint)
        encrypted = [{"DeviceName": DEVICE, "Ebs": {"Encrypted": True}}]
        settings = account.deploy(folder, {"BlockDeviceMappings": encrypted})
        for name in ("a.txt", "b.txt"):
            (folder / name).write_text(f"good {name}")
        inputs = Analysis(BUCKET, "lab").upload([folder / "a.txt", folder / "b.txt"])
        yield Bench(cloud, account, settings, inputs)
    for cached in CACHED:
        cached.cache_clear()


@pytest.fixture
def bench(deployed: Bench) -> Iterator[Bench]:
    yield deployed
    deployed.clean()


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no-default-vpc": ({"default_vpc": False}, {}, "VPCIdNotSpecified"),
    "large-snapshot": ({"snapshot_gib": 75}, {"__dataset_size__": 4}, "InvalidBlockDeviceMapping"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_ec2_refuses_ends_the_job_at_once(
    bench: Bench, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    properties, config, code = REFUSED[name]
    bench.difficult(**properties)
    handle = bench.submit(name, **config)
    end = handle.end()
    assert end.startswith("FAILED 0/2")
    assert code in end
    assert code in handle.certificate()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(line.get("code") == code and line.get("detail") for line in lines), (
        "EC2's words are in the log"
    )
    assert bench.machines(name) == []
    assert bench.open_items() == set()


def test_spot_without_its_role_goes_on_on_demand(bench: Bench) -> None:
    bench.difficult(spot_role=False)
    bench.publish(market="spot-then-on-demand")
    handle = bench.submit("no-spot-role")
    machines = bench.machines("no-spot-role")
    assert [one.get("InstanceLifecycle", "on-demand") for one in machines] == ["on-demand"] * 2
    assert "ServiceLinkedRoleCreationNotPermitted" in handle.certificate()


def test_spot_machines_without_an_index_have_a_dataset_each(bench: Bench) -> None:
    bench.difficult(spot_launch_index="zero")
    bench.publish(market="spot")
    bench.submit("no-index")
    machines = bench.machines("no-index")
    assert [one["AmiLaunchIndex"] for one in machines] == [0, 0]
    scripts = {
        bench.account.ec2.describe_instance_attribute(InstanceId=one["InstanceId"], Attribute="userData")[
            "UserData"
        ]["Value"]
        for one in machines
    }
    assert len(scripts) == 2, "each of them is told its own dataset"


def test_a_default_key_that_needs_grants(bench: Bench) -> None:
    key = client_of(bench.cloud)("kms").create_key()["KeyMetadata"]["Arn"]
    bench.difficult(default_ebs_key=key)
    handle = bench.submit("key")
    assert [one["StateReason"]["Code"] for one in bench.ended("key")] == ["Client.InternalError"] * 2
    end = handle.end()
    assert end.startswith("FAILED 0/2")
    assert "Client error on launch" in end, "EC2's own words, which people search for"
    assert bench.open_items() == set()


def test_disks_beyond_the_quota_are_tried_again(bench: Bench) -> None:
    bench.difficult(quotas={"ebs_gib": 1})
    handle = bench.submit("disks")
    codes = {one["StateReason"]["Code"] for one in bench.ended("disks")}
    assert (codes, handle.end()) == ({"Client.VolumeLimitExceeded"}, "")
    assert bench.account.messages()["Records"], "another attempt is asked for"


WAITING: dict[str, tuple[dict[str, Any], str, int]] = {
    "no-bucket": ({"launch_bucket": {"size": 1, "refill": 0}}, "the rest follows", 1),
    "few-cpus": ({"quotas": {"vcpu": 2}}, "VcpuLimitExceeded", 1),
}


@pytest.mark.parametrize("name", WAITING)
def test_what_ec2_has_not_now_is_waited_for(bench: Bench, name: str) -> None:
    properties, words, machines = WAITING[name]
    bench.difficult(**properties)
    handle = bench.submit(name)
    assert handle.end() == ""
    assert words in handle.certificate()
    assert len(bench.machines(name)) <= machines
    assert bench.open_items() == {OPEN_JOBS}, "the job is remembered, so that nothing is lost"


def test_the_same_jobs_in_an_easy_account(bench: Bench) -> None:
    handle = bench.submit("easy")
    assert (len(bench.machines("easy")), handle.end()) == (2, "")
