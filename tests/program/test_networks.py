"""Where machines, bakes and development instances are: the default VPC, given subnets, a VPC of our own."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components import program
from components.vpc import CIDR, closed_subnet_cidr, has_closed_part, subnet_cidr
from image_builder import preflight
from neurocaas.protocol.settings import AnalysisSettings, Subnet
from tests.program.projects import BLUEPRINT, REFERENCE, ROOT, make_project
from tests.program.recording import ACCOUNT, Recorded, Recorder, deploy

VPC, ONE, TWO = "vpc-0123456789abcdef0", "subnet-0123456789abcdef0", "subnet-0123456789abcdef1"
THERE = {
    ONE: (VPC, "us-east-1a"),
    TWO: (VPC, "us-east-1c"),
    "subnet-0aaaaaaa": ("vpc-other000", "us-east-1a"),
}
GIVEN = {"neurocaas:vpcId": VPC, "neurocaas:subnetIds": json.dumps([ONE, TWO])}
OWN = {"neurocaas:network": "own"}


def utils_of(project: Path, settings: dict[str, str], **more: Any) -> Recorded:
    return deploy(
        lambda: program.outputs(project), "utils", settings, recorder=Recorder({}, subnets=THERE), **more
    )


def analysis_of(project: Path, utils: Recorded, **more: Any) -> Recorded:
    return deploy(
        lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs}, **more
    )


@pytest.fixture(scope="module")
def given(project: Path) -> tuple[Recorded, Recorded]:
    utils = utils_of(project, GIVEN)
    return utils, analysis_of(project, utils)


@pytest.fixture(scope="module")
def own(project: Path) -> tuple[Recorded, Recorded]:
    utils = utils_of(project, OWN)
    return utils, analysis_of(project, utils)


def subnets_of(analysis: Recorded) -> tuple[Subnet, ...]:
    text = analysis.one("BucketObjectv2", "settings").inputs["content"]
    return AnalysisSettings.from_json(text).subnets


def launch_subnets(analysis: Recorded) -> list[str]:
    """Subnets that the manager may start machines in."""
    (statement,) = (
        one
        for one in analysis.one("RolePolicy", "manager").policy()["Statement"]
        if one["Sid"] == "LaunchOnNetwork"
    )
    return [one for one in statement["Resource"] if ":subnet/" in one]


def test_without_settings_nothing_names_a_network(utils: Recorded, analysis: Recorded) -> None:
    """So stacks of the version before replace nothing: a group without a VPC stays one."""
    assert not any("vpcId" in group.inputs for group in utils.of_type("SecurityGroup"))
    assert not any(
        "subnetId" in one.inputs
        for stack in (utils, analysis)
        for one in stack.of_type("InfrastructureConfiguration")
    )
    assert utils.outputs["vpc_id"] is None
    assert utils.outputs["subnets"] is None
    assert subnets_of(analysis) == ()
    assert launch_subnets(analysis) == [f"arn:aws:ec2:us-east-1:{ACCOUNT}:subnet/*"]
    assert not utils.of_type("Vpc")


def test_defaults_of_the_project_name_no_network_either(project: Path, utils: Recorded) -> None:
    """As the engine gives them: an empty text would be a change of every security group."""
    defaults = {"neurocaas:network": "default", "neurocaas:vpcId": "", "neurocaas:subnetIds": "[]"}
    found = utils_of(project, defaults)
    assert [group.inputs for group in found.of_type("SecurityGroup")] == [
        group.inputs for group in utils.of_type("SecurityGroup")
    ]
    assert found.outputs["vpc_id"] is None


def test_outputs_of_the_version_before_mean_the_default_network(project: Path, utils: Recorded) -> None:
    newer = ("vpc_id", "subnets", "closed_subnets", "closed_security_group_id")
    before = {key: value for key, value in utils.outputs.items() if key not in newer}
    references = {REFERENCE: before}
    assert subnets_of(deploy(lambda: program.outputs(project), "spikes-webdev", references=references)) == ()


def test_given_subnets_are_where_everything_is(given: tuple[Recorded, Recorded]) -> None:
    utils, analysis = given
    assert {group.inputs["vpcId"] for group in utils.of_type("SecurityGroup")} == {VPC}
    assert {
        one.inputs["subnetId"] for stack in given for one in stack.of_type("InfrastructureConfiguration")
    } == {ONE}
    assert utils.outputs["vpc_id"] == VPC
    assert utils.outputs["subnets"] == [{"id": ONE, "zone": "us-east-1a"}, {"id": TWO, "zone": "us-east-1c"}]
    assert subnets_of(analysis) == (Subnet(ONE, "us-east-1a"), Subnet(TWO, "us-east-1c"))
    # Whoever owns them: an organisation may share subnets.
    assert launch_subnets(analysis) == [f"arn:aws:ec2:us-east-1:*:subnet/{one}" for one in (ONE, TWO)]
    assert not utils.of_type("Vpc")


def test_a_vpc_of_our_own_has_a_public_subnet_in_each_zone_and_no_nat(
    own: tuple[Recorded, Recorded],
) -> None:
    utils, analysis = own
    # they are registered at once, in no order
    every = sorted(utils.of_type("Subnet"), key=lambda one: str(one.inputs["availabilityZone"]))
    subnets = [one for one in every if "closed" not in one.name]
    assert [one.inputs["availabilityZone"] for one in subnets] == [f"us-east-1{zone}" for zone in "abc"]
    assert all(one.inputs["mapPublicIpOnLaunch"] for one in subnets)
    ranges = [ipaddress.ip_network(one.inputs["cidrBlock"]) for one in subnets]
    assert all(one.subnet_of(ipaddress.ip_network(CIDR)) for one in ranges)  # type: ignore[arg-type]
    assert not any(one.overlaps(other) for one in ranges for other in ranges if one is not other)
    (route,) = utils.one("DefaultRouteTable").inputs["routes"]
    assert route == {"cidrBlock": "0.0.0.0/0", "gatewayId": utils.one("InternetGateway").id}
    endpoint = utils.one("VpcEndpoint", "network-s3").inputs
    assert endpoint["serviceName"] == "com.amazonaws.us-east-1.s3"
    assert endpoint["vpcEndpointType"] == "Gateway"
    assert not utils.of_type("NatGateway")
    vpc = utils.one("Vpc").id
    assert {group.inputs["vpcId"] for group in utils.of_type("SecurityGroup")} == {vpc}
    assert [one.zone for one in subnets_of(analysis)] == [f"us-east-1{zone}" for zone in "abc"]
    assert analysis.one("InfrastructureConfiguration").inputs["subnetId"] == subnets[0].id
    assert utils.waits(f"Subnet::{subnets[0].name}", "DefaultRouteTable::neurocaas-utils-network")


CLOSED = {"neurocaas:overrides": json.dumps({"network": "closed"})}


def test_a_closed_part_reaches_s3_with_roles_of_this_account_and_nothing_else(
    own: tuple[Recorded, Recorded],
) -> None:
    utils, _ = own
    subnets = [one for one in utils.of_type("Subnet") if "closed" in one.name]
    assert not any(one.inputs["mapPublicIpOnLaunch"] for one in subnets)
    ranges = [ipaddress.ip_network(one.inputs["cidrBlock"]) for one in utils.of_type("Subnet")]
    assert not any(one.overlaps(other) for one in ranges for other in ranges if one is not other)
    table = utils.one("RouteTable")
    assert not table.inputs.get("routes")
    associated = {one.inputs["subnetId"] for one in utils.of_type("RouteTableAssociation")}
    assert associated == {one.id for one in subnets}
    assert {one.inputs["routeTableId"] for one in utils.of_type("RouteTableAssociation")} == {table.id}
    endpoint = utils.one("VpcEndpoint", "closed-s3")
    assert endpoint.inputs["routeTableIds"] == [table.id]
    (statement,) = endpoint.policy()["Statement"]
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
    group = utils.outputs["closed_security_group_id"]
    (rule,) = [
        one for one in utils.of_type("SecurityGroupEgressRule") if one.inputs["securityGroupId"] == group
    ]
    assert "cidrIpv4" not in rule.inputs
    assert rule.inputs["prefixListId"] == f"pl-{endpoint.name}"
    assert (rule.inputs["toPort"], rule.inputs["ipProtocol"]) == (443, "tcp")


def test_machines_of_a_closed_analysis_are_in_the_closed_part(
    project: Path, own: tuple[Recorded, Recorded]
) -> None:
    utils, open_one = own
    closed = analysis_of(project, utils, config=CLOSED)
    there = [one["id"] for one in utils.outputs["closed_subnets"]]
    assert [one.id for one in subnets_of(closed)] == there
    assert not {*there} & {one.id for one in subnets_of(open_one)}
    assert launch_subnets(closed) == sorted(f"arn:aws:ec2:us-east-1:*:subnet/{one}" for one in there)
    (group,) = closed.one("LaunchTemplate", "lab1-machine").inputs["vpcSecurityGroupIds"]
    assert group == utils.outputs["closed_security_group_id"]
    # baking needs packages
    assert closed.one("InfrastructureConfiguration").inputs["subnetId"] not in there
    text = closed.one("BucketObjectv2", "settings").inputs["content"]
    assert AnalysisSettings.from_json(text).rates.ipv4_hour == 0


def test_a_closed_analysis_is_refused_where_there_is_no_closed_network(
    project: Path, utils: Recorded
) -> None:
    with pytest.raises(pulumi.RunError, match=r"network: got closed.*config set --stack utils network own"):
        analysis_of(project, utils, config=CLOSED)


def test_a_zone_that_comes_later_moves_no_subnet() -> None:
    assert subnet_cidr("us-east-1b") == "10.64.16.0/20"
    assert subnet_cidr("eu-west-3p") == "10.64.240.0/20"
    assert closed_subnet_cidr("us-east-1a") == "10.64.128.0/20"
    assert has_closed_part("us-east-1h")
    assert not has_closed_part("us-east-1i")
    with pytest.raises(ValueError, match="a to p"):
        subnet_cidr("us-east-1z")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"network": "mine"}, ["network: got 'mine'", "default", "own"]),
        ({"network": "own", "vpcId": VPC, "subnetIds": f'["{ONE}"]'}, ["own, and vpcId or subnetIds"]),
        ({"vpcId": VPC}, ["subnetIds: got vpcId alone"]),
        ({"subnetIds": f'["{ONE}"]'}, ["vpcId: got subnetIds alone"]),
        ({"vpcId": "vpc1", "subnetIds": '["subnet1"]'}, ["vpcId: got 'vpc1'", "subnetIds: got ['subnet1']"]),
        ({"vpcId": VPC, "subnetIds": f'["{ONE}", "{ONE}"]'}, ["each once"]),
        ({"vpcId": VPC, "subnetIds": '["subnet-0bbbbbbb", "subnet-0aaaaaaa"]'},
         ["subnet-0bbbbbbb, which is not there", "subnet-0aaaaaaa, which is in vpc-other000"]),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused_all_at_once_before_anything_is_made(
    settings: dict[str, str], said: list[str], project: Path
) -> None:
    recorder = Recorder({}, subnets=THERE)
    full = {f"neurocaas:{name}": value for name, value in settings.items()}
    with pytest.raises(pulumi.RunError) as refused:
        deploy(lambda: program.outputs(project), "utils", full, recorder=recorder)
    assert all(part in str(refused.value) for part in said), str(refused.value)
    told = str(refused.value).lower()
    assert any(do in told for do in ("pulumi config set", "aws ec2", "remove"))
    assert [one.type for one in recorder.recorded.resources] == ["pulumi:providers:aws"]


def test_a_bake_advises_settings_that_there_are() -> None:
    known = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    advised = {"network", "vpcId", "subnetIds"}
    assert advised <= known.keys()
    assert all(name in preflight.SETTINGS for name in advised)
    page = preflight.SETTINGS.rpartition(" ")[2]
    assert all(f"{name} " in (ROOT / page).read_text() for name in advised)


def test_credentials_that_may_not_ask_for_zones_are_told_what_they_need(project: Path) -> None:
    with pytest.raises(pulumi.RunError, match=r"UnauthorizedOperation(?s:.)*ec2:DescribeAvailabilityZones"):
        deploy(lambda: program.outputs(project), "utils", OWN, recorder=Recorder({}, denied=True))


def test_a_zone_of_a_blueprint_without_a_subnet_is_refused(
    tmp_path: Path, given: tuple[Recorded, Recorded]
) -> None:
    zoned = BLUEPRINT.replace("  type: m5.large\n", "  type: m5.large\n  zones: [us-east-1a, us-east-1b]\n")
    with pytest.raises(pulumi.RunError, match=r"instance.zones: got us-east-1b.*us-east-1a, us-east-1c"):
        analysis_of(make_project(tmp_path, zoned), given[0])
