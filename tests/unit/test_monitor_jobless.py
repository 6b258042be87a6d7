"""The sweep and development instances: stopped when their time is over, never ended, and nobody's orphans."""

from __future__ import annotations

from datetime import timedelta

import pytest
from job_world import World

from runtime.monitor.port import Instance
from runtime.protocol.development import dev_tags


def world_with(minutes: str = "60", state: str = "running") -> World:
    world = World()
    tags = {**dev_tags("analysis", "arn:aws:iam::123456789012:user/dev", 60), "Timeout": minutes}
    world.aws.ec2["i-dev"] = Instance("i-dev", "m5.large", state, 0, world.clock(), tags=tags)
    return world


@pytest.mark.parametrize(
    ("minutes", "after", "state"), [("60", 59, "running"), ("60", 60, "stopping"), ("90", 61, "running"), ("x", 61, "stopping")]
)
def test_a_development_instance_is_stopped_when_its_timeout_has_passed(minutes: str, after: int, state: str) -> None:
    world = world_with(minutes)
    world.clock.forward(timedelta(minutes=after).total_seconds())
    world.sweep()
    assert world.aws.ec2["i-dev"].state == state


@pytest.mark.parametrize("state", ["pending", "stopping", "stopped", "terminated"])
def test_what_does_not_run_is_left_alone(state: str) -> None:
    world = world_with(state=state)
    world.clock.forward(timedelta(days=30).total_seconds())
    world.sweep()
    assert world.aws.ec2["i-dev"].state == state
