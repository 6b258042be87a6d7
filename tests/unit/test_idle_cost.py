"""`invoke idle-cost`: list prices for what is in the states."""

from __future__ import annotations

import pytest

from console.idle import Charge, charges, free_of_charge, unpriced
from console.idle_commands import facts, lines

ALARM, KEY, NAT = (
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:kms/key:Key",
    "aws:ec2/natGateway:NatGateway",
)


def test_an_alarm_costs_by_the_metrics_that_it_looks_at() -> None:
    two = {"metricQueries": [{"metric": {}}, {"metric": {}}, {"expression": "a / b"}]}
    (charge,) = charges([(ALARM, {}), (ALARM, two)])
    assert (charge.what, charge.count) == ("alarms", 3)
    assert charge.usd == pytest.approx(0.30)


def test_what_is_free_is_free_once_in_an_account() -> None:
    some = [[Charge("alarms", 8, 0.1, 10)], [Charge("alarms", 8, 0.1, 10)], [Charge("keys", 1, 1.0)]]
    assert free_of_charge(some) == pytest.approx(1.0)
    assert free_of_charge(some[:1]) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("inputs", "count"),
    [
        ({"scheduleExpression": "rate(5 minutes)"}, 12_960),
        ({"eventPattern": "{}"}, 0),
        ({"scheduleExpression": "cron(0 0 * * ? *)"}, 0),
    ],
)
def test_only_a_rule_with_a_rate_runs_a_function(inputs: dict[str, str], count: float) -> None:
    assert sum(one.count for one in charges([("aws:cloudwatch/eventRule:EventRule", inputs)])) == count


@pytest.mark.parametrize(
    ("inputs", "usd"),
    [
        ({"vpcEndpointType": "Interface", "subnetIds": ["a", "b"]}, 14.4),
        ({"vpcEndpointType": "Gateway"}, 0),
        ({}, 0),
    ],
)
def test_interface_endpoints_cost_by_the_subnet(inputs: dict[str, object], usd: float) -> None:
    assert sum(one.usd for one in charges([("aws:ec2/vpcEndpoint:VpcEndpoint", inputs)])) == pytest.approx(
        usd
    )


def test_what_has_no_known_price_is_named() -> None:
    kinds = ["aws:rds/instance:Instance", KEY, "aws:iam/role:Role", "pulumi:pulumi:Stack", "neurocaas:x:Y"]
    assert unpriced([(kind, {}) for kind in kinds]) == ["rds/Instance"]


def test_the_report_adds_up_and_says_what_it_leaves_out() -> None:
    stacks: dict[str, list[tuple[str, dict[str, object]]]] = {
        "utils": [(KEY, {}), (NAT, {}), *[(ALARM, {})] * 12],
        "a-prod": [("aws:rds/instance:Instance", {})],
    }
    report = facts(stacks, {"utils": None, "a-prod": 1.25})
    assert report["usd_without_free_tier"] == pytest.approx(1 + 32.4 + 1.2)
    assert report["usd"] == pytest.approx(1 + 32.4 + 0.2)
    text = "\n".join(lines(report))
    for said in (
        "utils: $34.60",
        "  12 alarms: $1.20",
        "price unknown: rds/Instance",
        "machine images and their snapshots, at most: $1.25",
        "-$1.00",
        "in all: $33.60 a month when nobody works ($34.60 without what is free)",
        "rotation",
        "not counted",
    ):
        assert said in text


def test_without_stacks_nothing_is_added_up() -> None:
    assert lines(facts({}, {})) == ["no stack is deployed"]
