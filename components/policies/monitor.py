"""The monitor: one for all analyses. It ends machines and closes jobs; each analysis bucket lets it in by its own policy."""

from __future__ import annotations

from collections.abc import Sequence

from components.place import Place
from components.policies.document import Policy, Statement, allow, allow_unscoped, document


def monitor(
    place: Place,
    *,
    queue_arn: str,
    log_group_arn: str,
    ledger_arn: str,
    topic_arn: str,
    topic_key_arn: str,
) -> Policy:
    return document(
        allow(
            "TakeEvents",
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"],
            [queue_arn],
        ),
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:*"]),
        allow(
            "KeepLedger",
            ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Query"],
            [ledger_arn],
        ),
        allow("SendNotices", ["sns:Publish"], [topic_arn]),
        allow("SealNotices", ["kms:Decrypt", "kms:GenerateDataKey"], [topic_key_arn]),
        allow(
            "EndMachinesOfJobs",
            ["ec2:TerminateInstances"],
            [place.arn("ec2", "instance/*")],
            {"StringEquals": {"aws:ResourceTag/PriceTracking": "On"}},
        ),
        allow(
            "StopMachinesWithoutJob",
            ["ec2:StopInstances"],
            [place.arn("ec2", "instance/*")],
            {"StringEquals": {"aws:ResourceTag/PriceTracking": "On"}},
        ),
        allow_unscoped("SeeMachines", ["ec2:DescribeInstances"]),
    )


def bucket_access(place: Place, *, bucket: str, monitor_role_arn: str) -> Sequence[Statement]:
    """What the policy of an analysis bucket lets the monitor do: reports and results, neither inputs nor submissions."""
    statements = [
        allow("MonitorReads", ["s3:GetObject"], [place.objects(bucket, "logs/*"), place.objects(bucket, "*/results/*")]),
        allow("MonitorWrites", ["s3:PutObject"], [place.objects(bucket, "logs/*"), place.objects(bucket, "*/results/*")]),
        allow("MonitorClosesReports", ["s3:DeleteObject"], [place.objects(bucket, "logs/active/*")]),
        # Without a condition: S3 answers "no such key" only to those who may list the bucket, else "access denied".
        allow("MonitorLists", ["s3:ListBucket"], [place.bucket(bucket)]),
    ]
    return [{**statement, "Principal": {"AWS": monitor_role_arn}} for statement in statements]
