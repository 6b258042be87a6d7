"""A development instance in the network of the service: the next subnet when one is full."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from blueprints.model import Blueprint
from image_builder.dev.machine import WantedMachine, launch

IMAGE = {"ImageId": "ami-1", "RootDeviceName": "/dev/sda1", "BlockDeviceMappings": []}


class Ec2:
    """Refuses to start machines in some subnets (None: where AWS chooses)."""

    def __init__(self, **refusals: str) -> None:
        self.refusals, self.asked = refusals, list[str | None]()

    def run_instances(self, **arguments: Any) -> dict[str, Any]:
        subnet = arguments.get("SubnetId")
        self.asked.append(subnet)
        if (code := self.refusals.get(str(subnet))) is not None:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "RunInstances")
        return {"Instances": [{"InstanceId": "i-1"}]}


def wanted(*subnets: str) -> WantedMachine:
    blueprint = SimpleNamespace(name="dti", instance=SimpleNamespace(type="m5.large"))
    return WantedMachine(
        blueprint=cast("Blueprint", blueprint),
        image=IMAGE,
        volume_gib=16,
        timeout_minutes=60,
        owner="arn:aws:iam::111122223333:user/dev",
        key_name="k",
        instance_profile="p",
        security_group="sg-1",
        subnets=subnets,
    )


def test_without_subnets_aws_chooses() -> None:
    ec2 = Ec2()
    assert launch(wanted(), ec2, dry_run=False) == "i-1"
    assert ec2.asked == [None]


@pytest.mark.parametrize(
    "code", ["InsufficientInstanceCapacity", "InsufficientFreeAddressesInSubnet", "Unsupported"]
)
def test_the_next_subnet_when_one_is_full(code: str) -> None:
    ec2 = Ec2(s1=code)
    assert launch(wanted("s1", "s2", "s3"), ec2, dry_run=False) == "i-1"
    assert ec2.asked == ["s1", "s2"]


def test_what_the_last_one_says_is_told() -> None:
    ec2 = Ec2(s1="InsufficientInstanceCapacity", s2="Unsupported")
    with pytest.raises(ClientError, match="Unsupported"):
        launch(wanted("s1", "s2"), ec2, dry_run=False)


def test_no_other_subnet_helps_where_a_right_is_missing() -> None:
    ec2 = Ec2(s1="UnauthorizedOperation")
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        launch(wanted("s1", "s2"), ec2, dry_run=False)
    assert ec2.asked == ["s1"]


def test_a_dry_run_starts_nothing() -> None:
    assert launch(wanted("s1", "s2"), Ec2(s1="DryRunOperation"), dry_run=True) is None
