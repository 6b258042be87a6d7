"""`invoke promote`, `unlock`, `destroy`, `empty-bucket`, `recover`, `new-stack` over a CLI that writes down
what it is asked.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from invoke.context import Context
from invoke.exceptions import Exit
from moto import mock_aws

import blueprints
import console.cloud
from account import developer_key
from blueprints import starter
from console import adoption, buckets, commands, first_deploy, open_jobs, promotion, upkeep
from console.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
PULUMI = """#!{python}
import json, pathlib, sys
home = pathlib.Path({home!r})
with (home / "asked").open("a") as out:
    print(json.dumps(sys.argv[1:]), file=out)
state = json.loads((home / "state.json").read_text())
command, stack = sys.argv[1:], next((sys.argv[n + 1] for n, word in enumerate(sys.argv) if word == "--stack"), "")
if command[:2] == ["stack", "ls"]:
    print(json.dumps([dict(name=name, resourceCount=9) for name in state["stacks"]]))
elif command[:2] == ["stack", "output"]:
    print(json.dumps(state["outputs"].get(stack, {{}})))
elif command[:2] == ["stack", "export"]:
    if stack not in state["stacks"]:
        sys.exit("error: no stack named " + stack)
    root = dict(urn="root", type="pulumi:pulumi:Stack", outputs=state["outputs"].get(stack, {{}}))
    print(json.dumps(dict(deployment=dict(pending_operations=state.get("pending", []), resources=[root, *state.get("resources", [])]))))
elif command[:2] in (["stack", "init"], ["stack", "rm"]):
    state["stacks"] = [one for one in state["stacks"] if one != command[2]] + [command[2]] * (command[1] == "init")
    (home / "state.json").write_text(json.dumps(state))
elif command[0] == "up":
    state["outputs"][stack] = state.get("after", state["outputs"]["spikes-webdev"])
    (home / "state.json").write_text(json.dumps(state))
elif command[0] == "preview":
    print("~ aws:lambda:Function manager update")
    sys.exit(state.get("preview", 0))
"""  # noqa: E501
OUTPUTS = {
    "kind": "analysis",
    "stage": "webdev",
    "bucket": "spikes",
    "image_id": "ami-1",
    "image_ready": True,
    "code_sha256": "ab" * 32,
}


def make_client(service: str) -> Any:
    return boto3.client(service)  # type: ignore[call-overload]


class Engine:
    """The stand-in CLI's folder."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def set(self, **state: Any) -> None:
        (self.home / "state.json").write_text(
            json.dumps({"stacks": ["utils", "spikes-webdev"], "outputs": {"spikes-webdev": OUTPUTS}, **state})
        )

    def asked(self, word: str) -> list[list[str]]:
        file = self.home / "asked"
        every = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [arguments for arguments in every if word in arguments]


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A project with the analysis spikes, whose bucket at prod is another, and the stand-in on PATH."""
    shutil.copytree(ROOT / "blueprints" / "analysis", tmp_path / "blueprints" / "analysis")
    starter.configure("spikes", tmp_path)
    with (tmp_path / "blueprints" / "spikes" / "blueprint.yaml").open("a") as file:
        file.write("stages:\n  prod: {bucket: spikes-prod, budget_usd: 900}\n")
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(PULUMI.format(python=sys.executable, home=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(console.cloud, "project_root", lambda: tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    # what is found in an account: tests/local/test_recovery.py
    monkeypatch.setattr(adoption, "needed", lambda *_: False)
    monkeypatch.setattr(commands, "accepted", lambda: None)
    monkeypatch.setattr(first_deploy, "place_of", lambda *_: ("111122223333", "us-east-1"))
    monkeypatch.setattr(first_deploy, "refuse_taken", lambda *_: None)
    engine = Engine(tmp_path)
    engine.set()
    return engine


def test_a_promotion_deploys_what_has_been_tried(pulumi: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    upkeep.promote(Context(), "spikes-webdev", "spikes-prod", yes=True)
    assert pulumi.asked("init") == [["stack", "init", "spikes-prod", "--no-select", "--non-interactive"]]
    assert pulumi.asked("up")[0][:3] == ["up", "--stack", "spikes-prod"]
    assert "--expect-no-changes" in pulumi.asked("preview")[0]
    said = capsys.readouterr().out
    assert "the same image ami-1" in said
    assert "budget_usd: 300.0 -> 900.0" in said
    assert "bucket: a name of its own -> spikes-prod" in said
    assert "digest" not in said


def test_a_checkout_that_is_not_what_runs_is_not_promoted(pulumi: Engine) -> None:
    pulumi.set(preview=255)
    with pytest.raises(UserError, match=r"not what spikes-webdev runs:\n.*manager update"):
        upkeep.promote(Context(), "spikes-webdev", "spikes-prod", yes=True)
    assert pulumi.asked("up") == []


def test_a_result_that_is_not_the_same_is_told(pulumi: Engine) -> None:
    pulumi.set(after={**OUTPUTS, "image_id": "ami-2"})
    with pytest.raises(UserError, match="image_id: ami-1 and ami-2"):
        upkeep.promote(Context(), "spikes-webdev", "spikes-prod", yes=True)


def test_stages_that_say_the_same_bucket_are_told(pulumi: Engine) -> None:
    promotion.check("spikes-webdev", "spikes-staging", pulumi.home)
    file = pulumi.home / "blueprints/spikes/blueprint.yaml"
    file.write_text(file.read_text() + "bucket: spikes\n")
    with pytest.raises(UserError, match=r"stages\.staging\.bucket"):
        promotion.check("spikes-webdev", "spikes-staging", pulumi.home)


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("spikes-webdev", "analysis-prod", "two analyses"),
        ("spikes-prod", "spikes-webdev", "turn the two around"),
        ("spikes-webdev", "spikes-webdev", "turn the two around"),
        ("utils", "spikes-prod", "invoke promote dti-webdev dti-prod"),
    ],
)
def test_only_a_later_stage_of_the_same_analysis(pulumi: Engine, source: str, target: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        promotion.check(source, target, pulumi.home)


def test_unlocking_asks_and_tells_what_was_left(pulumi: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit, match="--yes"):
        upkeep.unlock(Context(), "spikes-webdev")
    assert pulumi.asked("cancel") == []
    pulumi.set(pending=[{}, {}])
    upkeep.unlock(Context(), "spikes-webdev", yes=True)
    assert pulumi.asked("cancel") == [["cancel", "--yes", "--stack", "spikes-webdev", "--non-interactive"]]
    assert "2 operations unfinished" in capsys.readouterr().out
    with pytest.raises(UserError, match="invoke new-stack spikes-prod"):
        upkeep.unlock(Context(), "spikes-prod", yes=True)


def test_a_stack_is_made_once(pulumi: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    commands.new_stack(Context(), "spikes-webdev")
    assert "exists" in capsys.readouterr().out
    assert pulumi.asked("init") == []
    commands.new_stack(Context(), "spikes-develop", "awskms://alias/pulumi")
    assert [arguments[:5] for arguments in pulumi.asked("init")] == [
        ["stack", "init", "spikes-develop", "--secrets-provider", "awskms://alias/pulumi"]
    ]


def test_a_deploy_makes_the_stack_that_is_not_there(pulumi: Engine) -> None:
    commands.deploy(Context(), "spikes-webdev", yes=True)
    assert pulumi.asked("init") == []
    commands.deploy(Context(), "spikes-develop", yes=True)
    asked = [arguments[:3] for arguments in pulumi.asked("spikes-develop")]
    assert [words for words in asked if words[1] != "export"] == [
        ["stack", "init", "spikes-develop"],
        ["up", "--stack", "spikes-develop"],
    ]


def test_a_deploy_and_a_preview_look_at_the_cloud_first_unless_told_not_to(pulumi: Engine) -> None:
    for command, word in ((commands.deploy, "up"), (commands.preview, "preview")):
        command(Context(), "spikes-webdev")
        command(Context(), "spikes-webdev", no_refresh=True)
        assert ["--refresh" in arguments for arguments in pulumi.asked(word)] == [True, False]


class Ec2:
    """Machines and images as far as the commands ask for them (moto's EC2 takes seconds to load). `machines`:
    id -> its bucket.
    """

    def __init__(self) -> None:
        self.meta = SimpleNamespace(region_name="us-east-1")
        self.machines: dict[str, str] = {}
        self.images: dict[str, str] = {}

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=getattr(self, operation))

    def describe_instances(self, Filters: Any) -> Any:  # noqa: N803
        (bucket,) = next(one["Values"] for one in Filters if one["Name"] == "tag:bucket")
        return [
            {
                "Reservations": [
                    {
                        "Instances": [
                            {"InstanceId": name} for name, owner in self.machines.items() if owner == bucket
                        ]
                    }
                ]
            }
        ]

    def terminate_instances(self, InstanceIds: list[str]) -> None:  # noqa: N803
        for name in InstanceIds:
            del self.machines[name]

    def describe_images(self, ImageIds: Any = (), Owners: Any = (), Filters: Any = ()) -> Any:  # noqa: N803
        wanted = next((one["Values"] for one in Filters), None)
        found = [
            {
                "ImageId": name,
                "CreationDate": "2026-01-02T03:04:05.000Z",
                "BlockDeviceMappings": [
                    {"Ebs": {"SnapshotId": f"snap-{name}", "VolumeSize": 16}},
                    {"VirtualName": "ephemeral0"},
                ],
                "Tags": [{"Key": "neurocaas:stack", "Value": stack}],
            }
            for name, stack in self.images.items()
            if (not ImageIds or name in ImageIds) and (not wanted or stack in wanted)
        ]
        return {"Images": found} if ImageIds else [{"Images": found}]

    def deregister_image(self, ImageId: str, DeleteAssociatedSnapshots: bool) -> Any:  # noqa: N803
        del self.images[ImageId]
        return {"DeleteSnapshotResults": [{"SnapshotId": f"snap-{ImageId}", "ReturnCode": "success"}]}


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Ec2:
    """In the place of EC2 for whoever asks boto3 for it."""
    fake, real = Ec2(), boto3.client
    monkeypatch.setattr(
        boto3,
        "client",
        lambda service, *rest, **more: fake if service == "ec2" else real(service, *rest, **more),
    )
    return fake


@pytest.fixture
def s3(ec2: Ec2, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A versioned bucket: two objects, an older version, a delete marker, an unfinished upload."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="spikes")
        client.put_bucket_versioning(Bucket="spikes", VersioningConfiguration={"Status": "Enabled"})
        for key, body in (("lab1/a", b"12345"), ("lab1/a", b"123"), ("lab10/b", b"1"), ("lab1/gone", b"1")):
            client.put_object(Bucket="spikes", Key=key, Body=body)
        client.delete_object(Bucket="spikes", Key="lab1/gone")
        client.create_multipart_upload(Bucket="spikes", Key="lab1/half")
        yield client


def test_everything_is_counted_and_deleted(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = buckets.contents(s3, "spikes")
    assert found == buckets.Contents(objects=2, versions=2, markers=1, uploads=1, size=10)
    assert found.text() == "2 objects, 2 older versions, 1 delete marker, 1 unfinished upload (10 bytes)"
    monkeypatch.setattr(buckets, "BATCH", 2)
    assert buckets.empty(s3, "spikes") == []
    assert buckets.contents(s3, "spikes").empty
    assert buckets.contents(s3, "spikes").text() == "nothing"


def test_a_prefix_leaves_its_neighbours(s3: Any) -> None:
    buckets.empty(s3, "spikes", "lab1/")
    assert buckets.contents(s3, "spikes") == buckets.Contents(objects=1, size=1)


def test_emptying_says_how_much_and_asks(
    pulumi: Engine, s3: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    upkeep.empty_bucket(Context(), "spikes-webdev", count=True)
    assert "s3://spikes/ holds 2 objects" in capsys.readouterr().out
    with pytest.raises(Exit, match="--yes"):
        upkeep.empty_bucket(Context(), "spikes-webdev")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("no\n"))
    with pytest.raises(Exit, match="Nothing was changed"):
        upkeep.empty_bucket(Context(), "spikes-webdev")
    assert buckets.contents(s3, "spikes").objects == 2
    monkeypatch.setattr(sys, "stdin", Terminal("spikes\n"))
    upkeep.empty_bucket(Context(), "spikes-webdev")
    assert "s3://spikes/ is empty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"prefix": "lab1"}, "so that lab1 does not mean lab10"),
        ({"bucket": "other", "yes": True}, "the bucket of spikes-webdev: spikes"),
    ],
)
def test_what_could_be_meant_otherwise_is_refused(
    pulumi: Engine, s3: Any, arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        upkeep.empty_bucket(Context(), "spikes-webdev", **arguments)


def test_a_prod_bucket_wants_its_name_as_well(pulumi: Engine, s3: Any) -> None:
    pulumi.set(outputs={"spikes-prod": {**OUTPUTS, "stage": "prod"}})
    with pytest.raises(UserError, match="--yes --bucket spikes"):
        upkeep.empty_bucket(Context(), "spikes-prod", yes=True)
    upkeep.empty_bucket(Context(), "spikes-prod", yes=True, bucket="spikes")
    assert buckets.contents(s3, "spikes").empty


def test_a_stack_without_users_data_is_destroyed_as_ever(pulumi: Engine, s3: Any) -> None:
    buckets.empty(s3, "spikes")
    own = {"bucket": "spikes", "key": "jobs/lab1/analysis.json"}
    pulumi.set(resources=[{"type": "aws:s3/bucketObjectv2:BucketObjectv2", "urn": "u", "inputs": own}])
    s3.put_object(Bucket="spikes", Key=own["key"], Body=b"what the stack itself has put there")
    upkeep.destroy(Context(), "spikes-webdev", yes=True)
    assert pulumi.asked("destroy") == [
        ["destroy", "--stack", "spikes-webdev", "--yes", "--skip-preview", "--non-interactive"]
    ]


def test_data_of_a_stack_whose_first_deploy_was_killed_is_seen_in_its_state(pulumi: Engine, s3: Any) -> None:
    resources = [
        {"type": "aws:s3/bucket:Bucket", "id": "code", "urn": "u", "inputs": {"forceDestroy": True}},
        {"type": "aws:s3/bucket:Bucket", "id": "spikes", "urn": "v", "inputs": {"forceDestroy": False}},
    ]
    pulumi.set(outputs={}, resources=resources)
    with pytest.raises(UserError, match="s3://spikes/ holds 2 objects"):
        upkeep.destroy(Context(), "spikes-webdev", yes=True)
    assert pulumi.asked("destroy") == []


def test_what_is_protected_is_told_before_anything_goes(pulumi: Engine, s3: Any) -> None:
    table = {"type": "aws:dynamodb/table:Table", "id": "ledger", "urn": "u", "protect": True, "inputs": {}}
    pulumi.set(stacks=["utils"], outputs={}, resources=[table])
    with pytest.raises(
        UserError, match=r"protected: Table ledger\n(.|\n)*protectUtilities false --stack utils"
    ):
        upkeep.destroy(Context(), "utils", yes=True)
    assert pulumi.asked("destroy") == []


def test_a_stack_with_users_data_is_destroyed_only_when_told_so(
    pulumi: Engine, s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    held = "2 objects, 2 older versions, 1 delete marker, 1 unfinished upload \\(10 bytes\\)"
    told = (
        rf"holds {held}\n  lab1: 1 object, .*\n  lab10: 1 object \(1 bytes\)\n  allowed: .*\n.*destroy "
        r"spikes-webdev --delete-data"
    )
    with pytest.raises(UserError, match=told):
        upkeep.destroy(Context(), "spikes-webdev", yes=True)
    with pytest.raises(Exit, match="--yes"):
        upkeep.destroy(Context(), "spikes-webdev", delete_data=True)
    assert pulumi.asked("destroy") == []
    assert buckets.contents(s3, "spikes").objects == 2
    upkeep.destroy(Context(), "spikes-webdev", delete_data=True, yes=True)
    assert "s3://spikes/ holds 2 objects" in capsys.readouterr().out
    assert buckets.contents(s3, "spikes").empty
    assert len(pulumi.asked("destroy")) == 1


def test_a_stack_in_production_wants_its_buckets_name_and_loses_its_protection_first(
    pulumi: Engine, s3: Any
) -> None:
    buckets.empty(s3, "spikes")
    pulumi.set(outputs={"spikes-prod": {**OUTPUTS, "stage": "prod"}})
    with pytest.raises(UserError, match="invoke destroy spikes-prod --bucket spikes"):
        upkeep.destroy(Context(), "spikes-prod", yes=True)
    with pytest.raises(UserError, match="the bucket of spikes-prod: spikes"):
        upkeep.destroy(Context(), "spikes-prod", yes=True, bucket="spike")
    upkeep.destroy(Context(), "spikes-prod", yes=True, bucket="spikes")
    assert [arguments[0] for arguments in pulumi.asked("spikes-prod")][-2:] == ["state", "destroy"]


def test_utils_stays_while_others_need_it(pulumi: Engine, s3: Any) -> None:
    with pytest.raises(UserError, match="utils, which spikes-webdev needs"):
        upkeep.destroy(Context(), "utils", yes=True)
    pulumi.set(stacks=["utils"])
    upkeep.destroy(Context(), "utils", yes=True)
    assert len(pulumi.asked("destroy")) == 1


def test_the_developers_key_goes_with_utils(
    pulumi: Engine, s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no resource, and the key that seals it goes with the stack."""
    ssm = make_client("ssm")
    developer_key.ensure(ssm, "alias/aws/ssm")
    pulumi.set(stacks=["utils"])
    upkeep.destroy(Context(), "utils", yes=True)
    assert developer_key.PRIVATE in capsys.readouterr().out
    with pytest.raises(ssm.exceptions.ParameterNotFound):
        ssm.get_parameter(Name=developer_key.PRIVATE)


class Clock:
    """Time that passes only where somebody sleeps. `then` is done at each sleep."""

    def __init__(self, then: Any = lambda at: None) -> None:
        self.at, self.then = 0.0, then

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.then(self.at)


@pytest.fixture
def table(s3: Any, ec2: Ec2) -> Any:
    """The service's table, with two open jobs of the bucket spikes and one of another bucket; a machine of
    each bucket. Its client.
    """
    dynamodb = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName="ledger",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    for sk in ("spikes/lab1/a", "spikes/lab2/b", "spikes-two/lab1/c"):
        dynamodb.put_item(TableName="ledger", Item={"pk": {"S": "open-job"}, "sk": {"S": sk}})
    ec2.machines |= {"i-1": "spikes", "i-2": "spikes-two"}
    return dynamodb


def close(dynamodb: Any, *jobs: str) -> None:
    for job in jobs:
        dynamodb.delete_item(TableName="ledger", Key={"pk": {"S": "open-job"}, "sk": {"S": f"spikes/{job}"}})


def test_open_jobs_are_cancelled_and_waited_for(s3: Any, ec2: Ec2, table: Any) -> None:
    def service(at: float) -> None:
        for job in ("lab1/a", "lab2/b"):
            group, _, timestamp = job.partition("/")
            body = s3.get_object(Bucket="spikes", Key=f"{group}/submissions/{timestamp}_cancel.json")[
                "Body"
            ].read()
            assert json.loads(body) == {"timestamp": timestamp}
        if at > 10:
            ec2.machines.pop("i-1", None)
            close(table, "lab1/a", "lab2/b")

    clock, said = Clock(service), list[str]()
    jobs = open_jobs.OpenJobs("spikes", "ledger", make_client, clock)
    assert jobs.now().text() == "2 jobs and 1 machine (lab1/a, lab2/b)"
    jobs.end(said.append)
    assert clock.at < open_jobs.PATIENCE
    assert said == ["2 jobs cancelled; no machine of s3://spikes/ is left"]
    assert not jobs.now()
    assert len(open_jobs.OpenJobs("spikes-two", "ledger", make_client).now().machines) == 1
    assert open_jobs.OpenJobs("spikes-two", "no-such-table", make_client).now().jobs == ()


def test_a_service_that_does_not_answer_keeps_no_machine_alive(s3: Any, table: Any) -> None:
    clock, said = Clock(), list[str]()
    jobs = open_jobs.OpenJobs("spikes", "ledger", make_client, clock)
    jobs.end(said.append)
    assert jobs.now().machines == ()
    assert said == [
        "the service has not ended 2 jobs (lab1/a, lab2/b); it is gone with the stack, and its machines are"
    ]
    assert open_jobs.LAST <= clock.at < open_jobs.LAST + 10


def test_running_jobs_end_before_their_data_goes(
    pulumi: Engine, s3: Any, ec2: Ec2, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []

    def end(self: Any, say: Any) -> None:
        ended.append(buckets.contents(s3, "spikes").objects)

    monkeypatch.setattr(open_jobs.OpenJobs, "end", end)
    pulumi.set(outputs={"spikes-webdev": OUTPUTS, "utils": {"ledger_table": "ledger"}})
    upkeep.destroy(Context(), "spikes-webdev", delete_data=True, yes=True)
    assert ended == [2], "what is there is still there then"
    assert buckets.contents(s3, "spikes").empty
    close(table, "lab1/a", "lab2/b")
    ec2.machines.clear()
    s3.put_object(Bucket="spikes", Key="lab1/x", Body=b"1")
    upkeep.destroy(Context(), "spikes-webdev", delete_data=True, yes=True)
    assert ended == [2], "nothing runs: nothing is waited for"


@pytest.fixture
def images(s3: Any, ec2: Ec2) -> tuple[str, str]:
    """Two images of the stack spikes-webdev, and one of another."""
    made = ("ami-0123456789abcdef1", "ami-0123456789abcdef2")
    ec2.images |= {**dict.fromkeys(made, "spikes-webdev"), "ami-0123456789abcdef3": "other-webdev"}
    buckets.empty(s3, "spikes")
    return made


def test_images_that_stay_are_listed_with_their_cost(
    pulumi: Engine, ec2: Ec2, images: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    upkeep.destroy(Context(), "spikes-webdev", yes=True)
    said = capsys.readouterr().out
    assert all(image in said for image in images)
    assert said.count("snap-") == 2
    assert "2 images and their snapshots remain, at most $1.60 a month." in said
    assert "To retire them: invoke destroy spikes-webdev --retire-images" in said
    assert len(ec2.images) == 3


def test_images_are_retired_when_told_so_unless_another_stack_needs_them(
    pulumi: Engine, ec2: Ec2, images: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    account = boto3.client("sts").get_caller_identity()["Account"]
    blueprints.record_image(pulumi.home, "spikes", account, "us-east-1", images[0])
    blueprints.record_image(pulumi.home, "analysis", account, "us-east-1", images[1])
    pulumi.set(
        stacks=["utils", "spikes-webdev", "spikes-prod"],
        outputs={"spikes-webdev": OUTPUTS, "spikes-prod": {**OUTPUTS, "bucket": "p", "image_id": images[1]}},
    )
    upkeep.destroy(Context(), "spikes-webdev", yes=True, retire_images=True)
    said = capsys.readouterr().out
    assert f"{images[0]} is deregistered" in said
    assert f"{images[1]} stays: spikes-prod starts machines from it" in said
    assert list(ec2.images) == [images[1], "ami-0123456789abcdef3"]
    assert blueprints.load("spikes", "webdev", pulumi.home).image.amis == {}
    assert set(blueprints.load("analysis", "webdev", pulumi.home).image.amis.values()) == {images[1]}
    assert f"{images[0]} is taken out of blueprints/spikes/; commit that" in said


def test_on_a_terminal_it_is_asked_whether_images_go_too(
    pulumi: Engine,
    ec2: Ec2,
    images: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for answer, left in (("\n", 3), ("y\n", 1)):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        upkeep.destroy(Context(), "spikes-webdev")
        assert "Retire these images and delete their snapshots as well? [y/N]" in capsys.readouterr().out
        assert len(ec2.images) == left


def test_a_stack_whose_blueprint_is_gone_can_be_looked_at_and_destroyed(
    pulumi: Engine, s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (pulumi.home / "blueprints" / "spikes").rename(pulumi.home / "blueprints" / "bursts")
    buckets.empty(s3, "spikes")
    upkeep.empty_bucket(Context(), "spikes-webdev", count=True)
    upkeep.recover(Context(), "spikes-webdev", "lab1/", dry_run=True)
    upkeep.destroy(Context(), "spikes-webdev", yes=True)
    assert pulumi.asked("destroy")[0][:3] == ["destroy", "--stack", "spikes-webdev"]
    upkeep.unlock(Context(), "spikes-webdev", yes=True)
    assert "To take it away: invoke destroy spikes-webdev" in capsys.readouterr().out
    with pytest.raises(UserError, match="has outputs of kind"):  # read, and then judged by their schema
        commands.outputs(Context(), "spikes-webdev")
    for command in (upkeep.destroy, commands.outputs):
        with pytest.raises(UserError, match="there is no blueprint 'gone'"):
            command(Context(), "gone-webdev")
    with pytest.raises(UserError, match="invoke destroy spikes-webdev"):
        commands.deploy(Context(), "spikes-webdev", yes=True)
    (pulumi.home / "blueprints" / "bursts" / "blueprint.yaml").write_text(
        (pulumi.home / "blueprints" / "bursts" / "blueprint.yaml")
        .read_text()
        .replace("name: spikes", "name: bursts")
    )
    commands.deploy(Context(), "bursts-webdev", yes=True)
    said = capsys.readouterr().err
    assert (
        "spikes-webdev is still there, and its blueprint is gone. If it was renamed: invoke destroy "
        "spikes-webdev"
    ) in said
    assert "Next: bake its image: invoke bake-ami --stack bursts-webdev" in said


def test_a_preview_before_the_first_deploy_shows_what_it_would_make_and_leaves_nothing(
    pulumi: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = pulumi.home / "stacks" / "Pulumi.spikes-develop.yaml"
    for text in (None, "config: {a: 1}\n"):
        settings.parent.mkdir(exist_ok=True)
        if text is not None:
            settings.write_text(text)
        (pulumi.home / "asked").unlink(missing_ok=True)
        commands.preview(Context(), "spikes-develop")
        assert (
            "spikes-develop was never deployed: this is what the first deploy would make"
            in capsys.readouterr().err
        )
        did = [
            arguments[:2] if arguments[0] == "stack" else arguments[:1]
            for arguments in pulumi.asked("spikes-develop")
        ]
        assert did == [["stack", "init"], ["preview"], ["stack", "rm"]]
        assert (settings.read_text() if settings.exists() else None) == text
    pulumi.set(preview=3)
    with pytest.raises(Exit) as ended:
        commands.preview(Context(), "spikes-develop")
    assert ended.value.code == 3
    assert len(pulumi.asked("rm")) == 2


def test_what_is_deleted_comes_back_and_what_was_overwritten_stays(
    pulumi: Engine, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        s3.put_object(Bucket="spikes", Key=f"lab1/more/{number}", Body=b"1")
        s3.delete_object(Bucket="spikes", Key=f"lab1/more/{number}")
    s3.delete_object(Bucket="spikes", Key="lab1/never-there")
    monkeypatch.setattr(buckets, "BATCH", 2)
    upkeep.recover(Context(), "spikes-webdev", "lab1/", dry_run=True)
    assert s3.list_objects_v2(Bucket="spikes", Prefix="lab1/")["KeyCount"] == 1
    upkeep.recover(Context(), "spikes-webdev", "lab1/")
    found = {one["Key"] for one in s3.list_objects_v2(Bucket="spikes", Prefix="lab1/")["Contents"]}
    assert found == {"lab1/a", "lab1/gone", *(f"lab1/more/{number}" for number in range(5))}
    assert s3.get_object(Bucket="spikes", Key="lab1/a")["Body"].read() == b"123"
    assert buckets.deleted(s3, "spikes") == {}


@pytest.mark.parametrize("command", [commands.deploy, commands.preview])
def test_a_group_that_goes_is_said_to_leave_its_data(
    pulumi: Engine, s3: Any, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    pulumi.set(outputs={"spikes-webdev": {**OUTPUTS, "groups": {"debuggers": {}, "lab1": {}, "lab2": {}}}})
    s3.put_object(Bucket="spikes", Key="jobs/lab1/job_1/job.json", Body=b"{}")
    command(Context(), "spikes-webdev")
    said = capsys.readouterr().err
    assert (
        "group lab1 is removed; its data stays: s3://spikes/lab1/, jobs/lab1/ and logs/lab1/ hold 2 "
        "objects, 2 older versions"
    ) in said
    assert "invoke empty-bucket spikes-webdev --prefix lab1/" in said
    assert "debuggers" not in said
    assert "lab2" not in said
    assert buckets.contents(s3, "spikes").objects == 3
    pulumi.set(outputs={"spikes-webdev": {**OUTPUTS, "groups": {"debuggers": {}}}})
    command(Context(), "spikes-webdev")
    assert "stays" not in capsys.readouterr().err


def test_utils_says_it_for_every_bucket_of_the_group(
    pulumi: Engine, s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {"lab1": {"buckets": ["spikes", "spikes-prod"]}, "debuggers": {"buckets": ["spikes"]}}
    pulumi.set(outputs={"utils": {"kind": "utils", "groups": made}, "spikes-webdev": OUTPUTS})
    commands.preview(Context(), "utils")
    said = capsys.readouterr().err
    assert said.count("its data stays") == 1
    assert "s3://spikes/lab1/" in said
