"""Log groups, alarms and dashboards."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.named import Named
from localcloud.pulumi.provider.shape import members
from localcloud.pulumi.provider.tags import Tags, from_pairs, pairs


class LogGroup(Handler):
    """A log group. Its id is its name; its ARN comes without `:*` at the end."""

    tags = Tags(
        service="logs",
        argument="resourceArn",
        by="arn",
        listed="tags",
        member="tags",
        keys="tagKeys",
        names=None,
    )

    request, sent = ("logs", "create_log_group"), {"name": "logGroupName"}

    def create(self, call: Call, inputs: Properties) -> str:
        name = str(inputs["name"])
        call.client("logs").create_log_group(logGroupName=name, **self.tags.given(call.all_tags(inputs)))
        call.created(name)
        self.update(call, name, {}, inputs)
        return name

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        pages = (
            call.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=resource_id)
        )
        groups = (group for page in pages for group in page["logGroups"])
        found = next((group for group in groups if group["logGroupName"] == resource_id), None)
        if found is None:
            return None
        arn = found["arn"].removesuffix(":*")
        return {
            "name": found["logGroupName"],
            "arn": arn,
            "retentionInDays": found.get("retentionInDays", 0),
            "logGroupClass": found.get("logGroupClass") or "STANDARD",
            "tagsAll": self.tags.read(call, arn),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        days = news.get("retentionInDays") or 0
        if days == (olds.get("retentionInDays") or 0):
            return
        if days:
            call.client("logs").put_retention_policy(logGroupName=resource_id, retentionInDays=days)
        else:
            call.client("logs").delete_retention_policy(logGroupName=resource_id)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("logs").delete_log_group(logGroupName=resource_id)


class MetricAlarm(Named):
    """An alarm. Its id is its name; a put replaces it as a whole."""

    service = "cloudwatch"
    calls = ("put_metric_alarm", "describe_alarms", "put_metric_alarm", "delete_alarms")
    key = "AlarmNames[]"
    found = "MetricAlarms.0"
    sent = members(
        "actionsEnabled alarmDescription alarmActions comparisonOperator dimensions "
        "evaluationPeriods metricName namespace period statistic threshold treatMissingData",
        name="AlarmName",
    )
    told = {"arn": "AlarmArn"}
    tags = Tags(service="cloudwatch", argument="ResourceARN", by="arn")

    def arguments(self, call: Call, inputs: Properties) -> dict[str, Any]:
        result = super().arguments(call, inputs)
        if "Dimensions" in result:
            result["Dimensions"] = pairs(result["Dimensions"], "Name")
        return result

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        result = super().properties(call, found, state)
        return {
            **result,
            "dimensions": from_pairs(result["dimensions"], "Name") or None,
            "treatMissingData": result["treatMissingData"] or "missing",
        }


class Dashboard(Named):
    """A dashboard. Its id is its name."""

    service = "cloudwatch"
    calls = ("put_dashboard", "get_dashboard", "put_dashboard", "delete_dashboards")
    key, delete_key = "DashboardName", "DashboardNames[]"
    name = "dashboardName"
    sent = {"dashboardName": "DashboardName", "dashboardBody": "DashboardBody"}
    told = {"dashboardArn": "DashboardArn"}

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        result = super().properties(call, found, state)
        arn = f"arn:aws:cloudwatch::{call.session.account}:dashboard/{found['DashboardName']}"
        return {**result, "dashboardArn": result["dashboardArn"] or arn}
