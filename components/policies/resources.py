"""Policies that hang on resources: buckets, queues, the topic, the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.place import Place
from components.policies.document import Policy, Statement, document


def bucket(place: Place, *, name: str, statements: Sequence[Statement] = ()) -> Policy:
    """Nothing without TLS, from anybody; then what the caller adds."""
    return document(
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [place.bucket(name), place.objects(name, "*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        *statements,
    )


def own_roles(place: Place) -> Policy:
    """An endpoint of S3 that lets in principals of this account, for what machines do; where they may, their
    roles say. Nothing without credentials, and nothing with those of another account."""
    return document(
        {
            "Sid": "OwnRoles",
            "Effect": "Allow",
            "Principal": "*",
            "Action": [
                "s3:AbortMultipartUpload",
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:ListBucket",
                "s3:PutObject",
            ],
            "Resource": [place.bucket("*"), place.objects("*", "*")],
            "Condition": {"StringEquals": {"aws:PrincipalAccount": place.account}},
        }
    )


def anybody_reads(place: Place, *, bucket: str, prefix: str) -> Statement:
    """Everybody, with an account or without, gets the objects below the prefix."""
    objects = [place.objects(bucket, f"{prefix}*")]
    return {
        "Sid": "AnybodyReads",
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": objects,
    }


def trail_writes(place: Place, *, bucket: str, folder: str, trail_arn: str) -> Sequence[Statement]:
    """One trail of this account may write below the folder (CloudTrail user guide, "Amazon S3 bucket policy
    for CloudTrail").
    """
    service, source = {"Service": place.principal("cloudtrail")}, {"aws:SourceArn": trail_arn}
    return [
        {
            "Sid": "TrailLooks",
            "Effect": "Allow",
            "Principal": service,
            "Action": ["s3:GetBucketAcl"],
            "Resource": [place.bucket(bucket)],
            "Condition": {"StringEquals": source},
        },
        {
            "Sid": "TrailWrites",
            "Effect": "Allow",
            "Principal": service,
            "Action": ["s3:PutObject"],
            "Resource": [place.objects(bucket, f"{folder}/AWSLogs/{place.account}/*")],
            "Condition": {"StringEquals": {**source, "s3:x-amz-acl": "bucket-owner-full-control"}},
        },
    ]


def queue_from_bucket(place: Place, *, queue_arn: str, bucket_name: str) -> Policy:
    """The notifications of one bucket of this account may enter (S3 user guide, "Granting permissions to
    publish").
    """
    condition = {
        "ArnEquals": {"aws:SourceArn": place.bucket(bucket_name)},
        "StringEquals": {"aws:SourceAccount": place.account},
    }
    return document(_send(place.principal("s3"), queue_arn, condition))


def queue_from_rule(place: Place, *, queue_arn: str, rule_arns: Sequence[str]) -> Policy:
    """The events of these EventBridge rules may enter."""
    return document(
        _send(place.principal("events"), queue_arn, {"ArnEquals": {"aws:SourceArn": sorted(rule_arns)}})
    )


def _send(service: str, queue_arn: str, condition: Mapping[str, object]) -> Statement:
    return {
        "Sid": "Enter",
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sqs:SendMessage"],
        "Resource": [queue_arn],
        "Condition": condition,
    }


def topic(place: Place, *, topic_arn: str) -> Policy:
    """Alarms of this account may publish; roles publish by their own policies."""
    return document(
        {
            "Sid": "Alarms",
            "Effect": "Allow",
            "Principal": {"Service": place.principal("cloudwatch")},
            "Action": ["sns:Publish"],
            "Resource": [topic_arn],
            "Condition": {"StringEquals": {"aws:SourceAccount": place.account}},
        }
    )


def key(place: Place) -> Policy:
    """The account administers the key through IAM, alarms may seal notices with it.

    A key policy's resource is always the key itself, written "*"; without the first statement nobody could
    ever change the key (KMS developer guide, "Default key policy").
    """
    return document(
        {
            "Sid": "AccountAdministersByIam",
            "Effect": "Allow",
            "Principal": {"AWS": place.global_arn("iam", "root")},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Sid": "AlarmsSealNotices",
            "Effect": "Allow",
            "Principal": {"Service": place.principal("cloudwatch")},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceAccount": place.account}},
        },
    )
