"""What the manager may launch: machines of its analysis from its own stack's templates, each with the role of
its own group, and nothing else. Asked with the manager's own code and role; with `DryRun`, so nothing
starts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from neurocaas.protocol.settings import ON_DEMAND, SPOT, AnalysisSettings
from neurocaas.protocol.tags import (
    ANALYSIS,
    ATTEMPT,
    BUCKET,
    GROUP,
    JOB,
    NAME,
    OFFSET,
    OWNER,
    PRICE_TRACKING,
    TIMEOUT,
)
from runtime.manager.aws import AwsManagerCloud
from runtime.manager.port import LaunchError, LaunchRequest
from tests.local.deployed import Deployed

pytestmark = pytest.mark.local
STACK_TAG = "neurocaas:stack"
WOULD, REFUSED = "DryRunOperation", "UnauthorizedOperation"


class DryRun:
    """EC2 as the manager's role, which is only asked. `more`: arguments of the call beside the manager's."""

    def __init__(self, ec2: Any) -> None:
        self._ec2, self.more = ec2, dict[str, Any]()

    def run_instances(self, **arguments: Any) -> Any:
        return self._ec2.run_instances(**{**arguments, **self.more}, DryRun=True)


@pytest.fixture(scope="module")
def settings(service: Deployed) -> AnalysisSettings:
    found = service.client("s3").get_object(
        Bucket=service.analysis["settings_bucket"], Key=service.analysis["settings_key"]
    )
    return AnalysisSettings.from_json(found["Body"].read())


@pytest.fixture(scope="module")
def order(settings: AnalysisSettings) -> LaunchRequest:
    """A launch that the manager may well ask for: one machine of lab1."""
    group = settings.groups["lab1"]
    tags = {
        PRICE_TRACKING: "On", TIMEOUT: str(settings.instance.duration_minutes),
        OWNER: "arn:aws:iam::000000000000:user/ann", GROUP: "lab1",
        ANALYSIS: settings.analysis, JOB: "t", BUCKET: settings.bucket, OFFSET: "0", ATTEMPT: "1",
        NAME: "analysis/lab1/t",
    }  # fmt: skip
    version = group.launch_template_version
    return LaunchRequest(
        group.launch_template_id, version, settings.instance.type, 1, "", "token", tags, None, ON_DEMAND, None
    )


@pytest.fixture(scope="module")
def launch(service: Deployed) -> Callable[..., str]:
    """Asks, as the manager, whether a launch would do; the error's code. `more`: what the manager's code
    never says.
    """
    dry = DryRun(service.client("ec2", service.role(service.analysis["manager_role_arn"])))
    cloud = AwsManagerCloud("ledger")
    cloud.clients.__dict__["ec2"] = dry

    def ask(request: LaunchRequest, **more: Any) -> str:
        dry.more = more
        with pytest.raises(LaunchError) as refused:
            cloud.run(request)
        return str(refused.value.code)

    return ask


@pytest.fixture
def copy(service: Deployed) -> Iterator[Callable[..., str]]:
    """Makes a launch template like the first group's, for another stack or with another role."""
    ec2, made = service.client("ec2"), list[str]()
    own = service.analysis["groups"]["lab1"]["launch_template_id"]
    (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=own, Versions=["$Default"])[
        "LaunchTemplateVersions"
    ]

    def another(stack: str, **changes: Any) -> str:
        tags = [{"ResourceType": "launch-template", "Tags": [{"Key": STACK_TAG, "Value": stack}]}]
        data = {**version["LaunchTemplateData"], **changes}
        # EC2's own answer
        data["MetadataOptions"] = {
            name: value for name, value in data["MetadataOptions"].items() if name != "State"
        }
        answer = ec2.create_launch_template(
            LaunchTemplateName=f"copy-{len(made)}", LaunchTemplateData=data, TagSpecifications=tags
        )
        made.append(answer["LaunchTemplate"]["LaunchTemplateId"])
        return made[-1]

    yield another
    for template in made:
        ec2.delete_launch_template(LaunchTemplateId=template)


def profile_of(service: Deployed, group: str) -> str:
    """ARN of the instance profile of a group's machines."""
    template = service.analysis["groups"][group]["launch_template_id"]
    found = service.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=template, Versions=["$Default"]
    )
    return str(found["LaunchTemplateVersions"][0]["LaunchTemplateData"]["IamInstanceProfile"]["Arn"])


def tagged(order: LaunchRequest, **tags: str | None) -> LaunchRequest:
    """The same launch with other tags; None: without one, unless the template has it (group, analysis,
    PriceTracking).
    """
    return replace(
        order, tags={key: value for key, value in {**order.tags, **tags}.items() if value is not None}
    )


def of_group(order: LaunchRequest, settings: AnalysisSettings, group: str) -> LaunchRequest:
    own = settings.groups[group]
    return tagged(
        replace(order, template_id=own.launch_template_id, template_version=own.launch_template_version),
        group=group,
    )


def test_every_way_to_get_a_machine_is_allowed(
    order: LaunchRequest, settings: AnalysisSettings, launch: Callable[..., str]
) -> None:
    """Each group, type, market and zone, with and without a larger disk: whatever `runtime.manager.launch`
    may ask for.
    """
    ways = itertools.product(
        settings.groups,
        settings.instance.types,
        (ON_DEMAND, SPOT),
        (None, "us-east-1a", "us-east-1b"),
        (None, 500),
    )
    asked = 0
    for group, kind, market, zone, disk in ways:
        request = replace(
            of_group(order, settings, group), instance_type=kind, market=market, zone=zone, volume_gib=disk
        )
        assert launch(request) == WOULD, request
        asked += 1
    assert asked >= 3 * 2 * 3 * 2


def test_as_long_as_the_analysis_allows(
    order: LaunchRequest, settings: AnalysisSettings, launch: Callable[..., str]
) -> None:
    longest = settings.instance.max_duration_minutes
    for minutes, answer in (
        ("1", WOULD),
        (str(longest), WOULD),
        (str(longest + 1), REFUSED),
        (str(longest * 10), REFUSED),
        (None, REFUSED),
    ):
        assert launch(tagged(order, Timeout=minutes)) == answer, minutes


@pytest.mark.parametrize("kind", ["p4d.24xlarge", "c5.24xlarge", "m5.metal"])
def test_not_a_type_that_the_analysis_does_not_have(
    order: LaunchRequest, settings: AnalysisSettings, launch: Callable[..., str], kind: str
) -> None:
    assert kind not in settings.instance.types
    assert launch(replace(order, instance_type=kind)) == REFUSED


def test_a_machine_has_the_role_of_the_group_that_its_tag_names(
    service: Deployed, order: LaunchRequest, settings: AnalysisSettings, launch: Callable[..., str]
) -> None:
    other = of_group(order, settings, "lab10")
    assert launch(other) == WOULD
    assert launch(tagged(other, group="lab1")) == REFUSED
    for group in ("lab10", "lab", "lab1/", "*", "lab*", "lab?", "", "nobody"):
        assert launch(tagged(order, group=group)) == REFUSED, group
    for key in ("Arn", "Name"):
        theirs, own = (profile_of(service, group) for group in ("lab10", "lab1"))
        named = {"Arn": theirs, "Name": theirs.rpartition("/")[2]}
        assert launch(order, IamInstanceProfile={key: named[key]}) == REFUSED
        mine = {"Arn": own, "Name": own.rpartition("/")[2]}
        assert launch(order, IamInstanceProfile={key: mine[key]}) == WOULD
    assert launch(order, IamInstanceProfile={"Name": service.utils["developer_instance_profile"]}) == REFUSED


def test_a_machine_works_for_the_bucket_of_its_analysis(
    order: LaunchRequest, launch: Callable[..., str]
) -> None:
    for bucket in ("another", "", None):
        assert launch(tagged(order, bucket=bucket)) == REFUSED, bucket
    assert launch(tagged(order, PriceTracking="Off")) == REFUSED


def test_not_from_a_template_of_another_stack(
    order: LaunchRequest, launch: Callable[..., str], copy: Callable[..., str]
) -> None:
    assert launch(replace(order, template_id=copy("analysis-webdev"), template_version="$Default")) == WOULD
    assert launch(replace(order, template_id=copy("analysis-prod"), template_version="$Default")) == REFUSED


def test_not_without_a_template(service: Deployed, order: LaunchRequest) -> None:
    ec2 = service.client("ec2", service.role(service.analysis["manager_role_arn"]))
    (image,) = service.client("ec2").describe_images(Owners=["self", "amazon", "099720109477"])["Images"][:1]
    tags = [{"Key": key, "Value": value} for key, value in order.tags.items()]
    with pytest.raises(ClientError) as refused:
        ec2.run_instances(
            ImageId=image["ImageId"],
            InstanceType=order.instance_type,
            MinCount=1,
            MaxCount=1,
            IamInstanceProfile={"Arn": profile_of(service, "lab1")},
            TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
            DryRun=True,
        )
    assert refused.value.response["Error"]["Code"] == REFUSED


def test_not_with_a_role_that_is_no_machines(
    service: Deployed, order: LaunchRequest, launch: Callable[..., str], copy: Callable[..., str]
) -> None:
    profile = service.utils["developer_instance_profile"]
    template = copy("analysis-webdev", IamInstanceProfile={"Name": profile})
    assert launch(replace(order, template_id=template, template_version="$Default")) == REFUSED
