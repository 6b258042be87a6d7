"""Every question, in the order in which they are told, and who asks which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from console.account_checks import caller, network, parents, quotas, rights, services, storage
from console.account_checks.asking import asked
from console.account_checks.at import At
from console.account_checks.model import AccountCheck, CheckVerdict, Question
from console.account_checks.wanted import Wanted

QUESTIONS = (
    Question("caller", "who the credentials are", caller.who, ("sts:GetCallerIdentity",)),
    Question("region", "this shell's region and the stacks'", caller.region, ()),
    Question("clock", "this machine's clock and AWS's", caller.clock, ("sts:GetCallerIdentity",)),
    Question(
        "network",
        "the default VPC, or the one of the settings",
        network.network,
        ("ec2:DescribeVpcs", "ec2:DescribeSubnets"),
        before_deploy=True,
    ),
    Question(
        "spot role", "the service-linked role of spot machines", services.spot_role,
        ("iam:GetRole",), before_deploy=True,
    ),
    Question(
        "image builder role", "the service-linked role of Image Builder", services.image_builder_role,
        ("iam:GetRole",),
    ),
    Question(
        "virtual CPUs", "quotas of EC2 against the blueprints' machines", quotas.vcpus,
        ("servicequotas:GetServiceQuota", "ec2:DescribeInstanceTypes"),
    ),
    Question(
        "disks", "the quota of gp3 against the machines' disks", quotas.disks,
        ("servicequotas:GetServiceQuota",),
    ),
    Question(
        "IAM", "quotas of roles, instance profiles and groups", quotas.identities,
        ("iam:GetAccountSummary", "iam:ListRoles", "iam:ListInstanceProfiles", "iam:ListGroups"),
        before_deploy=True,
    ),
    Question(
        "bucket names", "whether the stacks' buckets are free, or ours", storage.bucket_names,
        ("s3:ListBucket", "s3:ListAllMyBuckets"), before_deploy=True,
    ),
    Question(
        "public access", "S3 Block Public Access of the account", storage.public_access,
        ("s3:GetAccountPublicAccessBlock",),
    ),
    Question(
        "disk key", "the key by which disks are encrypted", storage.disk_key,
        ("ec2:GetEbsDefaultKmsKeyId", "kms:DescribeKey", "kms:GetKeyPolicy"),
    ),
    Question(
        "parent images", "that they exist, and fit disk and machine", parents.parents,
        ("ssm:GetParameter", "ec2:DescribeImages", "ec2:DescribeInstanceTypes"), before_deploy=True,
    ),
    Question(
        "rights", "what a deploy needs, simulated by IAM", rights.rights,
        ("iam:SimulatePrincipalPolicy", "iam:GetRole"),
    ),
    Question(
        "machines", "whether EC2 would start one (DryRun)", rights.machines,
        ("ec2:RunInstances", "ssm:GetParameter"),
    ),
    Question(
        "sessions", "Session Manager's preferences", services.sessions, ("ssm:GetDocument",),
    ),
    Question("lambda runtime", "the botocore in Lambda's runtime", services.lambda_runtime, ()),
)  # fmt: skip


def of_account(make: Callable[..., Any], region: str, wanted: Wanted) -> list[AccountCheck]:
    """All that can be said of the account; only the first line, where the credentials are refused."""
    return _of(make, region, wanted, QUESTIONS)


def before_deploy(make: Callable[..., Any], region: str, wanted: Wanted) -> list[AccountCheck]:
    """What concerns one stack, of the questions that are quick."""
    return _of(make, region, wanted, [one for one in QUESTIONS if one.before_deploy])


def _of(make: Callable[..., Any], region: str, wanted: Wanted, questions: Any) -> list[AccountCheck]:
    from botocore.exceptions import BotoCoreError, ClientError

    at = At(make, region, {})
    try:
        at.identity = at.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        return [
            AccountCheck(
                "caller",
                QUESTIONS[0].looks_at,
                CheckVerdict.FAIL,
                " ".join(str(error).split()),
                "credentials that AWS accepts",
                "renew the credentials of this shell (aws sso login, or new keys), then try again",
            )
        ]
    return asked(questions, at, wanted)
