"""The bucket of an analysis and the road from a submission to the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from blueprints.model import Stage
from components.bucket import PrivateBucket, PrivateBucketArgs
from components.options import child
from components.place import Place
from components.policies import developer, monitor, resources
from components.policies.document import Statement, rendered
from components.queue import WorkQueue
from neurocaas.protocol import keys

EVIDENCE_DAYS = 90
"""How long it is kept what machines have said of themselves: a job is over long before."""

PAGE_ORIGINS = ("http://127.0.0.1:*",)
"""From where a browser lets a page talk to the bucket: `invoke portal`, on the person's own computer. What
the page may do there, its person's credentials say (S3 user guide, "Using cross-origin resource sharing").
"""

RULES = 100
"""Notification rules that S3 has room for in a bucket (S3 user guide, "Amazon S3 Event Notifications")."""


@dataclass(frozen=True, kw_only=True)
class AnalysisBucketArgs:
    """`bucket`: its name, which the contract fixes. `stage`: at `prod` the bucket is protected. `groups`:
    whose submissions start jobs.
    `queue`: where submissions go. `monitor_role_arn`: who reads records, evidence and reports.
    `writer_role_arn`: who writes them.
    `developer_role_arn`: development instances, which reach the data of the group `debuggers`. `after`: the
    rest of the stack."""

    place: Place
    bucket: str
    stage: Stage
    groups: Sequence[str]
    queue: WorkQueue
    monitor_role_arn: pulumi.Input[str]
    writer_role_arn: pulumi.Input[str]
    developer_role_arn: pulumi.Input[str]
    after: Sequence[pulumi.Resource] = ()


class AnalysisBucket(pulumi.ComponentResource):
    """The bucket, which no destroy takes along while it has objects, and which is deleted before the rest of
    the stack: where S3 refuses that, the service goes on. Its notifications: a rule for each group, since one
    for the whole bucket would fire on results as well, and one for the further attempts that the monitor asks
    for."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: AnalysisBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("neurocaas:storage:AnalysisBucket", name, {}, opts)
        place = args.place

        def statements(
            bucket: str, monitor_role_arn: str, writer_role_arn: str, developer_role_arn: str
        ) -> Sequence[Statement]:
            return [
                *monitor.bucket_access(
                    place, bucket=bucket, monitor_role_arn=monitor_role_arn, writer_role_arn=writer_role_arn
                ),
                *developer.bucket_access(place, bucket=bucket, developer_role_arn=developer_role_arn),
            ]

        admitted = args.queue.admit(
            rendered(
                lambda queue_arn: resources.queue_from_bucket(
                    place, queue_arn=queue_arn, bucket_name=args.bucket
                ),
                queue_arn=args.queue.arn,
            )
        )
        data = PrivateBucket(
            name,
            PrivateBucketArgs(
                place=place,
                bucket=args.bucket,
                protect=args.stage is Stage.PROD,
                old_version_days=30,
                expire_days=[(f"{keys.EVIDENCE}/", EVIDENCE_DAYS)],
                statements=statements,
                grants={
                    "monitor_role_arn": args.monitor_role_arn,
                    "writer_role_arn": args.writer_role_arn,
                    "developer_role_arn": args.developer_role_arn,
                },
                after=[*args.after, admitted],
            ),
            opts=child(self),
        )
        aws.s3.BucketNotification(
            name,
            bucket=data.name,
            queues=[
                *_submissions(args.queue, args.groups),
                _rule(args.queue, "attempts", keys.RETRY_SUFFIX, f"{keys.JOBS}/"),
            ],
            # S3 sends a test message on creation, which the queue must already accept.
            opts=child(self, depends_on=[admitted, data.ready], deleted_with=data.bucket),
        )
        aws.s3.BucketCorsConfiguration(
            name,
            bucket=data.name,
            cors_rules=[
                {
                    "allowed_methods": ["GET", "HEAD", "PUT", "POST", "DELETE"],
                    "allowed_origins": list(PAGE_ORIGINS),
                    "allowed_headers": ["*"],
                    "expose_headers": ["ETag", "x-amz-version-id", "x-amz-checksum-sha256"],
                    "max_age_seconds": 3600,
                }
            ],
            opts=child(self, deleted_with=data.bucket),
        )
        self.name, self.arn = data.name, data.arn
        self.register_outputs({"name": self.name, "arn": self.arn})


def _submissions(queue: WorkQueue, groups: Sequence[str]) -> list[aws.s3.BucketNotificationQueueArgs]:
    """A rule for each group. With more groups than S3 has room for, three for the whole bucket: then results
    with such names are told of as well, and the manager ignores them."""
    if len(groups) < RULES:
        return [
            _rule(queue, f"submissions-{number}", ".json", f"{group}/{keys.SUBMISSIONS}/")
            for number, group in enumerate(groups)
        ]
    return [
        _rule(queue, suffix.partition(".")[0], suffix)
        for suffix in (keys.SUBMISSION_SUFFIX, keys.CANCEL_SUFFIX, keys.WATCH_SUFFIX)
    ]


def _rule(
    queue: WorkQueue, name: str, suffix: str, prefix: str | None = None
) -> aws.s3.BucketNotificationQueueArgs:
    return aws.s3.BucketNotificationQueueArgs(
        id=name,
        queue_arn=queue.arn,
        events=["s3:ObjectCreated:*"],
        filter_prefix=prefix,
        filter_suffix=suffix,
    )
