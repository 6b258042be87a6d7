"""The manager's entry point and its AWS calls, over botocore against an in-process AWS."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import ANY

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from neurocaas.protocol.certificate import SUBMISSION_METADATA, digest_of
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobId, JobKeys
from neurocaas.protocol.ledger import BUDGETS, CLAIMS, OPEN_JOBS, Claim, Reservation, transact
from neurocaas.protocol.settings import AnalysisSettings, Group
from runtime.manager import dispatch
from runtime.manager import handler as module
from runtime.manager.aws import AwsManagerCloud
from runtime.manager.events import ObjectCreated, objects_created
from runtime.manager.port import LaunchError, LaunchRequest, ObjectTooLargeError, ReadObject, StoredObject
from runtime.monitor.aws import AwsMonitorCloud
from tests.unit.job_world import BUCKET, SETTINGS, SUBMISSION
from tests.unit.moto_images import IMAGE

JOB = JobId(BUCKET, "lab", "t1")


class Account:
    """Clients of the in-process AWS with the resources that a deployment makes."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.ec2 = boto3.client("ec2")
        self.table = boto3.client("dynamodb")
        for bucket in (BUCKET, "artifacts"):
            self.s3.create_bucket(Bucket=bucket)
        self.table.create_table(
            TableName="ledger",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        self.settings = SETTINGS

    def add_template(self) -> None:
        """Only where machines are launched: the in-process EC2 takes a second to load its images."""
        template = self.ec2.create_launch_template(
            LaunchTemplateName="lab", LaunchTemplateData={"ImageId": IMAGE}
        )
        identifier = template["LaunchTemplate"]["LaunchTemplateId"]
        self.settings = replace(SETTINGS, groups={"lab": Group(identifier, "1")})

    def put(self, key: str, body: str, bucket: str = BUCKET) -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=body.encode())

    def instances(self) -> list[dict[str, Any]]:
        return [item for page in self.ec2.describe_instances()["Reservations"] for item in page["Instances"]]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    for cached in (module._clients, module._cloud, module._settings):
        cached.cache_clear()
    with mock_aws():
        yield Account()
    for cached in (module._clients, module._cloud, module._settings):
        cached.cache_clear()


def deploy(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    text = account.settings.to_json()
    account.put("settings.json", text, "artifacts")
    digest = hashlib.sha256(text.encode()).hexdigest()
    for name, value in {"BUCKET": "artifacts", "KEY": "settings.json", "SHA256": digest}.items():
        monkeypatch.setenv(f"NEUROCAAS_SETTINGS_{name}", value)


def notification(key: str = SUBMISSION, bucket: str = BUCKET) -> str:
    s3 = {"bucket": {"name": bucket}, "object": {"key": key.replace(" ", "+"), "size": 10}}
    return json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]})


def message(body: str, name: str = "m1", receives: int = 1) -> dict[str, Any]:
    return {"messageId": name, "body": body, "attributes": {"ApproximateReceiveCount": str(receives)}}


def test_a_submission_through_the_whole_handler(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_template()
    deploy(account, monkeypatch)
    account.put("lab/inputs/a b.zip", "data")
    account.put("lab/configs/c.json", '{"__dataset_size__": 4}')
    key = "lab/submissions/my run_submit.json"
    account.put(
        key,
        json.dumps({"dataname": "lab/inputs/a b.zip", "configname": "lab/configs/c.json", "timestamp": "t1"}),
    )
    assert module.handler({"Records": [message(notification(key))]}, None) == {"batchItemFailures": []}
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["message"], line["exit_code"], line["submission"]) == (
        "processing returned exit code 0",
        0,
        key,
    )
    assert (line["service"], line["job"]) == ("manager", f"{BUCKET}/lab/t1")
    assert 0 < line["BudgetUsed"] < 100
    (instance,) = account.instances()
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags["job"] == "t1"
    job = Job.from_json(account.s3.get_object(Bucket=BUCKET, Key=JobKeys.of("lab", "t1").job)["Body"].read())
    assert job.datasets[0].size == 4
    encoded = account.ec2.describe_instance_attribute(
        InstanceId=instance["InstanceId"], Attribute="userData"
    )["UserData"]["Value"]
    assert base64.b64decode(encoded).startswith(b"#!")
    certificate = account.s3.get_object(Bucket=BUCKET, Key=JobKeys.of("lab", "t1").records.certificate)
    assert certificate["Metadata"][SUBMISSION_METADATA] == digest_of(key)
    claim = AwsManagerCloud("ledger").claimed(JOB)
    assert claim is not None
    assert (claim.submission, claim.ended) == (key, "")
    assert module.handler({"Records": [message(notification(key), receives=2)]}, None) == {
        "batchItemFailures": []
    }
    assert len(account.instances()) == 1


def test_one_bad_message_fails_alone(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(account, monkeypatch)
    account.put("lab/submissions/b_submit.json", "no json")
    real = dispatch.process

    def process(*arguments: Any) -> Any:
        if arguments[3].event.key == SUBMISSION:
            raise ConnectionError("no network")
        return real(*arguments)

    monkeypatch.setattr(module, "process", process)
    records = [message(notification(), "m1"), message(notification("lab/submissions/b_submit.json"), "m2")]
    assert module.handler({"Records": records}, None) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    account.s3.head_object(Bucket=BUCKET, Key="lab/results/rejected_b/logs/certificate.txt")


@pytest.mark.parametrize(
    "code", ["AccessDenied", "InvalidRequest", "InvalidObjectState", "KMS.DisabledException"]
)
@pytest.mark.parametrize("key", [SUBMISSION, "lab/configs/c.json"])
def test_an_object_that_s3_does_not_let_the_manager_read_is_told_at_once(
    account: Account, monkeypatch: pytest.MonkeyPatch, key: str, code: str
) -> None:
    """Encrypted with a key of the user's own, or archived."""
    deploy(account, monkeypatch)
    for name in ("lab/inputs/a.zip", "lab/configs/c.json"):
        account.put(name, "{}")
    account.put(
        SUBMISSION,
        json.dumps({"dataname": "lab/inputs/a.zip", "configname": "lab/configs/c.json", "timestamp": "t1"}),
    )

    def refuse(params: dict[str, Any], **_: Any) -> None:
        if params["Key"] == key:
            raise ClientError({"Error": {"Code": code}}, "GetObject")

    module._clients().s3.meta.events.register("provide-client-params.s3.GetObject", refuse)
    assert module.handler({"Records": [message(notification())]}, None) == {"batchItemFailures": []}
    folder = "rejected_a" if key == SUBMISSION else "job_t1"
    end = (
        account.s3.get_object(Bucket=BUCKET, Key=f"lab/results/{folder}/process_results/end.txt")["Body"]
        .read()
        .decode()
    )
    assert f"({code})" in end
    kinds = {item["pk"]["S"] for item in account.table.scan(TableName="ledger").get("Items", [])}
    assert kinds.isdisjoint({OPEN_JOBS, BUDGETS}), "nothing is open, nothing was reserved"
    assert "Upload it again, without a key of your own" in end


def test_settings_that_are_not_the_deployed_ones_are_refused(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(account, monkeypatch)
    monkeypatch.setenv("NEUROCAAS_SETTINGS_SHA256", "0" * 64)
    with pytest.raises(module.SettingsError, match="deploy the stack again"):
        module.handler({"Records": [message(notification())]}, None)


@pytest.mark.parametrize(
    "body",
    [
        '{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "dti"}',
        "",
        "[]",
        "3",
        '{"Records": [3]}',
        '{"Records": {}}',
        '{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {}}]}',
        '{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete"}]}',
    ],
)
def test_messages_that_are_not_about_a_new_object(body: str) -> None:
    assert objects_created(body) == []


def test_keys_are_decoded() -> None:
    body = notification().replace("a_submit", "my+%C3%A4%2B1_submit")
    assert objects_created(body)[0].key == "lab/submissions/my ä+1_submit.json"


def test_settings_survive_the_trip() -> None:
    assert AnalysisSettings.from_json(SETTINGS.to_json()) == SETTINGS


def test_objects(account: Account) -> None:
    cloud = AwsManagerCloud("ledger")
    assert cloud.get(BUCKET, "none", 10) is None
    assert cloud.head(BUCKET, "none") is None
    assert cloud.put(BUCKET, "a", "text", if_absent=True, metadata={"claim": "x"})
    assert not cloud.put(BUCKET, "a", "other", if_absent=True)
    assert cloud.get(BUCKET, "a", 10) == b"text"
    etag = hashlib.md5(b"text").hexdigest()
    assert cloud.head(BUCKET, "a") == StoredObject("a", 4, etag)
    assert cloud.put(BUCKET, "raw", b"\xef\xbb\xbf{}")
    assert cloud.read(BUCKET, "raw", 10) == ReadObject(
        b"\xef\xbb\xbf{}", hashlib.md5(b"\xef\xbb\xbf{}").hexdigest()
    )
    with pytest.raises(ObjectTooLargeError):
        cloud.get(BUCKET, "a", 3)


def test_listing_pages_and_starts_behind_a_key(account: Account) -> None:
    for number in range(5):
        account.put(f"p/{number}", "x" * number)
    cloud = AwsManagerCloud("ledger")
    assert [item.key for item in cloud.objects(BUCKET, "p/", "p/1", 2)] == ["p/2", "p/3"]
    assert [item.size for item in cloud.objects(BUCKET, "p/", "", 2000)] == [0, 1, 2, 3, 4]


def test_versions_are_those_that_are_latest(account: Account) -> None:
    account.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    written = {}
    for key in ("p/a", "p/b", "p/b", "p/c", "p/d"):
        written[key] = account.s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())["VersionId"]
    account.s3.delete_object(Bucket=BUCKET, Key="p/c")
    cloud = AwsManagerCloud("ledger")
    found = list(cloud.objects(BUCKET, "p/", "p/a", 2, versions=True))
    assert [(item.key, item.version_id) for item in found] == [(key, written[key]) for key in ("p/b", "p/d")]
    assert [item.version_id for item in cloud.objects(BUCKET, "p/", "", 9)] == [None, None, None]
    for one in (cloud.head(BUCKET, "p/b"), cloud.read(BUCKET, "p/b", 9)):
        assert one is not None
        assert (one.version_id, one.etag) == (written["p/b"], hashlib.md5(b"p/b").hexdigest())


def test_the_lease(account: Account) -> None:
    cloud = AwsManagerCloud("ledger")
    assert cloud.lease(JOB, "one", 100.0, 200.0, {"submission": "k", "analysis": "dti"}) == "taken"
    assert cloud.lease(JOB, "two", 150.0, 250.0, {"submission": "k", "analysis": "dti"}) == "busy"
    cloud.release(JOB, "two")
    assert cloud.lease(JOB, "two", 150.0, 250.0, {"submission": "k", "analysis": "dti"}) == "busy", (
        "only the owner gives it back"
    )
    cloud.release(JOB, "one")
    assert cloud.lease(JOB, "two", 150.0, 250.0, {"submission": "k", "analysis": "dti"}) == "taken"
    assert cloud.lease(JOB, "three", 251.0, 300.0, {"submission": "k", "analysis": "dti"}) == "taken", (
        "a lease ends"
    )
    cloud.launched(JOB, 3, frozenset({2}), 300.0)
    assert cloud.lease(JOB, "four", 400.0, 500.0, {"submission": "k", "analysis": "dti"}) == "launched"
    assert cloud.forget(JOB, "2026-01-31")
    assert not cloud.forget(JOB, "2026-02-01"), "a job ends once"
    cloud.launched(JOB, 3, frozenset(), 300.0)
    assert [item["pk"]["S"] for item in account.table.scan(TableName="ledger")["Items"]] == [CLAIMS], (
        "a job that has ended stays away"
    )
    assert cloud.lease(JOB, "five", 600.0, 700.0, {"submission": "k", "analysis": "dti"}) == "ended"


def test_a_claim_is_made_once_and_replaced_only_when_its_job_was_deleted(account: Account) -> None:
    cloud, first, other = (
        AwsManagerCloud("ledger"),
        Claim("c1", "k1", "2026-01-31"),
        Claim("c2", "k2", "2026-02-01", cancelled_by="x"),
    )
    assert cloud.claimed(JOB) is None
    assert cloud.claim(JOB, first) is None
    assert cloud.claim(JOB, other) == first
    assert cloud.claim(JOB, other, first) == first, "it has not ended"
    assert cloud.forget(JOB, "2026-01-31T13")
    ended = replace(first, ended="2026-01-31T13")
    assert cloud.claimed(JOB) == ended
    assert cloud.claim(JOB, other, replace(ended, started="2025")) == ended, "it is another one"
    assert cloud.claim(JOB, other, ended) is None
    assert cloud.claimed(JOB) == other


REQUEST = LaunchRequest(
    "lt-1",
    "3",
    "m5.large",
    2,
    "#!/bin/bash\n",
    "token",
    {"bucket": BUCKET, "group": "lab", "job": "t1", "offset": "7"},
    40,
)


def answer_of_ec2(number: int) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in REQUEST.tags.items()]
    launched = datetime(2026, 1, 31, tzinfo=UTC)
    one = {"InstanceType": "m5.large", "LaunchTime": launched, "Tags": tags}
    return {
        "Instances": [{**one, "InstanceId": f"i-{index}", "AmiLaunchIndex": index} for index in range(number)]
    }


def test_a_launch_is_one_call_with_everything(account: Account) -> None:
    cloud = AwsManagerCloud("ledger")
    tags = [{"Key": key, "Value": value} for key, value in REQUEST.tags.items()]
    expected = {
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"},
        "InstanceType": "m5.large",
        "MinCount": 1,
        "MaxCount": 2,
        "UserData": "#!/bin/bash\n",
        "ClientToken": "token",
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {
                    "VolumeSize": 40,
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
    }
    with Stubber(cloud.clients.ec2) as ec2:
        ec2.add_response("run_instances", answer_of_ec2(2), expected)
        started = cloud.run(REQUEST)
    assert [(machine.instance_id, machine.offset, machine.launch_index) for machine in started] == [
        ("i-0", 7, 0),
        ("i-1", 7, 1),
    ]


def test_a_subnet_says_where_a_machine_is_and_the_image_what_its_root_is_called(account: Account) -> None:
    """The zone follows from the subnet; a volume under another name would be a second, empty one."""
    cloud = AwsManagerCloud("ledger")
    calls: list[dict[str, Any]] = []
    with Stubber(cloud.clients.ec2) as ec2:
        ec2.add_response("run_instances", answer_of_ec2(1))
        cloud.clients.ec2.meta.events.register(
            "provide-client-params.ec2.RunInstances", lambda params, **_: calls.append(params)
        )
        asked = replace(REQUEST, zone="us-east-1b", subnet="subnet-2", root_device="/dev/xvda")
        cloud.run(asked)
    assert calls[0]["SubnetId"] == "subnet-2"
    assert "Placement" not in calls[0]
    assert calls[0]["BlockDeviceMappings"][0]["DeviceName"] == "/dev/xvda"


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("t3.micro", "standard"), ("t3a.large", "standard"), ("t4g.small", "standard"), ("t2.micro", "standard")]
    + [(name, None) for name in ("m5.large", "g4dn.xlarge", "trn1.2xlarge")],
)
def test_a_burstable_machine_may_not_borrow_what_no_budget_knows_of(
    account: Account, name: str, allowed: str | None
) -> None:
    cloud = AwsManagerCloud("ledger")
    sent: dict[str, Any] = {}
    cloud.clients.ec2.meta.events.register(
        "provide-client-params.ec2.RunInstances", lambda params, **_: sent.update(params)
    )
    with Stubber(cloud.clients.ec2) as ec2:
        ec2.add_response("run_instances", answer_of_ec2(2))
        cloud.run(replace(REQUEST, instance_type=name))
    assert sent.get("CreditSpecification") == (None if allowed is None else {"CpuCredits": allowed})


def test_machines_are_found_by_their_job(account: Account) -> None:
    cloud = AwsManagerCloud("ledger")
    filters = [{"Name": f"tag:{key}", "Values": [REQUEST.tags[key]]} for key in ("bucket", "group", "job")]
    with Stubber(cloud.clients.ec2) as ec2:
        ec2.add_response("describe_instances", {"Reservations": [answer_of_ec2(1)]}, {"Filters": filters})
        assert [machine.offset for machine in cloud.machines(JOB)] == [7]


def test_a_refused_launch_has_its_code(account: Account) -> None:
    cloud = AwsManagerCloud("ledger")
    with Stubber(cloud.clients.ec2) as ec2:
        ec2.add_client_error("run_instances", "InsufficientInstanceCapacity", "none left")
        with pytest.raises(LaunchError) as caught:
            cloud.run(REQUEST)
    assert (caught.value.code, caught.value.text) == ("InsufficientInstanceCapacity", "none left")


@pytest.mark.parametrize("allowed", [True, False])
def test_what_ec2_says_is_in_the_log(
    account: Account, capsys: pytest.CaptureFixture[str], allowed: bool
) -> None:
    cloud = AwsManagerCloud("ledger")
    text = "You are not authorized to perform this operation. Encoded authorization failure message: abc-_1="
    with Stubber(cloud.clients.ec2) as ec2, Stubber(cloud.clients.sts) as sts:
        ec2.add_client_error("run_instances", "UnauthorizedOperation", text)
        if allowed:
            answer = {"DecodedMessage": '{"allowed": false}'}
            sts.add_response("decode_authorization_message", answer, {"EncodedMessage": "abc-_1="})
        else:
            sts.add_client_error("decode_authorization_message", "AccessDenied")
        with pytest.raises(LaunchError) as caught:
            cloud.run(REQUEST)
    assert caught.value.text == text
    entry = json.loads(capsys.readouterr().out)
    assert (entry["level"], entry["job"], entry["code"]) == ("ERROR", "dti/lab/t1", "UnauthorizedOperation")
    assert entry["detail"] == "You are not authorized to perform this operation."
    assert (entry["instance_type"], entry["market"], entry["machines"]) == ("m5.large", "on-demand", 2)
    told = {"decoded": '{"allowed": false}'} if allowed else {"encoded": "abc-_1="}
    assert {name: entry[name] for name in ("decoded", "encoded") if name in entry} == told


def test_no_capacity_is_no_error_in_the_log(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = AwsManagerCloud("ledger")
    with Stubber(cloud.clients.ec2) as ec2:
        ec2.add_client_error("run_instances", "InsufficientInstanceCapacity", "none left")
        with pytest.raises(LaunchError):
            cloud.run(REQUEST)
    entry = json.loads(capsys.readouterr().out)
    assert (entry["level"], entry["detail"]) == ("INFO", "none left")


def test_a_launch_that_goes_on_is_told_to_the_queue_as_s3_would(account: Account) -> None:
    cloud = AwsManagerCloud("ledger")
    told = ObjectCreated(BUCKET, "lab/submissions/a b+é_submit.json", 7, "etag", "v1")
    with Stubber(cloud.clients.sqs) as sqs:
        sqs.add_response("send_message", {}, {"QueueUrl": "queue", "MessageBody": ANY, "DelaySeconds": 120})
        sent: list[str] = []
        cloud.clients.sqs.meta.events.register(
            "provide-client-params.sqs.SendMessage", lambda params, **_: sent.append(params["MessageBody"])
        )
        cloud.come_back("queue", told, 120)
    assert objects_created(sent[0]) == [told]


def test_a_paused_launch_says_how_far_it_has_come(account: Account) -> None:
    cloud, monitor = AwsManagerCloud("ledger"), AwsMonitorCloud("ledger", None)
    about = {"submission": "k", "analysis": "dti"}
    assert cloud.lease(JOB, "one", 100.0, 200.0, about) == "taken"
    assert cloud.started(JOB) == 0
    cloud.pause(JOB, "another", 5, 110.0)
    assert cloud.lease(JOB, "two", 120.0, 200.0, about) == "busy"
    cloud.pause(JOB, "one", 7, 130.0)
    assert cloud.started(JOB) == 7
    item = monitor.open_job(JOB)
    assert item is not None
    assert (item.state, item.since, item.total) == ("starting", 130.0, None)
    assert cloud.lease(JOB, "two", 140.0, 200.0, about) == "taken"


def test_money_is_reserved_once_and_released_once(account: Account) -> None:
    cloud = AwsManagerCloud("ledger")
    assert cloud.committed("dti/lab/2026-01") == 0
    other = JobId(BUCKET, "lab", "t2")
    for job in (JOB, other):
        cloud.lease(job, "one", 100.0, 200.0, {"submission": "k", "analysis": "dti"})
    for _ in range(2):
        assert cloud.reserve(JOB, Reservation("dti/lab/2026-01", 600, 1000))
        assert cloud.committed("dti/lab/2026-01") == 600
    assert not cloud.reserve(other, Reservation("dti/lab/2026-01", 401, 1000))
    assert cloud.reserve(other, Reservation("dti/lab/2026-01", 400, 1000))
    for _ in range(2):
        cloud.forget(JOB, "2026-01-31")
        assert cloud.committed("dti/lab/2026-01") == 400


def test_settling_puts_what_was_spent_in_place_of_what_was_reserved(account: Account) -> None:
    cloud, monitor = AwsManagerCloud("ledger"), AwsMonitorCloud("ledger", None)
    cloud.lease(JOB, "one", 100.0, 200.0, {"submission": "k", "analysis": "dti"})
    cloud.reserve(JOB, Reservation("dti/lab/2026-01", 600, 1000))
    item = monitor.open_job(JOB)
    assert item is not None
    for _ in range(2):
        monitor.settle(item, 50, "2026-01-31")
        assert cloud.committed("dti/lab/2026-01") == 50
    assert monitor.open_job(JOB) is None


def test_a_parameter_that_is_not_there(account: Account) -> None:
    boto3.client("ssm").put_parameter(Name="/neurocaas/budgets/lab/dti", Value="12", Type="String")
    cloud = AwsManagerCloud("ledger")
    names = ["/neurocaas/budgets/lab/dti", "/neurocaas/budgets/other/dti"]
    assert cloud.parameters(names) == {"/neurocaas/budgets/lab/dti": "12"}


class Conflicting:
    """A DynamoDB client whose transactions meet others a few times."""

    class exceptions:  # noqa: N801 (as botocore has it)
        class TransactionCanceledException(ClientError):
            pass

    def __init__(self, conflicts: int) -> None:
        self.left = conflicts

    def transact_write_items(self, TransactItems: list[Any]) -> None:  # noqa: N803
        if self.left:
            self.left -= 1
            answer: Any = {
                "Error": {"Code": "TransactionCanceledException"},
                "CancellationReasons": [{"Code": "TransactionConflict"}],
            }
            raise self.exceptions.TransactionCanceledException(answer, "TransactWriteItems")


def test_conflicting_transactions_are_tried_again_but_not_for_ever() -> None:
    pauses: list[float] = []
    assert transact(Conflicting(3), [{}], pauses.append) == []
    assert len(pauses) == 3
    with pytest.raises(Conflicting.exceptions.TransactionCanceledException):
        transact(Conflicting(100), [{}], pauses.append)
    assert max(pauses) < 2
