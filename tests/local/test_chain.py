"""The real engine against the local cloud: deploying twice, after a kill, and with IAM enforced."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from console.stacks import all_stacks
from demo.playground import Playground
from localcloud.cloud import Cloud
from localcloud.paths import Paths
from localcloud.tests.denials import denied
from tests.local.deployed import Deployed, outputs
from tests.local.states import ALL, States, up

GROUP, OTHER = "debuggers", "lab1"
BOTH = ("utils", "analysis-webdev")
"""What stands for all stacks where each asks the same: the other analyses are the same program."""
pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture(scope="module")
def service(states: States) -> Iterator[Deployed]:
    """The local cloud with every stack deployed; the starter analysis has several groups."""
    with states.service(ALL) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def ground(service: Deployed) -> Playground:
    return service.ground


def test_a_second_up_changes_nothing(ground: Playground) -> None:
    for stack in all_stacks(ground.root):
        up(ground, stack, "--expect-no-changes")


def test_a_preview_is_one_json_document_without_changes(ground: Playground) -> None:
    for stack in BOTH:
        digest = json.loads(ground.pulumi("preview", "--json", "--stack", stack).stdout)
        assert set(digest["changeSummary"]) == {"same"}
        assert digest["changeSummary"]["same"] > 40
        assert {step["op"] for step in digest["steps"]} <= {"same", "read"}  # read: the reference to utils


def test_the_outputs_agree_with_their_schema_and_read_like_a_file(ground: Playground) -> None:
    document = outputs(ground, "analysis-webdev")
    assert document["schema_version"] == 1
    assert set(document["groups"]) == {GROUP, OTHER, "lab10"}
    lines = ground.invoke(
        "outputs", "--local", "--stack", "analysis-webdev", "--format", "github"
    ).stdout.splitlines()
    assert f"bucket={document['bucket']}" in lines


def test_a_machine_of_one_group_cannot_read_the_inputs_of_another(service: Deployed) -> None:
    client, stack = service.client, service.analysis
    bucket = stack["bucket"]
    for group in (GROUP, OTHER):
        for folder in ("inputs", "results"):
            client("s3").put_object(
                Bucket=bucket, Key=f"{group}/{folder}/secret.txt", Body=b"of " + group.encode()
            )
    mine = client("s3", service.role(stack["groups"][GROUP]["instance_role"]))
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


def test_a_manager_can_launch_its_launch_template_and_nothing_else(service: Deployed) -> None:
    client, stack = service.client, service.analysis
    other = outputs(service.ground, "dti-webdev")
    function = client("lambda").get_function(FunctionName=stack["manager_function"])["Configuration"]
    manager = client("ec2", service.role(function["Role"]))
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
    for stack in BOTH:
        up(ground, stack, "--expect-no-changes")


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
    up(ground, "analysis-webdev", "--expect-no-changes")
