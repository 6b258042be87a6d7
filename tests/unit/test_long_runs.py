"""Long and broken runs: a machine that AWS loses is followed by another, which goes on from the checkpoint;
failures have the names that the blueprint gives them; what happened stands in order, for ever.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol.certificate_schema import certificate_schema
from neurocaas.protocol.checkpoint import CheckpointManifest, SavedFile
from neurocaas.protocol.events import read_history
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.known_errors import first_found
from neurocaas.protocol.limits import HOST_GRACE
from neurocaas.protocol.runs import NamedError, RunRules
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

KEYS = JobKeys.of("lab", "t1")
DATA = ["lab/inputs/a.zip", "lab/inputs/b.zip"]
CHECKPOINT = f"{KEYS.logs_prefix}a.zip/checkpoint/"


def world_of(**changes: Any) -> World:
    return World(changed(SETTINGS, **changes))


def begun(world: World, *data: str) -> list[str]:
    world.submit(world.submission(dataname=list(data) or "lab/inputs/a.zip"))
    for machine in world.aws.ec2:
        world.boot(machine)
    return list(world.aws.ec2)


def lost(world: World, machine: str) -> None:
    """AWS loses a machine; the manager hears of what the monitor asks for."""
    before = set(world.aws.objects_)
    world.die(machine, "Server.InternalError", "Server.InternalError: Internal error on launch")
    deliver(world, before)


def deliver(world: World, before: set[tuple[str, str]]) -> None:
    for _, key in sorted(set(world.aws.objects_) - before):
        if key.endswith(".retry"):
            world.deliver(key)


def events(world: World) -> list[tuple[str, str]]:
    return [(one.event, one.text) for one in read_history(world.aws.text(BUCKET, KEYS.events))]


def save(world: World, number: int = 1, *, complete: bool = True) -> None:
    made = CheckpointManifest(
        number, complete, "2026-01-31T12:09:00.000Z", 1, (SavedFile("step", 1, "a" * 64),)
    )
    world.aws.upload(BUCKET, f"{CHECKPOINT}{2 - number % 2}.json", made.to_json())


# Machines that AWS loses
# ------------------------------------------------------------------------------------------------------
def test_a_machine_that_aws_loses_is_followed_by_one_that_goes_on_from_the_checkpoint() -> None:
    world = world_of()
    (first,) = begun(world)
    save(world)
    world.clock.forward(600)
    lost(world, first)
    assert world.end() is None
    _, second = world.aws.ec2
    assert world.aws.ec2[second].tags["attempt"] == "2"
    assert "failed by AWS's fault; attempt 2 of 3 is being started" in world.status(0).reason
    world.complete(second)
    facts = world.facts()
    jsonschema.validate(facts, certificate_schema())
    lost_one, last = facts["datasets"][0]["machines"]
    assert (facts["outcome"], lost_one["exit_class"]) == ("SUCCESS", "platform")
    assert (last["resumed"], last["resumed_from"]) == (True, "2026-01-31T12:09:00.000Z")
    assert "RESUMED FROM A CHECKPOINT OF 2026-01-31T12:09:00.000Z, SUCCESS" in world.certificate()
    assert facts["datasets"][0]["cost"] == pytest.approx(lost_one["cost"] + last["cost"])


def test_a_checkpoint_that_is_not_complete_is_none() -> None:
    world = world_of()
    (first,) = begun(world)
    save(world, complete=False)
    world.aws.upload(BUCKET, f"{CHECKPOINT}1/step", "7")
    lost(world, first)
    world.complete(list(world.aws.ec2)[1])
    assert not world.facts()["datasets"][0]["machines"][1]["resumed"]


@pytest.mark.parametrize(
    "text", ['{"complete": true}', "[]", '{"number": 1, "complete": true, "time": "\\u202e"}']
)
def test_whatever_a_machine_says_of_its_checkpoint_the_next_one_is_started(text: str) -> None:
    world = world_of()
    (first,) = begun(world)
    world.aws.upload(BUCKET, f"{CHECKPOINT}1.json", text)
    lost(world, first)
    world.complete(list(world.aws.ec2)[1])
    assert not world.facts()["datasets"][0]["machines"][1]["resumed"]


def test_after_the_last_attempt_the_dataset_has_failed_by_a_fault_of_the_platform() -> None:
    world = world_of(attempts=2)
    (first,) = begun(world)
    lost(world, first)
    second = list(world.aws.ec2)[1]
    world.boot(second)
    lost(world, second)
    facts = world.facts()
    assert (facts["exit_class"], facts["datasets"][0]["attempts"]) == ("platform", 2)
    assert "failed by AWS's fault" in facts["datasets"][0]["reason"]
    assert len(world.aws.ec2) == 2


def test_where_no_other_machine_is_to_be_had_that_is_said() -> None:
    world = world_of(fallback=())
    (first,) = begun(world)
    world.aws.refusals["m5.large"] = "UnauthorizedOperation"
    lost(world, first)
    world.sweep()
    assert "failed by AWS's fault, and no other was started" in world.facts()["datasets"][0]["reason"]


def test_a_host_that_fails_its_check_for_long_is_given_up() -> None:
    world = world_of()
    first, second = begun(world, *DATA)
    world.aws.failing = {first: world.clock(), second: world.clock() + timedelta(seconds=HOST_GRACE)}
    world.clock.forward(HOST_GRACE - 1)
    world.sweep()
    assert world.aws.ec2[first].state == "running"
    world.clock.forward(1)
    before = set(world.aws.objects_)
    world.sweep()
    deliver(world, before)
    assert [world.aws.ec2[one].state for one in (first, second)] == ["shutting-down", "running"]
    third = list(world.aws.ec2)[2]
    assert world.job_of(third)[1] == 0
    for state in ("shutting-down", "terminated"):
        world.aws.set_state(first, state)
        world.event(first, state)
    world.complete(second)
    world.complete(third)
    facts = world.facts()
    assert facts["outcome"] == "SUCCESS"
    assert "check of its host fails for 10 minutes" in facts["datasets"][0]["machines"][0]["reason"]


@settings(deadline=None, max_examples=examples(40))
@given(st.lists(st.sampled_from(["lost", "reclaimed", "done"]), max_size=4), st.booleans())
def test_no_dataset_has_more_machines_than_it_may_and_nothing_is_paid_twice(
    ends: list[str], spot: bool
) -> None:
    world = world_of(attempts=3, market="spot" if spot else "on-demand")
    begun(world)
    for end in [*ends, "done", "done", "done"]:
        alive = [name for name, one in world.aws.ec2.items() if one.state in ("pending", "running")]
        if not alive:
            break
        world.boot(alive[0])
        world.clock.forward(60)
        if end == "done":
            world.complete(alive[0])
        elif end == "lost" or not spot:
            lost(world, alive[0])
        else:
            world.reclaim(alive[0])
        world.sweep()
    assert world.end() is not None
    assert len(world.aws.ec2) <= 3
    reports = [world.report(name)["cost"] for name in world.aws.ec2]
    assert world.facts()["cost_usd"] == pytest.approx(sum(reports), abs=1e-5)
    committed, spent = next(iter(world.aws.budgets.values()))
    assert committed == spent


# Failures with names
# ------------------------------------------------------------------------------------------------------
ERRORS = (
    NamedError("CUDA out of memory", "The GPU is too small", "Choose a g5 with __instance_type__."),
    NamedError("(?i)no gradient (table|file)", "No gradients"),
)


def named() -> World:
    return world_of(runs=RunRules(errors=ERRORS))


def test_a_known_failure_has_its_name_wherever_it_is_told() -> None:
    world = named()
    first, second = begun(world, *DATA)
    world.complete(
        first, "FAILED", exit_code=1, stderr={"7": "RuntimeError: CUDA out of memory. Tried", "8": "x"}
    )
    world.complete(second)
    dataset = world.facts()["datasets"][0]
    jsonschema.validate(world.facts(), certificate_schema())
    assert (dataset["error"], dataset["advice"]) == (ERRORS[0].name, ERRORS[0].advice)
    assert (
        "| KNOWN AS: The GPU is too small | ADVICE: Choose a g5 with __instance_type__."
        in world.certificate()
    )
    shown = world.status(0)
    assert (shown.error, shown.advice) == (ERRORS[0].name, ERRORS[0].advice)
    ((_, text),) = world.aws.notices
    assert "Known as: The GPU is too small\nAdvice: Choose a g5" in text
    assert ("dataset-ended", "a.zip has failed: The GPU is too small") in events(world)


def test_the_order_of_the_blueprint_decides_and_standard_output_counts_as_well() -> None:
    world = named()
    (machine,) = begun(world)
    lines = {"0": "no gradient file"}
    world.complete(machine, "FAILED", exit_code=1, stderr=lines, stdout={"0": "CUDA out of memory"})
    assert world.facts()["datasets"][0]["error"] == "The GPU is too small"


@pytest.mark.parametrize("end", ["SUCCESS", "stopped", "unknown"])
def test_what_has_not_failed_by_its_script_has_no_such_name(end: str) -> None:
    world = named()
    (machine,) = begun(world)
    lines = {"0": "CUDA out of memory" if end != "unknown" else "all is lost"}
    reason = "cancelled: by lab/submissions/a_cancel.json" if end == "stopped" else "x"
    world.complete(
        machine, "SUCCESS" if end == "SUCCESS" else "FAILED", stderr=lines, reason=reason, error="mine"
    )
    dataset = world.facts()["datasets"][0]
    assert (dataset["error"], dataset["advice"]) == (None, None)
    assert world.status(0).error == "NONE"


def test_a_pattern_of_a_newer_version_is_passed_over() -> None:
    assert first_found([NamedError("(?<=a)b", "new"), NamedError("b", "old")], ["ab"]) == NamedError(
        "b", "old"
    )
    assert first_found([NamedError("a", "x")], ["", "b" * 600 + "a"]) is None


# What happened, in order
# ------------------------------------------------------------------------------------------------------
def test_the_history_of_a_job_tells_all_that_happened_in_order() -> None:
    world = world_of()
    (first,) = begun(world)
    save(world)
    world.clock.forward(600)
    lost(world, first)
    _, second = world.aws.ec2
    world.complete(second, "FAILED", exit_code=3, reason="no spikes (exit code 3)")
    found = events(world)
    assert [name for name, _ in found] == [
        "submitted",
        "started",
        "machine-started",
        "another-machine",
        "machine-started",
        "dataset-ended",
        "job-ended",
    ]
    texts = dict(found)
    assert texts["submitted"] == "1 dataset submitted"
    assert texts["another-machine"].endswith("it goes on from the checkpoint of 2026-01-31T12:09:00.000Z")
    assert texts["dataset-ended"] == "a.zip has failed: no spikes (exit code 3)"
    assert texts["job-ended"].startswith("FAILED 0/1")
    lines = world.aws.text(BUCKET, KEYS.events).splitlines()
    machine = json.loads(lines[2])
    assert (machine["instance"], machine["attempt"], machine["market"]) == (first, 1, "on-demand")


def test_events_that_come_again_are_told_once() -> None:
    world = world_of()
    (machine,) = begun(world)
    world.deliver()
    world.complete(machine)
    before = world.aws.text(BUCKET, KEYS.events)
    for state in ("running", "shutting-down", "terminated"):
        world.event(machine, state)
    world.sweep()
    assert world.aws.text(BUCKET, KEYS.events) == before
    assert len({text for _, text in events(world)}) == len(events(world)) == 5


def test_a_refused_submission_has_its_history_too() -> None:
    world = world_of()
    world.submit(world.submission(configname="lab/configs/none.json"))
    found = events(world)
    assert [name for name, _ in found] == ["submitted", "job-ended"]
    assert "none.json" in found[1][1]


def test_who_submitted_is_in_it() -> None:
    world = world_of()
    (machine,) = begun(world)
    raw = json.loads(world.aws.text(BUCKET, KEYS.job))
    world.aws.upload(BUCKET, KEYS.job, json.dumps({**raw, "submitter": "ada"}))
    world.complete(machine)
    assert events(world)[0] == ("submitted", "1 dataset submitted by ada")
