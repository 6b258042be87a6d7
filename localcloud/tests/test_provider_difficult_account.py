"""Resources in a difficult account, as the engine makes them: what AWS says reaches the person, nothing is
half-made, and what only takes a while is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from localcloud.cloud import Cloud
from localcloud.tests.homes import Client
from localcloud.tests.provider_engine import Engine, Properties, provider
from localcloud.tests.provider_scenarios import SCENARIOS, World, trust

pytestmark = pytest.mark.local
Change = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def engine(emulator: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with provider(emulator, {"Project": "difficult"}, tmp_path_factory.mktemp("provider")) as engine:
        yield engine


@pytest.fixture
def world(engine: Engine) -> Iterator[World]:
    world = World(engine)
    yield world
    world.close()


@pytest.fixture
def account(emulator: Cloud) -> Iterator[Change]:
    def change(**properties: Any) -> dict[str, Any]:
        return emulator.admin("POST", "account", properties)

    yield change
    emulator.admin("POST", "account", {})


def said(engine: Engine, token: str, args: Properties) -> str:
    """What the person reads when the resource cannot be made."""
    with pytest.raises(grpc.RpcError) as caught:
        engine.create(token, "Subject", args)
    return str(caught.value.details())


def test_a_taken_name_is_told_and_no_bucket_is_made(engine: Engine, account: Change, client: Client) -> None:
    account(taken_buckets=["difficult-taken"])
    text = said(engine, "aws:s3/bucket:Bucket", {"bucket": "difficult-taken"})
    assert "BucketAlreadyExists" in text
    assert "Please select a different name" in text
    account()
    assert "difficult-taken" not in {one["Name"] for one in client("s3").list_buckets()["Buckets"]}


def test_without_a_default_vpc_no_group_is_made(engine: Engine, account: Change, client: Client) -> None:
    account(default_vpc=False)
    text = said(engine, "aws:ec2/securityGroup:SecurityGroup", {"name": "difficult", "description": "x"})
    assert "VPCIdNotSpecified" in text
    assert "No default VPC for this user" in text
    groups = client("ec2").describe_security_groups()["SecurityGroups"]
    assert "difficult" not in {one["GroupName"] for one in groups}


@pytest.mark.parametrize(
    ("token", "quota", "args", "words"),
    [
        ("aws:iam/role:Role", "roles", {"assumeRolePolicy": trust("ec2.amazonaws.com")}, "RolesPerAccount"),
        ("aws:iam/instanceProfile:InstanceProfile", "instance_profiles", {}, "InstanceProfilesPerAccount"),
        ("aws:iam/group:Group", "groups", {}, "GroupsPerAccount"),
    ],
)
def test_a_quota_of_iam_is_told(
    engine: Engine, account: Change, token: str, quota: str, args: Properties, words: str
) -> None:
    account(quotas={quota: 0})
    text = said(engine, token, {"name": "difficult", **args})
    assert "LimitExceeded" in text
    assert f"Cannot exceed quota for {words}: 0" in text


def test_a_public_policy_is_refused_in_words(
    engine: Engine, world: World, account: Change, client: Client
) -> None:
    bucket = world.bucket()
    client("s3").delete_public_access_block(Bucket=bucket)
    account(block_public_access=True)
    everybody = f"""{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": "*",
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{bucket}/*"}}]}}"""
    text = said(engine, "aws:s3/bucketPolicy:BucketPolicy", {"bucket": bucket, "policy": everybody})
    assert "AccessDenied" in text
    assert "BlockPublicPolicy" in text


def test_a_role_that_lambda_does_not_know_yet_is_waited_for(
    engine: Engine, world: World, account: Change
) -> None:
    account(role_delay_s=3)
    scenario, token = SCENARIOS["aws:lambda/function:Function"], "aws:lambda/function:Function"
    started = time.monotonic()
    args = scenario.args(world)
    made = engine.create(token, "Subject", args)
    engine.delete(made)
    assert time.monotonic() - started > 1.5, "the role was there from the start: nothing was shown"
