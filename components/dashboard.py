"""One dashboard for the whole service: the first three of an account are free, each further one costs as much
as all else that a stack has at rest."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.names import PREFIX
from components.options import child
from components.place import Place
from neurocaas.protocol import logline

PERIOD = 300


@dataclass(frozen=True, kw_only=True)
class DashboardArgs:
    """`log_group_name`: of the monitor, whose lines are shown."""

    place: Place
    log_group_name: pulumi.Input[str]


class ServiceDashboard(pulumi.ComponentResource):
    """`neurocaas-<region>`: jobs, budgets, overtime, failures of functions and queues, of all analyses. It
    searches for metrics, so that an analysis is on it as soon as it has some, and no deploy has to add it."""

    def __init__(self, name: str, args: DashboardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("neurocaas:observe:ServiceDashboard", name, {}, opts)
        aws.cloudwatch.Dashboard(
            name,
            dashboard_name=f"{PREFIX}-{args.place.region}",
            dashboard_body=pulumi.Output.from_input(args.log_group_name).apply(
                lambda logs: json.dumps(body(args.place.region, logs), sort_keys=True)
            ),
            opts=child(self),
        )
        self.register_outputs({})


def body(region: str, logs: str) -> dict[str, object]:
    """Of the dashboard (CloudWatch user guide, "Dashboard body structure and syntax" and "Search expression
    syntax"). Few metrics on purpose: those that a dashboard shows beyond fifty are charged."""

    def graph(place: int, title: str, stat: str, *searches: str) -> dict[str, object]:
        metrics = [
            [{"expression": f"SEARCH('{one}', '{stat}', {PERIOD})", "id": f"e{number}"}]
            for number, one in enumerate(searches)
        ]
        properties = {
            "title": title,
            "region": region,
            "metrics": metrics,
            "period": PERIOD,
            "view": "timeSeries",
        }
        return {
            "type": "metric",
            "x": place % 3 * 8,
            "y": place // 3 * 6,
            "width": 8,
            "height": 6,
            "properties": properties,
        }

    def ours(name: str) -> str:
        return f'{{{logline.NAMESPACE},{logline.DIMENSION}}} MetricName="{name}"'

    functions = f'{{AWS/Lambda,FunctionName}} {PREFIX} MetricName="Errors"'
    waiting = f'{{AWS/SQS,QueueName}} {PREFIX} MetricName="ApproximateNumberOfMessagesVisible"'
    query = (
        f"SOURCE '{logs}' | fields time, level, message, detail, job | filter ispresent(service) | sort "
        "@timestamp desc | limit 50"
    )
    return {
        "widgets": [
            graph(0, "Jobs", "Sum", *map(ours, (logline.SUCCEEDED, logline.FAILED, logline.REFUSED))),
            graph(1, "Budgets: the most that a group has used, %", "Maximum", ours(logline.BUDGET_USED)),
            graph(2, "Machines over their lifetime", "Sum", ours(logline.OVERTIME)),
            graph(3, "Failures of functions", "Sum", functions),
            graph(4, "Messages waiting, and put aside", "Maximum", waiting),
            {
                "type": "log",
                "x": 0,
                "y": 12,
                "width": 24,
                "height": 6,
                "properties": {"title": "Log of the monitor", "region": region, "query": query},
            },
        ]
    }
