"""What the stacks of this program must have; test_checks.py has what must hold for any stack."""

from __future__ import annotations

import fnmatch
import functools
import json
from collections.abc import Callable
from typing import Any

import pytest

from components.place import Place
from components.policies import boundary, machine, manager, people
from components.policies.document import allow_own, allow_unscoped
from neurocaas.protocol import limits
from tests.program.iam_oracle import Policy, allowed
from tests.program.recording import Recorded

PLACE = Place(partition="aws", region="us-east-1", account="111122223333")


@pytest.fixture(params=["utils", "analysis", "prod"])
def stack(request: pytest.FixtureRequest) -> Recorded:
    recorded: Recorded = request.getfixturevalue(request.param)
    return recorded


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_role_is_taken_by_one_service_but_the_writer_which_the_monitor_takes(stack: Recorded) -> None:
    for role in stack.of_type("Role"):
        (statement,) = role.policy("assumeRolePolicy")["Statement"]
        writer = role.name.endswith("-writer")
        assert (
            statement["Principal"] == {"AWS": stack.outputs["monitor_role_arn"]}
            if writer
            else set(statement["Principal"]) == {"Service"}
        )
        assert role.inputs.get("path", "/").startswith("/neurocaas-writers/") is writer, role.name
    assert sum(role.name.endswith("-writer") for role in stack.of_type("Role")) == (
        stack.outputs["kind"] == "utils"
    )


def test_queues_have_a_dead_letter_queue_with_an_alarm(stack: Recorded) -> None:
    for queue in stack.of_type("Queue"):
        if not queue.name.endswith("-dead"):
            target = json.loads(queue.inputs["redrivePolicy"])["deadLetterTargetArn"]
            assert f"{queue.name}-dead" in target
            assert stack.one("MetricAlarm", f"{queue.name}-dead").inputs["alarmActions"]
    assert len(stack.of_type("Queue")) == 2


def test_a_queue_hides_a_message_longer_than_its_function_may_run(stack: Recorded) -> None:
    for mapping in stack.of_type("EventSourceMapping"):
        function = next(f for f in stack.of_type("Function") if f.name == mapping.name)
        queue = next(
            q
            for q in stack.of_type("Queue")
            if q.name in mapping.inputs["eventSourceArn"] and not q.name.endswith("-dead")
        )
        wanted = limits.QUEUE_VISIBILITY if "submissions" in queue.name else 6 * function.inputs["timeout"]
        assert function.inputs["timeout"] < queue.inputs["visibilityTimeoutSeconds"] == wanted
        assert mapping.inputs["functionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping.inputs["maximumBatchingWindowInSeconds"] == 0


def test_functions_write_to_a_log_group_of_the_stack_and_run_the_supported_runtime(stack: Recorded) -> None:
    names = {group.inputs["name"] for group in stack.of_type("LogGroup")}
    for function in stack.of_type("Function"):
        assert function.inputs["runtime"] == "python3.12"
        assert function.inputs["loggingConfig"]["logGroup"] in names


def test_machines_leave_nothing_and_carry_tags(analysis: Recorded) -> None:
    templates = analysis.of_type("LaunchTemplate")
    assert len(templates) == 2
    for template in templates:
        assert template.inputs["metadataOptions"]["instanceMetadataTags"] == "enabled"
        assert template.inputs["instanceInitiatedShutdownBehavior"] == "terminate"
        (volume,) = template.inputs["blockDeviceMappings"]
        assert volume["ebs"]["deleteOnTermination"] == "true"
        assert {spec["resourceType"] for spec in template.inputs["tagSpecifications"]} == {
            "instance",
            "volume",
        }


def test_nothing_comes_in_and_only_web_ports_go_out(utils: Recorded) -> None:
    assert not utils.of_type("SecurityGroupIngressRule")
    for group in utils.of_type("SecurityGroup"):
        assert not {"ingress", "egress"} & set(group.inputs)
    assert {rule.inputs["fromPort"] for rule in utils.of_type("SecurityGroupEgressRule")} == {443, 80}


def test_no_destroy_takes_users_data_along(analysis: Recorded, prod: Recorded) -> None:
    assert analysis.one("Bucket").inputs["forceDestroy"] is False
    assert prod.one("Bucket").inputs["forceDestroy"] is False


def test_the_manager_launches_from_its_own_templates_only(analysis: Recorded) -> None:
    policy = analysis.one("RolePolicy", "manager").policy()
    launches = [statement for statement in policy["Statement"] if "ec2:RunInstances" in statement["Action"]]
    by_resource = {
        resource.split(":")[5].split("/")[0]: s.get("Condition", {})
        for s in launches
        for resource in s["Resource"]
    }
    for kind in ("instance", "volume"):
        templates = f"arn:aws:ec2:us-east-1:{PLACE.account}:launch-template/*"
        assert by_resource[kind]["ArnLike"]["ec2:LaunchTemplate"] == templates
        assert by_resource[kind]["StringEquals"]["aws:RequestTag/PriceTracking"] == "On"
    for kind in ("image", "security-group", "key-pair"):
        assert by_resource[kind] == {"Bool": {"ec2:IsLaunchTemplateResource": "true"}}
    assert by_resource["launch-template"] == {
        "StringEquals": {"aws:ResourceTag/neurocaas:stack": "spikes-webdev"}
    }
    passes = next(statement for statement in policy["Statement"] if statement["Action"] == ["iam:PassRole"])
    assert passes["Resource"] == [f"arn:aws:iam::{PLACE.account}:role/neurocaas/spikes-webdev/*"]
    assert passes["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    paths = {role.name.rpartition("-")[2]: role.inputs["path"] for role in analysis.of_type("Role")}
    assert paths == {"machine": "/neurocaas/spikes-webdev/", "manager": "/"}
    profiles = {one.name.split("-")[3]: one.inputs["path"] for one in analysis.of_type("InstanceProfile")}
    assert profiles == {group: f"/neurocaas/spikes-webdev/{group}/" for group in ("lab1", "lab10")}


LAUNCH = {
    "ec2:LaunchTemplate": f"arn:aws:ec2:us-east-1:{PLACE.account}:launch-template/lt-1",
    "ec2:InstanceProfile": f"arn:aws:iam::{PLACE.account}:instance-profile/neurocaas/spikes-webdev/lab1/machine-1a2b3c4",  # noqa: E501
    "ec2:InstanceType": "m5.large",
    "aws:RequestTag/PriceTracking": "On",
    "aws:RequestTag/Timeout": "60",
    "aws:RequestTag/bucket": "spikes",
    "aws:RequestTag/group": "lab1",
}
"""What EC2 says of the machine of a launch (Service Authorization Reference, "Amazon EC2": instance)."""


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"ec2:InstanceType": "m5.xlarge"},
        {"aws:RequestTag/Timeout": "1"},
        {"aws:RequestTag/Timeout": "2880"},
        {"ec2:InstanceMarketType": "spot", "ec2:AvailabilityZone": "us-east-1b"},
    ],
)
def test_the_manager_starts_machines_of_its_analysis(analysis: Recorded, change: dict[str, str]) -> None:
    own = analysis.one("RolePolicy", "manager").policy()
    assert allowed(
        [own],
        "ec2:RunInstances",
        PLACE.arn("ec2", "instance/*"),
        boundary.boundary(PLACE),
        **{**LAUNCH, **change},
    )


@pytest.mark.parametrize(
    "change",
    [
        {"ec2:InstanceType": "p4d.24xlarge"},
        {"ec2:InstanceType": "m5.*"},
        {
            "ec2:InstanceProfile": f"arn:aws:iam::{PLACE.account}:instance-profile/neurocaas/spikes-webdev/lab10/machine-1a2b3c4"  # noqa: E501
        },
        {
            "ec2:InstanceProfile": f"arn:aws:iam::{PLACE.account}:instance-profile/neurocaas/spikes-prod/lab1/machine-1a2b3c4"  # noqa: E501
        },
        {"ec2:InstanceProfile": f"arn:aws:iam::{PLACE.account}:instance-profile/lab1/machine-1a2b3c4"},
        {"aws:RequestTag/group": "lab10"},
        {"aws:RequestTag/group": "*"},
        {"aws:RequestTag/group": "lab?"},
        {"aws:RequestTag/bucket": "another"},
        {"aws:RequestTag/Timeout": "2881"},
        {"aws:RequestTag/Timeout": "10000"},
        {"aws:RequestTag/PriceTracking": "Off"},
        {"ec2:LaunchTemplate": "arn:aws:ec2:us-east-1:999999999999:launch-template/lt-1"},
        *({key: None} for key in LAUNCH),
    ],
)
def test_the_manager_starts_no_other_machine(analysis: Recorded, change: dict[str, str | None]) -> None:
    own = analysis.one("RolePolicy", "manager").policy()
    keys = {key: value for key, value in {**LAUNCH, **change}.items() if value is not None}
    assert not allowed([own], "ec2:RunInstances", PLACE.arn("ec2", "instance/*"), None, **keys)


@pytest.mark.parametrize("largest", [1, 9, 10, 60, 99, 100, 2880, 39999, 43200])
def test_numbers_up_to_a_number_as_patterns(largest: int) -> None:
    patterns = manager.numbers_up_to(largest)
    for number in (
        *range(1, 200),
        *range(largest - 20, largest + 20),
        9999,
        10_000,
        43_199,
        43_200,
        43_201,
        99_999,
        100_000,
    ):
        if number > 0:
            assert any(fnmatch.fnmatchcase(str(number), pattern) for pattern in patterns) is (
                number <= largest
            ), number


def test_the_monitor_ends_tagged_machines_only_and_touches_no_inputs(
    utils: Recorded, analysis: Recorded
) -> None:
    policy = utils.one("RolePolicy", "monitor").policy()
    ends = next(
        statement for statement in policy["Statement"] if "ec2:TerminateInstances" in statement["Action"]
    )
    assert ends["Condition"] == {"StringEquals": {"aws:ResourceTag/PriceTracking": "On"}}
    granted = [
        s for s in analysis.one("BucketPolicy").policy()["Statement"] if s["Sid"].startswith("Monitor")
    ]
    assert {s["Principal"]["AWS"] for s in granted} == {
        utils.outputs["monitor_role_arn"],
        utils.outputs["monitor_writer_role_arn"],
    }
    assert not any(
        "inputs" in resource or "submissions" in resource for s in granted for resource in s["Resource"]
    )


def in_bucket(analysis: Recorded, role_arn: str) -> Policy:
    """What the bucket's policy gives a role."""
    statements = analysis.one("BucketPolicy").policy()["Statement"]
    own = [
        {key: value for key, value in one.items() if key != "Principal"}
        for one in statements
        if one["Principal"] == {"AWS": role_arn}
    ]
    return {"Statement": own}


OWN = "AROAEXAMPLE1:i-0123456789abcdef0"


def rights(stacks: tuple[Recorded, Recorded], who: str, key: str) -> str:
    """What somebody may do with an object of the bucket of an analysis: get, put, delete."""
    utils, analysis = stacks
    monitor, writer = utils.outputs["monitor_role_arn"], utils.outputs["monitor_writer_role_arn"]
    policies: dict[str, Callable[[], Policy]] = {
        "analyst": lambda: analysis.one("GroupPolicy", "lab1-").policy(),
        "machine": lambda: analysis.one("RolePolicy", "lab1-machine").policy(),
        "manager": lambda: analysis.one("RolePolicy", "-manager").policy(),
        "monitor": lambda: in_bucket(analysis, monitor),
        "writer": lambda: in_bucket(analysis, writer),
        "developer": lambda: in_bucket(analysis, utils.outputs["developer_role_arn"]),
    }
    limit, arn, keys = boundary.boundary(PLACE), f"arn:aws:s3:::spikes/{key}", {"aws:userid": OWN}
    actions = {"G": "s3:GetObject", "P": "s3:PutObject", "D": "s3:DeleteObject"}
    return "".join(
        letter for letter, action in actions.items() if allowed([policies[who]()], action, arn, limit, **keys)
    )


@pytest.mark.parametrize(
    ("key", "who"),
    [
        (
            "jobs/lab1/job_1/job.json",
            {"analyst": "G", "machine": "G", "manager": "GP", "monitor": "G", "writer": "P"},
        ),
        ("jobs/lab10/job_1/job.json", {"manager": "GP", "monitor": "G", "writer": "P"}),
        (
            "jobs/lab1/results/x",
            {"analyst": "G", "machine": "G", "manager": "GP", "monitor": "G", "writer": "GP"},
        ),
        (f"evidence/{OWN}/status.json", {"machine": "GP", "monitor": "G"}),
        ("evidence/AROAEXAMPLE1:i-0123456789abcdef1/status.json", {"monitor": "G"}),
        (f"evidence/{OWN[:-1]}/status.json", {"monitor": "G"}),
        ("evidence/lab1/results/x", {"monitor": "G", "writer": "GP"}),
        ("logs/active/i-1.json", {"monitor": "G", "writer": "PD"}),
        ("logs/lab1/i-1.json", {"monitor": "G", "writer": "P"}),
        ("logs/results/i-1.json", {"monitor": "G", "writer": "GP"}),
        (
            "lab1/results/job_1/logs/certificate.txt",
            {"analyst": "G", "machine": "GP", "manager": "GP", "monitor": "G", "writer": "GP"},
        ),
        (
            "lab1/results/job_1/process_results/x",
            {"analyst": "G", "machine": "GP", "manager": "GP", "monitor": "G", "writer": "GPD"},
        ),
        ("lab1/submissions/x_submit.json", {"analyst": "PD", "manager": "G"}),
        (
            "debuggers/results/debugjob_1/logs/job.json",
            {"manager": "GP", "monitor": "G", "writer": "GP", "developer": "GP"},
        ),
        ("jobs/debuggers/job_1/job.json", {"manager": "GP", "monitor": "G", "writer": "P"}),
    ],
)
def test_who_says_what_the_service_believes(
    utils: Recorded, analysis: Recorded, key: str, who: dict[str, str]
) -> None:
    """The writer's rights are those of no session: each has a policy for one group
    (tests/unit/test_monitor_confined.py).
    """
    principals = ("analyst", "machine", "manager", "monitor", "writer", "developer")
    assert {one: found for one in principals if (found := rights((utils, analysis), one, key))} == who


def test_records_are_listed_by_those_who_may_read_them(analysis: Recorded) -> None:
    for policy in (
        analysis.one("GroupPolicy", "lab1-").policy(),
        analysis.one("RolePolicy", "lab1-machine").policy(),
    ):
        for prefix, listed in (
            ("jobs/lab1/", True),
            ("jobs/lab1/job_1/stop.json", True),
            ("jobs/lab10/", False),
            ("jobs/", False),
        ):
            assert (
                allowed([policy], "s3:ListBucket", "arn:aws:s3:::spikes", None, **{"s3:prefix": prefix})
                is listed
            ), prefix
        assert not allowed(
            [policy], "s3:ListBucket", "arn:aws:s3:::spikes", None, **{"s3:prefix": "evidence/"}
        )


def test_the_monitor_writes_to_no_bucket_by_itself_and_takes_its_writer_only(utils: Recorded) -> None:
    own, limit = utils.one("RolePolicy", "monitor").policy(), boundary.boundary(PLACE)
    used = {
        action
        for statement in own["Statement"]
        for action in as_list(statement["Action"])
        if action.startswith("s3:")
    }
    assert used == {"s3:GetObject", "s3:ListBucket"}
    writer = utils.outputs["monitor_writer_role_arn"]
    assert (
        allowed([own], "sts:AssumeRole", f"arn:aws:iam::{PLACE.account}:role/neurocaas-writers/x", limit)
        is False
    )
    assert allowed([own], "sts:AssumeRole", writer)
    assert not allowed([own], "sts:AssumeRole", utils.outputs["developer_role_arn"])
    assert not [one for one in utils.of_type("RolePolicy") if one.name.endswith("-writer")]
    for function in utils.of_type("Function"):
        environment = function.inputs["environment"]["variables"]
        assert environment["NEUROCAAS_WRITER_ROLE_ARN"] == writer
        assert environment["NEUROCAAS_ARTIFACT_BUCKET"] == utils.outputs["artifact_bucket"]


def test_no_role_takes_another_but_a_writer() -> None:
    limit = boundary.boundary(PLACE)
    everything = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    for path, taken in (("neurocaas-writers/", True), ("", False), ("neurocaas/spikes-webdev/", False)):
        role = f"arn:aws:iam::{PLACE.account}:role/{path}x"
        assert allowed([everything], "sts:AssumeRole", role, limit) is taken, path


def test_the_monitor_delivers_to_the_queues_of_submissions_and_to_no_other(
    utils: Recorded, analysis: Recorded
) -> None:
    own, limit = utils.one("RolePolicy", "monitor").policy(), boundary.boundary(PLACE)
    (queue,) = [one for one in analysis.of_type("Queue") if not one.name.endswith("-dead")]
    for name, sends in (
        (queue.name, True),
        (f"{queue.name}-dead", False),
        ("neurocaas-utils-monitor", False),
    ):
        arn = PLACE.arn("sqs", f"{name}-1a2b3c4")
        assert allowed([own], "sqs:SendMessage", arn, limit) is sends, name
    artifacts = utils.outputs["artifact_bucket"]
    for key, read in (("analyses/spikes-webdev/settings.json", True), ("code/x.tar.gz", False)):
        assert allowed([own], "s3:GetObject", f"arn:aws:s3:::{artifacts}/{key}", limit) is read, key
    for prefix, listed in (("analyses/", True), ("code/", False), ("", False)):
        assert (
            allowed([own], "s3:ListBucket", f"arn:aws:s3:::{artifacts}", limit, **{"s3:prefix": prefix})
            is listed
        ), prefix


def test_evidence_expires_and_records_stay(analysis: Recorded) -> None:
    rules = analysis.one("BucketLifecycleConfiguration").inputs["rules"]
    assert {
        rule["filter"]["prefix"]: rule["expiration"]["days"] for rule in rules if "expiration" in rule
    } == {"evidence/": 90}


def test_development_instances_reach_the_debuggers_data_and_no_other_groups(
    utils: Recorded, analysis: Recorded
) -> None:
    granted = [
        s for s in analysis.one("BucketPolicy").policy()["Statement"] if s["Sid"].startswith("Developer")
    ]
    assert granted
    assert all(s["Principal"] == {"AWS": utils.outputs["developer_role_arn"]} for s in granted)
    for statement in granted:
        keys = [resource.split("/", 1)[1] for resource in statement["Resource"] if "/" in resource]
        patterns = keys or statement["Condition"]["StringLike"]["s3:prefix"]
        assert all(pattern.startswith("debuggers/") for pattern in patterns)
    own = utils.one("RolePolicy", "dev").policy()
    assert not any(
        action.startswith("s3:Put")
        for statement in own["Statement"]
        for action in as_list(statement["Action"])
    )


def test_development_instances_and_jobs_have_security_groups_of_their_own(utils: Recorded) -> None:
    assert utils.outputs["developer_security_group_id"] != utils.outputs["security_group_id"]


def test_the_monitor_stops_machines_of_the_service_and_nothing_else(utils: Recorded) -> None:
    policy = utils.one("RolePolicy", "monitor").policy()
    stops = [statement for statement in policy["Statement"] if "ec2:StopInstances" in statement["Action"]]
    assert [s["Condition"] for s in stops] == [{"StringEquals": {"aws:ResourceTag/PriceTracking": "On"}}]


def reaches(policy: dict[str, Any], action: str, arn: str, prefix: str | None = None) -> bool:
    """A small policy simulator: allow statements with at most a condition on s3:prefix."""
    for statement in policy["Statement"]:
        if statement["Effect"] != "Allow" or action not in as_list(statement["Action"]):
            continue
        if not any(fnmatch.fnmatchcase(arn, pattern) for pattern in as_list(statement["Resource"])):
            continue
        wanted = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
        if wanted is None or (
            prefix is not None and any(fnmatch.fnmatchcase(prefix, pattern) for pattern in wanted)
        ):
            return True
    return False


@pytest.mark.parametrize(
    ("action", "key", "allowed"),
    [
        ("s3:PutObject", "lab1/inputs/a.zip", True),
        ("s3:PutObject", "lab1/configs/c.json", True),
        ("s3:PutObject", "lab1/submissions/x_submit.json", True),
        ("s3:PutObject", "lab1/results/job_1/process_results/x", False),
        ("s3:DeleteObject", "lab1/results/job_1/logs/certificate.txt", False),
        ("s3:GetObject", "lab1/inputs/a.zip", False),
        ("s3:GetObject", "lab1/results/job_1/x", True),
        ("s3:GetObject", "lab1/configs/c.json", True),
        ("s3:GetObject", "lab10/results/job_1/x", False),
        ("s3:PutObject", "lab10/inputs/a.zip", False),
        ("s3:GetObject", "logs/active/i-1.json", False),
        ("s3:ListMultipartUploadParts", "lab1/inputs/a.zip", True),
        ("s3:ListMultipartUploadParts", "lab1/results/job_1/x", False),
        ("s3:ListMultipartUploadParts", "lab10/inputs/a.zip", False),
    ],
)
def test_analysts_have_what_the_contract_gives_them(
    analysis: Recorded, action: str, key: str, allowed: bool
) -> None:
    policy = analysis.one("GroupPolicy", "lab1-").policy()
    assert reaches(policy, action, f"arn:aws:s3:::spikes/{key}") is allowed


@pytest.mark.parametrize(
    ("prefix", "allowed"),
    [
        ("lab1/", True),
        ("lab1/results/job_1/", True),
        ("lab10/", False),
        ("lab1", False),
        ("", False),
        (None, False),
    ],
)
def test_analysts_list_their_own_prefix_only(analysis: Recorded, prefix: str | None, allowed: bool) -> None:
    policy = analysis.one("GroupPolicy", "lab1-").policy()
    assert reaches(policy, "s3:ListBucket", "arn:aws:s3:::spikes", prefix) is allowed


@pytest.mark.parametrize(
    ("action", "key", "allowed"),
    [
        ("s3:GetObject", "spikes/lab1/inputs/a.zip", True),
        ("s3:GetObject", "spikes/lab10/inputs/a.zip", False),
        ("s3:GetObjectVersion", "spikes/lab1/inputs/a.zip", True),
        ("s3:GetObjectVersion", "spikes/lab1/configs/c.json", True),
        ("s3:GetObjectVersion", "spikes/lab10/inputs/a.zip", False),
        ("s3:GetObjectVersion", "spikes/jobs/lab1/job_1/job.json", False),
        ("s3:PutObject", "spikes/lab1/results/job_1/x", True),
        ("s3:PutObject", "spikes/lab10/results/job_1/x", False),
        ("s3:PutObject", "spikes/lab1/inputs/a.zip", False),
        ("s3:PutObject", "spikes/lab1/submissions/x_submit.json", False),
        ("s3:DeleteObject", "spikes/lab1/results/job_1/x", False),
        ("s3:GetObject", "neurocaas-utils-artifacts-1a2b3c4/code/x.tar.gz", True),
        ("s3:GetObject", "neurocaas-utils-artifacts-1a2b3c4/analyses/spikes-webdev/settings.json", False),
    ],
)
def test_machines_reach_their_own_group_only(
    analysis: Recorded, action: str, key: str, allowed: bool
) -> None:
    policy = analysis.one("RolePolicy", "lab1-machine").policy()
    assert reaches(policy, action, f"arn:aws:s3:::{key}") is allowed


def test_machines_read_the_secrets_that_their_stack_names_and_no_others() -> None:
    key, where = PLACE.arn("kms", "key/k"), PLACE.arn("ssm", "parameter/neurocaas/secrets")
    of_group = functools.partial(machine.machine, PLACE, bucket="b", group="lab1", artifact_bucket="a")
    policy = of_group(stack="dti-prod", secrets=["API_TOKEN"], kms_key_arn=key)
    most = boundary.boundary(PLACE)

    def opened(name: str) -> bool:
        context = {"kms:EncryptionContext:PARAMETER_ARN": f"{where}/{name}"}
        return allowed([policy], "kms:Decrypt", key, most, **context)

    def read(name: str) -> bool:
        return allowed([policy], "ssm:GetParameters", f"{where}/{name}", most)

    assert read("dti-prod/API_TOKEN")
    assert opened("dti-prod/API_TOKEN")
    for other in ("dti-prod/OTHER", "dti-prod2/API_TOKEN", "dti-webdev/API_TOKEN"):
        assert not read(other)
        assert not opened(other)
    assert not allowed([policy], "kms:Decrypt", key, most)
    without = of_group()
    assert not allowed([without], "ssm:GetParameters", f"{where}/dti-prod/API_TOKEN", most)


def test_the_manager_lists_the_versions_that_it_pins_and_reads_none(analysis: Recorded) -> None:
    policy = analysis.one("RolePolicy", "manager").policy()
    assert reaches(policy, "s3:ListBucketVersions", "arn:aws:s3:::spikes")
    assert not reaches(policy, "s3:ListBucketVersions", "arn:aws:s3:::another")
    assert not reaches(policy, "s3:GetObjectVersion", "arn:aws:s3:::spikes/lab1/inputs/a.zip")


def test_submissions_enter_by_the_groups_prefix_and_from_this_bucket_only(analysis: Recorded) -> None:
    notices = analysis.one("BucketNotification").inputs["queues"]
    assert {(n.get("filterPrefix"), n["filterSuffix"]) for n in notices} == {
        ("lab1/submissions/", ".json"),
        ("lab10/submissions/", ".json"),
        ("jobs/", ".retry"),
    }
    (statement,) = analysis.one("QueuePolicy").policy()["Statement"]
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": "arn:aws:s3:::spikes"},
        "StringEquals": {"aws:SourceAccount": PLACE.account},
    }


def test_every_action_of_a_role_is_within_the_boundary(utils: Recorded, analysis: Recorded) -> None:
    limit = utils.one("Policy", "boundary").policy()["Statement"]
    assert all(statement["Effect"] == "Allow" for statement in limit)
    within = {action for statement in limit for action in statement["Action"]}
    for stack in (utils, analysis):
        for policy in stack.of_type("RolePolicy"):
            used = {
                action
                for statement in policy.policy()["Statement"]
                for action in as_list(statement["Action"])
            }
            assert used <= within, (policy.name, used - within)


def test_policies_fit_into_iams_limits() -> None:
    assert len(json.dumps(boundary.boundary(PLACE), separators=(",", ":"))) <= 6144
    name, arn = "n" * 63, "arn:aws:iam::111122223333:role/" + "r" * 64
    ten = manager.manager(
        PLACE,
        manager.ManagerRights(
            analysis=name,
            bucket=name,
            artifact_bucket=name,
            settings_key=name * 2,
            queue_arn=arn,
            log_group_arn=arn,
            ledger_arn=arn,
            stack=name,
            machine_path=f"/neurocaas/{name}/",
            instance_types=[f"u7in-{number}tb.224xlarge" for number in range(10, 30)],
            max_minutes=39999,
            topic_arn=arn,
            topic_key_arn=arn,
            image_parameter="/aws/service/x",
        ),
    )
    assert len(json.dumps(ten, separators=(",", ":"))) <= 10_240
    assert (
        len(json.dumps(people.analysts(PLACE, buckets=[name], group="g" * 63), separators=(",", ":")))
        <= 5_120
    )


def test_a_statement_that_is_too_wide_is_refused() -> None:
    with pytest.raises(ValueError, match="too wide"):
        allow_own(PLACE, "X", ["s3:*"], ["arn:aws:s3:::b"])
    with pytest.raises(ValueError, match="too wide"):
        allow_own(PLACE, "X", ["s3:GetObject"], ["*"])
    with pytest.raises(ValueError, match="tied to resources"):
        allow_unscoped("X", ["s3:GetObject"])


@pytest.mark.parametrize(("group", "may"), [("debuggers", True), ("lab1", False)])
def test_developers_enter_and_end_held_machines_and_no_others(group: str, may: bool) -> None:
    rights, limit = [people.analysts(PLACE, buckets=["spikes"], group=group)], boundary.boundary(PLACE)
    machine_ = PLACE.arn("ec2", "instance/i-1")
    until = "2026-01-31T12:00:00.000Z"
    for action, key in (
        ("ssm:StartSession", "ssm:resourceTag"),
        ("ec2:TerminateInstances", "aws:ResourceTag"),
    ):
        assert allowed(rights, action, machine_, limit, **{f"{key}/neurocaas-held": until}) is may
        assert not allowed(rights, action, machine_, limit, **{f"{key}/PriceTracking": "On"})
    shell = PLACE.arn("ssm", "document/SSM-SessionManagerRunShell")
    assert allowed(rights, "ssm:StartSession", shell, limit) is may
    assert not allowed(
        rights, "ssm:StartSession", PLACE.public_arn("ssm", "document/AWS-RunShellScript"), limit
    )
    for session, own in (("AIDADEV-1", True), ("AIDAOTHER-1", False)):
        arn = PLACE.arn("ssm", f"session/{session}")
        assert allowed(rights, "ssm:TerminateSession", arn, limit, **{"aws:userid": "AIDADEV"}) is (
            may and own
        )


def test_the_monitor_marks_machines_as_held_and_changes_no_other_tag(utils: Recorded) -> None:
    own, limit = utils.one("RolePolicy", "monitor").policy(), boundary.boundary(PLACE)
    machine_, ours = PLACE.arn("ec2", "instance/i-1"), {"aws:ResourceTag/PriceTracking": "On"}
    assert allowed([own], "ec2:CreateTags", machine_, limit, **ours, **{"aws:TagKeys": "neurocaas-held"})
    assert not allowed([own], "ec2:CreateTags", machine_, limit, **ours, **{"aws:TagKeys": "PriceTracking"})
    assert not allowed([own], "ec2:CreateTags", machine_, limit, **{"aws:TagKeys": "neurocaas-held"})


def test_only_machines_that_may_be_held_talk_to_session_manager() -> None:
    for held in (True, False):
        policy = machine.machine(PLACE, bucket="spikes", group="lab1", artifact_bucket="code", held=held)
        assert allowed([policy], "ssmmessages:OpenControlChannel", "*") is held
