"""Who may do what, measured: every cell of the tables of docs/security.md, with the deployed roles, under
enforced IAM.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.tests.denials import denied
from neurocaas.protocol.budget_parameters import names
from neurocaas.protocol.secrets import SECRETS
from runtime.monitor.confined import session_policy
from tests.local.deployed import Deployed, Keys
from tests.local.security_matrix import (
    ARTIFACTS,
    BUCKET,
    CATALOGUE,
    DOCUMENT,
    EVIDENCE,
    OTHERS,
    PREFIXES,
    PUBLIC,
    RIGHTS,
    SHARED,
    inserted,
)

pytestmark = [pytest.mark.local, pytest.mark.slow]


class World:
    """Credentials of every principal, made once, and one object below every prefix."""

    def __init__(self, service: Deployed) -> None:
        self.service = service
        self.bucket, self.artifacts = service.analysis["bucket"], service.utils["artifact_bucket"]
        self.public = service.utils["catalogue_bucket"]
        self.keys = self._principals()
        me = str(service.client("sts", self.keys["machine of lab1"]).get_caller_identity()["UserId"])
        role, _, name = me.partition(":")
        assert role.startswith("AROA"), "IAM's id of the role"
        self._places = dict(
            zip(EVIDENCE, (f"evidence/{me}/", f"evidence/{role}:another-{name}/"), strict=True)
        )
        s3 = service.client("s3")
        for prefix in PREFIXES:
            s3.put_object(Bucket=self.bucket, Key=self.object(self.bucket, prefix), Body=b"1")
        for prefix in SHARED:
            if prefix == "analyses/":
                continue  # the settings are there, and other tests need them
            s3.put_object(Bucket=self.artifacts, Key=self.object(self.artifacts, prefix), Body=b"1")
        for prefix in PUBLIC:
            s3.put_object(Bucket=self.public, Key=f"{prefix}there", Body=b"1")

    def _principals(self) -> dict[str, Keys]:
        service, groups = self.service, self.service.analysis["groups"]
        iam = service.client("iam")
        iam.create_user(UserName="dev")
        iam.add_user_to_group(UserName="dev", GroupName=groups["debuggers"]["analyst_group"])
        ann = service.user("ann")
        iam.create_user(UserName="ci")
        iam.put_user_policy(UserName="ci", PolicyName="review", PolicyDocument=json.dumps(REVIEW))
        lea, member = service.user("lea"), service.utils["groups"]["lab1"]["session_role"]
        monitor = service.role(service.utils["monitor_role_arn"])
        return {
            "analyst of lab1": ann,
            "analyst of lab1, in a session": self._session(ann, member, "ann"),
            "lead of lab1": lea,
            "lead of lab1, in a session": self._session(lea, f"{member}+lead", "lea"),
            "analyst of lab10": service.user("bob"),
            "developer (debuggers)": service.user("dev"),
            "CI that reviews": service.user("ci"),
            "development instance": service.role(service.utils["developer_role_arn"]),
            "machine of lab1": service.role(groups["lab1"]["instance_role"]),
            "machine of lab10": service.role(groups["lab10"]["instance_role"]),
            "manager": service.role(service.analysis["manager_role_arn"]),
            "monitor": monitor,
            "monitor's writer, for lab1": self._writer(monitor),
            "machine that bakes": service.role(service.utils["image_builder_role"]),
            "anonymous": Keys(None),
        }

    def _session(self, who: Keys, role: str, name: str) -> Keys:
        arn = f"arn:aws:iam::{self.service.utils['account']}:role/{role}"
        taken = self.service.client("sts", who).assume_role(
            RoleArn=arn, RoleSessionName=name, DurationSeconds=43200
        )["Credentials"]
        return Keys(taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])

    def _writer(self, monitor: Keys) -> Keys:
        """As the monitor begins a session of its writer (runtime.monitor.confined)."""
        sts, role = self.service.client("sts", monitor), self.service.utils["monitor_writer_role_arn"]
        policy = session_policy(role, self.bucket, "lab1")
        taken = sts.assume_role(RoleArn=role, RoleSessionName="matrix", Policy=policy)["Credentials"]
        return Keys(taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])

    def place(self, prefix: str) -> str:
        """The prefix of a column."""
        return self._places.get(prefix, prefix)

    def object(self, bucket: str, prefix: str) -> str:
        """The settings that the manager may read are one object; elsewhere any will do."""
        if bucket == self.artifacts and prefix == "analyses/":
            return str(self.service.analysis["settings_key"])
        return f"{self.place(prefix)}there"

    def letters(self, who: str, bucket: str, prefix: str) -> str:
        """The actions that are not refused, in the order of ACTIONS. Writes go to keys of their own, and
        nothing of value is deleted.
        """
        s3, key = self.service.client("s3", self.keys[who]), f"{self.place(prefix)}by-{who.replace(' ', '-')}"
        tries: dict[str, Callable[[], Any]] = {
            "G": lambda: s3.get_object(Bucket=bucket, Key=self.object(bucket, prefix)),
            "P": lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"2"),
            "D": lambda: s3.delete_object(Bucket=bucket, Key=key),
            "L": lambda: s3.list_objects_v2(Bucket=bucket, Prefix=self.place(prefix)),
        }
        return "".join(letter for letter, call in tries.items() if not denied(call))


@pytest.fixture(scope="module")
def world(service: Deployed) -> World:
    return World(service)


def test_the_document_shows_these_tables() -> None:
    text = DOCUMENT.read_text()
    assert text == inserted(text), "write it anew: python tests/local/security_matrix.py"


@pytest.mark.parametrize("who", BUCKET)
def test_the_bucket_of_an_analysis(world: World, who: str) -> None:
    measured = {prefix: world.letters(who, world.bucket, prefix) for prefix in PREFIXES}
    assert measured == {prefix: BUCKET[who].get(prefix, "") for prefix in PREFIXES}


@pytest.mark.parametrize("who", BUCKET)
def test_the_artifact_bucket(world: World, who: str) -> None:
    measured = {prefix: world.letters(who, world.artifacts, prefix) for prefix in SHARED}
    assert measured == {prefix: ARTIFACTS.get(who, {}).get(prefix, "") for prefix in SHARED}


@pytest.mark.parametrize("who", [who for who in BUCKET if "writer" not in who])
def test_the_catalogue_bucket(world: World, who: str) -> None:
    measured = {prefix: world.letters(who, world.public, prefix) for prefix in PUBLIC}
    assert measured == {prefix: CATALOGUE.get(prefix, "") for prefix in PUBLIC}


@pytest.mark.parametrize("who", [who for who in BUCKET if who != "monitor" and who != "manager"])
@pytest.mark.parametrize(
    "prefix", ["lab", "lab1", "lab1/input", "logs", "lab1/../lab10/", "jobs/", "jobs/lab1", "evidence/"]
)
def test_a_part_of_a_name_lists_nothing(world: World, who: str, prefix: str) -> None:
    s3 = world.service.client("s3", world.keys[who])
    assert denied(lambda: s3.list_objects_v2(Bucket=world.bucket, Prefix=prefix))


@pytest.mark.parametrize("who", RIGHTS)
def test_everything_else(world: World, who: str) -> None:
    keys, service = world.keys[who], world.service
    account, region = service.utils["account"], service.utils["region"]
    ssm, sqs, sts = (service.client(name, keys) for name in ("ssm", "sqs", "sts"))
    dynamo, iam = service.client("dynamodb", keys), service.client("iam", keys)
    sns, topic = service.client("sns", keys), service.utils["topic_arn"]
    group = service.utils["groups"]["lab1"]["analyst_group"]
    budgets, table, queue = (
        "/neurocaas/budgets",
        service.utils["ledger_table"],
        service.analysis["submission_queue_url"],
    )

    own = {"analyst of lab1": "ann", "lead of lab1": "lea", "analyst of lab10": "bob"}.get(who, "test")

    def session(group: str, name: str = own) -> Callable[[], Any]:
        role = f"arn:aws:iam::{account}:role/neurocaas-{region}-{group}"
        return lambda: sts.assume_role(RoleArn=role, RoleSessionName=name)

    def listing(group: str) -> Callable[[], Any]:
        return lambda: ssm.get_parameters_by_path(Path=f"/neurocaas/members/{group}", Recursive=True)

    def put(name: str) -> Callable[[], Any]:
        return lambda: ssm.put_parameter(Name=name, Value="1", Type="String", Overwrite=True)

    def item(pk: str) -> dict[str, Any]:
        return {"pk": {"S": pk}, "sk": {"S": "matrix"}}

    tries: dict[str, Callable[[], Any]] = {
        "session1": session("lab1"),
        "lead1": session("lab1+lead"),
        "session10": session("lab10"),
        "another": session("lab1", "eve"),
        "writer": lambda: sts.assume_role(
            RoleArn=service.utils["monitor_writer_role_arn"], RoleSessionName="test"
        ),
        "budget": lambda: either(
            lambda: ssm.get_parameter(Name=f"{budgets}/lab1/analysis"),
            lambda: ssm.get_parameters(Names=[f"{budgets}/lab1/analysis"]),
        ),
        "raise": put(f"{budgets}/lab1/analysis"),
        "limit": put(f"{budgets}/lab1/analysis/limit"),
        "limit10": put(f"{budgets}/lab10/analysis/limit"),
        "share": put(names(budgets, "lab1", "analysis", "eve").member_limit),
        "share10": put(names(budgets, "lab10", "analysis", "joe").member_limit),
        "allow": put(names(budgets, "lab1", "analysis", "eve").member),
        "members": listing("lab1"),
        "members10": listing("lab10"),
        "change": put("/neurocaas/members/lab1/changes"),
        "change10": put("/neurocaas/members/lab10/changes"),
        "roster": put("/neurocaas/members/lab1/people/1"),
        "key": lambda: ssm.get_parameter(Name=service.utils["private_key_parameter"], WithDecryption=True),
        "secret": lambda: either(
            lambda: ssm.get_parameter(Name=f"{SECRETS}/analysis-webdev/OTHER", WithDecryption=True),
            lambda: ssm.get_parameters(Names=[f"{SECRETS}/analysis-webdev/OTHER"], WithDecryption=True),
        ),
        "submit": lambda: sqs.send_message(QueueUrl=queue, MessageBody="{}"),
        "take": lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0),
        "ledger": lambda: dynamo.get_item(TableName=table, Key=item("matrix")),
        "spend": lambda: dynamo.delete_item(TableName=table, Key=item("matrix")),
        "invoke": lambda: service.client("lambda", keys).invoke(
            FunctionName=service.analysis["manager_function"], Payload=b"{}"
        ),
        "publish": lambda: sns.publish(TopicArn=topic, Message="matrix"),
        "subscribe": lambda: sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="mallory@x.example"),
        "end": lambda: end_one(service, keys),
        "user": lambda: iam.create_user(UserName=f"mallory-{who.replace(' ', '-')}"),
        "grant": lambda: iam.put_group_policy(
            GroupName=group, PolicyName="more", PolicyDocument=json.dumps(EVERYTHING)
        ),
    }
    assert set(tries) == set(OTHERS)
    refused = {key for key, call in tries.items() if denied(call)}
    assert set(OTHERS) - refused == RIGHTS[who]


REVIEW = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["iam:GetUser"], "Resource": ["arn:aws:iam::000000000000:user/*"]},
        {"Effect": "Allow", "Action": ["tag:GetResources"], "Resource": ["*"]},
    ],
}
"""What docs/security.md says that a preview needs."""


def test_ci_that_may_do_nothing_else_previews_every_stack(world: World) -> None:
    keys, ground = world.keys["CI that reviews"], world.service.ground
    environ = {
        **ground.local_environment(),
        "AWS_ACCESS_KEY_ID": str(keys.access_key),
        "AWS_SECRET_ACCESS_KEY": str(keys.secret),
    }
    for stack in ("utils", "analysis-webdev"):
        done = ground.run(["pulumi", "preview", "--json", "--non-interactive", "--stack", stack], environ)
        assert set(json.loads(done.stdout)["changeSummary"]) == {"same"}


def either(*calls: Callable[[], Any]) -> Any:
    """The first of several ways that is not refused; the refusal of the last one."""
    return next((call() for call in calls[:-1] if not denied(call)), None) or calls[-1]()


EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def end_one(service: Deployed, keys: Keys) -> None:
    """End a machine with the tag of a job's machines. It is gone in any case: the local cloud has room for
    few.
    """
    tags = [
        {"ResourceType": kind, "Tags": [{"Key": "PriceTracking", "Value": "On"}]}
        for kind in ("instance", "volume")
    ]
    template = service.analysis["groups"]["lab1"]
    root = service.client("ec2")
    made = root.run_instances(
        LaunchTemplate={
            "LaunchTemplateId": template["launch_template_id"],
            "Version": template["launch_template_version"],
        },
        MinCount=1,
        MaxCount=1,
        TagSpecifications=tags,
    )
    machines = [str(made["Instances"][0]["InstanceId"])]
    try:
        service.client("ec2", keys).terminate_instances(InstanceIds=machines)
    finally:
        root.terminate_instances(InstanceIds=machines)
