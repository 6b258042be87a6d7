"""Rules about where data lies: buckets, queues, topics, tables, parameters, logs."""

from __future__ import annotations

import json
from collections.abc import Iterator

from checks.published import published
from checks.resource import Resource, StackResources, as_list
from checks.rule import Rule

BUCKET = "aws:s3/bucket:Bucket"
QUEUE = "aws:sqs/queue:Queue"
_BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_OF_POLICIES = {"blockPublicPolicy", "restrictPublicBuckets"}


def _private(resource: Resource, stack: StackResources) -> Iterator[str]:
    blocks = stack.beside(resource, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "bucket")
    if not blocks:
        yield "a bucket without a public access block"
    for block in blocks:
        missing = [key for key in _BLOCKS if block.get(key) is not True]
        if missing and set(missing) <= _OF_POLICIES and _publishes(resource, stack):
            continue
        if missing:
            yield f"{', '.join(missing)} not true"
    owners = stack.beside(resource, "aws:s3/bucketOwnershipControls:BucketOwnershipControls", "bucket")
    if not any(one.get("rule", "objectOwnership") == "BucketOwnerEnforced" for one in owners):
        yield "access lists are not turned off (BucketOwnerEnforced)"


def _publishes(resource: Resource, stack: StackResources) -> bool:
    """Whether the bucket's policy allows something to everybody, and only what may be published
    (no-public-policy judges the rest).
    """
    policies = stack.beside(resource, "aws:s3/bucketPolicy:BucketPolicy", "bucket")
    return any(
        one.get("Effect") == "Allow" and published(one)
        for policy in policies
        for one in policy.statements("policy")
    )


def _encrypted(resource: Resource, stack: StackResources) -> Iterator[str]:
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    settings = stack.beside(resource, kind, "bucket")
    if not any(one.get("rules", 0, "applyServerSideEncryptionByDefault", "sseAlgorithm") for one in settings):
        yield "a bucket without default encryption"


def _versioned(resource: Resource, stack: StackResources) -> Iterator[str]:
    settings = stack.beside(resource, "aws:s3/bucketVersioning:BucketVersioning", "bucket")
    if not any(one.get("versioningConfiguration", "status") == "Enabled" for one in settings):
        yield "a bucket that keeps no old versions"


def _lifecycle(resource: Resource, stack: StackResources) -> Iterator[str]:
    if not stack.beside(
        resource, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "bucket"
    ):
        yield "a bucket that keeps old versions for ever"


def _tls(resource: Resource, stack: StackResources) -> Iterator[str]:
    for policy in stack.beside(resource, "aws:s3/bucketPolicy:BucketPolicy", "bucket"):
        for statement in policy.statements("policy"):
            secure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
            everybody = statement.get("Principal") in ("*", {"AWS": "*"}) and "s3:*" in as_list(
                statement.get("Action")
            )
            if statement.get("Effect") == "Deny" and str(secure).lower() == "false" and everybody:
                return
    yield "a bucket that answers without TLS"


def _queue_encrypted(resource: Resource, stack: StackResources) -> Iterator[str]:
    if resource.get("sqsManagedSseEnabled") is not True and not resource.has("kmsMasterKeyId"):
        yield "a queue that is not encrypted"


def _dead_letters(resource: Resource, stack: StackResources) -> Iterator[str]:
    """A queue that other queues put their failed messages into needs none itself."""
    if resource.has("redrivePolicy"):
        return
    for other in stack.of(QUEUE):
        if resource.urn and resource.urn in other.depends.get("redrivePolicy", ()):
            return
        target = json.loads(other.get("redrivePolicy") or "{}").get("deadLetterTargetArn")
        if target in resource.called:
            return
    yield "a queue whose failed messages go nowhere"


def _topic_encrypted(resource: Resource, stack: StackResources) -> Iterator[str]:
    if not resource.has("kmsMasterKeyId"):
        yield "a topic that is not encrypted"


def _table(resource: Resource, stack: StackResources) -> Iterator[str]:
    if resource.get("serverSideEncryption", "enabled") is not True:
        yield "a table that is not encrypted"
    if resource.get("pointInTimeRecovery", "enabled") is not True:
        yield "a table that cannot be set back"


def _retention(resource: Resource, stack: StackResources) -> Iterator[str]:
    days = resource.get("retentionInDays")
    if not days:
        yield "a log that is kept for ever"


def _function_log(resource: Resource, stack: StackResources) -> Iterator[str]:
    """Lambda itself makes the log group of a function without one, and that has no retention."""
    if not resource.has("loggingConfig", "logGroup"):
        yield "a function that writes to a log group which Lambda would make"
    if resource.get("loggingConfig", "logFormat") != "JSON":
        yield "a function whose log is not JSON"


def _key_rotation(resource: Resource, stack: StackResources) -> Iterator[str]:
    if resource.get("enableKeyRotation") is not True:
        yield "a key that is never rotated"


_BY_BUCKET, _BY_QUEUE = "use components.bucket.PrivateBucket", "use components.queue.WorkQueue"
RULES = (
    Rule("bucket-private", (BUCKET,), "buckets that nobody outside the account can open", _BY_BUCKET,
        _private, False),
    Rule("bucket-encrypted", (BUCKET,), "buckets with default encryption", _BY_BUCKET, _encrypted, False),
    Rule("bucket-versioned", (BUCKET,), "buckets that keep old versions", _BY_BUCKET, _versioned, False),
    Rule("bucket-lifecycle", (BUCKET,), "buckets whose old versions end", _BY_BUCKET, _lifecycle, False),
    Rule("bucket-tls-only", (BUCKET,), "a bucket policy that denies all requests without TLS", _BY_BUCKET,
        _tls, False),
    Rule("queue-encrypted", (QUEUE,), "encrypted queues", _BY_QUEUE, _queue_encrypted),
    Rule("queue-dead-letters", (QUEUE,), "a dead-letter queue for each queue", _BY_QUEUE, _dead_letters,
        False),
    Rule("topic-encrypted", ("aws:sns/topic:Topic",), "encrypted topics", "give the topic "
        "`kms_master_key_id`", _topic_encrypted),
    Rule(
        "table-recoverable", ("aws:dynamodb/table:Table",), "tables with encryption and point-in-time "
            "recovery",
        "set `server_side_encryption` and `point_in_time_recovery`", _table,
    ),
    Rule("log-retention", ("aws:cloudwatch/logGroup:LogGroup",), "logs with an end", "set "
        "`retention_in_days`", _retention),
    Rule(
        "function-log", ("aws:lambda/function:Function",), "functions that write JSON to a log group of the "
            "stack",
        "use components.function.WorkerFunction", _function_log,
    ),
    Rule("key-rotation", ("aws:kms/key:Key",), "keys that AWS rotates", "set `enable_key_rotation`",
        _key_rotation),
)  # fmt: skip
