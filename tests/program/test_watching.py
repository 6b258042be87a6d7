"""Alarms and the dashboard: on metrics that the Lambdas write, and where somebody hears of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.protocol import logline
from tests.program.recording import Recorded


def alarms(stack: Recorded) -> dict[str, dict[str, Any]]:
    prefix = stack.one("aws").inputs["defaultTags"]
    name = json.loads(prefix)["tags"]["neurocaas:stack"]
    return {
        one.name.removeprefix(f"neurocaas-{name}-"): dict(one.inputs) for one in stack.of_type("MetricAlarm")
    }


def test_an_analysis_has_an_alarm_for_each_thing_that_needs_somebody(analysis: Recorded) -> None:
    assert set(alarms(analysis)) == {"submissions-dead", "errors", "failed", "overtime", "budget"}


def test_utils_has_an_alarm_on_what_all_analyses_share(utils: Recorded) -> None:
    assert set(alarms(utils)) == {"monitor-dead", "monitor-errors", "monitor-sweep-errors"}


@pytest.mark.parametrize("name", ["utils", "analysis", "prod"])
def test_every_alarm_is_told_to_the_topic_and_is_off_without_data(
    request: pytest.FixtureRequest, name: str
) -> None:
    utils: Recorded = request.getfixturevalue("utils")
    for one in alarms(request.getfixturevalue(name)).values():
        assert one["alarmActions"] == [utils.outputs["topic_arn"]]
        assert one["treatMissingData"] == "notBreaching"


def test_alarms_on_our_metrics_are_about_metrics_that_are_written(analysis: Recorded) -> None:
    ours = {name: one for name, one in alarms(analysis).items() if one["namespace"] == logline.NAMESPACE}
    assert (
        {one["metricName"] for one in ours.values()}
        == {"JobsFailed", "MachinesOverLifetime", "BudgetUsed"}
        <= set(logline.UNITS)
    )
    assert all(one["dimensions"] == {logline.DIMENSION: "spikes"} for one in ours.values())


def test_the_budget_alarm_is_on_at_eighty_percent(analysis: Recorded) -> None:
    budget = alarms(analysis)["budget"]
    assert (budget["statistic"], budget["threshold"], budget["comparisonOperator"]) == (
        "Maximum",
        80,
        "GreaterThanOrEqualToThreshold",
    )


def test_alarms_watch_the_functions_that_there_are(utils: Recorded) -> None:
    functions = {utils.outputs["monitor_function"], utils.outputs["sweep_function"]}
    assert {
        one["dimensions"]["FunctionName"] for name, one in alarms(utils).items() if name.endswith("errors")
    } == functions


def test_the_dashboard_shows_this_stack(analysis: Recorded, prod: Recorded) -> None:
    board = analysis.one("Dashboard").inputs
    body = json.loads(board["dashboardBody"])
    metrics = [metric for widget in body["widgets"] for metric in widget["properties"].get("metrics", [])]
    ours = [metric for metric in metrics if metric[0] == logline.NAMESPACE]
    assert {metric[1] for metric in ours} == set(logline.UNITS)
    assert {tuple(metric[2:]) for metric in ours} == {(logline.DIMENSION, "spikes")}
    assert board["dashboardName"] != prod.one("Dashboard").inputs["dashboardName"]
    places = [(widget["x"], widget["y"]) for widget in body["widgets"]]
    assert len(set(places)) == len(places)
