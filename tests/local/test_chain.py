"""The real engine against the local cloud: deploying twice, after a kill, with IAM enforced, and back to
nothing.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from console.stacks import all_stacks
from demo.playground import Playground, playground
from localcloud.cloud import Cloud
from localcloud.paths import Paths

ROOT = Path(__file__).resolve().parents[2]
GROUP, OTHER = "debuggers", "strangers"
pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def ground() -> Iterator[Playground]:
    """The local cloud with every stack deployed; the starter analysis has two groups."""
    with playground(ROOT) as made:
        blueprint = made.root / "blueprints" / "analysis" / "blueprint.yaml"
        text = blueprint.read_text()
        assert f"groups: [{GROUP}]" in text
        blueprint.write_text(text.replace(f"groups: [{GROUP}]", f"groups: [{GROUP}, {OTHER}]"))
        made.invoke("local.up")
        for stack in all_stacks(made.root):
            made.pulumi("up", "--yes", "--skip-preview", "--stack", stack)
        yield made


@pytest.fixture
def client(ground: Playground) -> Callable[[str], Any]:
    """Clients with the root key of the local cloud as it runs now."""
    environ = ground.local_environment()

    def make(service: str) -> Any:
        boto: Any = boto3  # the name of the service is not known to the type checker
        return boto.client(
            service,
            endpoint_url=environ["AWS_ENDPOINT_URL"],
            region_name=environ["AWS_REGION"],
            aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        )

    return make


def outputs(ground: Playground, stack: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ground.invoke("outputs", "--local", "--stack", stack).stdout)
    return document


def as_role(ground: Playground, client: Callable[[str], Any], role: str, service: str) -> Any:
    """A client with the rights of a role, by a temporary trust that lets the root key take it."""
    iam, sts = client("iam"), client("sts")
    name = role.rpartition("/")[2]
    described = iam.get_role(RoleName=name)["Role"]
    trust = described["AssumeRolePolicyDocument"]
    account = described["Arn"].split(":")[4]
    opened = {
        **trust,
        "Statement": [
            *trust["Statement"],
            {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"},
        ],
    }
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(opened))
    try:
        keys = sts.assume_role(RoleArn=described["Arn"], RoleSessionName="test")["Credentials"]
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    environ = ground.local_environment()
    boto: Any = boto3
    return boto.client(
        service,
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name=environ["AWS_REGION"],
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def denied(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] in (
            "AccessDenied",
            "AccessDeniedException",
            "UnauthorizedOperation",
            "403",
        ):
            return True
        raise
    return False


def test_a_second_up_changes_nothing(ground: Playground) -> None:
    for stack in all_stacks(ground.root):
        ground.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", stack)


def test_a_preview_is_one_json_document_without_changes(ground: Playground) -> None:
    for stack in all_stacks(ground.root):
        digest = json.loads(ground.pulumi("preview", "--json", "--stack", stack).stdout)
        assert set(digest["changeSummary"]) == {"same"}
        assert digest["changeSummary"]["same"] > 40
        assert {step["op"] for step in digest["steps"]} <= {"same", "read"}  # read: the reference to utils


def test_the_outputs_agree_with_their_schema_and_read_like_a_file(ground: Playground) -> None:
    document = outputs(ground, "analysis-webdev")
    assert document["schema_version"] == 1
    assert set(document["groups"]) == {GROUP, OTHER}
    lines = ground.invoke(
        "outputs", "--local", "--stack", "analysis-webdev", "--format", "github"
    ).stdout.splitlines()
    assert f"bucket={document['bucket']}" in lines


def test_a_machine_of_one_group_cannot_read_the_inputs_of_another(
    ground: Playground, client: Callable[[str], Any]
) -> None:
    stack = outputs(ground, "analysis-webdev")
    bucket = stack["bucket"]
    for group in (GROUP, OTHER):
        for folder in ("inputs", "results"):
            client("s3").put_object(
                Bucket=bucket, Key=f"{group}/{folder}/secret.txt", Body=b"of " + group.encode()
            )
    mine = as_role(ground, client, stack["groups"][GROUP]["instance_role"], "s3")
    assert mine.get_object(Bucket=bucket, Key=f"{GROUP}/inputs/secret.txt")["Body"].read() == b"of debuggers"
    mine.put_object(Bucket=bucket, Key=f"{GROUP}/results/mine.txt", Body=b"x")
    assert denied(lambda: mine.get_object(Bucket=bucket, Key=f"{OTHER}/inputs/secret.txt"))
    assert denied(lambda: mine.get_object(Bucket=bucket, Key=f"{OTHER}/results/secret.txt"))
    assert denied(lambda: mine.list_objects_v2(Bucket=bucket, Prefix=f"{OTHER}/inputs/"))
    assert denied(lambda: mine.list_objects_v2(Bucket=bucket))
    assert denied(lambda: mine.put_object(Bucket=bucket, Key=f"{OTHER}/results/x.txt", Body=b"x"))
    assert denied(lambda: mine.put_object(Bucket=bucket, Key=f"{GROUP}/inputs/x.txt", Body=b"x"))
    assert denied(
        lambda: mine.put_object(Bucket=bucket, Key=f"{GROUP}/submissions/x_submit.json", Body=b"{}")
    )


def test_a_manager_can_launch_its_launch_template_and_nothing_else(
    ground: Playground, client: Callable[[str], Any]
) -> None:
    stack = outputs(ground, "analysis-webdev")
    other = outputs(ground, "dti-webdev")
    function = client("lambda").get_function(FunctionName=stack["manager_function"])["Configuration"]
    manager = as_role(ground, client, function["Role"], "ec2")
    told = {"PriceTracking": "On", "group": GROUP, "bucket": stack["bucket"], "Timeout": "60"}
    pairs = [{"Key": key, "Value": value} for key, value in told.items()]
    tags = [{"ResourceType": kind, "Tags": pairs} for kind in ("instance", "volume")]
    one = {"MinCount": 1, "MaxCount": 1, "TagSpecifications": tags}

    def template(group: dict[str, Any]) -> dict[str, Any]:
        return {"LaunchTemplateId": group["launch_template_id"], "Version": group["launch_template_version"]}

    own, foreign = template(stack["groups"][GROUP]), template(next(iter(other["groups"].values())))
    assert denied(lambda: manager.run_instances(LaunchTemplate=foreign, **one))
    assert denied(lambda: manager.run_instances(ImageId=other["image_id"], InstanceType="m5.large", **one))
    assert denied(lambda: manager.run_instances(LaunchTemplate=own, ImageId="ami-0123456789abcdef0", **one))
    assert denied(lambda: manager.terminate_instances(InstanceIds=["i-0123456789abcdef0"]))
    launched = manager.run_instances(LaunchTemplate=own, **one)["Instances"]
    client("ec2").terminate_instances(InstanceIds=[machine["InstanceId"] for machine in launched])
    assert len(launched) == 1, "the refusals above are not refusals of everything"
    alive = client("ec2").describe_instances(
        Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    )
    assert alive["Reservations"] == []


def test_the_stacks_still_match_after_a_kill(ground: Playground) -> None:
    cloud = Cloud.load(Paths(ground.root / ".local"))
    assert cloud is not None
    assert cloud.fleet_pid is not None
    for pid in (cloud.emulator_pid, cloud.fleet_pid):
        os.kill(pid, signal.SIGKILL)
    ground.invoke("local.up")
    for stack in all_stacks(ground.root):
        ground.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--stack", stack)
        ground.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", stack)


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ("nonesuch-webdev", "there is no blueprint 'nonesuch'"),
        ("analysis-live", "followed by -webdev, -develop, -staging, -prod"),
        ("", "no stack"),
    ],
)
def test_a_stack_that_is_not_there_is_one_message(ground: Playground, stack: str, said: str) -> None:
    done = ground.invoke("deploy", "--local", "--yes", "--stack", stack, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_blueprint_with_three_mistakes_names_all_three_and_changes_nothing(ground: Playground) -> None:
    blueprint = ground.root / "blueprints" / "analysis" / "blueprint.yaml"
    text = blueprint.read_text()
    wrong = (
        text.replace("volume_gib: 16", "volume_gib: lots")
        .replace("budget_usd: 300", "budget_usd: much")
        .replace("title: Wait", "titel: Wait")
    )
    assert wrong != text
    blueprint.write_text(wrong)
    try:
        done = ground.pulumi("up", "--yes", "--skip-preview", "--stack", "analysis-webdev", check=False)
    finally:
        blueprint.write_text(text)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert [word for word in ("lots", "much", "titel") if word not in said] == []
    assert "Traceback" not in said
    ground.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "analysis-webdev")


def test_destroying_everything_leaves_nothing(ground: Playground, client: Callable[[str], Any]) -> None:
    """The last test of this module: it takes the stacks away."""
    for stack in reversed(all_stacks(ground.root)):
        ground.invoke("destroy", stack, "--yes", "--delete-data", "--local")
    left = {
        "buckets": client("s3").list_buckets()["Buckets"],
        "roles": client("iam").list_roles()["Roles"],
        "policies": client("iam").list_policies(Scope="Local")["Policies"],
        "profiles": client("iam").list_instance_profiles()["InstanceProfiles"],
        "users": client("iam").list_users()["Users"],
        "groups": client("iam").list_groups()["Groups"],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "topics": client("sns").list_topics()["Topics"],
        "functions": client("lambda").list_functions()["Functions"],
        "event sources": client("lambda").list_event_source_mappings()["EventSourceMappings"],
        "tables": client("dynamodb").list_tables()["TableNames"],
        "launch templates": client("ec2").describe_launch_templates()["LaunchTemplates"],
        "key pairs": client("ec2").describe_key_pairs()["KeyPairs"],
        "security groups": [
            one
            for one in client("ec2").describe_security_groups()["SecurityGroups"]
            if one["GroupName"] != "default"
        ],
        "rules": client("events").list_rules()["Rules"],
        "log groups": client("logs").describe_log_groups()["logGroups"],
        "alarms": client("cloudwatch").describe_alarms()["MetricAlarms"],
        "parameters": [
            one["Name"]
            for one in client("ssm").describe_parameters()["Parameters"]
            if not one["Name"].startswith("/aws/")
        ],
        "pipelines": client("imagebuilder").list_image_pipelines()["imagePipelineList"],
        "recipes": client("imagebuilder").list_image_recipes(owner="Self")["imageRecipeSummaryList"],
        "components": client("imagebuilder").list_components(owner="Self")["componentVersionList"],
        "infrastructures": client("imagebuilder").list_infrastructure_configurations()[
            "infrastructureConfigurationSummaryList"
        ],
        "distributions": client("imagebuilder").list_distribution_configurations()[
            "distributionConfigurationSummaryList"
        ],
        "lifecycles": client("imagebuilder").list_lifecycle_policies()["lifecyclePolicySummaryList"],
        "kms keys": [key for key in _keys(client("kms")) if key["KeyState"] != "PendingDeletion"],
    }
    assert {what: found for what, found in left.items() if found} == {}


def _keys(kms: Any) -> list[dict[str, Any]]:
    keys = [kms.describe_key(KeyId=one["KeyId"])["KeyMetadata"] for one in kms.list_keys()["Keys"]]
    return [key for key in keys if key.get("KeyManager", "CUSTOMER") == "CUSTOMER"]
