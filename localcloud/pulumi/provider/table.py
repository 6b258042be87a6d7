"""The table of resource types: which inputs a program may give, ids, names, replacement triggers, defaults.
There is no other list of types.

The inputs are those that the program uses: `tests/program/test_provider_inputs.py` renders it and compares.
The other facts are in no metadata; they are from the schemas of terraform-provider-aws (`ForceNew`,
`Default`, `Computed`), from provider/resource_overrides.go of pulumi/pulumi-aws (autonames), and from the
page of each type at https://www.pulumi.com/registry/packages/aws/api-docs/. Types of arguments and which are
required come from `pulumi_aws` (`sdk`), rules for values are in `constraints`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.pulumi.provider.constraints import CONSTRAINTS
from localcloud.pulumi.provider.model import AutoName, Handler, ResourceType
from localcloud.pulumi.provider.relations import RELATIONS
from localcloud.pulumi.provider.resources import (
    cloudtrail,
    cloudwatch,
    dynamodb,
    ec2,
    events,
    iam,
    iam_people,
    imagebuilder,
    kms,
    lambda_function,
    lambda_links,
    launch_template,
    s3_bucket,
    s3_object,
    s3_settings,
    sns,
    sqs,
    ssm,
)

NAME = AutoName()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _type(
    place: str,
    handler: Handler,
    resource_id: str,
    inputs: str,
    *,
    computed: str = "",
    recomputed: Mapping[str, str] | None = None,
    **facts: Any,
) -> ResourceType:
    """One row. `place` is `module.Class`; lists of names are written as words.

    Marks behind an input: `!` its change replaces the resource, `?` the service chooses it when it is not
    given, `-` an import cannot find it out. `computed` are further ones that the service chooses and no
    program gives. The made name (`autoname`) can be given too.
    """
    module, name = place.split(".")
    marked = {word.rstrip("!?-"): word for word in inputs.split()}
    autoname = facts.get("autoname")
    named = {autoname.property} if autoname is not None else set()

    def with_mark(mark: str) -> frozenset[str]:
        return frozenset(one for one, word in marked.items() if mark in word.removeprefix(one))

    return ResourceType(
        token=f"aws:{module}/{name[0].lower()}{name[1:]}:{name}",
        handler=handler,
        id=resource_id,
        given=frozenset(marked) | named,
        replace=with_mark("!"),
        computed=with_mark("?") | _words(computed) | named,
        not_imported=with_mark("-"),
        recomputed={output: _words(causes) for output, causes in (recomputed or {}).items()},
        rules=CONSTRAINTS.get(place, {}),
        relation=RELATIONS.get(place),
        **facts,
    )


_S3 = [
    _type(
        "s3.Bucket",
        s3_bucket.Bucket(),
        "{bucket}",
        "bucket! forceDestroy",
        autoname=AutoName("bucket", 63, lower=True),
        defaults={"forceDestroy": False},
        computed="objectLockEnabled",
    ),
    _type(
        "s3.BucketVersioning", s3_settings.BucketVersioning(), "{bucket}", "bucket! versioningConfiguration"
    ),
    _type(
        "s3.BucketServerSideEncryptionConfiguration",
        s3_settings.BucketServerSideEncryptionConfiguration(),
        "{bucket}",
        "bucket! rules",
    ),
    _type(
        "s3.BucketPublicAccessBlock",
        s3_settings.BucketPublicAccessBlock(),
        "{bucket}",
        "bucket! blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets",
        defaults=dict.fromkeys(s3_settings.BucketPublicAccessBlock.SWITCHES, False),
    ),
    _type("s3.BucketOwnershipControls", s3_settings.BucketOwnershipControls(), "{bucket}", "bucket! rule"),
    _type(
        "s3.BucketLifecycleConfiguration",
        s3_settings.BucketLifecycleConfiguration(),
        "{bucket}",
        "bucket! rules",
        computed="transitionDefaultMinimumObjectSize",
    ),
    _type(
        "s3.BucketCorsConfiguration", s3_settings.BucketCorsConfiguration(), "{bucket}", "bucket! corsRules"
    ),
    _type("s3.BucketPolicy", s3_settings.BucketPolicy(), "{bucket}", "bucket! policy"),
    _type(
        "s3.BucketNotification",
        s3_settings.BucketNotification(),
        "{bucket}",
        "bucket! queues",
        defaults={"eventbridge": False},
    ),
    _type(
        "s3.BucketObjectv2",
        s3_object.BucketObjectv2(),
        "{bucket}/{key}",
        "bucket! key! content- contentType?- source-",
        autoname=AutoName("key", 0, random=0),
        defaults={"forceDestroy": False},
        computed="bucketKeyEnabled etag kmsKeyId serverSideEncryption storageClass",
        conflicts=(("source", "content"),),
        recomputed={"versionId": "source content", "etag": "source content"},
    ),
]

_IAM = [
    _type(
        "iam.Role",
        iam.Role(),
        "{name}",
        "name! path! assumeRolePolicy description maxSessionDuration permissionsBoundary",
        autoname=AutoName("name", 64),
        defaults={"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False},
    ),
    _type("iam.RolePolicy", iam.RolePolicy(), "{role}:{name}", "name! role! policy", autoname=NAME),
    _type(
        "iam.Policy",
        iam.Policy(),
        "{arn}",
        "name! description! policy",
        autoname=NAME,
        defaults={"path": "/"},
    ),
    _type(
        "iam.InstanceProfile",
        iam.InstanceProfile(),
        "{name}",
        "name! path! role",
        autoname=NAME,
        defaults={"path": "/"},
    ),
    _type(
        "iam.Group",
        iam_people.Group(),
        "{name}",
        "",
        autoname=NAME,
        defaults={"path": "/"},
        recomputed={"arn": "name"},
    ),
    _type("iam.GroupPolicy", iam.GroupPolicy(), "{group}:{name}", "name! group! policy", autoname=NAME),
    _type(
        "iam.User",
        iam_people.User(),
        "{name}",
        "forceDestroy",
        autoname=NAME,
        defaults={"path": "/", "forceDestroy": False},
        recomputed={"arn": "name"},
    ),
    _type("iam.UserGroupMembership", iam_people.UserGroupMembership(), "terraform-*", "user! groups"),
]

_MESSAGES = [
    _type(
        "sqs.Queue",
        sqs.Queue(),
        "{url}",
        "name! messageRetentionSeconds receiveWaitTimeSeconds redrivePolicy? sqsManagedSseEnabled?- "
        "visibilityTimeoutSeconds",
        autoname=AutoName("name", 80),
        defaults={
            "contentBasedDeduplication": False,
            "delaySeconds": 0,
            "fifoQueue": False,
            "maxMessageSize": 262144,
            "messageRetentionSeconds": 345600,
            "receiveWaitTimeSeconds": 0,
            "visibilityTimeoutSeconds": 30,
        },
        computed="kmsDataKeyReusePeriodSeconds policy",
    ),
    _type("sqs.QueuePolicy", sqs.QueuePolicy(), "{queueUrl}", "queueUrl! policy"),
    _type(
        "sns.Topic",
        sns.Topic(),
        "{arn}",
        "name! kmsMasterKeyId",
        autoname=AutoName("name", 80),
        defaults={"contentBasedDeduplication": False, "fifoTopic": False},
        computed="policy",
    ),
    _type("sns.TopicPolicy", sns.TopicPolicy(), "{arn}", "arn! policy"),
]

_SOURCE = dict.fromkeys(("codeSha256", "sourceCodeHash", "sourceCodeSize"), "code")

_LAMBDA = [
    _type(
        "lambda.Function",
        lambda_function.Function(),
        "{name}",
        "name! architectures?- code- description environment handler loggingConfig?- memorySize role runtime "
        "timeout",
        autoname=AutoName("name", 64),
        defaults={
            "memorySize": 128,
            "packageType": "Zip",
            "publish": False,
            "reservedConcurrentExecutions": -1,
            "skipDestroy": False,
            "timeout": 3,
        },
        computed="codeSha256 ephemeralStorage sourceCodeHash tracingConfig",
        one_of=(("code",), ("handler",), ("runtime",)),
        recomputed={"lastModified": "*", **_SOURCE},
    ),
    _type(
        "lambda.Permission",
        lambda_links.Permission(),
        "{statementId}",
        "action! function! principal! sourceArn! statementId!",
        autoname=AutoName("statementId", 100),
    ),
    _type(
        "lambda.EventSourceMapping",
        lambda_links.EventSourceMapping(),
        "{uuid}",
        "eventSourceArn! batchSize? functionName functionResponseTypes maximumBatchingWindowInSeconds?-",
        defaults={"enabled": True},
        one_of=(("eventSourceArn",),),
        recomputed={"lastModified": "*"},
    ),
]

_KMS = [
    _type(
        "kms.Key",
        kms.Key(),
        "{keyId}",
        "deletionWindowInDays description? enableKeyRotation policy?",
        defaults={
            "bypassPolicyLockoutSafetyCheck": False,
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "enableKeyRotation": False,
            "isEnabled": True,
            "keyUsage": "ENCRYPT_DECRYPT",
        },
        computed="multiRegion rotationPeriodInDays",
        recomputed={"rotationPeriodInDays": "enableKeyRotation"},
    ),
    _type(
        "kms.Alias",
        kms.Alias(),
        "{name}",
        "name! targetKeyId",
        autoname=AutoName("name", 238, prefix="alias/"),
        recomputed={"targetKeyArn": "targetKeyId"},
    ),
]

_SSM = [
    _type(
        "ssm.Parameter",
        ssm.Parameter(),
        "{name}",
        "name! description insecureValue? keyId?- type value?",
        autoname=NAME,
        computed="arn dataType tier",
        conflicts=(("value", "insecureValue"),),
        one_of=(("value", "insecureValue"),),
        recomputed={"version": "value insecureValue type description"},
    ),
]

_TEMPLATE = (
    "blockDeviceMappings description iamInstanceProfile imageId instanceInitiatedShutdownBehavior "
    "instanceType keyName metadataOptions tagSpecifications vpcSecurityGroupIds"
)

_EC2 = [
    _type("ec2.KeyPair", ec2.KeyPair(), "{keyName}", "keyName! publicKey!", autoname=AutoName("keyName")),
    _type(
        "ec2.SecurityGroup",
        ec2.SecurityGroup(),
        "sg-*",
        "name! description! revokeRulesOnDelete",
        autoname=NAME,
        defaults={"description": "Managed by Pulumi", "revokeRulesOnDelete": False},
        computed="vpcId",
    ),
    _type(
        "ec2.LaunchTemplate",
        launch_template.LaunchTemplate(),
        "lt-*",
        f"name! updateDefaultVersion- {_TEMPLATE}",
        autoname=NAME,
        computed="defaultVersion",
        recomputed={"latestVersion": _TEMPLATE, "defaultVersion": f"updateDefaultVersion {_TEMPLATE}"},
    ),
    _type(
        "vpc.SecurityGroupEgressRule",
        ec2.SecurityGroupEgressRule(),
        "sgr-*",
        "securityGroupId! cidrIpv4 description fromPort ipProtocol toPort",
        one_of=(("cidrIpv4",),),
    ),
    _type(
        "vpc.SecurityGroupIngressRule",
        ec2.SecurityGroupIngressRule(),
        "sgr-*",
        "securityGroupId! cidrIpv4 cidrIpv6 description fromPort ipProtocol toPort",
        one_of=(("cidrIpv4", "cidrIpv6"),),
        conflicts=(("cidrIpv4", "cidrIpv6"),),
    ),
]

_DYNAMODB = [
    _type(
        "dynamodb.Table",
        dynamodb.Table(),
        "{name}",
        "name! hashKey! rangeKey! attributes? billingMode deletionProtectionEnabled?- pointInTimeRecovery?- "
        "serverSideEncryption?",
        autoname=NAME,
        defaults={"billingMode": "PROVISIONED"},
        one_of=(("hashKey",), ("attributes",)),
        computed="readCapacity streamEnabled tableClass ttl writeCapacity",
    ),
]

_WATCHING = [
    _type(
        "cloudtrail.Trail",
        cloudtrail.Trail(),
        "{arn}",
        "name! enableLogFileValidation eventSelectors? includeGlobalServiceEvents s3BucketName s3KeyPrefix",
        autoname=NAME,
        defaults={
            "enableLogFileValidation": False,
            "enableLogging": True,
            "includeGlobalServiceEvents": True,
            "isMultiRegionTrail": False,
            "isOrganizationTrail": False,
        },
    ),
    _type(
        "cloudwatch.LogGroup",
        cloudwatch.LogGroup(),
        "{name}",
        "name! retentionInDays",
        autoname=NAME,
        defaults={"retentionInDays": 0, "skipDestroy": False},
        computed="logGroupClass",
    ),
    _type(
        "cloudwatch.EventRule",
        events.EventRule(),
        "{name}",
        "name! description eventPattern scheduleExpression state?-",
        autoname=AutoName("name", 64),
        one_of=(("eventPattern", "scheduleExpression"),),
        defaults={"eventBusName": "default", "forceDestroy": False},
        computed="isEnabled",
    ),
    _type(
        "cloudwatch.EventTarget",
        events.EventTarget(),
        "{rule}-{targetId}",
        "rule! targetId! arn",
        autoname=AutoName("targetId"),
        defaults={"eventBusName": "default", "forceDestroy": False},
    ),
    _type(
        "cloudwatch.MetricAlarm",
        cloudwatch.MetricAlarm(),
        "{name}",
        "name! alarmActions alarmDescription comparisonOperator dimensions evaluationPeriods metricName "
        "namespace period statistic threshold treatMissingData",
        autoname=AutoName("name"),
        defaults={"actionsEnabled": True, "treatMissingData": "missing"},
        one_of=(("metricName",), ("comparisonOperator",), ("evaluationPeriods",)),
    ),
    _type("cloudwatch.Dashboard", cloudwatch.Dashboard(), "{dashboardName}", "dashboardName! dashboardBody"),
]

_IMAGEBUILDER = [
    _type(
        "imagebuilder.Component",
        imagebuilder.Component(),
        "{arn}",
        "name! data?! description! platform! version!",
        autoname=NAME,
        defaults={"skipDestroy": False},
        one_of=(("data",),),
    ),
    _type(
        "imagebuilder.ImageRecipe",
        imagebuilder.ImageRecipe(),
        "{arn}",
        "name! blockDeviceMappings! components! description! parentImage! version! workingDirectory!",
        autoname=NAME,
        computed="systemsManagerAgent",
    ),
    _type(
        "imagebuilder.InfrastructureConfiguration",
        imagebuilder.InfrastructureConfiguration(),
        "{arn}",
        "name! description instanceMetadataOptions instanceProfileName instanceTypes logging resourceTags "
        "securityGroupIds terminateInstanceOnFailure",
        autoname=NAME,
        defaults={"terminateInstanceOnFailure": False},
        recomputed={"dateUpdated": "*"},
    ),
    _type(
        "imagebuilder.DistributionConfiguration",
        imagebuilder.DistributionConfiguration(),
        "{arn}",
        "name! description distributions",
        autoname=NAME,
        recomputed={"dateUpdated": "*"},
    ),
    _type(
        "imagebuilder.ImagePipeline",
        imagebuilder.ImagePipeline(),
        "{arn}",
        "name! description distributionConfigurationArn enhancedImageMetadataEnabled imageRecipeArn "
        "imageTestsConfiguration?- infrastructureConfigurationArn loggingConfiguration",
        autoname=NAME,
        defaults={"enhancedImageMetadataEnabled": True, "status": "ENABLED"},
        one_of=(("imageRecipeArn",),),
        recomputed={"dateUpdated": "*", "platform": "imageRecipeArn"},
    ),
    _type(
        "imagebuilder.LifecyclePolicy",
        imagebuilder.LifecyclePolicy(),
        "{arn}",
        "name! description executionRole policyDetails resourceSelection resourceType",
        autoname=NAME,
        computed="status",
    ),
]

TABLE: Mapping[str, ResourceType] = {
    row.token: row
    for rows in (_S3, _IAM, _KMS, _SSM, _EC2, _DYNAMODB, _MESSAGES, _LAMBDA, _WATCHING, _IMAGEBUILDER)
    for row in rows
}
"""Every resource type by its token."""
