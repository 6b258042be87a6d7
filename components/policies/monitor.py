"""The monitor: one for all analyses. It ends machines and closes jobs; each analysis bucket lets it in by its
own policy.

It reads by its own role, and writes to buckets by another, its writer: each session of the writer is for one
bucket and one group (`runtime.monitor.confined`), so what went wrong with the documents of one group cannot
be written into another's folders.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.names import PREFIX
from components.place import Place
from components.policies.document import Policy, Statement, allow, allow_own, allow_unscoped, document
from neurocaas.protocol import digest
from neurocaas.protocol.hold import TAG as HELD
from neurocaas.protocol.keys import ACTIVE_PREFIX, EVIDENCE, JOBS, RESULTS

WRITER_PATH = f"/{PREFIX}-writers/"
"""Path of the roles by which the monitor writes, and of no other role."""

SETTINGS = "analyses/"
"""Where the artifact bucket has the settings of all analyses."""

_LOGS = ACTIVE_PREFIX.split("/")[0]


def monitor(
    place: Place,
    *,
    queue_arn: str,
    log_group_arn: str,
    ledger_arn: str,
    topic_arn: str,
    topic_key_arn: str,
    artifact_bucket: str,
    writer_role_arn: str,
) -> Policy:
    return document(
        allow(
            "TakeEvents",
            [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ChangeMessageVisibility",
            ],
            [queue_arn],
        ),
        allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:*"]),
        allow(
            "KeepLedger",
            [
                "dynamodb:GetItem",
                "dynamodb:BatchGetItem",
                "dynamodb:UpdateItem",
                "dynamodb:DeleteItem",
                "dynamodb:Query",
            ],
            [ledger_arn],
        ),
        allow("WriteToBuckets", ["sts:AssumeRole"], [writer_role_arn]),
        # Which buckets and queues there are, to find submissions that nobody has answered and to deliver them
        # again.
        allow_own(
            place,
            "ReadSettings",
            ["s3:GetObject"],
            [place.objects(artifact_bucket, f"{prefix}*") for prefix in (SETTINGS, digest.PREFIX)],
        ),
        allow_own(
            place,
            "ListSettings",
            ["s3:ListBucket"],
            [place.bucket(artifact_bucket)],
            {"StringLike": {"s3:prefix": [f"{SETTINGS}*", f"{digest.PREFIX}*"]}},
        ),
        # Seven characters are Pulumi's; the dead-letter queues end otherwise.
        allow("DeliverAgain", ["sqs:SendMessage"], [place.arn("sqs", f"{PREFIX}-*-submissions-???????")]),
        allow("SendNotices", ["sns:Publish"], [topic_arn]),
        allow("SealNotices", ["kms:Decrypt", "kms:GenerateDataKey"], [topic_key_arn]),
        allow(
            "EndMachinesOfJobs",
            ["ec2:TerminateInstances"],
            [place.arn("ec2", "instance/*")],
            {"StringEquals": {"aws:ResourceTag/PriceTracking": "On"}},
        ),
        # so that developers may enter those, and no others
        allow(
            "MarkHeldMachines",
            ["ec2:CreateTags"],
            [place.arn("ec2", "instance/*")],
            {
                "StringEquals": {"aws:ResourceTag/PriceTracking": "On"},
                "ForAllValues:StringEquals": {"aws:TagKeys": [HELD]},
            },
        ),
        allow(
            "StopMachinesWithoutJob",
            ["ec2:StopInstances"],
            [place.arn("ec2", "instance/*")],
            {"StringEquals": {"aws:ResourceTag/PriceTracking": "On"}},
        ),
        allow_unscoped(
            "SeeMachines",
            ["ec2:DescribeInstances", "ec2:DescribeInstanceStatus", "ec2:DescribeSpotPriceHistory"],
        ),
    )


def bucket_access(
    place: Place, *, bucket: str, monitor_role_arn: str, writer_role_arn: str
) -> Sequence[Statement]:
    """What the policy of an analysis bucket lets the monitor and its writer do: records, evidence, reports
    and results, neither inputs nor submissions. Of results it reads the statuses that people see, to keep
    what they show, and believes nothing of them."""

    def objects(*prefixes: str) -> list[str]:
        return [place.objects(bucket, f"{prefix}/*") for prefix in prefixes]

    reader = [
        allow_own(place, "MonitorReads", ["s3:GetObject"], objects(_LOGS, JOBS, EVIDENCE, f"*/{RESULTS}")),
        # Without a condition: S3 answers "no such key" only to those who may list the bucket, else "access
        # denied".
        allow_own(place, "MonitorLists", ["s3:ListBucket"], [place.bucket(bucket)]),
    ]
    writer = [
        allow_own(place, "MonitorWrites", ["s3:PutObject"], objects(_LOGS, JOBS, f"*/{RESULTS}")),
        allow_own(
            place, "MonitorClosesReports", ["s3:DeleteObject"], [place.objects(bucket, f"{ACTIVE_PREFIX}*")]
        ),
        # To copy the logs of a job to the outside bucket that its results went to, and to set aside what an
        # earlier attempt has written.
        allow_own(place, "MonitorCopies", ["s3:GetObject"], objects(f"*/{RESULTS}")),
        allow_own(place, "MonitorSetsAside", ["s3:DeleteObject"], objects(f"*/{RESULTS}/*/process_results")),
    ]
    by = ((monitor_role_arn, reader), (writer_role_arn, writer))
    return [{**statement, "Principal": {"AWS": role}} for role, statements in by for statement in statements]
