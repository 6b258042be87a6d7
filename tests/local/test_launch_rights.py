"""What the manager may launch: machines from its own stack's templates, with their roles, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from deployed import Deployed

pytestmark = pytest.mark.local
STACK_TAG = "neurocaas:stack"


@pytest.fixture(scope="module")
def launch(service: Deployed) -> Callable[[str], str]:
    """Asks, as the manager, whether a launch from a template would do; the error's code (DryRunOperation: it would)."""
    ec2 = service.client("ec2", service.role(service.analysis["manager_role_arn"]))

    def ask(template: str) -> str:
        tags = [{"ResourceType": kind, "Tags": [{"Key": "PriceTracking", "Value": "On"}]} for kind in ("instance", "volume")]
        with pytest.raises(ClientError) as refused:
            ec2.run_instances(LaunchTemplate={"LaunchTemplateId": template}, MinCount=1, MaxCount=1, TagSpecifications=tags, DryRun=True)
        return str(refused.value.response["Error"]["Code"])

    return ask


@pytest.fixture
def copy(service: Deployed) -> Iterator[Callable[..., str]]:
    """Makes a launch template like the first group's, for another stack or with another role."""
    ec2, made = service.client("ec2"), list[str]()
    own = service.analysis["groups"]["lab1"]["launch_template_id"]
    (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=own, Versions=["$Default"])["LaunchTemplateVersions"]

    def another(stack: str, **changes: Any) -> str:
        tags = [{"ResourceType": "launch-template", "Tags": [{"Key": STACK_TAG, "Value": stack}]}]
        data = {**version["LaunchTemplateData"], **changes}
        data["MetadataOptions"] = {name: value for name, value in data["MetadataOptions"].items() if name != "State"}  # EC2's own answer
        answer = ec2.create_launch_template(LaunchTemplateName=f"copy-{len(made)}", LaunchTemplateData=data, TagSpecifications=tags)
        made.append(answer["LaunchTemplate"]["LaunchTemplateId"])
        return made[-1]

    yield another
    for template in made:
        ec2.delete_launch_template(LaunchTemplateId=template)


def test_from_the_templates_of_its_stack(service: Deployed, launch: Callable[[str], str]) -> None:
    for group in service.analysis["groups"].values():
        assert launch(group["launch_template_id"]) == "DryRunOperation"


def test_not_from_a_template_of_another_stack(launch: Callable[[str], str], copy: Callable[..., str]) -> None:
    assert launch(copy("analysis-webdev")) == "DryRunOperation"
    assert launch(copy("analysis-prod")) == "UnauthorizedOperation"


def test_not_with_a_role_that_is_no_machines(service: Deployed, launch: Callable[[str], str], copy: Callable[..., str]) -> None:
    profile = service.utils["developer_instance_profile"]
    assert launch(copy("analysis-webdev", IamInstanceProfile={"Name": profile})) == "UnauthorizedOperation"
