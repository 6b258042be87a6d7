"""The manager of an analysis: reads submissions, answers them, launches machines from the stack's templates, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from components.place import Place
from components.policies import outside
from components.policies.document import Policy, allow, allow_unscoped, document
from runtime.protocol.outside import OutsideBucket

BUDGET_PARAMETERS = "/neurocaas/budgets"
"""Parameters `<this>/<group>/<analysis>` hold budgets that differ from the blueprint's (a name that the contract fixes)."""

LIMIT = "limit"
"""`<BUDGET_PARAMETERS>/<group>/<analysis>/<this>` holds less than the budget: a lead of the group sets it."""


def manager(
    place: Place,
    *,
    analysis: str,
    bucket: str,
    artifact_bucket: str,
    settings_key: str,
    queue_arn: str,
    log_group_arn: str,
    ledger_arn: str,
    topic_arn: str,
    topic_key_arn: str,
    stack: str,
    machine_role_path: str,
    image_parameter: str | None,
    outside_buckets: Sequence[OutsideBucket] = (),
) -> Policy:
    """`stack`: whose launch templates it may use, by their tag. `machine_role_path`: of the roles that it may give to machines. Both
    hold for any number of groups, so the policy is as long with a hundred as with one. `outside_buckets`: looked at, never written.
    `image_parameter` is the public parameter that the launch templates resolve, None when they name an image.

    RunInstances is checked against every resource that it touches (EC2 user guide, "Use launch templates to control launching
    instances"): there must be a template, and it must be the stack's; the machine and its volume must carry the tag by which the
    monitor may end them; image, security groups and key must be the template's own, so that a call cannot put others in their place.
    """
    statements = [
        allow(
            "ReadSubmissions",
            ["s3:GetObject"],
            [place.objects(bucket, f"*/{folder}/*") for folder in ("submissions", "configs", "inputs", "results")],
        ),
        allow("AnswerSubmissions", ["s3:PutObject"], [place.objects(bucket, "*/results/*")]),
        # Without a condition: S3 answers "no such key" only to those who may list the bucket, else "access denied".
        allow("ListData", ["s3:ListBucket"], [place.bucket(bucket)]),
        allow("ReadSettings", ["s3:GetObject"], [place.objects(artifact_bucket, settings_key)]),
        allow(
            "TakeSubmissions",
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"],
            [queue_arn],
        ),
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:*"]),
        allow(
            "KeepLedger",
            ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
            [ledger_arn],
        ),
        allow(
            "ReadBudgets",
            ["ssm:GetParameters"],
            [place.arn("ssm", f"parameter{BUDGET_PARAMETERS}/*/{analysis}{end}") for end in ("", f"/{LIMIT}")],
        ),
        allow("SendNotices", ["sns:Publish"], [topic_arn]),
        allow("SealNotices", ["kms:Decrypt", "kms:GenerateDataKey"], [topic_key_arn]),
        allow_unscoped("FindMachines", ["ec2:DescribeInstances"]),
        allow(
            "LaunchTaggedMachines",
            ["ec2:RunInstances"],
            [place.arn("ec2", "instance/*"), place.arn("ec2", "volume/*")],
            {
                "ArnLike": {"ec2:LaunchTemplate": place.arn("ec2", "launch-template/*")},
                "StringEquals": {"aws:RequestTag/PriceTracking": "On"},
            },
        ),
        allow(
            "LaunchWithTemplatesParts",
            ["ec2:RunInstances"],
            [place.public_arn("ec2", "image/*"), place.arn("ec2", "security-group/*"), place.arn("ec2", "key-pair/*")],
            {"Bool": {"ec2:IsLaunchTemplateResource": "true"}},
        ),
        allow(
            "LaunchFromOwnTemplates",
            ["ec2:RunInstances"],
            [place.arn("ec2", "launch-template/*")],
            {"StringEquals": {"aws:ResourceTag/neurocaas:stack": stack}},
        ),
        # A launch always touches a machine and its template too, so the conditions above hold for these as well.
        allow(
            "LaunchOnNetwork",
            ["ec2:RunInstances"],
            [
                place.arn("ec2", "subnet/*"),
                place.arn("ec2", "network-interface/*"),
                place.arn("ec2", "spot-instances-request/*"),
            ],
        ),
        allow(
            "TagAtLaunch",
            ["ec2:CreateTags"],
            [place.arn("ec2", "instance/*"), place.arn("ec2", "volume/*")],
            {"StringEquals": {"ec2:CreateAction": "RunInstances"}},
        ),
        allow(
            "GiveMachinesTheirRole",
            ["iam:PassRole"],
            [place.global_arn("iam", f"role{machine_role_path}*")],
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
    ]
    # Whether a group may name a bucket is checked in its submission; the manager reads for all groups.
    statements += outside.readable(place, outside_buckets)
    if image_parameter:
        arns = [place.public_arn("ssm", f"parameter/{image_parameter.lstrip('/')}")]
        if not image_parameter.startswith("/aws/"):
            arns = [place.arn("ssm", f"parameter/{image_parameter.lstrip('/')}")]
        statements.append(allow("ResolveImage", ["ssm:GetParameter", "ssm:GetParameters"], arns))
    return document(*statements)
