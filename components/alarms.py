"""What an administrator wants to see of an analysis at a glance, and to hear of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.options import child
from components.place import Place
from runtime.protocol import logline

BUDGET_PERCENT = 80
"""Part of a group's budget of a month from which on the alarm is on."""
FIVE_MINUTES, AN_HOUR = 300, 3600


@dataclass(frozen=True, kw_only=True)
class AlarmArgs:
    """`threshold`: a value above it, or with `reaching` one that reaches it, is told to the topic. No data is
    no alarm.
    `period_seconds`: a multiple of 60."""

    description: str
    namespace: str
    metric: str
    dimensions: Mapping[str, pulumi.Input[str]]
    topic_arn: pulumi.Input[str]
    statistic: str = "Sum"
    threshold: float = 0
    reaching: bool = False
    period_seconds: int = FIVE_MINUTES


def alarm(name: str, args: AlarmArgs, opts: pulumi.ResourceOptions) -> aws.cloudwatch.MetricAlarm:
    """An alarm on one metric. It is over when a period passes without a cause."""
    return aws.cloudwatch.MetricAlarm(
        name,
        alarm_description=args.description,
        namespace=args.namespace,
        metric_name=args.metric,
        dimensions=dict(args.dimensions),
        statistic=args.statistic,
        period=args.period_seconds,
        evaluation_periods=1,
        threshold=args.threshold,
        comparison_operator="GreaterThanOrEqualToThreshold" if args.reaching else "GreaterThanThreshold",
        treat_missing_data="notBreaching",
        alarm_actions=[args.topic_arn],
        opts=opts,
    )


def errors_alarm(
    name: str,
    what: str,
    function: pulumi.Input[str],
    topic_arn: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """An alarm on a function that fails. `what`: what that means, a sentence."""
    dimensions = {"FunctionName": function}
    alarm(
        f"{name}-errors",
        AlarmArgs(
            description=what,
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions=dimensions,
            topic_arn=topic_arn,
        ),
        opts,
    )


@dataclass(frozen=True, kw_only=True)
class WatchArgs:
    """Names of what is watched. `topic_arn`: where alarms go."""

    place: Place
    bucket_name: pulumi.Input[str]
    function_name: pulumi.Input[str]
    queue_name: pulumi.Input[str]
    dead_letter_name: pulumi.Input[str]
    log_group_name: pulumi.Input[str]
    topic_arn: pulumi.Input[str]


class AlarmSet(pulumi.ComponentResource):
    """Alarms on a manager that fails, jobs that fail, budgets that are nearly spent and machines that outlive
    their duration, and a dashboard. The alarm on dead letters belongs to the queue."""

    dashboard_name: pulumi.Output[str]

    def __init__(self, name: str, args: WatchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:observe:Watch", name, {}, opts)
        below = child(self)
        errors_alarm(name, "The manager failed on a submission.", args.function_name, args.topic_arn, below)

        def of_jobs(part: str, metric: str, description: str, **more: Any) -> None:
            dimensions = {logline.DIMENSION: args.bucket_name}
            facts = AlarmArgs(
                description=description,
                namespace=logline.NAMESPACE,
                metric=metric,
                dimensions=dimensions,
                topic_arn=args.topic_arn,
                **more,
            )
            alarm(f"{name}-{part}", facts, below)

        of_jobs(
            "failed",
            logline.FAILED,
            "A job ended with a dataset that failed. `invoke logs --lambda monitor` names it.",
        )
        of_jobs("overtime", logline.OVERTIME, "A machine outlived its duration; the sweep has ended it.")
        of_jobs(
            "budget",
            logline.BUDGET_USED,
            f"A group has spent or reserved {BUDGET_PERCENT} % of its budget of this month. `invoke logs "
            "--lambda manager` names it.",
            statistic="Maximum",
            threshold=BUDGET_PERCENT,
            reaching=True,
            period_seconds=AN_HOUR,
        )
        body = pulumi.Output.all(
            bucket=args.bucket_name,
            function=args.function_name,
            queue=args.queue_name,
            dead=args.dead_letter_name,
            logs=args.log_group_name,
        ).apply(lambda known: json.dumps(dashboard(args.place.region, **known), sort_keys=True))
        board = aws.cloudwatch.Dashboard(name, dashboard_name=name, dashboard_body=body, opts=child(self))
        self.dashboard_name = board.dashboard_name
        self.register_outputs({"dashboard_name": self.dashboard_name})


def dashboard(
    region: str, *, bucket: str, function: str, queue: str, dead: str, logs: str
) -> dict[str, object]:
    """Body of a dashboard (CloudWatch user guide, "Dashboard body structure and syntax")."""

    def graph(x: int, y: int, title: str, metrics: list[list[str]], stat: str) -> dict[str, object]:
        properties = {
            "title": title,
            "region": region,
            "metrics": metrics,
            "stat": stat,
            "period": 300,
            "view": "timeSeries",
        }
        return {"type": "metric", "x": x, "y": y, "width": 8, "height": 6, "properties": properties}

    def ours(*names: str) -> list[list[str]]:
        return [[logline.NAMESPACE, name, logline.DIMENSION, bucket] for name in names]

    visible = "ApproximateNumberOfMessagesVisible"
    query = (
        f"SOURCE '{logs}' | fields time, level, message, detail, job | filter ispresent(service) | sort "
        "@timestamp desc | limit 50"
    )
    return {
        "widgets": [
            graph(0, 0, "Jobs", ours(logline.SUCCEEDED, logline.FAILED, logline.REFUSED), "Sum"),
            graph(8, 0, "Budgets: the most that a group has used, %", ours(logline.BUDGET_USED), "Maximum"),
            graph(16, 0, "Machines over their lifetime", ours(logline.OVERTIME), "Sum"),
            graph(
                0,
                6,
                "Messages handled",
                [["AWS/Lambda", name, "FunctionName", function] for name in ("Invocations", "Errors")],
                "Sum",
            ),
            graph(
                8, 6, "Time of the manager", [["AWS/Lambda", "Duration", "FunctionName", function]], "Maximum"
            ),
            graph(
                16,
                6,
                "Waiting, and put aside",
                [["AWS/SQS", visible, "QueueName", name] for name in (queue, dead)],
                "Maximum",
            ),
            {
                "type": "log",
                "x": 0,
                "y": 12,
                "width": 24,
                "height": 6,
                "properties": {"title": "Log of the manager", "region": region, "query": query},
            },
        ]
    }
