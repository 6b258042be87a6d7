"""Accounts with one property each, and what `invoke doctor --account` says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.account_checks.model import CheckVerdict
from tests.unit.account_answers import ACCOUNT, Said

VPC = {"VpcId": "vpc-1", "IsDefault": True}
SUBNET = {"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailableIpAddressCount": 4000}
M5 = {
    "InstanceType": "m5.large",
    "VCpuInfo": {"DefaultVCpus": 2},
    "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
}
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"


def image(size: int = 8, root: str = "/dev/sda1", architecture: str = "x86_64") -> dict[str, Any]:
    return {
        "ImageId": "ami-0123456789abcdef0", "State": "available", "RootDeviceName": root,
        "RootDeviceType": "ebs", "Architecture": architecture,
        "BlockDeviceMappings": [{"DeviceName": root, "Ebs": {"VolumeSize": size}}],
    }  # fmt: skip


PARAMETER = Said("get_parameter", {"Parameter": {"Value": "ami-0123456789abcdef0"}})


def parents_of(picture: Mapping[str, Any] | None, types: list[Any] | None = None) -> dict[str, list[Said]]:
    asked = [Said("describe_images", {"Images": [picture] if picture else []})]
    if picture:
        asked.append(Said("describe_instance_types", {"InstanceTypes": [M5] if types is None else types}))
    return {"ssm": [PARAMETER], "ec2": asked}


Case = tuple[str, dict[str, Any], dict[str, list[Said]], CheckVerdict, str]
"""Question, what the blueprint or the settings say, what AWS answers, the verdict, words of the answer."""
CASES: list[Case] = [
    (
        "network",
        {},
        {"ec2": [Said("describe_vpcs", {"Vpcs": [VPC]}), Said("describe_subnets", {"Subnets": [SUBNET]})]},
        CheckVerdict.OK,
        "4000 free",
    ),
    ("network", {}, {"ec2": [Said("describe_vpcs", {"Vpcs": []})]}, CheckVerdict.FAIL, "no default VPC"),
    (
        "network",
        {},
        {"ec2": [Said("describe_vpcs", {"Vpcs": [VPC]}), Said("describe_subnets", {"Subnets": []})]},
        CheckVerdict.FAIL,
        "without a subnet",
    ),
    (
        "network",
        {"settings": "  neurocaas:vpcId: vpc-9\n"},
        {"ec2": [Said("describe_vpcs", {"Vpcs": []})]},
        CheckVerdict.FAIL,
        "vpc-9, which is not there",
    ),
    (
        "network",
        {"settings": "  neurocaas:vpcId: vpc-1\n  neurocaas:subnetIds: [subnet-1, subnet-2]\n"},
        {"ec2": [Said("describe_vpcs", {"Vpcs": [VPC]}), Said("describe_subnets", {"Subnets": [SUBNET]})]},
        CheckVerdict.FAIL,
        "subnet-2, not in vpc-1",
    ),
    (
        "spot role",
        {"market": "spot"},
        {"iam": [Said("get_role", refused="NoSuchEntity")]},
        CheckVerdict.FAIL,
        "create-service-linked-role",
    ),
    (
        "spot role",
        {"market": "spot"},
        {"iam": [Said("get_role", refused="AccessDenied")]},
        CheckVerdict.UNKNOWN,
        "iam:GetRole",
    ),
    (
        "virtual CPUs",
        {},
        {
            "ec2": [Said("describe_instance_types", {"InstanceTypes": [M5]})],
            "service-quotas": [Said("get_service_quota", {"Quota": {"Value": 5.0}})],
        },
        CheckVerdict.WARN,
        "2 m5.large at once",
    ),
    (
        "virtual CPUs",
        {},
        {
            "ec2": [Said("describe_instance_types", {"InstanceTypes": [M5]})],
            "service-quotas": [Said("get_service_quota", {"Quota": {"Value": 1.0}})],
        },
        CheckVerdict.FAIL,
        "0 m5.large at once",
    ),
    (
        "disks",
        {"volume": 1000},
        {"service-quotas": [Said("get_service_quota", {"Quota": {"Value": 50.0}})]},
        CheckVerdict.OK,
        "51 machines",
    ),
    (
        "disks",
        {"volume": 1000},
        {"service-quotas": [Said("get_service_quota", {"Quota": {"Value": 2.0}})]},
        CheckVerdict.WARN,
        "2 machines",
    ),
    ("bucket names", {}, {"s3": [Said("head_bucket", refused="404", status=404)]}, CheckVerdict.OK, "1 free"),
    (
        "bucket names",
        {},
        {"s3": [Said("head_bucket", refused="403", status=403), Said("list_buckets", {"Buckets": []})]},
        CheckVerdict.FAIL,
        "spikes-of-a-lab (spikes-webdev) belongs to another account",
    ),
    ("bucket names", {}, {"s3": [Said("head_bucket", {})]}, CheckVerdict.OK, "1 in this account"),
    (
        "bucket names",
        {},
        {"s3": [Said("head_bucket", refused="503", status=503)]},
        CheckVerdict.UNKNOWN,
        "503",
    ),
    (
        "public access",
        {"settings": "  neurocaas:publicCatalogue: true\n"},
        {
            "s3control": [
                Said(
                    "get_public_access_block", {"PublicAccessBlockConfiguration": {"BlockPublicPolicy": True}}
                )
            ]
        },
        CheckVerdict.FAIL,
        "publicCatalogue",
    ),
    (
        "public access",
        {"settings": "  neurocaas:publicCatalogue: true\n"},
        {
            "s3control": [
                Said("get_public_access_block", refused="NoSuchPublicAccessBlockConfiguration", status=404)
            ]
        },
        CheckVerdict.OK,
        "blocks nothing",
    ),
    (
        "disk key",
        {},
        {"ec2": [Said("get_ebs_default_kms_key_id", {"KmsKeyId": "alias/aws/ebs"})]},
        CheckVerdict.OK,
        "",
    ),
    (
        "disk key",
        {},
        {
            "ec2": [Said("get_ebs_default_kms_key_id", {"KmsKeyId": KEY})],
            "kms": [
                Said(
                    "describe_key",
                    {
                        "KeyMetadata": {
                            "KeyId": "k",
                            "Arn": KEY,
                            "KeyState": "PendingDeletion",
                            "KeyManager": "CUSTOMER",
                        }
                    },
                )
            ],
        },
        CheckVerdict.FAIL,
        "PendingDeletion",
    ),
    ("parent images", {}, parents_of(image()), CheckVerdict.OK, "1 parent image"),
    ("parent images", {}, parents_of(None), CheckVerdict.FAIL, "ubuntu24 is not there"),
    ("parent images", {}, parents_of(image(size=75)), CheckVerdict.FAIL, "has 75 GiB, the machines' disk 16"),
    ("parent images", {}, parents_of(image(root="/dev/xvda")), CheckVerdict.OK, "each fits its machines"),
    (
        "parent images",
        {},
        parents_of(image(architecture="arm64")),
        CheckVerdict.FAIL,
        "another kind: m5.large",
    ),
    ("parent images", {}, parents_of(image(), []), CheckVerdict.FAIL, "us-east-1 has no m5.large"),
    (
        "machines",
        {},
        {"ssm": [PARAMETER], "ec2": [Said("run_instances", refused="DryRunOperation", status=412)]},
        CheckVerdict.OK,
        "would start",
    ),
    (
        "machines",
        {},
        {"ssm": [PARAMETER], "ec2": [Said("run_instances", refused="UnauthorizedOperation", status=403)]},
        CheckVerdict.FAIL,
        "ec2:RunInstances",
    ),
    (
        "machines",
        {},
        {"ssm": [PARAMETER], "ec2": [Said("run_instances", refused="PendingVerification")]},
        CheckVerdict.FAIL,
        "four hours",
    ),
    (
        "machines",
        {},
        {"ssm": [Said("get_parameter", refused="AccessDeniedException")]},
        CheckVerdict.UNKNOWN,
        "not told",
    ),
    ("sessions", {}, {"ssm": [Said("get_document", refused="InvalidDocument")]}, CheckVerdict.OK, "none"),
    (
        "sessions",
        {},
        {"ssm": [Said("get_document", {"Content": '{"inputs": {"kmsKeyId": "k"}}'})]},
        CheckVerdict.WARN,
        "a KMS key",
    ),
    ("lambda runtime", {}, {}, CheckVerdict.UNKNOWN, "botocore"),
    (
        "image builder role",
        {},
        {"iam": [Said("get_role", refused="NotImplemented")]},
        CheckVerdict.UNKNOWN,
        "not offered",
    ),
]
