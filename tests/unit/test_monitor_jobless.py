"""The sweep and machines without a job (development instances, or started by hand): stopped when their time
is over, never ended.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from neurocaas.protocol.development import dev_tags
from neurocaas.protocol.limits import ORPHAN_GRACE
from neurocaas.protocol.tags import EXEMPT
from runtime.monitor.port import Instance
from runtime.monitor.rehearsal import Rehearsal
from runtime.monitor.sweep import sweep
from tests.unit.fake_aws import MonitorView
from tests.unit.job_world import BUCKET, World


def world_with(minutes: str = "60", state: str = "running") -> World:
    world = World()
    tags = {**dev_tags("analysis", "arn:aws:iam::123456789012:user/dev", 60), "Timeout": minutes}
    world.aws.ec2["i-dev"] = Instance("i-dev", "m5.large", state, 0, world.clock(), tags=tags)
    return world


@pytest.mark.parametrize(
    ("minutes", "after", "state"),
    [("60", 59, "running"), ("60", 60, "stopping"), ("90", 61, "running"), ("x", 61, "stopping")],
)
def test_a_development_instance_is_stopped_when_its_timeout_has_passed(
    minutes: str, after: int, state: str
) -> None:
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


def test_a_machine_that_somebody_has_started_by_hand_has_an_hour() -> None:
    world = World()
    world.aws.ec2["i-hand"] = Instance(
        "i-hand", "m5.large", "running", 0, world.clock(), tags={"PriceTracking": "On"}
    )
    world.clock.forward(3599)
    world.sweep()
    assert world.aws.ec2["i-hand"].state == "running"
    world.clock.forward(1)
    world.sweep()
    assert world.aws.ec2["i-hand"].state == "stopping"
    ((subject, text),) = world.aws.notices
    assert subject == "NeuroCAAS: stopped machines without a job whose time is over"
    assert "i-hand" in text.splitlines()


def left_over() -> tuple[World, str]:
    """A world with a development instance past its time, and a machine whose job has ended."""
    world = world_with()
    world.submit(world.submission())
    (machine,) = set(world.aws.ec2) - {"i-dev"}
    world.boot(machine)
    world.aws.items.clear()
    world.clock.forward(3600 + ORPHAN_GRACE)
    return world, machine


def test_exempt_machines_are_left_alone() -> None:
    world, machine = left_over()
    for name in ("i-dev", machine):
        world.aws.ec2[name] = replace(world.aws.ec2[name], tags={**world.aws.ec2[name].tags, EXEMPT: "On"})
    world.sweep()
    assert {one.state for one in world.aws.ec2.values()} == {"running"}
    assert world.aws.notices == []


def test_a_rehearsal_tells_what_it_would_do_and_does_nothing() -> None:
    world, machine = left_over()
    world.submit(
        world.submission(timestamp="t2", dataname="lab/inputs/b.zip"), key="lab/submissions/b_submit.json"
    )
    *_, late = world.aws.ec2
    world.boot(late)
    world.clock.forward(7200)
    before = (dict(world.aws.objects_), dict(world.aws.ec2), repr(world.aws.items))
    would: list[str] = []
    sweep(Rehearsal(MonitorView(world.aws), would.append), world.clock, lambda *_: None)
    assert (world.aws.objects_, world.aws.ec2, repr(world.aws.items)) == before
    assert world.aws.notices == []
    assert {
        f"terminate {late}",
        f"terminate {machine}",
        "stop i-dev",
        f"close dataset 0 of {BUCKET}/lab/t2 as failed",
    } <= set(would)
    world.sweep()
    assert [world.aws.ec2[name].state for name in (late, machine, "i-dev")] == [
        "shutting-down",
        "shutting-down",
        "stopping",
    ]
