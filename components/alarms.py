"""What an administrator wants to see of an analysis at a glance, and to hear of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.options import child

FIVE_MINUTES = 300


@dataclass(frozen=True, kw_only=True)
class AlarmArgs:
    """A value above zero is told to the topic. No data is no alarm."""

    description: str
    namespace: str
    metric: str
    dimensions: Mapping[str, pulumi.Input[str]]
    topic_arn: pulumi.Input[str]
    statistic: str = "Sum"


def alarm(name: str, args: AlarmArgs, opts: pulumi.ResourceOptions) -> aws.cloudwatch.MetricAlarm:
    """An alarm on one metric. It is over when a period passes without a cause."""
    return aws.cloudwatch.MetricAlarm(
        name,
        alarm_description=args.description,
        namespace=args.namespace,
        metric_name=args.metric,
        dimensions=dict(args.dimensions),
        statistic=args.statistic,
        period=FIVE_MINUTES,
        evaluation_periods=1,
        threshold=0,
        comparison_operator="GreaterThanThreshold",
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

    function_name: pulumi.Input[str]
    topic_arn: pulumi.Input[str]


class AlarmSet(pulumi.ComponentResource):
    """The alarm on a manager that fails. The alarm on dead letters belongs to the queue. What happens to
    jobs, machines and budgets is told by the functions themselves, to the same topic: it costs nothing while
    nothing happens, and says which job or group it is."""

    def __init__(self, name: str, args: WatchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:observe:Watch", name, {}, opts)
        errors_alarm(
            name, "The manager failed on a submission.", args.function_name, args.topic_arn, child(self)
        )
        self.register_outputs({})
