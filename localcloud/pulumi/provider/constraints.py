"""Rules for values, by type and path: what the real provider or AWS refuses. Limits are from the documentation page of each type."""

from __future__ import annotations

from collections.abc import Mapping

from localcloud.pulumi.provider.rules import Rule, arn, between, items, json_object, length, not_matching, one_of, pattern, policy

Rules = Mapping[str, tuple[Rule, ...]]

BUCKET_NAME = (
    length(3, 63),
    pattern(r"[a-z0-9][a-z0-9.-]*[a-z0-9]", "lower-case letters, digits, dots and hyphens, with a letter or digit at both ends", "rename the bucket"),
    not_matching(r"\.\.|^\d+\.\d+\.\d+\.\d+$|^xn--|-s3alias$", "two dots in a row, an IP address, xn-- before or -s3alias after", "rename the bucket"),
)
ROLE_OR_ARN = (arn("iam"),)
IAM_WORDS = "letters, digits and + = , . @ - _"


def iam_name(high: int) -> tuple[Rule, ...]:
    """The name of something in IAM: at most ``high`` characters."""
    return (length(1, high), pattern(r"[\w+=,.@-]+", IAM_WORDS, "rename it"))


IAM_PATH = (length(1, 512), pattern(r"/|/[\x21-\x7e]+/", "/ or a text that begins and ends with /", "add the slashes"))
BUILDER_NAME = (length(1, 126), pattern(r"[-_A-Za-z0-9][-_A-Za-z0-9 ]{0,126}", "letters, digits, spaces, - and _", "rename it"))
BUILDER_VERSION = (pattern(r"\d+\.\d+\.\d+", "three numbers: MAJOR.MINOR.PATCH", "write it so"),)
DESCRIPTION = (length(1, 1024),)
STORAGE = one_of("GLACIER", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "DEEP_ARCHIVE", "GLACIER_IR")
EVENTS = pattern(r"s3:[A-Za-z]+(:[A-Za-z*]+)*", "an event of S3 such as s3:ObjectCreated:*", "correct it")
RETENTION_DAYS = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)

_S3: Mapping[str, Rules] = {
    "s3.Bucket": {"bucket": BUCKET_NAME, "bucketPrefix": (length(1, 37),)},
    "s3.BucketVersioning": {
        "versioningConfiguration.status": (one_of("Enabled", "Suspended", "Disabled"),),
        "versioningConfiguration.mfaDelete": (one_of("Enabled", "Disabled"),),
    },
    "s3.BucketServerSideEncryptionConfiguration": {
        "rules": (items(1, 1),),
        "rules[].applyServerSideEncryptionByDefault.sseAlgorithm": (one_of("AES256", "aws:kms", "aws:kms:dsse"),),
    },
    "s3.BucketOwnershipControls": {"rule.objectOwnership": (one_of("BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced"),)},
    "s3.BucketLifecycleConfiguration": {
        "rules": (items(1, 1000),),
        "rules[].id": (length(1, 255),),
        "rules[].status": (one_of("Enabled", "Disabled"),),
        "rules[].transitions[].storageClass": (STORAGE,),
        "rules[].noncurrentVersionTransitions[].storageClass": (STORAGE,),
        "rules[].expiration.days": (between(0, 2147483647, "days"),),
        "transitionDefaultMinimumObjectSize": (one_of("all_storage_classes_128K", "varies_by_storage_class"),),
    },
    "s3.BucketPolicy": {"policy": (length(1, 20480), policy("resource"))},
    "s3.BucketNotification": {
        "queues[].queueArn": (arn("sqs"),),
        "queues[].events[]": (EVENTS,),
        "topics[].topicArn": (arn("sns"),),
        "topics[].events[]": (EVENTS,),
        "lambdaFunctions[].lambdaFunctionArn": (arn("lambda"),),
        "lambdaFunctions[].events[]": (EVENTS,),
    },
    "s3.BucketObjectv2": {"key": (length(1, 1024),), "serverSideEncryption": (one_of("AES256", "aws:kms", "aws:kms:dsse", "aws:fsx"),)},
}

_IAM: Mapping[str, Rules] = {
    "iam.Role": {
        "name": iam_name(64),
        "namePrefix": (length(1, 38),),
        "path": IAM_PATH,
        "description": (length(0, 1000),),
        "maxSessionDuration": (between(3600, 43200, "seconds"),),
        "permissionsBoundary": ROLE_OR_ARN,
        "assumeRolePolicy": (policy("trust"),),
    },
    "iam.RolePolicy": {"name": iam_name(128), "policy": (policy("identity"),)},
    "iam.RolePolicyAttachment": {"policyArn": ROLE_OR_ARN},
    "iam.Policy": {"name": iam_name(128), "path": IAM_PATH, "policy": (length(1, 6144 * 4), policy("identity"))},
    "iam.InstanceProfile": {"name": iam_name(128), "path": IAM_PATH},
    "iam.Group": {"name": iam_name(128), "path": IAM_PATH},
    "iam.GroupPolicy": {"name": iam_name(128), "policy": (policy("identity"),)},
    "iam.User": {"name": iam_name(64), "path": IAM_PATH, "permissionsBoundary": ROLE_OR_ARN},
    "iam.UserGroupMembership": {"groups": (items(1, 10),)},
}

_MESSAGES: Mapping[str, Rules] = {
    "sqs.Queue": {
        "name": (length(1, 80), pattern(r"[A-Za-z0-9_-]+(\.fifo)?", "letters, digits, - and _, and .fifo after that for FIFO queues", "rename it")),
        "delaySeconds": (between(0, 900, "seconds"),),
        "maxMessageSize": (between(1024, 1048576, "bytes"),),
        "messageRetentionSeconds": (between(60, 1209600, "seconds"),),
        "receiveWaitTimeSeconds": (between(0, 20, "seconds"),),
        "visibilityTimeoutSeconds": (between(0, 43200, "seconds"),),
        "kmsDataKeyReusePeriodSeconds": (between(60, 86400, "seconds"),),
        "policy": (policy("resource"),),
        "redrivePolicy": (json_object,),
        "redriveAllowPolicy": (json_object,),
    },
    "sqs.QueuePolicy": {"policy": (policy("resource"),)},
}

_LAMBDA: Mapping[str, Rules] = {
    "lambda.Function": {
        "name": (length(1, 140), pattern(r"[A-Za-z0-9_:-]+", "letters, digits, - and _", "rename it")),
        "role": (arn("iam"),),
        "handler": (length(1, 128),),
        "runtime": (pattern(r"(python|nodejs|java|dotnet|ruby|provided)[a-z0-9.]*", "a runtime of Lambda such as python3.12", "correct it"),),
        "memorySize": (between(128, 10240, "MB"),),
        "timeout": (between(1, 900, "seconds"),),
        "ephemeralStorage.size": (between(512, 10240, "MB"),),
        "reservedConcurrentExecutions": (between(-1, 1000000),),
        "architectures": (items(1, 1),),
        "architectures[]": (one_of("x86_64", "arm64"),),
        "packageType": (one_of("Zip"),),
        "layers": (items(0, 5),),
        "tracingConfig.mode": (one_of("Active", "PassThrough"),),
        "loggingConfig.logFormat": (one_of("JSON", "Text"),),
        "deadLetterConfig.targetArn": (arn(),),
    },
    "lambda.Permission": {
        "action": (pattern(r"lambda:[A-Za-z*]+|\*", "an action of Lambda such as lambda:InvokeFunction", "correct it"),),
        "statementId": (length(1, 100), pattern(r"[A-Za-z0-9_-]+", "letters, digits, - and _", "rename it")),
        "sourceArn": (arn(),),
        "sourceAccount": (pattern(r"\d{12}", "an account id of 12 digits", "correct it"),),
    },
    "lambda.EventSourceMapping": {
        "eventSourceArn": (arn(),),
        "batchSize": (between(1, 10000, "records"),),
        "maximumBatchingWindowInSeconds": (between(0, 300, "seconds"),),
        "functionResponseTypes[]": (one_of("ReportBatchItemFailures"),),
        "scalingConfig.maximumConcurrency": (between(2, 1000),),
    },
}

CONSTRAINTS: Mapping[str, Rules] = {**_S3, **_IAM, **_MESSAGES, **_LAMBDA}
"""``module.Class`` to its rules."""
