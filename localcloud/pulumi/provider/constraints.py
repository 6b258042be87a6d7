"""Rules for values, by type and path: what the real provider or AWS refuses. Limits are from the
documentation page of each type.
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

ROLE_OR_ARN = (arn("iam"),)

IAM_WORDS = "letters, digits and + = , . @ - _"


def iam_name(high: int) -> tuple[Rule, ...]:
    """The name of something in IAM: at most ``high`` characters."""
    return (length(1, high), pattern(r"[\w+=,.@-]+", IAM_WORDS, "rename it"))


IAM_PATH = (
    length(1, 512),
    pattern(r"/|/[\x21-\x7e]+/", "/ or a text that begins and ends with /", "add the slashes"),
)

BUILDER_NAME = (
    length(1, 126),
    pattern("[-_A-Za-z0-9][-_A-Za-z0-9 ]{0,126}", "letters, digits, spaces, - and _", "rename it"),
)

BUILDER_VERSION = (pattern(r"\d+\.\d+\.\d+", "three numbers: MAJOR.MINOR.PATCH", "write it so"),)

DESCRIPTION = (length(1, 1024),)

STORAGE = one_of("GLACIER", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "DEEP_ARCHIVE", "GLACIER_IR")

EVENTS = pattern("s3:[A-Za-z]+(:[A-Za-z*]+)*", "an event of S3 such as s3:ObjectCreated:*", "correct it")

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

"``module.Class`` to its rules."

CONSTRAINTS: Mapping[str, Rules] = {
    "s3.Bucket": {"bucket": BUCKET_NAME},
    "s3.BucketVersioning": {
        "versioningConfiguration.status": (one_of("Enabled", "Suspended", "Disabled"),),
        "versioningConfiguration.mfaDelete": (one_of("Enabled", "Disabled"),),
    },
    "s3.BucketServerSideEncryptionConfiguration": {
        "rules": (items(1, 1),),
        "rules[].applyServerSideEncryptionByDefault.sseAlgorithm": (
            one_of("AES256", "aws:kms", "aws:kms:dsse"),
        ),
    },
    "s3.BucketOwnershipControls": {
        "rule.objectOwnership": (one_of("BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced"),)
    },
    "s3.BucketLifecycleConfiguration": {
        "rules": (items(1, 1000),),
        "rules[].id": (length(1, 255),),
        "rules[].status": (one_of("Enabled", "Disabled"),),
        "rules[].transitions[].storageClass": (STORAGE,),
        "rules[].noncurrentVersionTransitions[].storageClass": (STORAGE,),
        "rules[].expiration.days": (between(0, 2147483647, "days"),),
    },
    "s3.BucketPolicy": {"policy": (length(1, 20480), policy("resource"))},
    "s3.BucketNotification": {"queues[].queueArn": (arn("sqs"),), "queues[].events[]": (EVENTS,)},
    "s3.BucketObjectv2": {"key": (length(1, 1024),)},
    "iam.Role": {
        "name": iam_name(64),
        "path": IAM_PATH,
        "description": (length(0, 1000),),
        "maxSessionDuration": (between(3600, 43200, "seconds"),),
        "permissionsBoundary": ROLE_OR_ARN,
        "assumeRolePolicy": (policy("trust"),),
    },
    "iam.RolePolicy": {"name": iam_name(128), "policy": (policy("identity"),)},
    "iam.Policy": {"name": iam_name(128), "policy": (length(1, 6144 * 4), policy("identity"))},
    "iam.InstanceProfile": {"name": iam_name(128), "path": IAM_PATH},
    "iam.Group": {"name": iam_name(128)},
    "iam.GroupPolicy": {"name": iam_name(128), "policy": (policy("identity"),)},
    "iam.User": {"name": iam_name(64)},
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
        "role": (arn("iam"),),
        "handler": (length(1, 128),),
        "runtime": (
            pattern(
                "(python|nodejs|java|dotnet|ruby|provided)[a-z0-9.]*",
                "a runtime of Lambda such as python3.12",
                "correct it",
            ),
        ),
        "memorySize": (between(128, 10240, "MB"),),
        "timeout": (between(1, 900, "seconds"),),
        "architectures": (items(1, 1),),
        "architectures[]": (one_of("x86_64", "arm64"),),
        "loggingConfig.logFormat": (one_of("JSON", "Text"),),
    },
    "lambda.Permission": {
        "action": (
            pattern(
                r"lambda:[A-Za-z*]+|\*", "an action of Lambda such as lambda:InvokeFunction", "correct it"
            ),
        ),
        "statementId": (length(1, 100), pattern("[A-Za-z0-9_-]+", "letters, digits, - and _", "rename it")),
        "sourceArn": (arn(),),
    },
    "lambda.EventSourceMapping": {
        "eventSourceArn": (arn(),),
        "batchSize": (between(1, 10000, "records"),),
        "maximumBatchingWindowInSeconds": (between(0, 300, "seconds"),),
        "functionResponseTypes[]": (one_of("ReportBatchItemFailures"),),
    },
    "sns.Topic": {
        "name": (length(1, 256), pattern("[A-Za-z0-9_-]+", "letters, digits, - and _", "rename it"))
    },
    "sns.TopicPolicy": {"arn": (arn("sns"),), "policy": (policy("resource"),)},
    "cloudwatch.LogGroup": {
        "name": (length(1, 512), pattern("[A-Za-z0-9._/#-]+", "letters, digits and . - _ / #", "rename it")),
        "retentionInDays": (one_of(*RETENTION_DAYS),),
    },
    "cloudwatch.EventRule": {
        "name": (length(1, 64), pattern("[A-Za-z0-9._-]+", "letters, digits and . - _", "rename it")),
        "eventPattern": (length(1, 4096), json_object),
        "scheduleExpression": (
            pattern(r"(rate|cron)\(.+\)", "rate(VALUE UNIT) or cron(FIELDS)", "write it so"),
        ),
        "state": (one_of("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"),),
        "description": (length(0, 512),),
    },
    "cloudwatch.EventTarget": {
        "arn": (arn(),),
        "targetId": (length(1, 64), pattern("[A-Za-z0-9._-]+", "letters, digits and . - _", "rename it")),
    },
    "cloudwatch.MetricAlarm": {
        "name": (length(1, 255),),
        "comparisonOperator": (
            one_of(
                "GreaterThanOrEqualToThreshold",
                "GreaterThanThreshold",
                "LessThanThreshold",
                "LessThanOrEqualToThreshold",
                "LessThanLowerOrGreaterThanUpperThreshold",
                "LessThanLowerThreshold",
                "GreaterThanUpperThreshold",
            ),
        ),
        "evaluationPeriods": (between(1, 86400),),
        "statistic": (one_of("SampleCount", "Average", "Sum", "Minimum", "Maximum"),),
        "treatMissingData": (one_of("breaching", "notBreaching", "ignore", "missing"),),
        "alarmDescription": (length(0, 1024),),
        "alarmActions[]": (arn(),),
        "alarmActions": (items(0, 5),),
    },
    "cloudwatch.Dashboard": {
        "dashboardName": (length(1, 255), pattern("[A-Za-z0-9_-]+", "letters, digits, - and _", "rename it")),
        "dashboardBody": (json_object,),
    },
    "kms.Key": {
        "deletionWindowInDays": (between(7, 30, "days"),),
        "description": (length(0, 8192),),
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
            length(1, 2048),
            pattern("/?[A-Za-z0-9._/-]+", "letters, digits and . - _ /; a path begins with /", "rename it"),
        ),
        "type": (one_of("String", "StringList", "SecureString"),),
        "description": (length(0, 1024),),
    },
    "dynamodb.Table": {
        "name": (length(3, 255), pattern("[A-Za-z0-9._-]+", "letters, digits and . - _", "rename it")),
        "billingMode": (one_of("PROVISIONED", "PAY_PER_REQUEST"),),
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
        "name": (
            length(3, 125),
            pattern("[A-Za-z0-9()./_-]+", "letters, digits and ( ) . / _ -", "rename it"),
        ),
        "imageId": (pattern("ami-[0-9a-f]+|resolve:ssm:.+", "ami-… or resolve:ssm:PARAMETER", "correct it"),),
        "instanceInitiatedShutdownBehavior": (one_of("stop", "terminate"),),
        "metadataOptions.httpTokens": (one_of("optional", "required"),),
        "metadataOptions.httpEndpoint": (one_of("enabled", "disabled"),),
        "metadataOptions.instanceMetadataTags": (one_of("enabled", "disabled"),),
        "metadataOptions.httpPutResponseHopLimit": (between(1, 64),),
        "blockDeviceMappings[].ebs.volumeType": (
            one_of("standard", "io1", "io2", "gp2", "gp3", "sc1", "st1"),
        ),
        "iamInstanceProfile.arn": ROLE_OR_ARN,
        "tagSpecifications[].resourceType": (
            pattern("[a-z-]+", "a resource type such as instance or volume", "correct it"),
        ),
    },
    "vpc.SecurityGroupEgressRule": {key: rules for key, rules in _RULE.items() if key != "cidrIpv6"},
    "vpc.SecurityGroupIngressRule": _RULE,
    "imagebuilder.Component": {
        "name": BUILDER_NAME,
        "version": BUILDER_VERSION,
        "platform": (one_of("Linux", "Windows", "macOS"),),
        "data": (length(1, 16000),),
        "description": DESCRIPTION,
    },
    "imagebuilder.ImageRecipe": {
        "name": BUILDER_NAME,
        "version": BUILDER_VERSION,
        "components": (items(1, 20),),
        "components[].componentArn": (arn("imagebuilder"),),
        "blockDeviceMappings[].ebs.volumeType": (
            one_of("standard", "io1", "io2", "gp2", "gp3", "sc1", "st1"),
        ),
        "description": DESCRIPTION,
        "workingDirectory": (length(1, 1024),),
    },
    "imagebuilder.InfrastructureConfiguration": {
        "name": BUILDER_NAME,
        "instanceProfileName": (length(1, 1024), not_matching("^arn:", "an ARN", "pass the profile's name")),
        "instanceMetadataOptions.httpTokens": (one_of("required", "optional"),),
        "instanceMetadataOptions.httpPutResponseHopLimit": (between(1, 64),),
        "description": DESCRIPTION,
    },
    "imagebuilder.DistributionConfiguration": {
        "name": BUILDER_NAME,
        "distributions": (items(1, 50),),
        "distributions[].ssmParameterConfigurations[].dataType": (one_of("text", "aws:ec2:image"),),
        "description": DESCRIPTION,
    },
    "imagebuilder.ImagePipeline": {
        "name": BUILDER_NAME,
        "imageRecipeArn": (arn("imagebuilder"),),
        "infrastructureConfigurationArn": (arn("imagebuilder"),),
        "distributionConfigurationArn": (arn("imagebuilder"),),
        "imageTestsConfiguration.timeoutMinutes": (between(60, 1440, "minutes"),),
        "description": DESCRIPTION,
    },
    "imagebuilder.LifecyclePolicy": {
        "name": BUILDER_NAME,
        "executionRole": ROLE_OR_ARN,
        "resourceType": (one_of("AMI_IMAGE", "CONTAINER_IMAGE"),),
        "policyDetails": (items(1, 3),),
        "policyDetails[].action.type": (one_of("DELETE", "DEPRECATE", "DISABLE"),),
        "policyDetails[].filter.type": (one_of("AGE", "COUNT"),),
        "policyDetails[].filter.value": (between(1, 1000),),
        "policyDetails[].filter.retainAtLeast": (between(1, 10),),
        "policyDetails[].filter.unit": (one_of("DAYS", "WEEKS", "MONTHS", "YEARS"),),
        "description": DESCRIPTION,
    },
}
"""`module.Class` to its rules."""
