"""Rules for values that botocore's models do not know (`traits` reads those), by type and path: what the real
provider or AWS refuses. Limits are from the documentation page of each type.
"""

from __future__ import annotations

from collections.abc import Mapping

from localcloud.pulumi.provider.rules import (
    Rule,
    arn,
    between,
    items,
    json_object,
    length,
    network,
    not_matching,
    one_of,
    pattern,
    policy,
)

Rules = Mapping[str, tuple[Rule, ...]]

BUCKET_NAME = (
    length(3, 63),
    pattern(
        "[a-z0-9][a-z0-9.-]*[a-z0-9]",
        "lower-case letters, digits, dots and hyphens, with a letter or digit at both ends",
        "rename the bucket",
    ),
    not_matching(
        r"\.\.|^\d+\.\d+\.\d+\.\d+$|^xn--|-s3alias$",
        "two dots in a row, an IP address, xn-- before or -s3alias after",
        "rename the bucket",
    ),
)

ROLE = (arn("iam"),)
RETENTION_DAYS = (
    *(0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096),
    *(1827, 2192, 2557, 2922, 3288, 3653),
)

_RULE: Rules = {
    "ipProtocol": (
        pattern(
            r"-1|tcp|udp|icmp|icmpv6|\d{1,3}",
            "tcp, udp, icmp, icmpv6, a protocol's number, or -1 for all",
            "correct it",
        ),
    ),
    "cidrIpv4": (network(4, "10.0.0.0/8"),),
    "cidrIpv6": (network(6, "2001:db8::/32"),),
    "fromPort": (between(-1, 65535),),
    "toPort": (between(-1, 65535),),
    "description": (length(0, 255),),
}


CONSTRAINTS: Mapping[str, Rules] = {
    "s3.Bucket": {"bucket": BUCKET_NAME},
    "s3.BucketVersioning": {"versioningConfiguration.status": (one_of("Enabled", "Suspended", "Disabled"),)},
    "s3.BucketServerSideEncryptionConfiguration": {"rules": (items(1, 1),)},
    "s3.BucketOwnershipControls": {
        "rule.objectOwnership": (one_of("BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced"),)
    },
    "s3.BucketLifecycleConfiguration": {
        "rules": (items(1, 1000),),
        "rules[].id": (length(1, 255),),
        "rules[].expiration.days": (between(0, 2147483647, "days"),),
    },
    "s3.BucketPolicy": {"policy": (length(1, 20480), policy("resource"))},
    "s3.BucketNotification": {"queues[].queueArn": (arn("sqs"),)},
    "s3.BucketObjectv2": {"key": (length(1, 1024),)},
    "iam.Role": {"permissionsBoundary": ROLE, "assumeRolePolicy": (policy("trust"),)},
    "iam.RolePolicy": {"policy": (policy("identity"),)},
    "iam.Policy": {"policy": (length(1, 6144 * 4), policy("identity"))},
    "iam.GroupPolicy": {"policy": (policy("identity"),)},
    "iam.UserGroupMembership": {"groups": (items(1, 10),)},
    "sqs.Queue": {
        "name": (length(1, 80), pattern("[A-Za-z0-9_-]+", "letters, digits, - and _", "rename it")),
        "messageRetentionSeconds": (between(60, 1209600, "seconds"),),
        "receiveWaitTimeSeconds": (between(0, 20, "seconds"),),
        "visibilityTimeoutSeconds": (between(0, 43200, "seconds"),),
        "redrivePolicy": (json_object,),
    },
    "sqs.QueuePolicy": {"policy": (policy("resource"),)},
    "lambda.Function": {
        "name": (length(1, 140), pattern("[A-Za-z0-9_:-]+", "letters, digits, - and _", "rename it")),
        "handler": (length(1, 128),),
        "memorySize": (between(128, 10240, "MB"),),
        "timeout": (between(1, 900, "seconds"),),
        "architectures": (items(1, 1),),
        "architectures[]": (one_of("x86_64", "arm64"),),
    },
    "lambda.Permission": {"sourceArn": (arn(),)},
    "sns.Topic": {
        "name": (length(1, 256), pattern("[A-Za-z0-9_-]+", "letters, digits, - and _", "rename it"))
    },
    "sns.TopicPolicy": {"arn": (arn("sns"),), "policy": (policy("resource"),)},
    "sns.TopicSubscription": {
        "topic": (arn("sns"),),
        "protocol": (
            one_of("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"),
        ),
        "filterPolicy": (json_object,),
        "filterPolicyScope": (one_of("MessageAttributes", "MessageBody"),),
    },
    "cloudwatch.LogGroup": {"retentionInDays": (one_of(*RETENTION_DAYS),)},
    "cloudwatch.EventRule": {
        "eventPattern": (json_object,),
        "scheduleExpression": (
            pattern(r"(rate|cron)\(.+\)", "rate(VALUE UNIT) or cron(FIELDS)", "write it so"),
        ),
    },
    "cloudwatch.EventTarget": {
        "arn": (arn(),),
        "targetId": (length(1, 64), pattern("[A-Za-z0-9._-]+", "letters, digits and . - _", "rename it")),
    },
    "cloudwatch.MetricAlarm": {
        "evaluationPeriods": (between(1, 86400),),
        "treatMissingData": (one_of("breaching", "notBreaching", "ignore", "missing"),),
        "alarmActions[]": (arn(),),
    },
    "cloudwatch.Dashboard": {
        "dashboardName": (length(1, 255), pattern("[A-Za-z0-9_-]+", "letters, digits, - and _", "rename it")),
        "dashboardBody": (json_object,),
    },
    "kms.Key": {
        "deletionWindowInDays": (between(7, 30, "days"),),
        "policy": (length(1, 32768), policy("resource")),
    },
    "kms.Alias": {
        "name": (
            pattern("alias/[A-Za-z0-9/_-]{1,250}", "alias/ and then letters, digits, / _ -", "rename it"),
            not_matching("^alias/aws/", "alias/aws/, which is AWS's own", "rename it"),
        )
    },
    "ssm.Parameter": {
        "name": (
            pattern("/?[A-Za-z0-9._/-]+", "letters, digits and . - _ /; a path begins with /", "rename it"),
        )
    },
    "dynamodb.Table": {
        "name": (length(3, 255), pattern("[A-Za-z0-9._-]+", "letters, digits and . - _", "rename it")),
        "attributes[].type": (one_of("S", "N", "B"),),
    },
    "ec2.KeyPair": {
        "keyName": (length(1, 255),),
        "publicKey": (
            pattern(
                r"(ssh-rsa|ssh-ed25519) [A-Za-z0-9+/=]+( .*)?\s*|[A-Za-z0-9+/=\s]+",
                "an OpenSSH public key of type rsa or ed25519",
                "pass the text of the .pub file",
            ),
        ),
    },
    "ec2.SecurityGroup": {
        "name": (length(1, 255), not_matching("^sg-", "sg- at the beginning", "rename it")),
        "description": (
            length(1, 255),
            pattern(
                r"[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]*",
                "letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*",
                "reword it",
            ),
        ),
    },
    "ec2.LaunchTemplate": {
        "imageId": (pattern("ami-[0-9a-f]+|resolve:ssm:.+", "ami-… or resolve:ssm:PARAMETER", "correct it"),),
        "metadataOptions.httpPutResponseHopLimit": (between(1, 64),),
        "iamInstanceProfile.arn": ROLE,
    },
    "vpc.SecurityGroupEgressRule": {key: rules for key, rules in _RULE.items() if key != "cidrIpv6"},
    "vpc.SecurityGroupIngressRule": _RULE,
    "imagebuilder.ImageRecipe": {
        "version": (pattern(r"\d+\.\d+\.\d+", "three numbers: MAJOR.MINOR.PATCH", "write it so"),),
        "components": (items(1, 20),),
    },
    "imagebuilder.DistributionConfiguration": {"distributions": (items(1, 50),)},
    "imagebuilder.LifecyclePolicy": {"executionRole": ROLE},
}
"""`module.Class` to its rules."""
