"""The table of resource types: ids, names, replacement triggers, defaults, sources. There is no other list of
types.

Sources: the provider's documentation page of each type (``source``), the schemas of terraform-provider-aws
that it is made from (``ForceNew``, ``Default``, ``Computed``), and provider/resource_overrides.go of
pulumi/pulumi-aws (autonames, delete before replace). Argument names, types and required ones are not written
here: they come from ``pulumi_aws`` (:mod:`.sdk`). Rules for values are in :mod:`.constraints`, those between
arguments in :mod:`.relations`.
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
PREFIXED = "name namePrefix"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _type(
    place: str,
    handler: Handler,
    resource_id: str,
    *,
    replace: str = "",
    computed: str = "",
    not_imported: str = "",
    unsupported: str = "",
    recomputed: Mapping[str, str] | None = None,
    **facts: Any,
) -> ResourceType:
    """One row. ``place`` is ``module.Class``; lists of names are written as words."""
    module, name = place.split(".")
    token = f"aws:{module}/{name[0].lower()}{name[1:]}:{name}"
    autoname = facts.get("autoname")
    named = {autoname.property} if autoname is not None else set()
    return ResourceType(
        token=token,
        handler=handler,
        id=resource_id,
        source=f"https://www.pulumi.com/registry/packages/aws/api-docs/{module}/{name.lower()}/",
        replace=_words(replace),
        computed=_words(computed) | named,
        not_imported=_words(not_imported) | {f"{prop}Prefix" for prop in named},
        unsupported=_words(unsupported),
        recomputed={output: _words(causes) for output, causes in (recomputed or {}).items()},
        rules=CONSTRAINTS.get(place, {}),
        relation=RELATIONS.get(place),
        **facts,
    )


_S3 = [
    _type(
        "s3.Bucket", s3_bucket.Bucket(), "{bucket}",
        replace="bucket bucketPrefix objectLockEnabled bucketNamespace",
        autoname=AutoName("bucket", 63, lower=True), defaults={"forceDestroy": False},
        computed="objectLockEnabled", not_imported="objectLockEnabled",
        conflicts=(("bucket", "bucketPrefix"),),
        unsupported="accelerationStatus acl bucketNamespace corsRules grants lifecycleRules logging "
            "objectLockConfiguration policy "
        "replicationConfiguration requestPayer serverSideEncryptionConfiguration versioning website",
    ),
    _type("s3.BucketVersioning", s3_settings.BucketVersioning(), "{bucket}",
        replace="bucket expectedBucketOwner",
          unsupported="expectedBucketOwner", not_imported="mfa"),
    _type("s3.BucketServerSideEncryptionConfiguration",
        s3_settings.BucketServerSideEncryptionConfiguration(), "{bucket}",
          replace="bucket expectedBucketOwner", unsupported="expectedBucketOwner"),
    _type("s3.BucketPublicAccessBlock", s3_settings.BucketPublicAccessBlock(), "{bucket}", replace="bucket",
        not_imported="skipDestroy",
          defaults={"blockPublicAcls": False, "blockPublicPolicy": False, "ignorePublicAcls": False,
              "restrictPublicBuckets": False}),
    _type("s3.BucketOwnershipControls", s3_settings.BucketOwnershipControls(), "{bucket}", replace="bucket"),
    _type("s3.BucketLifecycleConfiguration", s3_settings.BucketLifecycleConfiguration(), "{bucket}",
        replace="bucket expectedBucketOwner",
          unsupported="expectedBucketOwner", computed="transitionDefaultMinimumObjectSize",
          not_imported="transitionDefaultMinimumObjectSize"),
    _type("s3.BucketCorsConfiguration", s3_settings.BucketCorsConfiguration(), "{bucket}",
        replace="bucket expectedBucketOwner",
          unsupported="expectedBucketOwner"),
    _type("s3.BucketPolicy", s3_settings.BucketPolicy(), "{bucket}", replace="bucket"),
    _type("s3.BucketNotification", s3_settings.BucketNotification(), "{bucket}", replace="bucket",
        defaults={"eventbridge": False}),
    _type(
        "s3.BucketObjectv2", s3_object.BucketObjectv2(), "{bucket}/{key}",
        replace="bucket key objectLockMode", autoname=AutoName("key", 0, random=0),
        defaults={"forceDestroy": False},
        computed="acl bucketKeyEnabled contentType etag kmsKeyId serverSideEncryption storageClass",
        conflicts=(("source", "content", "contentBase64"), ("etag", "kmsKeyId")),
        recomputed={"versionId": "source content contentBase64 etag",
            "etag": "source content contentBase64 sourceHash"},
        not_imported="acl bucketKeyEnabled content contentBase64 contentType etag kmsKeyId "
            "serverSideEncryption source sourceHash "
        "storageClass",
        unsupported="objectLockLegalHoldStatus objectLockMode objectLockRetainUntilDate overrideProvider",
    ),
]  # fmt: skip

_IAM = [
    _type("iam.Role", iam.Role(), "{name}", replace=f"{PREFIXED} path", autoname=AutoName("name", 64),
        conflicts=(("name", "namePrefix"),),
          defaults={"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False},
          unsupported="inlinePolicies managedPolicyArns", computed="inlinePolicies managedPolicyArns"),
    _type("iam.RolePolicy", iam.RolePolicy(), "{role}:{name}", replace=f"{PREFIXED} role", autoname=NAME),
    _type("iam.RolePolicyAttachment", iam.RolePolicyAttachment(), "{role}/{policyArn}",
        replace="role policyArn",
          delete_before_replace=True),
    _type("iam.Policy", iam.Policy(), "{arn}", replace=f"{PREFIXED} path description", autoname=NAME,
        defaults={"path": "/"},
          conflicts=(("name", "namePrefix"),), not_imported="delayAfterPolicyCreationInMs",
          unsupported="delayAfterPolicyCreationInMs"),
    _type("iam.InstanceProfile", iam.InstanceProfile(), "{name}", replace=f"{PREFIXED} path", autoname=NAME,
        defaults={"path": "/"},
          conflicts=(("name", "namePrefix"),)),
    _type("iam.Group", iam_people.Group(), "{name}", autoname=NAME, defaults={"path": "/"},
        recomputed={"arn": "name path"}),
    _type("iam.GroupPolicy", iam.GroupPolicy(), "{group}:{name}", replace=f"{PREFIXED} group", autoname=NAME,
          conflicts=(("name", "namePrefix"),)),
    _type("iam.User", iam_people.User(), "{name}", autoname=NAME,
        defaults={"path": "/", "forceDestroy": False},
          recomputed={"arn": "name path"}),
    _type("iam.UserGroupMembership", iam_people.UserGroupMembership(), "terraform-*", replace="user"),
]  # fmt: skip

_CLOUDTRAIL = [
    _type(
        "cloudtrail.Trail", cloudtrail.Trail(), "{arn}", replace="name", autoname=NAME,
        defaults={"enableLogFileValidation": False, "enableLogging": True, "includeGlobalServiceEvents": True,
                  "isMultiRegionTrail": False, "isOrganizationTrail": False},
        computed="eventSelectors", not_imported="isOrganizationTrail",
        conflicts=(("advancedEventSelectors", "eventSelectors"),),
        unsupported=("advancedEventSelectors cloudWatchLogsGroupArn cloudWatchLogsRoleArn insightSelectors "
            "snsTopicName"),
    ),
]  # fmt: skip

_SQS = [
    _type(
        "sqs.Queue", sqs.Queue(), "{url}", replace=f"{PREFIXED} fifoQueue",
        autoname=AutoName("name", 80, suffix_if=("fifoQueue", ".fifo")),
        conflicts=(("name", "namePrefix"), ("kmsMasterKeyId",
        "sqsManagedSseEnabled")),
        defaults={"contentBasedDeduplication": False, "delaySeconds": 0, "fifoQueue": False,
            "maxMessageSize": 262144,
                  "messageRetentionSeconds": 345600, "receiveWaitTimeSeconds": 0,
                  "visibilityTimeoutSeconds": 30},
        computed="deduplicationScope fifoThroughputLimit kmsDataKeyReusePeriodSeconds policy "
            "redriveAllowPolicy redrivePolicy "
        "sqsManagedSseEnabled",
        not_imported="deduplicationScope fifoThroughputLimit kmsDataKeyReusePeriodSeconds policy sqsManagedSseEnabled",
    ),
    _type("sqs.QueuePolicy", sqs.QueuePolicy(), "{queueUrl}", replace="queueUrl"),
]  # fmt: skip

_LAMBDA = [
    _type(
        "lambda.Function", lambda_function.Function(), "{name}", replace="name packageType",
        autoname=AutoName("name", 64),
        defaults={"memorySize": 128, "packageType": "Zip", "publish": False,
            "reservedConcurrentExecutions": -1, "skipDestroy": False,
                  "timeout": 3},
        computed="architectures codeSha256 ephemeralStorage loggingConfig sourceCodeHash tracingConfig",
        conflicts=(("code", "s3Bucket"),), one_of=(("code", "s3Bucket"), ("handler",), ("runtime",)),
        recomputed={"lastModified": "*", "codeSha256": "code s3Bucket s3Key s3ObjectVersion sourceCodeHash",
                    "sourceCodeHash": "code s3Bucket s3Key s3ObjectVersion",
                    "sourceCodeSize": "code s3Bucket s3Key s3ObjectVersion"},
        not_imported="architectures code codeSha256 ephemeralStorage loggingConfig s3Bucket s3Key "
            "s3ObjectVersion sourceCodeHash "
        "tracingConfig",
        unsupported="capacityProviderConfig codeSigningConfigArn durableConfig fileSystemConfig imageConfig "
            "imageUri publishTo "
        "replaceSecurityGroupsOnDestroy replacementSecurityGroupIds snapStart sourceKmsKeyArn tenancyConfig "
        "vpcConfig",
    ),
    _type("lambda.Permission", lambda_links.Permission(), "{statementId}",
          replace="action eventSourceToken function functionUrlAuthType invokedViaFunctionUrl principal "
              "principalOrgId qualifier "
          "sourceAccount "
          "sourceArn statementId statementIdPrefix",
          autoname=AutoName("statementId", 100), unsupported="invokedViaFunctionUrl"),
    _type(
        "lambda.EventSourceMapping", lambda_links.EventSourceMapping(), "{uuid}",
        replace="eventSourceArn startingPosition startingPositionTimestamp", defaults={"enabled": True},
        computed="batchSize maximumBatchingWindowInSeconds maximumRecordAgeInSeconds maximumRetryAttempts "
            "parallelizationFactor "
        "tumblingWindowInSeconds bisectBatchOnFunctionError metricsConfig",
        recomputed={"lastModified": "*", "state": "enabled"},
        not_imported="maximumBatchingWindowInSeconds maximumRecordAgeInSeconds maximumRetryAttempts "
            "parallelizationFactor "
        "tumblingWindowInSeconds bisectBatchOnFunctionError useResourceTimeoutForPropagation",
        one_of=(("eventSourceArn",),),
        unsupported="amazonManagedKafkaEventSourceConfig documentDbEventSourceConfig "
            "provisionedPollerConfig queues selfManagedEventSource "
        "selfManagedKafkaEventSourceConfig sourceAccessConfigurations startingPositionTimestamp topics",
    ),
]  # fmt: skip

_SNS = [
    _type("sns.Topic", sns.Topic(), "{arn}", replace=f"{PREFIXED} fifoTopic",
          autoname=AutoName("name", 80, suffix_if=("fifoTopic", ".fifo")),
          conflicts=(("name", "namePrefix"),),
          defaults={"contentBasedDeduplication": False, "fifoTopic": False},
          computed="policy signatureVersion tracingConfig fifoThroughputScope",
          not_imported="signatureVersion tracingConfig fifoThroughputScope policy",
          unsupported="applicationFailureFeedbackRoleArn applicationSuccessFeedbackRoleArn "
              "applicationSuccessFeedbackSampleRate "
          "archivePolicy "
          "firehoseFailureFeedbackRoleArn firehoseSuccessFeedbackRoleArn firehoseSuccessFeedbackSampleRate "
          "httpFailureFeedbackRoleArn "
          "httpSuccessFeedbackRoleArn httpSuccessFeedbackSampleRate lambdaFailureFeedbackRoleArn "
          "lambdaSuccessFeedbackRoleArn "
          "lambdaSuccessFeedbackSampleRate maximumMessageSize sqsFailureFeedbackRoleArn "
          "sqsSuccessFeedbackRoleArn "
          "sqsSuccessFeedbackSampleRate"),
    _type("sns.TopicPolicy", sns.TopicPolicy(), "{arn}", replace="arn"),
]  # fmt: skip

_KMS = [
    _type(
        "kms.Key", kms.Key(), "{keyId}",
        replace="keyUsage customKeyStoreId customerMasterKeySpec multiRegion xksKeyId",
        defaults={"bypassPolicyLockoutSafetyCheck": False, "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "enableKeyRotation": False,
                  "isEnabled": True, "keyUsage": "ENCRYPT_DECRYPT"},
        computed="description multiRegion policy rotationPeriodInDays",
        not_imported="multiRegion rotationPeriodInDays",
        recomputed={"rotationPeriodInDays": "enableKeyRotation"},
        unsupported="customKeyStoreId xksKeyId",
    ),
    _type("kms.Alias", kms.Alias(), "{name}", replace=PREFIXED,
        autoname=AutoName("name", 238, prefix="alias/"),
          conflicts=(("name", "namePrefix"),), recomputed={"targetKeyArn": "targetKeyId"}),
]  # fmt: skip

_SSM = [
    _type("ssm.Parameter", ssm.Parameter(), "{name}", replace="name dataType", autoname=NAME,
          computed="arn dataType insecureValue keyId tier value",
          conflicts=(("value", "insecureValue", "valueWo"),),
          one_of=(("value", "insecureValue", "valueWo"),),
          recomputed={"version": "value insecureValue type valueWoVersion description"},
          not_imported="arn dataType keyId overwrite tier valueWo valueWoVersion", unsupported="arn"),
]  # fmt: skip

_RULE: dict[str, Any] = {
    "replace": "securityGroupId", "recomputed": {},
    "one_of": (("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId"),),
    "conflicts": (("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId"),),
}  # fmt: skip

_EC2 = [
    _type("ec2.KeyPair", ec2.KeyPair(), "{keyName}", replace="keyName keyNamePrefix publicKey",
        autoname=AutoName("keyName"),
          conflicts=(("keyName", "keyNamePrefix"),)),
    _type("ec2.SecurityGroup", ec2.SecurityGroup(), "sg-*", replace=f"{PREFIXED} description vpcId",
        autoname=NAME,
          conflicts=(("name", "namePrefix"),),
          defaults={"description": "Managed by Pulumi", "revokeRulesOnDelete": False},
          computed="egress ingress vpcId", not_imported="vpcId", unsupported="egress ingress"),
    _type(
        "ec2.LaunchTemplate", launch_template.LaunchTemplate(), "lt-*", replace=PREFIXED, autoname=NAME,
        computed="defaultVersion",
        conflicts=(("name", "namePrefix"), ("defaultVersion", "updateDefaultVersion"),
                                              ("instanceType", "instanceRequirements"),
                                              ("securityGroupNames", "vpcSecurityGroupIds")),
        recomputed={"latestVersion": " ".join(launch_template.DATA),
        "defaultVersion": "updateDefaultVersion " + " ".join(launch_template.DATA)},
        not_imported="defaultVersion updateDefaultVersion", unsupported="instanceRequirements "
            "licenseSpecifications "
        "networkPerformanceOptions secondaryInterfaces",
    ),
    _type("vpc.SecurityGroupEgressRule", ec2.SecurityGroupEgressRule(), "sgr-*", **_RULE),
    _type("vpc.SecurityGroupIngressRule", ec2.SecurityGroupIngressRule(), "sgr-*", **_RULE),
]  # fmt: skip

_DYNAMODB = [
    _type(
        "dynamodb.Table", dynamodb.Table(), "{name}", replace="hashKey localSecondaryIndexes name rangeKey",
        autoname=NAME,
        defaults={"billingMode": "PROVISIONED"}, one_of=(("hashKey",), ("attributes",)),
        computed="attributes deletionProtectionEnabled pointInTimeRecovery readCapacity "
            "serverSideEncryption streamEnabled streamViewType "
        "tableClass "
        "ttl warmThroughput writeCapacity",
        recomputed={"streamArn": "streamEnabled streamViewType",
            "streamLabel": "streamEnabled streamViewType"},
        not_imported=("pointInTimeRecovery readCapacity streamEnabled tableClass ttl writeCapacity "
            "deletionProtectionEnabled"),
        unsupported="globalTableWitness importTable onDemandThroughput replicas restoreBackupArn "
            "restoreDateTime restoreSourceName "
        "restoreSourceTableArn restoreToLatestTime warmThroughput",
    ),
]  # fmt: skip

_CLOUDWATCH = [
    _type("cloudwatch.LogGroup", cloudwatch.LogGroup(), "{name}", replace=f"{PREFIXED} logGroupClass",
        autoname=NAME,
          conflicts=(("name", "namePrefix"),), defaults={"retentionInDays": 0, "skipDestroy": False},
          computed="deletionProtectionEnabled logGroupClass", not_imported="logGroupClass",
          unsupported="deletionProtectionEnabled"),
    _type("cloudwatch.EventRule", events.EventRule(), "{name}", replace=f"{PREFIXED} eventBusName",
        autoname=AutoName("name", 64),
          conflicts=(("name", "namePrefix"), ("isEnabled", "state")),
          one_of=(("eventPattern", "scheduleExpression"),),
          defaults={"eventBusName": "default", "forceDestroy": False}, computed="isEnabled state",
          not_imported="isEnabled state"),
    _type("cloudwatch.EventTarget", events.EventTarget(), "{rule}-{targetId}",
        replace="eventBusName rule targetId",
          autoname=AutoName("targetId"), conflicts=(("input", "inputPath", "inputTransformer"),),
          defaults={"eventBusName": "default", "forceDestroy": False},
          unsupported="appsyncTarget batchTarget ecsTarget httpTarget kinesisTarget redshiftTarget "
              "runCommandTargets "
          "sagemakerPipelineTarget"),
    _type("cloudwatch.MetricAlarm", cloudwatch.MetricAlarm(), "{name}", replace="name",
        autoname=AutoName("name"),
          conflicts=(("statistic", "extendedStatistic", "metricQueries"), ("metricName", "metricQueries"),
              ("threshold",
          "thresholdMetricId")),
          defaults={"actionsEnabled": True, "treatMissingData": "missing"},
          computed="evaluateLowSampleCountPercentiles",
          one_of=(("metricName", "metricQueries"), ("comparisonOperator",), ("evaluationPeriods",)),
          not_imported="evaluateLowSampleCountPercentiles",
          unsupported="evaluationCriteria evaluationInterval evaluationWindow warmUpConfiguration"),
    _type("cloudwatch.Dashboard", cloudwatch.Dashboard(), "{dashboardName}", replace="dashboardName"),
]  # fmt: skip

_IMAGEBUILDER = [
    _type("imagebuilder.Component", imagebuilder.Component(), "{arn}",
          replace="changeDescription data description kmsKeyId name platform supportedOsVersions uri version", autoname=NAME,
          defaults={"skipDestroy": False}, conflicts=(("data", "uri"),), one_of=(("data", "uri"),),
          computed="data",
          not_imported="kmsKeyId"),
    _type("imagebuilder.ImageRecipe", imagebuilder.ImageRecipe(), "{arn}",
          replace="amiTags blockDeviceMappings components description name parentImage systemsManagerAgent "
              "userDataBase64 version "
          "workingDirectory",
          autoname=NAME, computed="systemsManagerAgent userDataBase64", not_imported="systemsManagerAgent"),
    _type("imagebuilder.InfrastructureConfiguration", imagebuilder.InfrastructureConfiguration(), "{arn}",
        replace="name", autoname=NAME,
          defaults={"terminateInstanceOnFailure": False}, recomputed={"dateUpdated": "*"}),
    _type("imagebuilder.DistributionConfiguration", imagebuilder.DistributionConfiguration(), "{arn}",
        replace="name", autoname=NAME,
          recomputed={"dateUpdated": "*"}),
    _type("imagebuilder.ImagePipeline", imagebuilder.ImagePipeline(), "{arn}", replace="name", autoname=NAME,
          defaults={"enhancedImageMetadataEnabled": True, "status": "ENABLED"},
          computed="imageScanningConfiguration imageTestsConfiguration workflows",
          conflicts=(("containerRecipeArn", "imageRecipeArn"),),
          one_of=(("containerRecipeArn", "imageRecipeArn"),),
          recomputed={"dateUpdated": "*", "platform": "imageRecipeArn"},
          not_imported="imageScanningConfiguration imageTestsConfiguration workflows"),
    _type("imagebuilder.LifecyclePolicy", imagebuilder.LifecyclePolicy(), "{arn}", replace="name",
        autoname=NAME, computed="status",
          not_imported="status"),
]  # fmt: skip

TABLE: Mapping[str, ResourceType] = {
    row.token: row
    for rows in (
        _S3,
        _IAM,
        _KMS,
        _SSM,
        _EC2,
        _DYNAMODB,
        _SQS,
        _SNS,
        _LAMBDA,
        _CLOUDTRAIL,
        _CLOUDWATCH,
        _IMAGEBUILDER,
    )
    for row in rows
}
"""Every resource type by its token."""
