"""What would make a bake fail later is told in seconds, all of it at once; asked of the local cloud's own
services.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from image_builder.preflight import Checked, check
from localcloud.cloud import Cloud
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.tests.builder_chain import Chain
from localcloud.tests.homes import Client

pytestmark = pytest.mark.local
STACK = "dti-webdev"


@pytest.fixture
def chain(client: Client, emulator: Cloud) -> Chain:
    return Chain(client, emulator)


def checked(chain: Chain, client: Client, parent: str = "ubuntu24") -> Checked:
    return check(STACK, chain.pipeline, lambda service: client(service), parent=parent)


def fields(found: Checked) -> list[str]:
    return [problem.field for problem in found.problems]


def reconfigure(chain: Chain, **infrastructure: Any) -> None:
    given = {"instanceProfileName": chain.id, "instanceTypes": ["m5.xlarge"], **infrastructure}
    chain.ib.update_infrastructure_configuration(infrastructureConfigurationArn=chain.infrastructure, **given)


def test_a_build_that_can_start_has_no_problems_and_knows_its_parent(chain: Chain, client: Client) -> None:
    found = checked(chain, client)
    assert (found.problems, found.notes) == ((), ())
    assert found.parent_ami == BASE_IMAGES[0].image_id


def test_every_problem_is_told_at_once(chain: Chain, client: Client) -> None:
    client("iam").remove_role_from_instance_profile(InstanceProfileName=chain.id, RoleName=chain.id)
    chain.recipe = chain.make_recipe("ami-0123456789abcdef0", "3.0.0")
    chain.ib.update_image_pipeline(
        imagePipelineArn=chain.pipeline,
        imageRecipeArn=chain.recipe,
        infrastructureConfigurationArn=chain.infrastructure,
    )
    reconfigure(chain, subnetId="subnet-0123456789abcdef0", securityGroupIds=["sg-0123456789abcdef0"])
    found = checked(chain, client)
    assert fields(found) == ["instance profile of the build", "network of the build", "image.parent"]
    text = "\n".join(problem.text() for problem in found.problems)
    for words in (
        "without a role",
        "subnet-0123456789abcdef0, which is not there",
        "ami-0123456789abcdef0",
        f"invoke deploy {STACK}",
    ):
        assert words in text
    again = "\n".join(problem.do for problem in checked(chain, client, parent="base").problems)
    assert f"`invoke bake-ami --base --force`, then `invoke deploy {STACK}`" in again


@pytest.fixture
def subnet(client: Client) -> Iterator[str]:
    """A subnet of a network of its own, without a way out."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.90.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.90.1.0/24")["Subnet"]["SubnetId"]
    yield made
    ec2.delete_subnet(SubnetId=made)
    ec2.delete_vpc(VpcId=vpc)


def test_a_network_without_a_way_out(chain: Chain, client: Client, subnet: str) -> None:
    reconfigure(chain, subnetId=subnet, securityGroupIds=["sg-0123456789abcdef0"])
    found = checked(chain, client)
    assert fields(found) == ["network of the build", "security groups of the build"]
    assert f"no route from {subnet}" in found.problems[0].text()
    assert "sg-0123456789abcdef0 (not there)" in found.problems[1].text()


def test_a_pipeline_that_is_gone(chain: Chain, client: Client) -> None:
    chain.ib.delete_image_pipeline(imagePipelineArn=chain.pipeline)
    found = checked(chain, client)
    assert fields(found) == ["image pipeline"]
    assert f"invoke deploy {STACK}" in found.problems[0].text()


class SmallAccount:
    """Service Quotas of an account that may run two virtual CPUs."""

    def __init__(self, quotas: Any) -> None:
        self.quotas = quotas

    def get_service_quota(self, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.quotas.get_service_quota(**request)
        return {"Quota": {**answer["Quota"], "Value": 2.0}}


def test_a_quota_that_the_machine_would_exceed(chain: Chain, client: Client) -> None:
    def clients(service: str) -> Any:
        return SmallAccount(client(service)) if service == "service-quotas" else client(service)

    found = check(STACK, chain.pipeline, clients, parent="ubuntu24")
    assert fields(found) == ["quota of this account"]
    assert "4 wanted (m5.xlarge)" in found.problems[0].text()


def test_the_quotas_of_the_local_cloud_are_those_of_a_large_account(client: Client) -> None:
    quotas = client("service-quotas")
    known = quotas.list_service_quotas(ServiceCode="ec2")["Quotas"]
    assert quotas.get_service_quota(ServiceCode="ec2", QuotaCode=known[0]["QuotaCode"])["Quota"] == known[0]
    with pytest.raises(quotas.exceptions.NoSuchResourceException):
        quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")
