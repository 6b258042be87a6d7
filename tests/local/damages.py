"""What people delete and change by hand in the resources of the two stacks of `recovery.py`."""

from __future__ import annotations

from collections.abc import Callable

from tests.local.recovery import ANALYSIS, Service

Damage = Callable[[Service, dict[str, str]], None]


def _gone(service: str, call: str, argument: str, resource: str) -> Damage:
    def damage(hurt: Service, found: dict[str, str]) -> None:
        getattr(hurt.aws(service), call)(**{argument: found[resource]})

    return damage


def _role_policy(hurt: Service, found: dict[str, str]) -> None:
    role, _, policy = found[f"RolePolicy neurocaas-{ANALYSIS}-manager"].partition(":")
    hurt.aws("iam").delete_role_policy(RoleName=role, PolicyName=policy)


def _notification(hurt: Service, found: dict[str, str]) -> None:
    bucket = found[f"Bucket neurocaas-{ANALYSIS}-data"]
    hurt.aws("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})


def _settings(hurt: Service, found: dict[str, str]) -> None:
    bucket, _, key = found[f"BucketObjectv2 neurocaas-{ANALYSIS}-settings"].partition("/")
    hurt.aws("s3").delete_object(Bucket=bucket, Key=key)


def _target(hurt: Service, found: dict[str, str]) -> None:
    rule = found["EventRule neurocaas-utils-monitor"]
    (target,) = hurt.aws("events").list_targets_by_rule(Rule=rule)["Targets"]
    hurt.aws("events").remove_targets(Rule=rule, Ids=[target["Id"]])
    hurt.aws("events").disable_rule(Name=found["EventRule neurocaas-utils-monitor-sweep"])


def _mapping_off(hurt: Service, found: dict[str, str]) -> None:
    hurt.aws("lambda").update_event_source_mapping(
        UUID=found["EventSourceMapping neurocaas-utils-monitor"], Enabled=False
    )


def _permission(hurt: Service, found: dict[str, str]) -> None:
    name = found["Function neurocaas-utils-monitor-sweep"]
    hurt.aws("lambda").remove_permission(
        FunctionName=name, StatementId=found["Permission neurocaas-utils-monitor-sweep"]
    )


def _empty_bucket(hurt: Service, found: dict[str, str]) -> None:
    s3, bucket = hurt.aws("s3"), found["Bucket neurocaas-utils-logs"]
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=bucket)


def _egress(hurt: Service, found: dict[str, str]) -> None:
    group, rule = (
        found["SecurityGroup neurocaas-utils-machines"],
        found["SecurityGroupEgressRule neurocaas-utils-machines-out-443"],
    )
    hurt.aws("ec2").revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=[rule])


MANAGER = f"neurocaas-{ANALYSIS}-manager"
ANALYSIS_DAMAGES: list[Damage] = [
    _notification,
    _role_policy,
    _settings,
    _gone("lambda", "delete_event_source_mapping", "UUID", f"EventSourceMapping {MANAGER}"),
    _gone("lambda", "delete_function", "FunctionName", f"Function {MANAGER}"),
    _gone("logs", "delete_log_group", "logGroupName", f"LogGroup {MANAGER}"),
    _gone("sqs", "delete_queue", "QueueUrl", f"Queue neurocaas-{ANALYSIS}-submissions"),
    _gone(
        "ec2",
        "delete_launch_template",
        "LaunchTemplateId",
        f"LaunchTemplate neurocaas-{ANALYSIS}-debuggers-machine",
    ),
    _gone(
        "imagebuilder",
        "delete_image_pipeline",
        "imagePipelineArn",
        f"ImagePipeline neurocaas-{ANALYSIS}-image",
    ),
    lambda hurt, found: hurt.aws("cloudwatch").delete_alarms(
        AlarmNames=[found[f"MetricAlarm neurocaas-{ANALYSIS}-errors"]]
    ),
]
UTILS_DAMAGES: list[Damage] = [
    _target,
    _mapping_off,
    _permission,
    _empty_bucket,
    _egress,
    _gone("lambda", "delete_function", "FunctionName", "Function neurocaas-utils-monitor-sweep"),
    _gone("sns", "delete_topic", "TopicArn", "Topic neurocaas-utils-notices"),
    lambda hurt, found: hurt.aws("cloudwatch").delete_dashboards(
        DashboardNames=[found["Dashboard neurocaas-utils-dashboard"]]
    ),
    _gone("kms", "delete_alias", "AliasName", "Alias neurocaas-utils-key"),
    _gone("sqs", "delete_queue", "QueueUrl", "Queue neurocaas-utils-monitor-dead"),
    _gone("logs", "delete_log_group", "logGroupName", "LogGroup neurocaas-utils-monitor"),
]
