"""What an administrator wants to see of an analysis at a glance, and to hear of."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child
from components.place import Place


@dataclass(frozen=True, kw_only=True)
class WatchArgs:
    """Names of what is watched. `topic_arn`: where alarms go."""

    place: Place
    function_name: pulumi.Input[str]
    queue_name: pulumi.Input[str]
    dead_letter_name: pulumi.Input[str]
    log_group_name: pulumi.Input[str]
    topic_arn: pulumi.Input[str]


class Watch(pulumi.ComponentResource):
    """An alarm on errors of the manager, and a dashboard. The alarm on dead letters belongs to the queue."""

    dashboard_name: pulumi.Output[str]

    def __init__(self, name: str, args: WatchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:observe:Watch", name, {}, opts)
        aws.cloudwatch.MetricAlarm(
            f"{name}-errors",
            alarm_description="The manager failed on a submission.",
            namespace="AWS/Lambda",
            metric_name="Errors",
            dimensions={"FunctionName": args.function_name},
            statistic="Sum",
            period=300,
            evaluation_periods=1,
            threshold=0,
            comparison_operator="GreaterThanThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[args.topic_arn],
            opts=child(self),
        )
        body = pulumi.Output.all(
            function=args.function_name, queue=args.queue_name, dead=args.dead_letter_name, logs=args.log_group_name
        ).apply(lambda known: json.dumps(dashboard(args.place.region, **known), sort_keys=True))
        board = aws.cloudwatch.Dashboard(name, dashboard_name=name, dashboard_body=body, opts=child(self))
        self.dashboard_name = board.dashboard_name
        self.register_outputs({"dashboard_name": self.dashboard_name})


def dashboard(region: str, *, function: str, queue: str, dead: str, logs: str) -> dict[str, object]:
    """Body of a dashboard (CloudWatch user guide, "Dashboard body structure and syntax")."""

    def graph(x: int, title: str, metrics: list[list[str]], stat: str) -> dict[str, object]:
        properties = {"title": title, "region": region, "metrics": metrics, "stat": stat, "period": 300, "view": "timeSeries"}
        return {"type": "metric", "x": x, "y": 0, "width": 8, "height": 6, "properties": properties}

    visible = "ApproximateNumberOfMessagesVisible"
    return {
        "widgets": [
            graph(0, "Submissions handled", [["AWS/Lambda", name, "FunctionName", function] for name in ("Invocations", "Errors")], "Sum"),
            graph(8, "Time of the manager", [["AWS/Lambda", "Duration", "FunctionName", function]], "Maximum"),
            graph(16, "Waiting, and put aside", [["AWS/SQS", visible, "QueueName", name] for name in (queue, dead)], "Maximum"),
            {
                "type": "log",
                "x": 0,
                "y": 6,
                "width": 24,
                "height": 6,
                "properties": {
                    "title": "Log of the manager",
                    "region": region,
                    "query": f"SOURCE '{logs}' | fields @timestamp, @message | sort @timestamp desc | limit 50",
                },
            },
        ]
    }
