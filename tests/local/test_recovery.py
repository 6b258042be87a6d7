"""A service that was hurt comes back by one documented command, with all its data: deploys that were killed,
states that were lost, things deleted or changed by hand. Nothing of anybody else is taken. The tests build on
each other, in this order."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.playground import Playground, playground
from tests.local.deployed import client, outputs

pytestmark = [pytest.mark.local, pytest.mark.slow, pytest.mark.usefixtures("cold")]

ROOT = Path(__file__).resolve().parents[2]
ANALYSIS, UTILS = "analysis-webdev", "utils"
WRITING = ("creating", "updating", "deleting")
OTHERS = ("dti", "fmri", "decoder")
RESULT = "debuggers/results/job_1/out.json"


class Service:
    """The two stacks in a cloud of their own, and what must survive."""

    def __init__(self, ground: Playground) -> None:
        self.ground = ground
        self.seed = random.SystemRandom().randrange(10**6)
        self.moments = random.Random(self.seed)

    def aws(self, service: str) -> Any:
        return client(self.ground, service)

    def state_file(self, stack: str) -> Path:
        return self.ground.root / ".local/pulumi/state/.pulumi/stacks/neurocaas" / f"{stack}.json"

    def invoke(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.ground.invoke(*arguments, check=False)
        assert done.returncode == code, f"seed {self.seed}\n{done.stdout}\n{done.stderr}"
        return done

    def deploy(self, stack: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return self.invoke("deploy", stack, "--yes", "--local", code=code)

    def killed(self, stack: str, moment: int) -> bool:
        """Deploy, and kill the engine and all that it has started when it is writing for the n-th time.
        False: it ended before.
        """
        command = [sys.executable, "-m", "invoke", "deploy", stack, "--yes", "--local"]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(
            command, cwd=self.ground.root, env=self.ground.environ, stdin=quiet, stdout=quiet, stderr=quiet
        ) as child:
            seen: list[Any] = []
            while child.poll() is None:
                begun = self._begun(stack)
                if begun and begun not in seen:
                    seen.append(begun)
                if len(seen) >= moment:
                    for pid in descendants(child.pid):
                        _kill(pid)
                    return True
                time.sleep(0.002)
        return False

    def _begun(self, stack: str) -> list[str]:
        try:
            latest = json.loads(self.state_file(stack).read_text())["checkpoint"]["latest"] or {}
        except (OSError, ValueError):
            return []
        return sorted(
            one["resource"]["urn"] for one in latest.get("pending_operations") or () if one["type"] in WRITING
        )

    def resources(self, stack: str) -> dict[str, str]:
        """Ids by type and logical name."""
        document = json.loads(self.ground.pulumi("stack", "export", "--stack", stack).stdout)
        found = {}
        for one in document["deployment"]["resources"]:
            if one["type"].startswith("aws:"):
                found[f"{one['type'].rpartition(':')[2]} {one['urn'].rpartition('::')[2]}"] = one["id"]
        return found

    def sound(self, *stacks: str) -> None:
        """Nothing is missing, changed or left over."""
        report = json.loads(self.invoke("doctor", *stacks, "--json").stdout)
        assert [check for check in report["checks"] if check["state"] != "ok"] == [], f"seed {self.seed}"
        for stack in stacks:
            self.ground.pulumi("preview", "--refresh", "--expect-no-changes", "--stack", stack)

    def put_data(self) -> None:
        utils = outputs(self.ground, UTILS)
        self.bucket, self.table, self.parameter = (
            str(outputs(self.ground, ANALYSIS)["bucket"]),
            utils["ledger_table"],
            utils["private_key_parameter"],
        )
        self.key_pair = utils["key_pair_name"]
        self.private = self._private()
        self.aws("s3").put_object(Bucket=self.bucket, Key=RESULT, Body=b"42")
        self.aws("dynamodb").put_item(
            TableName=self.table, Item={"pk": {"S": "budget"}, "sk": {"S": "x"}, "spent": {"N": "7"}}
        )

    def _private(self) -> str:
        return str(
            self.aws("ssm").get_parameter(Name=self.parameter, WithDecryption=True)["Parameter"]["Value"]
        )

    def has_its_data(self) -> None:
        utils = outputs(self.ground, UTILS)
        assert (utils["ledger_table"], utils["key_pair_name"]) == (self.table, self.key_pair)
        assert self.aws("s3").get_object(Bucket=self.bucket, Key=RESULT)["Body"].read() == b"42"
        item = self.aws("dynamodb").get_item(
            TableName=self.table, Key={"pk": {"S": "budget"}, "sk": {"S": "x"}}
        )["Item"]
        assert item["spent"]["N"] == "7"
        assert self._private() == self.private


def descendants(pid: int) -> list[int]:
    """A process and all below it: plugins are in process groups of their own."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(folder.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with playground(ROOT) as ground:
        for name in OTHERS:
            shutil.rmtree(ground.root / "blueprints" / name)
        ground.invoke("local.up")
        yield Service(ground)


@pytest.mark.parametrize("stack", [UTILS, ANALYSIS])
def test_a_killed_first_deployment_goes_on(service: Service, stack: str) -> None:
    assert service.killed(stack, service.moments.randint(2, 25)), service.seed
    if stack == UTILS:
        locked = service.deploy(stack, code=1)
        assert f"invoke unlock {stack}" in locked.stdout + locked.stderr
    service.invoke("unlock", stack, "--yes", "--local")
    service.deploy(stack)
    service.sound(stack)


def test_a_killed_update_goes_on_with_all_data(service: Service) -> None:
    service.put_data()
    script = service.ground.root / "blueprints/analysis/provision/10-tools.sh"
    script.write_text(script.read_text() + "\n# changed\n")  # its component, recipe and more are replaced
    service.ground.pulumi("config", "set", "logRetentionDays", "60", "--stack", ANALYSIS)
    if service.killed(ANALYSIS, service.moments.randint(1, 5)):
        service.invoke("unlock", ANALYSIS, "--yes", "--local")
    service.deploy(ANALYSIS)
    service.sound(ANALYSIS)
    service.has_its_data()


def test_a_lost_state_is_found_again_and_nothing_of_others_is_taken(service: Service) -> None:
    s3, sqs, iam, logs = (service.aws(name) for name in ("s3", "sqs", "iam", "logs"))
    foreign = "neurocaas-utils-artifacts-0000000"
    s3.create_bucket(Bucket=foreign)  # nobody's tags
    s3.create_bucket(Bucket="neurocaas-utils-logs-0000000")
    tags = {
        "TagSet": [
            {"Key": "neurocaas:project", "Value": "neurocaas"},
            {"Key": "neurocaas:stack", "Value": "utils-of-another"},
        ]
    }
    s3.put_bucket_tagging(Bucket="neurocaas-utils-logs-0000000", Tagging=tags)
    # half of the tags
    sqs.create_queue(
        QueueName=f"neurocaas-{ANALYSIS}-submissions-0000000", tags={"neurocaas:stack": ANALYSIS}
    )
    iam.create_group(GroupName=f"neurocaas-{ANALYSIS}-debuggers-analysts-0000000")
    logs.create_log_group(logGroupName=f"/aws/lambda/neurocaas-{ANALYSIS}-manager-of-mine")
    for stack in (UTILS, ANALYSIS):
        service.deploy(stack)  # what the program says by now; nothing of the above is in its way
    before = {stack: service.resources(stack) for stack in (UTILS, ANALYSIS)}
    for stack in (UTILS, ANALYSIS):
        service.state_file(stack).unlink()
    for stack in (UTILS, ANALYSIS):
        service.deploy(stack)
    for stack, known in before.items():
        after = service.resources(stack)
        assert {
            name: (known.get(name), after.get(name))
            for name in {*known, *after}
            if known.get(name) != after.get(name)
        } == {}
    service.sound(UTILS, ANALYSIS)
    service.has_its_data()
    state = service.state_file(UTILS).read_text()
    assert [line for line in service.private.splitlines()[1:-1] if line in state] == []


def test_what_was_deleted_and_changed_by_hand_comes_back_by_one_deploy(service: Service) -> None:
    for stack, damages in ((UTILS, UTILS_DAMAGES), (ANALYSIS, ANALYSIS_DAMAGES)):
        found = service.resources(stack)
        for damage in damages:
            damage(service, found)
        report = json.loads(service.invoke("doctor", stack, "--json", code=1).stdout)
        wrong = [check for check in report["checks"] if check["state"] == "BAD"]
        assert len(wrong) > 5
        assert all(
            check["found"].startswith("got: ") and "; allowed: " in check["found"] and check["fix"]
            for check in wrong
        )
        service.deploy(stack)
        if stack == UTILS:
            service.deploy(ANALYSIS)  # it reads what utils says
        service.sound(stack)
    service.has_its_data()


def test_a_destroy_that_is_refused_has_taken_nothing_away(service: Service) -> None:
    """By `invoke destroy`, which looks first; and by the plain `pulumi destroy`, of which S3 refuses the
    first deletion that counts.
    """
    before = {stack: service.resources(stack) for stack in (UTILS, ANALYSIS)}
    refused = service.invoke("destroy", ANALYSIS, "--yes", "--local", code=1)
    assert "--delete-data" in refused.stderr
    assert {stack: service.resources(stack) for stack in before} == before
    plain = service.ground.pulumi("destroy", "--yes", "--skip-preview", "--stack", ANALYSIS, check=False)
    assert plain.returncode != 0
    assert "BucketNotEmpty" in plain.stdout + plain.stderr
    lambda_, sqs, found = service.aws("lambda"), service.aws("sqs"), before[ANALYSIS]
    assert lambda_.get_function(FunctionName=found[f"Function {MANAGER}"])
    assert lambda_.get_event_source_mapping(UUID=found[f"EventSourceMapping {MANAGER}"])["State"] == "Enabled"
    assert sqs.get_queue_attributes(
        QueueUrl=found[f"Queue neurocaas-{ANALYSIS}-submissions"], AttributeNames=["Policy"]
    )["Attributes"]
    alarms = {one["AlarmName"] for one in service.aws("cloudwatch").describe_alarms()["MetricAlarms"]}
    assert alarms >= {identity for name, identity in found.items() if name.startswith("MetricAlarm")}
    bucket = found[f"Bucket neurocaas-{ANALYSIS}-data"]
    notifications = service.aws("s3").get_bucket_notification_configuration(Bucket=bucket)[
        "QueueConfigurations"
    ]
    assert len(notifications) > 1
    assert service.aws("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    service.deploy(ANALYSIS)
    service.invoke("doctor", ANALYSIS)
    service.has_its_data()


Damage = Callable[[Service, dict[str, str]], None]


def _gone(service: str, call: str, argument: str, resource: str) -> Damage:
    def damage(hurt: Service, found: dict[str, str]) -> None:
        getattr(hurt.aws(service), call)(**{argument: found[resource]})

    return damage


def _role_policy(hurt: Service, found: dict[str, str]) -> None:
    role, _, policy = found[f"RolePolicy neurocaas-{ANALYSIS}-manager"].partition(":")
    hurt.aws("iam").delete_role_policy(RoleName=role, PolicyName=policy)


def _notification(hurt: Service, found: dict[str, str]) -> None:
    bucket = found[f"Bucket neurocaas-{ANALYSIS}-data"]
    hurt.aws("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})


def _settings(hurt: Service, found: dict[str, str]) -> None:
    bucket, _, key = found[f"BucketObjectv2 neurocaas-{ANALYSIS}-settings"].partition("/")
    hurt.aws("s3").delete_object(Bucket=bucket, Key=key)


def _target(hurt: Service, found: dict[str, str]) -> None:
    rule = found["EventRule neurocaas-utils-monitor"]
    (target,) = hurt.aws("events").list_targets_by_rule(Rule=rule)["Targets"]
    hurt.aws("events").remove_targets(Rule=rule, Ids=[target["Id"]])
    hurt.aws("events").disable_rule(Name=found["EventRule neurocaas-utils-monitor-sweep"])


def _mapping_off(hurt: Service, found: dict[str, str]) -> None:
    hurt.aws("lambda").update_event_source_mapping(
        UUID=found["EventSourceMapping neurocaas-utils-monitor"], Enabled=False
    )


def _permission(hurt: Service, found: dict[str, str]) -> None:
    name = found["Function neurocaas-utils-monitor-sweep"]
    hurt.aws("lambda").remove_permission(
        FunctionName=name, StatementId=found["Permission neurocaas-utils-monitor-sweep"]
    )


def _empty_bucket(hurt: Service, found: dict[str, str]) -> None:
    hurt.aws("s3").delete_bucket(Bucket=found["Bucket neurocaas-utils-logs"])


def _egress(hurt: Service, found: dict[str, str]) -> None:
    group, rule = (
        found["SecurityGroup neurocaas-utils-machines"],
        found["SecurityGroupEgressRule neurocaas-utils-machines-out-443"],
    )
    hurt.aws("ec2").revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=[rule])


MANAGER = f"neurocaas-{ANALYSIS}-manager"
ANALYSIS_DAMAGES: list[Damage] = [
    _notification,
    _role_policy,
    _settings,
    _gone("lambda", "delete_event_source_mapping", "UUID", f"EventSourceMapping {MANAGER}"),
    _gone("lambda", "delete_function", "FunctionName", f"Function {MANAGER}"),
    _gone("logs", "delete_log_group", "logGroupName", f"LogGroup {MANAGER}"),
    _gone("sqs", "delete_queue", "QueueUrl", f"Queue neurocaas-{ANALYSIS}-submissions"),
    _gone(
        "ec2",
        "delete_launch_template",
        "LaunchTemplateId",
        f"LaunchTemplate neurocaas-{ANALYSIS}-debuggers-machine",
    ),
    _gone(
        "imagebuilder",
        "delete_image_pipeline",
        "imagePipelineArn",
        f"ImagePipeline neurocaas-{ANALYSIS}-image",
    ),
    lambda hurt, found: hurt.aws("cloudwatch").delete_alarms(
        AlarmNames=[found[f"MetricAlarm neurocaas-{ANALYSIS}-errors"]]
    ),
]
UTILS_DAMAGES: list[Damage] = [
    _target,
    _mapping_off,
    _permission,
    _empty_bucket,
    _egress,
    _gone("lambda", "delete_function", "FunctionName", "Function neurocaas-utils-monitor-sweep"),
    _gone("sns", "delete_topic", "TopicArn", "Topic neurocaas-utils-notices"),
    lambda hurt, found: hurt.aws("cloudwatch").delete_dashboards(
        DashboardNames=[found["Dashboard neurocaas-utils-dashboard"]]
    ),
    _gone("kms", "delete_alias", "AliasName", "Alias neurocaas-utils-key"),
    _gone("sqs", "delete_queue", "QueueUrl", "Queue neurocaas-utils-monitor-dead"),
    _gone("logs", "delete_log_group", "logGroupName", "LogGroup neurocaas-utils-monitor"),
]
