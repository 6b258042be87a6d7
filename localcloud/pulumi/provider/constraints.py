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
        r"[a-z0-9][a-z0-9.-]*[a-z0-9]",
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
    pattern(r"[-_A-Za-z0-9][-_A-Za-z0-9 ]{0,126}", "letters, digits, spaces, - and _", "rename it"),
)
BUILDER_VERSION = (pattern(r"\d+\.\d+\.\d+", "three numbers: MAJOR.MINOR.PATCH", "write it so"),)
DESCRIPTION = (length(1, 1024),)
STORAGE = one_of("GLACIER", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "DEEP_ARCHIVE", "GLACIER_IR")
EVENTS = pattern(r"s3:[A-Za-z]+(:[A-Za-z*]+)*", "an event of S3 such as s3:ObjectCreated:*", "correct it")
RETENTION_DAYS = (
    0,
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)

_S3: Mapping[str, Rules] = {
    "s3.Bucket": {"bucket": BUCKET_NAME, "bucketPrefix": (length(1, 37),)},
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
        "transitionDefaultMinimumObjectSize": (
            one_of("all_storage_classes_128K", "varies_by_storage_class"),
        ),
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
    "s3.BucketObjectv2": {
        "key": (length(1, 1024),),
        "serverSideEncryption": (one_of("AES256", "aws:kms", "aws:kms:dsse", "aws:fsx"),),
    },
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
    "iam.Policy": {
        "name": iam_name(128),
        "path": IAM_PATH,
        "policy": (length(1, 6144 * 4), policy("identity")),
    },
    "iam.InstanceProfile": {"name": iam_name(128), "path": IAM_PATH},
    "iam.Group": {"name": iam_name(128), "path": IAM_PATH},
    "iam.GroupPolicy": {"name": iam_name(128), "policy": (policy("identity"),)},
    "iam.User": {"name": iam_name(64), "path": IAM_PATH, "permissionsBoundary": ROLE_OR_ARN},
    "iam.UserGroupMembership": {"groups": (items(1, 10),)},
}

_MESSAGES: Mapping[str, Rules] = {
    "sqs.Queue": {
        "name": (
            length(1, 80),
            pattern(
                r"[A-Za-z0-9_-]+(\.fifo)?",
                "letters, digits, - and _, and .fifo after that for FIFO queues",
                "rename it",
            ),
        ),
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
        "runtime": (
            pattern(
                r"(python|nodejs|java|dotnet|ruby|provided)[a-z0-9.]*",
                "a runtime of Lambda such as python3.12",
                "correct it",
            ),
        ),
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
        "action": (
            pattern(
                r"lambda:[A-Za-z*]+|\*", "an action of Lambda such as lambda:InvokeFunction", "correct it"
            ),
        ),
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

_EVENTS: Mapping[str, Rules] = {
    "sns.Topic": {
        "name": (length(1, 256), pattern(r"[A-Za-z0-9_-]+(\.fifo)?", "letters, digits, - and _, and .fifo "
            "for FIFO topics", "rename it")),
        "policy": (policy("resource"),),
        "deliveryPolicy": (json_object,),
    },
    "sns.TopicPolicy": {"arn": (arn("sns"),), "policy": (policy("resource"),)},
    "cloudwatch.LogGroup": {
        "name": (length(1, 512), pattern(r"[A-Za-z0-9._/#-]+", "letters, digits and . - _ / #", "rename it")),
        "retentionInDays": (one_of(*RETENTION_DAYS),),
        "kmsKeyId": (arn("kms"),),
        "logGroupClass": (one_of("STANDARD", "INFREQUENT_ACCESS", "DELIVERY"),),
    },
    "cloudwatch.EventRule": {
        "name": (length(1, 64), pattern(r"[A-Za-z0-9._-]+", "letters, digits and . - _", "rename it")),
        "eventPattern": (length(1, 4096), json_object),
        "scheduleExpression": (pattern(r"(rate|cron)\(.+\)", "rate(VALUE UNIT) or cron(FIELDS)", "write it "
            "so"),),
        "state": (one_of("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"),),
        "description": (length(0, 512),),
        "roleArn": ROLE_OR_ARN,
    },
    "cloudwatch.EventTarget": {
        "arn": (arn(),),
        "targetId": (length(1, 64), pattern(r"[A-Za-z0-9._-]+", "letters, digits and . - _", "rename it")),
        "roleArn": ROLE_OR_ARN,
        "deadLetterConfig.arn": (arn("sqs"),),
        "retryPolicy.maximumEventAgeInSeconds": (between(0, 86400, "seconds"),),
        "retryPolicy.maximumRetryAttempts": (between(0, 185),),
        "inputTransformer.inputTemplate": (length(1, 8192),),
    },
    "cloudwatch.MetricAlarm": {
        "name": (length(1, 255),),
        "comparisonOperator": (
            one_of("GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold",
                "LessThanOrEqualToThreshold",
                   "LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold",
                   "GreaterThanUpperThreshold"),
        ),
        "evaluationPeriods": (between(1, 86400),),
        "statistic": (one_of("SampleCount", "Average", "Sum", "Minimum", "Maximum"),),
        "treatMissingData": (one_of("breaching", "notBreaching", "ignore", "missing"),),
        "alarmDescription": (length(0, 1024),),
        "alarmActions[]": (arn(),),
        "okActions[]": (arn(),),
        "alarmActions": (items(0, 5),),
    },
    "cloudwatch.Dashboard": {
        "dashboardName": (length(1, 255),
            pattern(r"[A-Za-z0-9_-]+", "letters, digits, - and _", "rename it")),
        "dashboardBody": (json_object,),
    },
}  # fmt: skip

_DATA: Mapping[str, Rules] = {
    "kms.Key": {
        "deletionWindowInDays": (between(7, 30, "days"),),
        "rotationPeriodInDays": (between(90, 2560, "days"),),
        "keyUsage": (one_of("ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"),),
        "description": (length(0, 8192),),
        "policy": (length(1, 32768), policy("resource")),
    },
    "kms.Alias": {
        "name": (pattern(r"alias/[A-Za-z0-9/_-]{1,250}", "alias/ and then letters, digits, / _ -", "rename "
            "it"),
                 not_matching(r"^alias/aws/", "alias/aws/, which is AWS's own", "rename it")),
    },
    "ssm.Parameter": {
        "name": (length(1, 2048), pattern(r"/?[A-Za-z0-9._/-]+", "letters, digits and . - _ /; a path "
            "begins with /", "rename it")),
        "type": (one_of("String", "StringList", "SecureString"),),
        "tier": (one_of("Standard", "Advanced", "Intelligent-Tiering"),),
        "dataType": (one_of("text", "aws:ec2:image", "aws:ssm:integration"),),
        "description": (length(0, 1024),),
    },
    "dynamodb.Table": {
        "name": (length(3, 255), pattern(r"[A-Za-z0-9._-]+", "letters, digits and . - _", "rename it")),
        "billingMode": (one_of("PROVISIONED", "PAY_PER_REQUEST"),),
        "attributes[].type": (one_of("S", "N", "B"),),
        "streamViewType": (one_of("NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"),),
        "tableClass": (one_of("STANDARD", "STANDARD_INFREQUENT_ACCESS"),),
        "globalSecondaryIndexes[].projectionType": (one_of("ALL", "INCLUDE", "KEYS_ONLY"),),
    },
}  # fmt: skip

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

_EC2: Mapping[str, Rules] = {
    "ec2.KeyPair": {
        "keyName": (length(1, 255),),
        "publicKey": (pattern(r"(ssh-rsa|ssh-ed25519) [A-Za-z0-9+/=]+( .*)?\s*|[A-Za-z0-9+/=\s]+",
                              "an OpenSSH public key of type rsa or ed25519", "pass the text of the .pub "
                                  "file"),),
    },
    "ec2.SecurityGroup": {
        "name": (length(1, 255), not_matching(r"^sg-", "sg- at the beginning", "rename it")),
        "description": (length(1, 255), pattern(r"[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]*",
                                                "letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*",
                                                "reword it")),
    },
    "ec2.LaunchTemplate": {
        "name": (length(3, 125), pattern(r"[A-Za-z0-9()./_-]+", "letters, digits and ( ) . / _ -", "rename "
            "it")),
        "imageId": (pattern(r"ami-[0-9a-f]+|resolve:ssm:.+", "ami-… or resolve:ssm:PARAMETER", "correct it"),
            ),
        "instanceInitiatedShutdownBehavior": (one_of("stop", "terminate"),),
        "metadataOptions.httpTokens": (one_of("optional", "required"),),
        "metadataOptions.httpEndpoint": (one_of("enabled", "disabled"),),
        "metadataOptions.instanceMetadataTags": (one_of("enabled", "disabled"),),
        "metadataOptions.httpPutResponseHopLimit": (between(1, 64),),
        "blockDeviceMappings[].ebs.volumeType": (one_of("standard", "io1", "io2", "gp2", "gp3", "sc1",
            "st1"),),
        "iamInstanceProfile.arn": ROLE_OR_ARN,
        "userData": (pattern(r"[A-Za-z0-9+/=\s]*", "base64", "encode it with base64.b64encode"),),
        "tagSpecifications[].resourceType": (pattern(r"[a-z-]+",
            "a resource type such as instance or volume", "correct it"),),
    },
    "vpc.SecurityGroupEgressRule": _RULE,
    "vpc.SecurityGroupIngressRule": _RULE,
}  # fmt: skip

_IMAGEBUILDER: Mapping[str, Rules] = {
    "imagebuilder.Component": {
        "name": BUILDER_NAME,
        "version": BUILDER_VERSION,
        "platform": (one_of("Linux", "Windows", "macOS"),),
        "data": (length(1, 16000),),
        "uri": (pattern(r"s3://.+/.+|https://.+", "s3://BUCKET/KEY", "correct it"),),
        "description": DESCRIPTION,
        "changeDescription": (length(1, 1024),),
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
        "userDataBase64": (length(1, 21847),),
        "workingDirectory": (length(1, 1024),),
    },
    "imagebuilder.InfrastructureConfiguration": {
        "name": BUILDER_NAME,
        "instanceProfileName": (length(1, 1024), not_matching(r"^arn:", "an ARN", "pass the profile's name")),
        "snsTopicArn": (arn("sns"),),
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
        "status": (one_of("ENABLED", "DISABLED"),),
        "imageTestsConfiguration.timeoutMinutes": (between(60, 1440, "minutes"),),
        "executionRole": ROLE_OR_ARN,
        "schedule.pipelineExecutionStartCondition": (
            one_of("EXPRESSION_MATCH_ONLY", "EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE"),
        ),
        "description": DESCRIPTION,
    },
    "imagebuilder.LifecyclePolicy": {
        "name": BUILDER_NAME,
        "executionRole": ROLE_OR_ARN,
        "resourceType": (one_of("AMI_IMAGE", "CONTAINER_IMAGE"),),
        "status": (one_of("ENABLED", "DISABLED"),),
        "policyDetails": (items(1, 3),),
        "policyDetails[].action.type": (one_of("DELETE", "DEPRECATE", "DISABLE"),),
        "policyDetails[].filter.type": (one_of("AGE", "COUNT"),),
        "policyDetails[].filter.value": (between(1, 1000),),
        "policyDetails[].filter.retainAtLeast": (between(1, 10),),
        "policyDetails[].filter.unit": (one_of("DAYS", "WEEKS", "MONTHS", "YEARS"),),
        "description": DESCRIPTION,
    },
}

CONSTRAINTS: Mapping[str, Rules] = {
    **_S3,
    **_IAM,
    **_MESSAGES,
    **_LAMBDA,
    **_EVENTS,
    **_DATA,
    **_EC2,
    **_IMAGEBUILDER,
}
"""``module.Class`` to its rules."""
