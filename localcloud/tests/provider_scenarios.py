"""For every resource type of the provider: what it is made of, how it changes in place, and what replaces
it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from localcloud.pulumi.provider.codec import Archive, Asset
from localcloud.tests.provider_engine import Engine, Properties, Resource

PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtUMVFCYmtTbnJqTDBhZ2NoN2ZxZ0w3c2Y0cHV3cXow someone@somewhere"
)
OTHER_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtUMVFCYmtTbnJqTDBhZ2NoN2ZxZ0w3c2Y0cHV3cXox someone@somewhere"
)
DOCUMENT = """name: hello
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - name: Hello
        action: ExecuteBash
        inputs:
          commands:
            - set -euo pipefail; echo {text}
"""


def policy(*actions: str, resource: str = "*", **more: Any) -> str:
    """A policy with one Allow statement."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}],
        }
    )


def trust(service: str) -> str:
    """A trust policy for a service."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class World:
    """Resources that others need, made on demand and removed at the end in reverse order."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._made: list[Resource] = []

    def make(self, place: str, name: str, args: Properties) -> Resource:
        module, kind = place.split(".")
        made = self.engine.create(f"aws:{module}/{kind[0].lower()}{kind[1:]}:{kind}", name, args)
        self._made.append(made)
        return made

    def close(self) -> None:
        while self._made:
            self.engine.delete(self._made.pop())

    def bucket(self) -> str:
        return self.make("s3.Bucket", "Of-Scenario", {"forceDestroy": True}).id

    def role(self, service: str = "lambda.amazonaws.com") -> Resource:
        return self.make("iam.Role", "of-scenario", {"assumeRolePolicy": trust(service)})

    def queue(self) -> Resource:
        return self.make("sqs.Queue", "of-scenario", {"visibilityTimeoutSeconds": 60})

    def topic(self) -> str:
        return self.make("sns.Topic", "of-scenario", {}).id

    def function(self) -> Resource:
        return self.make("lambda.Function", "of-scenario", function(self))

    def component(self, name: str = "of-scenario") -> str:
        return self.make("imagebuilder.Component", name, component(self)).id

    def vpc(self) -> Resource:
        return self.make("ec2.Vpc", "of-scenario", {"cidrBlock": "10.64.0.0/16"})

    def infrastructure(self) -> str:
        role = self.role("ec2.amazonaws.com")
        profile = self.make("iam.InstanceProfile", "of-scenario", {"role": role.id})
        return self.make(
            "imagebuilder.InfrastructureConfiguration", "of-scenario", {"instanceProfileName": profile.id}
        ).id

    def recipe(self) -> str:
        return self.make("imagebuilder.ImageRecipe", "of-scenario", recipe(self)).id


def code(text: str) -> Archive:
    """An archive of one text, with the hash that the engine would give it."""
    import hashlib

    digest = hashlib.sha256(text.encode()).hexdigest()
    return Archive(digest, {"handler.py": Asset(digest, text=text)})


def function(world: World) -> Properties:
    return {
        "role": world.role().outputs["arn"],
        "runtime": "python3.12",
        "handler": "handler.handler",
        "code": code("def handler(event, context): return 1\n"),
        "timeout": 30,
        "environment": {"variables": {"NAME": "value", "CamelCase": "kept"}},
        "tags": {"own": "1"},
    }


def component(world: World) -> Properties:
    return {
        "platform": "Linux",
        "version": "1.0.0",
        "data": DOCUMENT.format(text="one"),
        "description": "says hello",
        "tags": {"own": "1"},
    }


def recipe(world: World) -> Properties:
    return {
        "version": "1.0.0",
        "parentImage": "ami-0123456789abcdef0",
        "components": [{"componentArn": world.component()}],
        "blockDeviceMappings": [
            {
                "deviceName": "/dev/sda1",
                "ebs": {"volumeSize": 16, "volumeType": "gp3", "deleteOnTermination": "true"},
            }
        ],
        "workingDirectory": "/opt/build",
        "tags": {"own": "1"},
    }


@dataclass(frozen=True)
class Scenario:
    """The life of one resource."""

    args: Callable[[World], Properties]
    change: Callable[[World, Properties], Properties] | None
    """New arguments that change it in place; ``None`` where everything replaces."""
    replace: Callable[[World, Properties], Properties] | None
    """New arguments that replace it; ``None`` where nothing does."""
    trigger: str = ""
    """The argument that replaces."""
    import_id: Callable[[Resource], str] = field(default=lambda resource: resource.id)
    unreported: frozenset[str] = frozenset()
    """Arguments that an import cannot find out."""
    stays: bool = False
    """Whether a read after the delete still finds something, as on AWS."""


def _with(**more: Any) -> Callable[[World, Properties], Properties]:
    return lambda _world, args: {**args, **more}


def _tags(**more: Any) -> Callable[[World, Properties], Properties]:
    return _with(tags={"own": "2", "new": "3"}, **more)


def _bucket_setting(key: str, first: Any, second: Any, **facts: Any) -> Scenario:
    return Scenario(
        args=lambda world: {"bucket": world.bucket(), key: first},
        change=_with(**{key: second}),
        replace=lambda world, args: {**args, "bucket": "another-bucket"},
        trigger="bucket",
        **facts,
    )


def _route_table(world: World) -> Properties:
    vpc = world.vpc()
    gateway = world.make("ec2.InternetGateway", "of-scenario", {"vpcId": vpc.id})
    route = {"cidrBlock": "0.0.0.0/0", "gatewayId": gateway.id}
    table = vpc.outputs["defaultRouteTableId"]
    return {"defaultRouteTableId": table, "routes": [route], "tags": {"own": "1"}}


def _association(world: World) -> Properties:
    vpc = world.vpc()
    table = world.make("ec2.RouteTable", "of-scenario", {"vpcId": vpc.id})
    subnet = world.make("ec2.Subnet", "of-scenario", {"vpcId": vpc.id, "cidrBlock": "10.64.16.0/20"})
    return {"routeTableId": table.id, "subnetId": subnet.id}


def _endpoint(world: World) -> Properties:
    vpc = world.vpc()
    return {
        "vpcId": vpc.id,
        "serviceName": "com.amazonaws.us-east-1.s3",
        "vpcEndpointType": "Gateway",
        "routeTableIds": [vpc.outputs["defaultRouteTableId"]],
        "tags": {"own": "1"},
    }


def _bucket_policy(world: World) -> Properties:
    bucket = world.bucket()
    return {
        "bucket": bucket,
        "policy": policy(
            "s3:GetObject",
            resource=f"arn:aws:s3:::{bucket}/*",
            Principal={"AWS": "arn:aws:iam::000000000000:root"},
        ),
    }


def _notification(world: World) -> Properties:
    queue = world.queue()
    arn = queue.outputs["arn"]
    world.make(
        "sqs.QueuePolicy",
        "of-scenario",
        {
            "queueUrl": queue.id,
            "policy": policy("sqs:SendMessage", resource=arn, Principal={"Service": "s3.amazonaws.com"}),
        },
    )
    rule = {
        "queueArn": arn,
        "events": ["s3:ObjectCreated:*"],
        "filterPrefix": "lab/submissions/",
        "filterSuffix": "submit.json",
        "id": "lab",
    }
    return {"bucket": world.bucket(), "queues": [rule]}


def _queue_policy(world: World) -> Properties:
    queue = world.queue()
    document = policy(
        "sqs:SendMessage", resource=queue.outputs["arn"], Principal={"Service": "s3.amazonaws.com"}
    )
    return {"queueUrl": queue.id, "policy": document}


def _topic_policy(world: World) -> Properties:
    arn = world.topic()
    return {
        "arn": arn,
        "policy": policy("sns:Publish", resource=arn, Principal={"Service": "events.amazonaws.com"}),
    }


def _rule_target(world: World) -> Properties:
    rule = world.make(
        "cloudwatch.EventRule", "of-scenario", {"eventPattern": json.dumps({"source": ["aws.ec2"]})}
    )
    return {"rule": rule.id, "arn": world.queue().outputs["arn"], "targetId": "queue"}


def _launch_template(world: World) -> Properties:
    return {
        "imageId": "ami-0123456789abcdef0",
        "instanceType": "m5.large",
        "instanceInitiatedShutdownBehavior": "terminate",
        "iamInstanceProfile": {"name": "profile"},
        "metadataOptions": {
            "httpTokens": "required",
            "httpEndpoint": "enabled",
            "instanceMetadataTags": "enabled",
        },
        "blockDeviceMappings": [
            {"deviceName": "/dev/sda1", "ebs": {"volumeSize": 16, "volumeType": "gp3", "encrypted": "true"}}
        ],
        "tagSpecifications": [{"resourceType": "instance", "tags": {"PriceTracking": "On"}}],
        "vpcSecurityGroupIds": ["sg-0123456789abcdef0"],
        "updateDefaultVersion": True,
        "description": "first",
        "tags": {"own": "1"},
    }


def _security_group_rule(world: World) -> Properties:
    group = world.make("ec2.SecurityGroup", "of-scenario", {"description": "for a rule"})
    return {
        "securityGroupId": group.id,
        "ipProtocol": "tcp",
        "fromPort": 443,
        "toPort": 443,
        "cidrIpv4": "10.0.0.0/8",
        "description": "tls",
    }


def _table(world: World) -> Properties:
    return {
        "billingMode": "PAY_PER_REQUEST",
        "hashKey": "group",
        "rangeKey": "month",
        "attributes": [{"name": "group", "type": "S"}, {"name": "month", "type": "S"}],
        "pointInTimeRecovery": {"enabled": True},
        "tags": {"own": "1"},
    }


def _alarm(world: World) -> Properties:
    return {
        "comparisonOperator": "GreaterThanThreshold",
        "evaluationPeriods": 1,
        "metricName": "ApproximateNumberOfMessagesVisible",
        "namespace": "AWS/SQS",
        "period": 300,
        "statistic": "Maximum",
        "threshold": 0,
        "dimensions": {"QueueName": "letters"},
        "alarmActions": [world.topic()],
        "tags": {"own": "1"},
    }


def _dashboard(text: str) -> str:
    return json.dumps(
        {
            "widgets": [
                {"type": "text", "x": 0, "y": 0, "width": 6, "height": 3, "properties": {"markdown": text}}
            ]
        }
    )


def _pipeline(world: World) -> Properties:
    return {
        "imageRecipeArn": world.recipe(),
        "infrastructureConfigurationArn": world.infrastructure(),
        "description": "one",
        "tags": {"own": "1"},
    }


def _distributions(name: str) -> list[Properties]:
    ami = {"name": name + "-{{ imagebuilder:buildDate }}", "amiTags": {"analysis": "dti"}}
    return [
        {
            "region": "us-east-1",
            "amiDistributionConfiguration": ami,
            "ssmParameterConfigurations": [{"parameterName": "/images/dti"}],
        }
    ]


def _lifecycle(world: World) -> Properties:
    return {
        "executionRole": world.role("imagebuilder.amazonaws.com").outputs["arn"],
        "resourceType": "AMI_IMAGE",
        "policyDetails": [
            {
                "action": {"type": "DELETE", "includeResources": {"amis": True, "snapshots": True}},
                "filter": {"type": "COUNT", "value": 5},
            }
        ],
        "resourceSelection": {"tagMap": {"analysis": "dti"}},
        "tags": {"own": "1"},
    }


SCENARIOS: dict[str, Scenario] = {
    "aws:s3/bucket:Bucket": Scenario(
        lambda world: {"tags": {"own": "1"}, "forceDestroy": True}, _tags(), _with(bucket="another-bucket"),
        "bucket",
        unreported=frozenset({"forceDestroy"}),
    ),
    "aws:s3/bucketVersioning:BucketVersioning": _bucket_setting(
        "versioningConfiguration", {"status": "Enabled"}, {"status": "Suspended"}, stays=True
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _bucket_setting(
        "rules",
        [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
        [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}, "bucketKeyEnabled": True}],
        stays=True,
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _bucket_setting("blockPublicAcls", True, False),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _bucket_setting(
        "rule", {"objectOwnership": "BucketOwnerEnforced"}, {"objectOwnership": "BucketOwnerPreferred"}
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _bucket_setting(
        "rules",
        [{"id": "logs", "status": "Enabled", "filter": {"prefix": "logs/"}, "expiration": {"days": 90}}],
        [
            {"id": "logs", "status": "Enabled", "filter": {"prefix": "logs/"}, "expiration": {"days": 30}},
            {"id": "parts", "status": "Enabled", "filter": {},
                "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7}},
        ],
    ),
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": _bucket_setting(
        "corsRules",
        [{"allowedMethods": ["GET"], "allowedOrigins": ["*"], "maxAgeSeconds": 300}],
        [{"id": "web", "allowedMethods": ["GET", "HEAD"], "allowedOrigins": ["https://example.org"],
            "allowedHeaders": ["*"]}],
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Scenario(
        _bucket_policy,
        lambda world, args: {**args, "policy": args["policy"].replace("s3:GetObject", "s3:PutObject")},
        _with(bucket="another-bucket"), "bucket",
    ),
    "aws:s3/bucketNotification:BucketNotification": Scenario(
        _notification,
        lambda world,
        args: {**args, "queues": [{**args["queues"][0], "filterSuffix": "other.json"}]},
        _with(bucket="another-bucket"), "bucket", stays=True,
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": Scenario(
        lambda world: {"bucket": world.bucket(), "key": "code/one.txt", "source": Asset("1", text="one"),
            "tags": {"own": "1"}},
        _with(source=Asset("2", text="two")),
        _with(key="code/two.txt"), "key", unreported=frozenset({"source"}),
    ),
    "aws:iam/role:Role": Scenario(
        lambda world: {"assumeRolePolicy": trust("ec2.amazonaws.com"), "description": "one",
            "tags": {"own": "1"}},
        _tags(assumeRolePolicy=trust("lambda.amazonaws.com"), description="two"),
        _with(path="/other/"), "path",
    ),
    "aws:iam/rolePolicy:RolePolicy": Scenario(
        lambda world: {"role": world.role().id, "policy": policy("s3:GetObject")},
        _with(policy=policy("s3:GetObject", "s3:PutObject")),
        _with(role="another"), "role",
    ),
    "aws:iam/policy:Policy": Scenario(
        lambda world: {"policy": policy("s3:GetObject"), "description": "one", "tags": {"own": "1"}},
        _tags(policy=policy("s3:PutObject")), _with(description="two"), "description",
    ),
    "aws:iam/instanceProfile:InstanceProfile": Scenario(
        lambda world: {"role": world.role("ec2.amazonaws.com").id, "tags": {"own": "1"}},
        lambda world,
        args: {**args,
            "role": world.make("iam.Role", "other", {"assumeRolePolicy": trust("ec2.amazonaws.com")}).id},
        _with(path="/other/"), "path",
    ),
    "aws:iam/group:Group": Scenario(lambda world: {}, None, None),
    "aws:iam/groupPolicy:GroupPolicy": Scenario(
        lambda world: {"group": world.make("iam.Group", "of-scenario", {}).id,
            "policy": policy("s3:GetObject")},
        _with(policy=policy("s3:PutObject")), _with(group="another"), "group",
    ),
    "aws:iam/user:User": Scenario(lambda world: {"tags": {"own": "1"}}, _tags(), None),
    "aws:iam/userGroupMembership:UserGroupMembership": Scenario(
        lambda world: {"user": world.make("iam.User", "of-scenario", {}).id,
            "groups": [world.make("iam.Group", "of-scenario", {}).id]},
        lambda world, args: {**args, "groups": [*args["groups"], world.make("iam.Group", "second", {}).id]},
        _with(user="another"), "user",
        import_id=lambda resource: "/".join([resource.outputs["user"], *resource.outputs["groups"]]),
    ),
    "aws:cloudtrail/trail:Trail": Scenario(
        lambda world: {
            "s3BucketName": world.bucket(),
            "eventSelectors": [
                {"includeManagementEvents": False,
                    "dataResources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3:::one/"]}]}
            ],
            "tags": {"own": "1"},
        },
        _tags(enableLogFileValidation=True, s3KeyPrefix="trail"), _with(name="another"),
        "name",
    ),
    "aws:kms/key:Key": Scenario(
        lambda world: {"description": "one", "deletionWindowInDays": 7, "tags": {"own": "1"}},
        _tags(description="two", enableKeyRotation=True),
        None,
        unreported=frozenset({"deletionWindowInDays"}),
    ),
    "aws:kms/alias:Alias": Scenario(
        lambda world: {"targetKeyId": world.make("kms.Key", "of-scenario", {}).id},
        lambda world, args: {**args, "targetKeyId": world.make("kms.Key", "other", {}).id},
        _with(name="alias/another"), "name",
    ),
    "aws:ssm/parameter:Parameter": Scenario(
        lambda world: {
            "type": "String", "insecureValue": "one", "description": "first", "tags": {"own": "1"},
        },
        _tags(insecureValue="two"), _with(name="/another"), "name",
    ),
    "aws:ec2/keyPair:KeyPair": Scenario(
        lambda world: {"publicKey": PUBLIC_KEY, "tags": {"own": "1"}}, _tags(), _with(publicKey=OTHER_KEY),
        "publicKey",
        unreported=frozenset({"publicKey"}),
    ),
    "aws:ec2/securityGroup:SecurityGroup": Scenario(
        lambda world: {"tags": {"own": "1"}}, _tags(), _with(description="another"), "description",
    ),
    "aws:ec2/vpc:Vpc": Scenario(
        lambda world: {"cidrBlock": "10.64.0.0/16", "tags": {"own": "1"}}, _tags(),
        _with(cidrBlock="10.65.0.0/16"), "cidrBlock",
    ),
    "aws:ec2/internetGateway:InternetGateway": Scenario(
        lambda world: {"vpcId": world.vpc().id, "tags": {"own": "1"}}, _tags(), None,
    ),
    "aws:ec2/defaultRouteTable:DefaultRouteTable": Scenario(
        _route_table, _tags(routes=[]), _with(defaultRouteTableId="rtb-1"), "defaultRouteTableId",
        stays=True,
    ),
    "aws:ec2/routeTable:RouteTable": Scenario(
        lambda world: {"vpcId": world.vpc().id, "tags": {"own": "1"}}, _tags(), _with(vpcId="vpc-1"), "vpcId",
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Scenario(
        _association, None, _with(subnetId="subnet-1"), "subnetId",
    ),
    "aws:ec2/subnet:Subnet": Scenario(
        lambda world: {
            "vpcId": world.vpc().id, "cidrBlock": "10.64.16.0/20", "availabilityZone": "us-east-1b",
            "mapPublicIpOnLaunch": True, "tags": {"own": "1"},
        },
        _tags(mapPublicIpOnLaunch=False), _with(cidrBlock="10.64.32.0/20"), "cidrBlock",
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Scenario(
        _endpoint, _tags(routeTableIds=[], policy=policy("s3:GetObject", Principal="*")),
        _with(serviceName="com.amazonaws.us-east-1.dynamodb"),
        "serviceName",
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": Scenario(
        _launch_template, _tags(instanceType="m5.xlarge", description="second"), _with(name="another"),
        "name",
        unreported=frozenset({"updateDefaultVersion"}),
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Scenario(
        _security_group_rule, _with(toPort=444, description="more"), _with(securityGroupId="sg-1"),
        "securityGroupId",
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Scenario(
        _security_group_rule, _with(toPort=444, description="more"), _with(securityGroupId="sg-1"),
        "securityGroupId",
    ),
    "aws:dynamodb/table:Table": Scenario(
        _table, _tags(deletionProtectionEnabled=True),
        _with(hashKey="month", rangeKey="group"), "hashKey",
        unreported=frozenset({"pointInTimeRecovery"}),
    ),
    "aws:sqs/queue:Queue": Scenario(
        lambda world: {"visibilityTimeoutSeconds": 60, "tags": {"own": "1"},
                       "redrivePolicy": json.dumps({"deadLetterTargetArn": world.queue().outputs["arn"],
                           "maxReceiveCount": 3})},
        _tags(visibilityTimeoutSeconds=90), _with(name="another"), "name",
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Scenario(
        _queue_policy, lambda world,
        args: {**args, "policy": args["policy"].replace("s3.amazonaws", "events.amazonaws")},
        _with(queueUrl="http://127.0.0.1/1/another"), "queueUrl",
    ),
    "aws:sns/topic:Topic": Scenario(
        lambda world: {"tags": {"own": "1"}}, _tags(kmsMasterKeyId="alias/aws/sns"),
        _with(name="another"), "name",
    ),
    "aws:sns/topicPolicy:TopicPolicy": Scenario(
        _topic_policy, lambda world,
        args: {**args, "policy": args["policy"].replace("events.amazonaws", "cloudwatch.amazonaws")},
        _with(arn="arn:aws:sns:us-east-1:000000000000:another"), "arn", stays=True,
    ),
    "aws:sns/topicSubscription:TopicSubscription": Scenario(
        lambda world: {"topic": world.topic(), "protocol": "sqs", "endpoint": world.queue().outputs["arn"],
                       "filterPolicy": json.dumps({"colour": ["red"]}),
                       "filterPolicyScope": "MessageAttributes"},
        _with(filterPolicy=json.dumps({"colour": ["blue"]})),
        _with(endpoint="arn:aws:sqs:us-east-1:000000000000:another"), "endpoint",
    ),
    "aws:lambda/function:Function": Scenario(
        function,
        _tags(code=code("def handler(event, context): return 2\n"), memorySize=256,
            environment={"variables": {"NAME": "other"}}),
        _with(name="another"), "name", unreported=frozenset({"code"}),
    ),
    "aws:lambda/permission:Permission": Scenario(
        lambda world: {"function": world.function().id, "action": "lambda:InvokeFunction",
            "principal": "events.amazonaws.com",
                       "sourceArn": "arn:aws:events:us-east-1:000000000000:rule/sweep"},
        None, _with(principal="s3.amazonaws.com"), "principal",
        import_id=lambda resource: f"{resource.outputs['function']}/{resource.id}",
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": Scenario(
        lambda world: {"functionName": world.function().outputs["arn"],
            "eventSourceArn": world.queue().outputs["arn"], "batchSize": 1,
                       "functionResponseTypes": ["ReportBatchItemFailures"]},
        _with(batchSize=5), _with(eventSourceArn="arn:aws:sqs:us-east-1:000000000000:another"),
        "eventSourceArn",
    ),
    "aws:cloudwatch/logGroup:LogGroup": Scenario(
        lambda world: {"retentionInDays": 30, "tags": {"own": "1"}}, _tags(retentionInDays=90),
        _with(name="/another"), "name",
    ),
    "aws:cloudwatch/eventRule:EventRule": Scenario(
        lambda world: {"scheduleExpression": "rate(5 minutes)", "description": "sweep", "tags": {"own": "1"}},
        _tags(scheduleExpression="rate(10 minutes)"), _with(name="another"), "name",
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Scenario(
        _rule_target,
        lambda world, args: {**args, "arn": world.topic()},
        _with(targetId="another"), "targetId",
        import_id=lambda resource: f"{resource.outputs['rule']}/{resource.outputs['targetId']}",
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Scenario(_alarm, _with(threshold=5, alarmDescription="many"),
        _with(name="another"), "name"),
    "aws:cloudwatch/dashboard:Dashboard": Scenario(
        lambda world: {"dashboardName": "board", "dashboardBody": _dashboard("one")},
        _with(dashboardBody=_dashboard("two")),
        _with(dashboardName="another"), "dashboardName",
    ),
    "aws:imagebuilder/component:Component": Scenario(component, _tags(),
        _with(data=DOCUMENT.format(text="two")), "data"),
    "aws:imagebuilder/imageRecipe:ImageRecipe": Scenario(recipe, _tags(), _with(version="1.0.1"), "version"),
    "aws:imagebuilder/infrastructureConfiguration:InfrastructureConfiguration": Scenario(
        lambda world: {"instanceProfileName": world.make("iam.InstanceProfile", "of-scenario", {}).id,
            "instanceTypes": ["m5.large"],
                       "terminateInstanceOnFailure": True,
                       "instanceMetadataOptions": {"httpTokens": "required"}, "tags": {"own": "1"}},
        _tags(instanceTypes=["m5.xlarge"]), _with(name="another"), "name",
    ),
    "aws:imagebuilder/distributionConfiguration:DistributionConfiguration": Scenario(
        lambda world: {"distributions": _distributions("one"), "tags": {"own": "1"}},
        _tags(distributions=_distributions("two")), _with(name="another"), "name",
    ),
    "aws:imagebuilder/imagePipeline:ImagePipeline": Scenario(_pipeline, _tags(description="two"),
        _with(name="another"), "name"),
    "aws:imagebuilder/lifecyclePolicy:LifecyclePolicy": Scenario(
        _lifecycle, _tags(description="keeps five"), _with(name="another"), "name",
    ),
}  # fmt: skip
