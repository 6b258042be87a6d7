"""The table of resource types: which inputs a program may give, ids, names, replacement triggers, defaults.
There is no other list of types.

The inputs are those that the program uses: `tests/program/test_provider_inputs.py` renders it and compares.
The other facts are in no metadata; they are from the schemas of terraform-provider-aws (`ForceNew`,
`Default`, `Computed`), from provider/resource_overrides.go of pulumi/pulumi-aws (autonames), and from the
page of each type at https://www.pulumi.com/registry/packages/aws/api-docs/. Types of arguments and which are
required come from `pulumi_aws` (`sdk`), rules for values are in `constraints`.
"""

from __future__ import annotations

import json
import re
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
    vpc,
)

NAME = AutoName()
WORD = re.compile(r"(\(?)(\w+)([!?-]*)(?:=([^)]+))?\)?")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _type(
    module: str,
    handler: type[Handler],
    resource_id: str,
    inputs: str,
    *,
    defaults: Mapping[str, Any] | None = None,
    recomputed: Mapping[str, str] | None = None,
    **facts: Any,
) -> ResourceType:
    """One row, named as the class of its handler; lists of names are written as words.

    Behind an input: `!` its change replaces the resource, `?` the service chooses it when it is not given,
    `-` an import cannot find it out, `=VALUE` what the provider fills in. Those in parentheses are the
    provider's only: no program gives them. The made name (`autoname`) can be given too.
    """
    name = handler.__name__
    words = [found.groups() for found in map(WORD.fullmatch, inputs.split()) if found]
    assert len(words) == len(inputs.split()), inputs
    autoname = facts.get("autoname")
    named = {autoname.property} if autoname is not None else set()

    def marked(mark: str) -> frozenset[str]:
        return frozenset(one for _, one, marks, _ in words if mark in marks)

    return ResourceType(
        token=f"aws:{module}/{name[0].lower()}{name[1:]}:{name}",
        handler=handler(),
        id=resource_id,
        given=frozenset(one for inner, one, _, _ in words if not inner) | named,
        replace=marked("!"),
        computed=marked("?") | named,
        not_imported=marked("-"),
        defaults={one: json.loads(value) for _, one, _, value in words if value} | dict(defaults or {}),
        recomputed={output: _words(causes) for output, causes in (recomputed or {}).items()},
        rules=CONSTRAINTS.get(f"{module}.{name}", {}),
        relation=RELATIONS.get(f"{module}.{name}"),
        **facts,
    )


_S3 = [
    _type(
        "s3",
        s3_bucket.Bucket,
        "{bucket}",
        "bucket! forceDestroy=false (objectLockEnabled?)",
        autoname=AutoName("bucket", 63, lower=True),
    ),
    _type("s3", s3_settings.BucketVersioning, "{bucket}", "bucket! versioningConfiguration"),
    _type("s3", s3_settings.BucketServerSideEncryptionConfiguration, "{bucket}", "bucket! rules"),
    _type(
        "s3",
        s3_settings.BucketPublicAccessBlock,
        "{bucket}",
        "bucket! blockPublicAcls=false blockPublicPolicy=false ignorePublicAcls=false "
        "restrictPublicBuckets=false",
    ),
    _type("s3", s3_settings.BucketOwnershipControls, "{bucket}", "bucket! rule"),
    _type(
        "s3",
        s3_settings.BucketLifecycleConfiguration,
        "{bucket}",
        "bucket! rules (transitionDefaultMinimumObjectSize?)",
    ),
    _type("s3", s3_settings.BucketCorsConfiguration, "{bucket}", "bucket! corsRules"),
    _type("s3", s3_settings.BucketPolicy, "{bucket}", "bucket! policy"),
    _type("s3", s3_settings.BucketNotification, "{bucket}", "bucket! queues (eventbridge=false)"),
    _type(
        "s3",
        s3_object.BucketObjectv2,
        "{bucket}/{key}",
        "bucket! key! content- contentType?- source- (forceDestroy=false) (bucketKeyEnabled?) (etag?) "
        "(kmsKeyId?) (serverSideEncryption?) (storageClass?)",
        autoname=AutoName("key", 0, random=0),
        conflicts=(("source", "content"),),
        recomputed={"versionId": "source content", "etag": "source content"},
    ),
]

_IAM = [
    _type(
        "iam",
        iam.Role,
        "{name}",
        'name! path!="/" assumeRolePolicy description maxSessionDuration=3600 permissionsBoundary '
        "(forceDetachPolicies=false)",
        autoname=AutoName("name", 64),
    ),
    _type("iam", iam.RolePolicy, "{role}:{name}", "name! role! policy", autoname=NAME),
    _type("iam", iam.Policy, "{arn}", 'name! description! policy (path="/")', autoname=NAME),
    _type("iam", iam.InstanceProfile, "{name}", 'name! path!="/" role', autoname=NAME),
    _type("iam", iam_people.Group, "{name}", '(path="/")', autoname=NAME, recomputed={"arn": "name"}),
    _type("iam", iam.GroupPolicy, "{group}:{name}", "name! group! policy", autoname=NAME),
    _type(
        "iam",
        iam_people.User,
        "{name}",
        'forceDestroy=false (path="/")',
        autoname=NAME,
        recomputed={"arn": "name"},
    ),
    _type("iam", iam_people.UserGroupMembership, "terraform-*", "user! groups"),
]

_MESSAGES = [
    _type(
        "sqs",
        sqs.Queue,
        "{url}",
        "name! messageRetentionSeconds=345600 receiveWaitTimeSeconds=0 redrivePolicy? "
        "sqsManagedSseEnabled?- visibilityTimeoutSeconds=30 (contentBasedDeduplication=false) "
        "(delaySeconds=0) (fifoQueue=false) (maxMessageSize=262144) (kmsDataKeyReusePeriodSeconds?) "
        "(policy?)",
        autoname=AutoName("name", 80),
    ),
    _type("sqs", sqs.QueuePolicy, "{queueUrl}", "queueUrl! policy"),
    _type(
        "sns",
        sns.Topic,
        "{arn}",
        "name! kmsMasterKeyId (contentBasedDeduplication=false) (fifoTopic=false) (policy?)",
        autoname=AutoName("name", 80),
    ),
    _type("sns", sns.TopicPolicy, "{arn}", "arn! policy"),
    _type(
        "sns",
        sns.TopicSubscription,
        "{arn}",
        "topic! protocol! endpoint! filterPolicy filterPolicyScope? (rawMessageDelivery=false) "
        "(confirmationTimeoutInMinutes=1) (endpointAutoConfirms=false)",
    ),
]

_SOURCE = dict.fromkeys(("codeSha256", "sourceCodeHash", "sourceCodeSize"), "code")

_LAMBDA = [
    _type(
        "lambda",
        lambda_function.Function,
        "{name}",
        "name! architectures?- code- description environment handler loggingConfig?- memorySize=128 "
        'role runtime timeout=3 (packageType="Zip") (publish=false) (reservedConcurrentExecutions=-1) '
        "(skipDestroy=false) (codeSha256?) (ephemeralStorage?) (sourceCodeHash?) (tracingConfig?)",
        autoname=AutoName("name", 64),
        one_of=(("code",), ("handler",), ("runtime",)),
        recomputed={"lastModified": "*", **_SOURCE},
    ),
    _type(
        "lambda",
        lambda_links.Permission,
        "{statementId}",
        "action! function! principal! sourceArn! statementId!",
        autoname=AutoName("statementId", 100),
    ),
    _type(
        "lambda",
        lambda_links.EventSourceMapping,
        "{uuid}",
        "eventSourceArn! batchSize? functionName functionResponseTypes "
        "maximumBatchingWindowInSeconds?- (enabled=true)",
        one_of=(("eventSourceArn",),),
        recomputed={"lastModified": "*"},
    ),
]

_KMS = [
    _type(
        "kms",
        kms.Key,
        "{keyId}",
        "deletionWindowInDays description? enableKeyRotation=false policy? "
        '(bypassPolicyLockoutSafetyCheck=false) (customerMasterKeySpec="SYMMETRIC_DEFAULT") '
        '(isEnabled=true) (keyUsage="ENCRYPT_DECRYPT") (multiRegion?) (rotationPeriodInDays?)',
        recomputed={"rotationPeriodInDays": "enableKeyRotation"},
    ),
    _type(
        "kms",
        kms.Alias,
        "{name}",
        "name! targetKeyId",
        autoname=AutoName("name", 238, prefix="alias/"),
        recomputed={"targetKeyArn": "targetKeyId"},
    ),
]

_SSM = [
    _type(
        "ssm",
        ssm.Parameter,
        "{name}",
        "name! description insecureValue? type (keyId?-) (value?) (arn?) (dataType?) (tier?)",
        autoname=NAME,
        one_of=(("insecureValue",),),
        recomputed={"version": "insecureValue type description"},
    ),
]

_TEMPLATE = (
    "blockDeviceMappings description iamInstanceProfile imageId instanceInitiatedShutdownBehavior "
    "instanceType keyName tagSpecifications vpcSecurityGroupIds"
)

_EC2 = [
    _type("ec2", ec2.KeyPair, "{keyName}", "keyName! publicKey!", autoname=AutoName("keyName")),
    _type(
        "ec2",
        ec2.SecurityGroup,
        "sg-*",
        "name! description! revokeRulesOnDelete=false vpcId!?",
        autoname=NAME,
        defaults={"description": "Managed by Pulumi"},
    ),
    _type(
        "ec2",
        launch_template.LaunchTemplate,
        "lt-*",
        f"name! updateDefaultVersion- metadataOptions? {_TEMPLATE} (defaultVersion?)",
        autoname=NAME,
        recomputed={
            "latestVersion": f"metadataOptions {_TEMPLATE}",
            "defaultVersion": f"updateDefaultVersion metadataOptions {_TEMPLATE}",
        },
    ),
    _type("ec2", vpc.Vpc, "vpc-*", 'cidrBlock!? (enableDnsSupport=true) (instanceTenancy="default")'),
    _type("ec2", vpc.InternetGateway, "igw-*", "vpcId?"),
    _type("ec2", vpc.DefaultRouteTable, "rtb-*", "defaultRouteTableId! routes?"),
    _type("ec2", vpc.RouteTable, "rtb-*", "vpcId! (routes?)"),
    _type("ec2", vpc.RouteTableAssociation, "rtbassoc-*", "routeTableId! subnetId!"),
    _type(
        "ec2",
        vpc.Subnet,
        "subnet-*",
        "availabilityZone!? cidrBlock!? mapPublicIpOnLaunch=false vpcId! (availabilityZoneId?)",
    ),
    _type(
        "ec2",
        vpc.VpcEndpoint,
        "vpce-*",
        'policy? routeTableIds? serviceName! vpcEndpointType!="Gateway" vpcId!',
        one_of=(("serviceName",),),
    ),
    _type(
        "vpc",
        ec2.SecurityGroupEgressRule,
        "sgr-*",
        "securityGroupId! cidrIpv4 description fromPort ipProtocol prefixListId toPort",
        one_of=(("cidrIpv4", "prefixListId"),),
        conflicts=(("cidrIpv4", "prefixListId"),),
    ),
    _type(
        "vpc",
        ec2.SecurityGroupIngressRule,
        "sgr-*",
        "securityGroupId! cidrIpv4 cidrIpv6 description fromPort ipProtocol toPort",
        one_of=(("cidrIpv4", "cidrIpv6"),),
        conflicts=(("cidrIpv4", "cidrIpv6"),),
    ),
]

_DYNAMODB = [
    _type(
        "dynamodb",
        dynamodb.Table,
        "{name}",
        'name! hashKey! rangeKey! attributes? billingMode="PROVISIONED" deletionProtectionEnabled?- '
        "pointInTimeRecovery?- serverSideEncryption? (readCapacity?) (streamEnabled?) (tableClass?) "
        "(ttl?) (writeCapacity?)",
        autoname=NAME,
        one_of=(("hashKey",), ("attributes",)),
    ),
]

_WATCHING = [
    _type(
        "cloudtrail",
        cloudtrail.Trail,
        "{arn}",
        "name! enableLogFileValidation=false eventSelectors includeGlobalServiceEvents=true "
        "s3BucketName s3KeyPrefix (enableLogging=true) (isMultiRegionTrail=false) "
        "(isOrganizationTrail=false)",
        autoname=NAME,
    ),
    _type(
        "cloudwatch",
        cloudwatch.LogGroup,
        "{name}",
        "name! retentionInDays=0 (skipDestroy=false) (logGroupClass?)",
        autoname=NAME,
    ),
    _type(
        "cloudwatch",
        events.EventRule,
        "{name}",
        'name! description eventPattern scheduleExpression state?- (eventBusName="default") '
        "(forceDestroy=false) (isEnabled?)",
        autoname=AutoName("name", 64),
        one_of=(("eventPattern", "scheduleExpression"),),
    ),
    _type(
        "cloudwatch",
        events.EventTarget,
        "{rule}-{targetId}",
        'rule! targetId! arn (eventBusName="default") (forceDestroy=false)',
        autoname=AutoName("targetId"),
    ),
    _type(
        "cloudwatch",
        cloudwatch.MetricAlarm,
        "{name}",
        "name! alarmActions alarmDescription comparisonOperator dimensions evaluationPeriods "
        'metricName namespace period statistic threshold treatMissingData="missing" '
        "(actionsEnabled=true)",
        autoname=AutoName("name"),
        one_of=(("metricName",), ("comparisonOperator",), ("evaluationPeriods",)),
    ),
    _type("cloudwatch", cloudwatch.Dashboard, "{dashboardName}", "dashboardName! dashboardBody"),
]

_IMAGEBUILDER = [
    _type(
        "imagebuilder",
        imagebuilder.Component,
        "{arn}",
        "name! data?! description! platform! version! (skipDestroy=false)",
        autoname=NAME,
        one_of=(("data",),),
    ),
    _type(
        "imagebuilder",
        imagebuilder.ImageRecipe,
        "{arn}",
        "name! blockDeviceMappings! components! description! parentImage! version! workingDirectory! "
        "(systemsManagerAgent?)",
        autoname=NAME,
    ),
    _type(
        "imagebuilder",
        imagebuilder.InfrastructureConfiguration,
        "{arn}",
        "name! description instanceMetadataOptions instanceProfileName instanceTypes logging "
        "resourceTags securityGroupIds subnetId terminateInstanceOnFailure=false",
        autoname=NAME,
        recomputed={"dateUpdated": "*"},
    ),
    _type(
        "imagebuilder",
        imagebuilder.DistributionConfiguration,
        "{arn}",
        "name! description distributions",
        autoname=NAME,
        recomputed={"dateUpdated": "*"},
    ),
    _type(
        "imagebuilder",
        imagebuilder.ImagePipeline,
        "{arn}",
        "name! description distributionConfigurationArn enhancedImageMetadataEnabled=true "
        "imageRecipeArn imageTestsConfiguration?- infrastructureConfigurationArn loggingConfiguration "
        '(status="ENABLED")',
        autoname=NAME,
        one_of=(("imageRecipeArn",),),
        recomputed={"dateUpdated": "*", "platform": "imageRecipeArn"},
    ),
    _type(
        "imagebuilder",
        imagebuilder.LifecyclePolicy,
        "{arn}",
        "name! description executionRole policyDetails resourceSelection resourceType (status?)",
        autoname=NAME,
    ),
]

TABLE: Mapping[str, ResourceType] = {
    row.token: row
    for rows in (_S3, _IAM, _KMS, _SSM, _EC2, _DYNAMODB, _MESSAGES, _LAMBDA, _WATCHING, _IMAGEBUILDER)
    for row in rows
}
"""Every resource type by its token."""
