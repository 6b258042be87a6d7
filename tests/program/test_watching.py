"""Alarms and the dashboard: on metrics that the Lambdas write, and where somebody hears of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from neurocaas.protocol import logline
from tests.program.recording import REGION, Recorded


def alarms(stack: Recorded) -> dict[str, dict[str, Any]]:
    prefix = stack.one("aws").inputs["defaultTags"]
    name = json.loads(prefix)["tags"]["neurocaas:stack"]
    return {
        one.name.removeprefix(f"neurocaas-{name}-"): dict(one.inputs) for one in stack.of_type("MetricAlarm")
    }


def test_an_analysis_has_an_alarm_for_each_thing_that_needs_somebody(analysis: Recorded) -> None:
    assert set(alarms(analysis)) == {"submissions-dead", "errors"}


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


def test_alarms_watch_the_functions_that_there_are(utils: Recorded) -> None:
    functions = {utils.outputs["monitor_function"], utils.outputs["sweep_function"]}
    assert {
        one["dimensions"]["FunctionName"] for name, one in alarms(utils).items() if name.endswith("errors")
    } == functions


def test_one_dashboard_shows_all_analyses(utils: Recorded, analysis: Recorded) -> None:
    board = utils.one("Dashboard").inputs
    assert analysis.of_type("Dashboard") == []
    assert board["dashboardName"] == f"neurocaas-{REGION}"
    body = json.loads(board["dashboardBody"])
    searches = [
        metric[0]["expression"]
        for widget in body["widgets"]
        for metric in widget["properties"].get("metrics", [])
    ]
    ours = [one for one in searches if f"{{{logline.NAMESPACE},{logline.DIMENSION}}}" in one]
    assert {one.split('MetricName="')[1].split('"')[0] for one in ours} == set(logline.UNITS)
    assert all(one.startswith("SEARCH('{") and one.endswith(", 300)") for one in searches)
    assert utils.outputs["monitor_log_group"] in json.dumps(body)
    places = [(widget["x"], widget["y"]) for widget in body["widgets"]]
    assert len(set(places)) == len(places)
