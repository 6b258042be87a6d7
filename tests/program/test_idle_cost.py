"""What the service costs when nobody works: of what the program really makes."""

from __future__ import annotations

import pytest

from console import idle
from console.idle_commands import facts, lines
from tests.program.recording import Recorded


def resources(stack: Recorded) -> list[tuple[str, dict[str, object]]]:
    return [(one.type, dict(one.inputs)) for one in stack.resources]


def test_utils_and_five_analyses_cost_less_than_five_dollars(utils: Recorded, analysis: Recorded) -> None:
    stacks = {"utils": resources(utils)} | {f"one-{number}": resources(analysis) for number in range(5)}
    report = facts(stacks, dict.fromkeys(stacks, 0.0))
    assert report["usd"] < 3, "\n".join(lines(report))
    assert report["usd"] + 2 < 5, "after the key has been rotated twice"
    assert report["stacks"]["one-0"]["usd"] < 0.6, "what one more analysis costs"


@pytest.mark.parametrize("name", ["utils", "analysis", "prod"])
def test_the_price_of_everything_that_is_made_is_known(request: pytest.FixtureRequest, name: str) -> None:
    assert idle.unpriced(resources(request.getfixturevalue(name))) == []


def test_every_charge_is_of_something_that_is_there(utils: Recorded, analysis: Recorded) -> None:
    found = {one.what: one.count for one in idle.charges(resources(utils))}
    assert found == {
        "alarms": 3,
        "dashboards": 1,
        "encryption keys": 1,
        "requests of functions that wait at queues": 648_000,
        "GB-seconds of functions on a schedule": 12_960,
    }
    found = {one.what: one.count for one in idle.charges(resources(analysis))}
    assert found == {
        "alarms": 2,
        "requests of functions that wait at queues": 648_000,
        "listings of buckets by the sweep": 8_640,
    }
