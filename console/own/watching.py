"""Logs, alarms and trails."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from console.own.model import Account, Tags, Thing, pairs, tagging

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TRAIL = "aws:cloudtrail/trail:Trail"


def log_groups(at: Account, prefix: str) -> Iterator[Thing]:
    logs = at.client("logs")
    for one in at.pages(
        "logs", "describe_log_groups", "logGroups", **({"logGroupNamePrefix": prefix} if prefix else {})
    ):
        arn = one["arn"].removesuffix(":*")
        yield Thing(
            LOG_GROUP,
            one["logGroupName"],
            one["logGroupName"],
            arn,
            tagging(logs.list_tags_for_resource, "tags", resourceArn=arn),
        )


def alarms(at: Account, prefix: str) -> Iterator[Thing]:
    cloudwatch = at.client("cloudwatch")
    for one in at.pages(
        "cloudwatch", "describe_alarms", "MetricAlarms", **({"AlarmNamePrefix": prefix} if prefix else {})
    ):
        name, arn = one["AlarmName"], one["AlarmArn"]
        yield Thing(
            ALARM, name, name, arn, tagging(cloudwatch.list_tags_for_resource, "Tags", ResourceARN=arn)
        )


def trails(at: Account, prefix: str) -> Iterator[Thing]:
    cloudtrail = at.client("cloudtrail")
    for one in cloudtrail.describe_trails(includeShadowTrails=False)["trailList"]:
        arn = one["TrailARN"]
        if one["Name"].startswith(prefix):
            yield Thing(TRAIL, one["Name"], arn, arn, partial(_trail_tags, cloudtrail, arn))


def _trail_tags(cloudtrail: Any, arn: str) -> Tags:
    return pairs(cloudtrail.list_tags(ResourceIdList=[arn])["ResourceTagList"][0].get("TagsList"))
