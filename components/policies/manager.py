"""The manager of an analysis: reads submissions, answers and records them, launches machines from its stack's
templates, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.place import Place
from components.policies import chains, outside
from components.policies.document import Policy, allow, allow_own, allow_unscoped, deny, document
from components.policies.volumes import sealed_volumes
from neurocaas.protocol import members
from neurocaas.protocol.budget_parameters import EACH, LIMIT, MEMBERS, ROOT
from neurocaas.protocol.chain import Source
from neurocaas.protocol.keys import ACTIVE_PREFIX, EVIDENCE, JOBS
from neurocaas.protocol.outside import OutsideBucket
from neurocaas.protocol.tags import BUCKET, GROUP, PRICE_TRACKING, STACK_TAG, TIMEOUT

BUDGET_PARAMETERS = ROOT
"""What groups and members may spend (`neurocaas.protocol.budget_parameters`)."""


@dataclass(frozen=True, kw_only=True)
class ManagerRights:
    """`stack`: whose launch templates it may use, by their tag. `machine_path`: of the roles that it may give
    to machines; their instance profiles have the name of their group below it. Both hold for any number of
    groups, so the policy is as long with a hundred as with one. `instance_types`, `max_minutes`: what a
    machine may be, and how long it may run. `outside_buckets`: looked at, never written. `image_parameter` is
    the public parameter that the launch templates resolve, None when they name an image. `subnets`: where
    machines may be, none for any of the account's. `sources`: other analyses whose results may be taken."""

    analysis: str
    bucket: str
    artifact_bucket: str
    settings_key: str
    queue_arn: str
    log_group_arn: str
    ledger_arn: str
    topic_arn: str
    topic_key_arn: str
    stack: str
    machine_path: str
    instance_types: Sequence[str]
    max_minutes: int
    image_parameter: str | None
    outside_buckets: Sequence[OutsideBucket] = ()
    subnets: Sequence[str] = ()
    sources: Sequence[Source] = ()


def manager(place: Place, rights: ManagerRights) -> Policy:
    """The policy of a manager's role.

    RunInstances is checked against every resource that it touches (EC2 user guide, "Use launch templates to
    control launching instances"): there must be a template, and it must be the stack's; the machine and its
    volume must carry the tag by which the monitor may end them; image, security groups and key must be the
    template's own, so that a call cannot put others in their place. The machine's tags say for which bucket
    and group it works, and the monitor believes them: the bucket must be the analysis's, and the machine must
    have the profile of that very group. Keys of a machine (its type, its profile) are there when the resource
    `instance/*` is checked, and not with the others (Service Authorization Reference, "Amazon EC2").
    """
    templates = place.arn("ec2", "launch-template/*")
    statements = [
        allow_own(
            place,
            "ReadSubmissions",
            ["s3:GetObject"],
            [
                place.objects(rights.bucket, f"*/{folder}/*")
                for folder in ("submissions", "configs", "inputs", "results")
            ],
        ),
        # A submission that another of its name has replaced at once has an answer too.
        allow_own(
            place,
            "ReadReplacedSubmissions",
            ["s3:GetObjectVersion"],
            [place.objects(rights.bucket, "*/submissions/*")],
        ),
        allow_own(
            place, "AnswerSubmissions", ["s3:PutObject"], [place.objects(rights.bucket, "*/results/*")]
        ),
        allow_own(
            place,
            "KeepRecords",
            ["s3:GetObject", "s3:PutObject"],
            [place.objects(rights.bucket, f"{JOBS}/*")],
        ),
        # A group may have the name of a folder, and "*" is any number of folders: `logs/results/…` is no
        # result.
        deny(
            "LeaveReportsAlone",
            ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
            [
                place.objects(rights.bucket, f"{ACTIVE_PREFIX.split('/')[0]}/*"),
                place.objects(rights.bucket, f"{EVIDENCE}/*"),
            ],
        ),
        # Without a condition: S3 answers "no such key" only to those who may list the bucket, else "access
        # denied".
        allow_own(
            place, "ListData", ["s3:ListBucket", "s3:ListBucketVersions"], [place.bucket(rights.bucket)]
        ),
        allow_own(
            place,
            "ReadSettings",
            ["s3:GetObject"],
            [place.objects(rights.artifact_bucket, rights.settings_key)],
        ),
        allow(
            "TakeSubmissions",
            [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ChangeMessageVisibility",
                # a launch that EC2 slows down goes on in a later delivery
                "sqs:SendMessage",
            ],
            [rights.queue_arn],
        ),
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{rights.log_group_arn}:*"]),
        allow(
            "KeepLedger",
            [
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
                "dynamodb:DeleteItem",
                "dynamodb:ConditionCheckItem",
                # the index of jobs, and what each member has spent
                "dynamodb:Query",
            ],
            [rights.ledger_arn],
        ),
        allow(
            "ReadBudgets",
            ["ssm:GetParameters"],
            [
                place.arn("ssm", f"parameter{BUDGET_PARAMETERS}/*/{rights.analysis}{end}")
                # of the group, of each member of it, and of one
                for end in ("", f"/{LIMIT}", f"/{EACH}", f"/{EACH}/{LIMIT}", f"/{MEMBERS}/*")
            ],
        ),
        # Who is behind the principal of S3's event, and whom a lead has taken out.
        allow(
            "ReadMembers",
            ["ssm:GetParametersByPath"],
            [place.arn("ssm", f"parameter{members.folder('*')}")],
        ),
        allow("SendNotices", ["sns:Publish"], [rights.topic_arn]),
        allow("SealNotices", ["kms:Decrypt", "kms:GenerateDataKey"], [rights.topic_key_arn]),
        allow_unscoped("FindMachines", ["ec2:DescribeInstances"]),
        # What it decodes is in the log of the function only, and it gives no right to anything that is told
        # of.
        allow_unscoped("ExplainRefusals", ["sts:DecodeAuthorizationMessage"]),
        allow(
            "LaunchMachinesOfJobs",
            ["ec2:RunInstances"],
            [place.arn("ec2", "instance/*")],
            {
                "ArnLike": {
                    "ec2:LaunchTemplate": templates,
                    "ec2:InstanceProfile": place.global_arn(
                        "iam", f"instance-profile{rights.machine_path}${{aws:RequestTag/{GROUP}}}/*"
                    ),
                },
                "StringEquals": {
                    f"aws:RequestTag/{PRICE_TRACKING}": "On",
                    f"aws:RequestTag/{BUCKET}": rights.bucket,
                    "ec2:InstanceType": sorted(rights.instance_types),
                },
                "StringLike": {f"aws:RequestTag/{TIMEOUT}": numbers_up_to(rights.max_minutes)},
                # A tag may have a character that would be a wildcard in the profile's ARN; the name of a
                # group has none.
                "StringNotLike": {f"aws:RequestTag/{GROUP}": ["*${*}*", "*${?}*"]},
            },
        ),
        allow(
            "LaunchTaggedVolumes",
            ["ec2:RunInstances"],
            [place.arn("ec2", "volume/*")],
            {
                "ArnLike": {"ec2:LaunchTemplate": templates},
                "StringEquals": {f"aws:RequestTag/{PRICE_TRACKING}": "On"},
            },
        ),
        allow(
            "LaunchWithTemplatesParts",
            ["ec2:RunInstances"],
            [
                place.public_arn("ec2", "image/*"),
                place.arn("ec2", "security-group/*"),
                place.arn("ec2", "key-pair/*"),
            ],
            {"Bool": {"ec2:IsLaunchTemplateResource": "true"}},
        ),
        allow(
            "LaunchFromOwnTemplates",
            ["ec2:RunInstances"],
            [templates],
            {"StringEquals": {f"aws:ResourceTag/{STACK_TAG}": rights.stack}},
        ),
        # A launch always touches a machine and its template too, so the conditions above hold for these as
        # well.
        allow(
            "LaunchOnNetwork",
            ["ec2:RunInstances"],
            [
                # A shared subnet has the account of its owner in its ARN.
                *(place.shared_arn("ec2", f"subnet/{one}") for one in rights.subnets),
                *([] if rights.subnets else [place.arn("ec2", "subnet/*")]),
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
            [place.global_arn("iam", f"role{rights.machine_path}*")],
            {"StringEquals": {"iam:PassedToService": place.principal("ec2")}},
        ),
    ]
    statements += sealed_volumes(place)
    # Whether a group may name a bucket is checked in its submission; the manager reads for all groups.
    statements += outside.readable(place, rights.outside_buckets)
    statements += chains.manager(place, rights.sources, rights.artifact_bucket)
    if rights.image_parameter:
        arns = [place.public_arn("ssm", f"parameter{rights.image_parameter}")]
        statements.append(allow("ResolveImage", ["ssm:GetParameter", "ssm:GetParameters"], arns))
    return document(*statements)


def numbers_up_to(largest: int) -> list[str]:
    """Patterns of `StringLike` for the decimal numbers from 1 to `largest` (without leading zeros). IAM's
    numeric operators are for keys with numeric values, and a tag is a string. A pattern's "?" is any
    character, not only a digit; what is no number is none to those who read the tag
    (`runtime.monitor.jobless`), who then go by an hour."""
    digits = str(largest)
    patterns = ["?" * length for length in range(1, len(digits))]
    for place, digit in enumerate(digits):
        rest = "?" * (len(digits) - place - 1)
        patterns += [f"{digits[:place]}{smaller}{rest}" for smaller in range(0 if place else 1, int(digit))]
    return [*patterns, digits]
