"""Machines that stay after a failure: the job ends without them, developers pay for them within their budget,
and each ends for certain.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invoke.exceptions import Exit
from moto import mock_aws

from image_builder.dev import held
from image_builder.dev.errors import DevelopmentError
from localcloud.tests.properties import examples
from neurocaas.protocol.development import GROUP
from neurocaas.protocol.events import read_history
from neurocaas.protocol.hold import TAG, Hold
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.limits import SETTLE_GRACE, SWEEP_INTERVAL
from neurocaas.protocol.runs import RunRules
from runtime.instance.agent.context import Context
from runtime.instance.agent.hold import wait, wait_to_be_held
from tests.unit.job_world import BUCKET, SETTINGS, World, changed
from tests.unit.test_instance_agent import ENVIRONMENT

BUDGET = f"dti/{GROUP}/2026-01"
KEYS = JobKeys.of("lab", "t1")


def holding(minutes: int = 30, **changes: Any) -> World:
    return World(changed(SETTINGS, runs=RunRules(hold_minutes=minutes), **changes))


def failed(world: World, **status: Any) -> str:
    """A machine whose script has failed after ten minutes, and which waits."""
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.boot(machine)
    world.clock.forward(600)
    world.write_status(machine, "FAILED", **{"exit_code": 1, "reason": "no spikes (exit code 1)", **status})
    return machine


def gone(world: World, machine: str) -> None:
    for state in ("shutting-down", "terminated"):
        world.aws.set_state(machine, state, reason_code="Client.UserInitiatedShutdown")
        world.event(machine, state)


def budget(world: World) -> tuple[int, int]:
    return world.aws.budgets.get(BUDGET, (0, 0))


def test_a_machine_whose_script_has_failed_is_held_and_its_job_ends_without_it() -> None:
    world = holding()
    machine = failed(world)
    world.sweep()
    assert (world.end() or "").startswith("FAILED 0/1")
    assert world.aws.items == {}
    assert world.facts()["datasets"][0]["seconds"] == 600
    assert world.aws.ec2[machine].state == "running"
    assert world.aws.marked == {machine: "2026-01-31T12:40:00.000Z"}
    committed, spent = budget(world)
    assert (committed > 0, spent) == (True, 0)
    document = Hold.from_json(world.aws.text(BUCKET, f"jobs/{GROUP}/holds/{machine}.json"))
    assert (document.reserved, document.reason) == (committed, "no spikes (exit code 1)")
    world.clock.forward(1799)
    world.sweep()
    assert world.aws.ec2[machine].state == "running"
    told = next(text for subject, text in world.aws.notices if "is held until" in subject)
    assert f"invoke hold.shell --machine {machine}" in told
    assert "spikes" not in told
    assert "a.zip" not in told


def test_a_hold_ends_at_its_time_and_the_developers_pay_for_it_alone() -> None:
    world = holding()
    machine = failed(world)
    world.sweep()
    world.clock.forward(1800)
    world.sweep()
    assert world.aws.ec2[machine].state == "shutting-down"
    gone(world, machine)
    world.sweep()
    committed, spent = budget(world)
    assert committed == spent == pytest.approx(0.096e6 / 2, rel=0.01)
    own, paid = world.aws.budgets["dti/lab/2026-01"]
    assert own == paid == pytest.approx(0.096e6 / 6, rel=0.01)
    assert world.aws.holds_ == {}
    document = Hold.from_json(world.aws.text(BUCKET, f"jobs/{GROUP}/holds/{machine}.json"))
    assert (document.ended, document.usd) == ("2026-01-31T12:40:00.000Z", round(spent / 1e6, 6))
    events = [one.event for one in read_history(world.aws.text(BUCKET, KEYS.events))]
    assert events[-3:] == ["dataset-ended", "job-ended", "hold-ended"]
    assert "held" in events
    before = dict(world.aws.objects_)
    world.sweep()
    assert world.aws.objects_ == before


def test_a_machine_that_is_released_costs_until_then() -> None:
    world = holding()
    machine = failed(world)
    world.sweep()
    world.clock.forward(300)
    gone(world, machine)
    world.sweep()
    assert budget(world) == (8000, 8000)


@pytest.mark.parametrize(
    "status",
    [
        {"reason": "timed out after 60 minutes"},
        {"reason": "cancelled: by lab/submissions/a_cancel.json"},
        {"out_of_memory": True},
    ],
)
def test_what_has_not_failed_by_its_script_is_not_held(status: dict[str, Any]) -> None:
    world = holding()
    failed(world, **status)
    world.sweep()
    assert (world.aws.holds_, budget(world)) == ({}, (0, 0))


def test_without_money_of_the_developers_a_machine_is_ended_at_once() -> None:
    world = holding()
    world.settings = changed(world.settings, budget_parameters="/neurocaas/budgets")
    world.aws.parameters_[f"/neurocaas/budgets/{GROUP}/dti"] = "0.01"
    machine = failed(world)
    world.sweep()
    assert world.aws.ec2[machine].state == "shutting-down"
    assert (world.aws.holds_, budget(world)) == ({}, (0, 0))
    assert (world.end() or "").startswith("FAILED 0/1")


def test_a_blueprint_that_holds_nothing_asks_for_nothing() -> None:
    world = World()
    failed(world)
    before = len(world.aws.calls)
    world.sweep()
    assert not any(name in ("hold", "tag") for name, _ in world.aws.calls[before:])
    assert world.job().hold_limit == 0


def test_a_stopped_job_holds_nothing() -> None:
    world = holding()
    machine = failed(world)
    world.aws.upload(BUCKET, "lab/submissions/a_cancel.json", "")
    world.deliver("lab/submissions/a_cancel.json")
    world.clock.forward(300)
    world.sweep()
    assert world.aws.holds_ == {}
    assert world.aws.ec2[machine].state == "shutting-down"


def test_a_held_machine_that_nobody_knows_any_more_is_settled_for_all_it_may_have_cost() -> None:
    world = holding()
    machine = failed(world)
    world.sweep()
    del world.aws.ec2[machine]
    world.sweep()
    assert machine in world.aws.holds_
    world.clock.forward(SETTLE_GRACE + 1800)
    world.sweep()
    committed, spent = budget(world)
    assert committed == spent == 48000


@settings(deadline=None, max_examples=examples(60))
@given(
    st.lists(st.sampled_from(["sweep", "wait", "release", "die", "lose"]), max_size=8),
    st.integers(1, 400),
    st.sampled_from(["", "0.04", "0.08"]),
    st.integers(0, 60),
)
def test_developers_never_pay_more_than_they_have_and_every_hold_ends(
    steps: list[str], minutes: int, limit: str, dies: int
) -> None:
    world = holding(minutes)
    if limit:
        world.settings = changed(world.settings, budget_parameters="/b")
        world.aws.parameters_[f"/b/{GROUP}/dti"] = limit
    machine = failed(world)
    most = float(limit or 300) * 1e6
    for step in steps:
        if step == "die":
            world.aws.revive()
            world.aws.kill_at = dies
        try:
            if step == "wait":
                world.clock.forward(SWEEP_INTERVAL)
            elif (
                step == "release" and world.aws.ec2.get(machine) and world.aws.ec2[machine].state == "running"
            ):
                gone(world, machine)
            elif step == "lose":
                world.event(machine, "running")
            else:
                world.sweep()
        except BaseException as error:
            if type(error).__name__ not in ("KilledError", "SweepError", "ComeAgainError"):
                raise
        world.aws.revive()
        assert budget(world)[1] <= budget(world)[0] <= most
    for _ in range(3):
        world.clock.forward(timedelta(minutes=minutes).total_seconds() + 3600)
        world.sweep()
        if world.aws.ec2[machine].state == "shutting-down":
            gone(world, machine)
    assert world.aws.holds_ == {}
    assert world.aws.ec2[machine].state == "terminated"
    assert world.aws.items == {}
    assert all(committed == spent for committed, spent in world.aws.budgets.values())


# On the machine
# ------------------------------------------------------------------------------------------------------
def context(tmp_path: Path, **more: str) -> Context:
    job = {"datasets": [{"name": "d", "status_key": "s"}], "duration_minutes": 5, "runs": {"hold_minutes": 2}}
    (tmp_path / "job.json").write_text(json.dumps(job))
    named = {"NEUROCAAS_JOB_FILE": str(tmp_path / "job.json"), "NEUROCAAS_DATASET_INDEX": "0", **more}
    return Context.from_environment({**ENVIRONMENT, **named})


SERVICE = {"NEUROCAAS_INSTANCE_ID": "i-1", "NEUROCAAS_EVIDENCE": "evidence/r:i-1/"}


@pytest.mark.parametrize(
    ("more", "waits"), [(SERVICE, True), ({}, False), ({"NEUROCAAS_INSTANCE_ID": "i-1"}, False)]
)
def test_only_a_machine_of_the_service_waits(tmp_path: Path, more: dict[str, str], waits: bool) -> None:
    wait_to_be_held(context(tmp_path, **more), tmp_path)
    assert (tmp_path / "hold").exists() is waits
    assert wait(tmp_path, 0) == 0


def test_the_agent_waits_for_as_long_as_was_noted(tmp_path: Path) -> None:
    (tmp_path / "hold").write_text("0.01")
    agent = Path(__file__).resolve().parents[2] / "runtime/instance/agent/__main__.py"
    done = subprocess.run(
        [sys.executable, "-E", "-s", agent, "hold", "--state", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "waits for developers" in done.stderr) == (0, True)


# Developers
# ------------------------------------------------------------------------------------------------------
@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "k")
    with mock_aws():
        yield boto3.client("ec2")


def machine(ec2: Any, job: str, until: str = "") -> str:
    tags = {"analysis": "dti", "group": "lab", "job": job, **({TAG: until} if until else {})}
    made = ec2.run_instances(
        ImageId="ami-12c6146b",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": name, "Value": text} for name, text in tags.items()],
            }
        ],
    )
    return str(made["Instances"][0]["InstanceId"])


def test_held_machines_are_listed_and_chosen_by_id_or_job(ec2: Any) -> None:
    machine(ec2, "t0")
    later, first = machine(ec2, "t1", "2026-01-31T13:00Z"), machine(ec2, "t2", "2026-01-31T12:00Z")
    assert [one.instance for one in held.held_machines(ec2)] == [first, later]
    assert held.chosen(ec2, "t1").instance == held.chosen(ec2, later).instance == later
    with pytest.raises(DevelopmentError, match="no held machine or job 't0'"):
        held.chosen(ec2, "t0")
    machine(ec2, "t1", "2026-01-31T14:00Z")
    with pytest.raises(DevelopmentError, match="several machines of 't1'"):
        held.chosen(ec2, "t1")


def test_a_shell_is_opened_on_the_held_machine_and_it_can_be_released(ec2: Any) -> None:
    one, asked = machine(ec2, "t1", "2026-01-31T13:00Z"), list[tuple[str, str]]()

    def shell(instance: str, command: str) -> int:
        asked.append((instance, command))
        return 3

    tasks = held.collection(shell).tasks
    with pytest.raises(Exit) as ended:
        tasks["shell"].body(None, "t1", "ls")
    assert (asked, ended.value.code) == ([(one, "ls")], 3)
    tasks["release"].body(None, one)
    assert held.held_machines(ec2) == []
