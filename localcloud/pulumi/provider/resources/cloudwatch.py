"""Log groups, alarms and dashboards."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.errors import is_not_found
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.tags import changes, from_pairs, pairs, without_aws


class LogGroup(Handler):
    """A log group. Its id is its name; its ARN comes without ``:*`` at the end."""

    def create(self, call: Call, inputs: Properties) -> str:
        client, name = call.client("logs"), str(inputs["name"])
        arguments: dict[str, Any] = {"logGroupName": name}
        if inputs.get("kmsKeyId"):
            arguments["kmsKeyId"] = inputs["kmsKeyId"]
        if inputs.get("logGroupClass"):
            arguments["logGroupClass"] = inputs["logGroupClass"]
        tags = call.all_tags(inputs)
        if tags:
            arguments["tags"] = tags
        client.create_log_group(**arguments)
        call.created(name)
        if inputs.get("retentionInDays"):
            client.put_retention_policy(logGroupName=name, retentionInDays=inputs["retentionInDays"])
        return name

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("logs")
        pages = client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=resource_id)
        found = next(
            (group for page in pages for group in page["logGroups"] if group["logGroupName"] == resource_id),
            None,
        )
        if found is None:
            return None
        arn = found["arn"].removesuffix(":*")
        return {
            "name": found["logGroupName"],
            "arn": arn,
            "retentionInDays": found.get("retentionInDays", 0),
            "kmsKeyId": found.get("kmsKeyId") or None,
            "logGroupClass": found.get("logGroupClass") or "STANDARD",
            "tagsAll": without_aws(client.list_tags_for_resource(resourceArn=arn).get("tags")),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("logs")
        days = news.get("retentionInDays") or 0
        if days != (olds.get("retentionInDays") or 0):
            if days:
                client.put_retention_policy(logGroupName=resource_id, retentionInDays=days)
            else:
                client.delete_retention_policy(logGroupName=resource_id)
        if news.get("kmsKeyId") != olds.get("kmsKeyId"):
            if news.get("kmsKeyId"):
                client.associate_kms_key(logGroupName=resource_id, kmsKeyId=news["kmsKeyId"])
            else:
                client.disassociate_kms_key(logGroupName=resource_id)
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_resource(resourceArn=olds["arn"], tagKeys=gone)
        if new:
            client.tag_resource(resourceArn=olds["arn"], tags=new)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        if not state.get("skipDestroy"):
            call.client("logs").delete_log_group(logGroupName=resource_id)


_ALARM = {
    "name": "AlarmName",
    "actionsEnabled": "ActionsEnabled",
    "alarmDescription": "AlarmDescription",
    "alarmActions": "AlarmActions",
    "okActions": "OKActions",
    "insufficientDataActions": "InsufficientDataActions",
    "comparisonOperator": "ComparisonOperator",
    "datapointsToAlarm": "DatapointsToAlarm",
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
    "evaluationPeriods": "EvaluationPeriods",
    "extendedStatistic": "ExtendedStatistic",
    "metricName": "MetricName",
    "namespace": "Namespace",
    "period": "Period",
    "statistic": "Statistic",
    "threshold": "Threshold",
    "thresholdMetricId": "ThresholdMetricId",
    "treatMissingData": "TreatMissingData",
    "unit": "Unit",
}


class MetricAlarm(Handler):
    """An alarm. Its id is its name; a put replaces it as a whole."""

    def create(self, call: Call, inputs: Properties) -> str:
        tags = call.all_tags(inputs)
        call.client("cloudwatch").put_metric_alarm(
            **self._arguments(inputs), **({"Tags": pairs(tags)} if tags else {})
        )
        return str(inputs["name"])

    @staticmethod
    def _arguments(inputs: Properties) -> dict[str, Any]:
        result = {name: inputs[key] for key, name in _ALARM.items() if inputs.get(key) not in (None, "", [])}
        if inputs.get("metricQueries"):
            result["Metrics"] = [_query(item) for item in inputs["metricQueries"]]
        elif inputs.get("dimensions"):
            result["Dimensions"] = pairs(inputs["dimensions"], "Name")
        if "Metrics" in result:
            result.pop("Period", None)
        return result

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        client = call.client("cloudwatch")
        found = client.describe_alarms(AlarmNames=[resource_id], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not found:
            return None
        alarm = found[0]
        result: Properties = {
            key: None if alarm.get(name) in (None, "", []) else alarm[name] for key, name in _ALARM.items()
        }
        return {
            **result,
            "arn": alarm["AlarmArn"],
            "actionsEnabled": bool(alarm.get("ActionsEnabled", True)),
            "treatMissingData": alarm.get("TreatMissingData") or "missing",
            "dimensions": from_pairs(alarm.get("Dimensions"), "Name") or None,
            "metricQueries": [_query_back(item) for item in alarm.get("Metrics") or ()] or None,
            "tagsAll": from_pairs(client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"]).get("Tags")),
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        client = call.client("cloudwatch")
        client.put_metric_alarm(**self._arguments(news))
        new, gone = changes(olds.get("tagsAll") or {}, call.all_tags(news))
        if gone:
            client.untag_resource(ResourceARN=olds["arn"], TagKeys=gone)
        if new:
            client.tag_resource(ResourceARN=olds["arn"], Tags=pairs(new))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("cloudwatch").delete_alarms(AlarmNames=[resource_id])


def _query(item: Properties) -> dict[str, Any]:
    plain = {
        "id": "Id",
        "expression": "Expression",
        "label": "Label",
        "period": "Period",
        "accountId": "AccountId",
    }
    result: dict[str, Any] = {
        name: item[key] for key, name in plain.items() if item.get(key) not in (None, "")
    }
    result["ReturnData"] = bool(item.get("returnData"))
    metric = item.get("metric")
    if metric:
        inner: dict[str, Any] = {
            "MetricName": metric["metricName"],
            "Dimensions": pairs(metric.get("dimensions") or {}, "Name"),
        }
        if metric.get("namespace"):
            inner["Namespace"] = metric["namespace"]
        result["MetricStat"] = {"Metric": inner, "Period": metric["period"], "Stat": metric["stat"]}
        if metric.get("unit"):
            result["MetricStat"]["Unit"] = metric["unit"]
    return result


def _query_back(item: dict[str, Any]) -> Properties:
    plain = {
        "id": "Id",
        "expression": "Expression",
        "label": "Label",
        "period": "Period",
        "accountId": "AccountId",
    }
    result: Properties = {key: item[name] for key, name in plain.items() if item.get(name)}
    result["returnData"] = bool(item.get("ReturnData", True))
    stat = item.get("MetricStat")
    if stat:
        metric = {
            "metricName": stat["Metric"].get("MetricName"),
            "namespace": stat["Metric"].get("Namespace"),
            "dimensions": from_pairs(stat["Metric"].get("Dimensions"), "Name") or None,
            "period": stat["Period"],
            "stat": stat["Stat"],
            "unit": stat.get("Unit"),
        }
        result["metric"] = {key: value for key, value in metric.items() if value is not None}
    return result


class Dashboard(Handler):
    """A dashboard. Its id is its name."""

    def create(self, call: Call, inputs: Properties) -> str:
        self._put(call, inputs["dashboardName"], inputs["dashboardBody"])
        return str(inputs["dashboardName"])

    @staticmethod
    def _put(call: Call, name: str, body: str) -> None:
        call.client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=body)

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        try:
            found = call.client("cloudwatch").get_dashboard(DashboardName=resource_id)
        except Exception as error:
            if is_not_found(error):
                return None
            raise
        arn = (
            found.get("DashboardArn") or f"arn:aws:cloudwatch::{call.session.account}:dashboard/{resource_id}"
        )
        return {"dashboardName": resource_id, "dashboardBody": found["DashboardBody"], "dashboardArn": arn}

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        self._put(call, resource_id, news["dashboardBody"])

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("cloudwatch").delete_dashboards(DashboardNames=[resource_id])
