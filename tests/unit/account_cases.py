"""Accounts with one property each, and what `invoke doctor --account` says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.account_checks.model import Verdict
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


Case = tuple[str, dict[str, Any], dict[str, list[Said]], Verdict, str]
"""Question, what the blueprint or the settings say, what AWS answers, the verdict, words of the answer."""
CASES: list[Case] = [
    (
        "network",
        {},
        {"ec2": [Said("describe_vpcs", {"Vpcs": [VPC]}), Said("describe_subnets", {"Subnets": [SUBNET]})]},
        Verdict.OK,
        "4000 free",
    ),
    ("network", {}, {"ec2": [Said("describe_vpcs", {"Vpcs": []})]}, Verdict.FAIL, "no default VPC"),
    (
        "network",
        {},
        {"ec2": [Said("describe_vpcs", {"Vpcs": [VPC]}), Said("describe_subnets", {"Subnets": []})]},
        Verdict.FAIL,
        "without a subnet",
    ),
    (
        "network",
        {"settings": "  neurocaas:vpcId: vpc-9\n"},
        {"ec2": [Said("describe_vpcs", {"Vpcs": []})]},
        Verdict.FAIL,
        "vpc-9, which is not there",
    ),
    (
        "network",
        {"settings": "  neurocaas:vpcId: vpc-1\n  neurocaas:subnetIds: [subnet-1, subnet-2]\n"},
        {"ec2": [Said("describe_vpcs", {"Vpcs": [VPC]}), Said("describe_subnets", {"Subnets": [SUBNET]})]},
        Verdict.FAIL,
        "subnet-2, not in vpc-1",
    ),
    (
        "spot role",
        {"market": "spot"},
        {"iam": [Said("get_role", refused="NoSuchEntity")]},
        Verdict.FAIL,
        "create-service-linked-role",
    ),
    (
        "spot role",
        {"market": "spot"},
        {"iam": [Said("get_role", refused="AccessDenied")]},
        Verdict.UNKNOWN,
        "iam:GetRole",
    ),
    (
        "virtual CPUs",
        {},
        {
            "ec2": [Said("describe_instance_types", {"InstanceTypes": [M5]})],
            "service-quotas": [Said("get_service_quota", {"Quota": {"Value": 5.0}})],
        },
        Verdict.WARN,
        "2 m5.large at once",
    ),
    (
        "virtual CPUs",
        {},
        {
            "ec2": [Said("describe_instance_types", {"InstanceTypes": [M5]})],
            "service-quotas": [Said("get_service_quota", {"Quota": {"Value": 1.0}})],
        },
        Verdict.FAIL,
        "0 m5.large at once",
    ),
    (
        "disks",
        {"volume": 1000},
        {"service-quotas": [Said("get_service_quota", {"Quota": {"Value": 50.0}})]},
        Verdict.OK,
        "51 machines",
    ),
    (
        "disks",
        {"volume": 1000},
        {"service-quotas": [Said("get_service_quota", {"Quota": {"Value": 2.0}})]},
        Verdict.WARN,
        "2 machines",
    ),
    ("bucket names", {}, {"s3": [Said("head_bucket", refused="404", status=404)]}, Verdict.OK, "1 free"),
    (
        "bucket names",
        {},
        {"s3": [Said("head_bucket", refused="403", status=403), Said("list_buckets", {"Buckets": []})]},
        Verdict.FAIL,
        "spikes-of-a-lab (spikes-webdev) belongs to another account",
    ),
    ("bucket names", {}, {"s3": [Said("head_bucket", {})]}, Verdict.OK, "1 in this account"),
    ("bucket names", {}, {"s3": [Said("head_bucket", refused="503", status=503)]}, Verdict.UNKNOWN, "503"),
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
        Verdict.FAIL,
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
        Verdict.OK,
        "blocks nothing",
    ),
    (
        "disk key",
        {},
        {"ec2": [Said("get_ebs_default_kms_key_id", {"KmsKeyId": "alias/aws/ebs"})]},
        Verdict.OK,
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
        Verdict.FAIL,
        "PendingDeletion",
    ),
    ("parent images", {}, parents_of(image()), Verdict.OK, "1 parent image"),
    ("parent images", {}, parents_of(None), Verdict.FAIL, "ubuntu24 is not there"),
    ("parent images", {}, parents_of(image(size=75)), Verdict.FAIL, "has 75 GiB, the machines' disk 16"),
    ("parent images", {}, parents_of(image(root="/dev/xvda")), Verdict.OK, "each fits its machines"),
    ("parent images", {}, parents_of(image(architecture="arm64")), Verdict.FAIL, "another kind: m5.large"),
    ("parent images", {}, parents_of(image(), []), Verdict.FAIL, "us-east-1 has no m5.large"),
    (
        "machines",
        {},
        {"ssm": [PARAMETER], "ec2": [Said("run_instances", refused="DryRunOperation", status=412)]},
        Verdict.OK,
        "would start",
    ),
    (
        "machines",
        {},
        {"ssm": [PARAMETER], "ec2": [Said("run_instances", refused="UnauthorizedOperation", status=403)]},
        Verdict.FAIL,
        "ec2:RunInstances",
    ),
    (
        "machines",
        {},
        {"ssm": [PARAMETER], "ec2": [Said("run_instances", refused="PendingVerification")]},
        Verdict.FAIL,
        "four hours",
    ),
    (
        "machines",
        {},
        {"ssm": [Said("get_parameter", refused="AccessDeniedException")]},
        Verdict.UNKNOWN,
        "not told",
    ),
    ("sessions", {}, {"ssm": [Said("get_document", refused="InvalidDocument")]}, Verdict.OK, "none"),
    (
        "sessions",
        {},
        {"ssm": [Said("get_document", {"Content": '{"inputs": {"kmsKeyId": "k"}}'})]},
        Verdict.WARN,
        "a KMS key",
    ),
    ("lambda runtime", {}, {}, Verdict.UNKNOWN, "botocore"),
    (
        "image builder role",
        {},
        {"iam": [Said("get_role", refused="NotImplemented")]},
        Verdict.UNKNOWN,
        "not offered",
    ),
]
