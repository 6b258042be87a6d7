"""The monitor: what happens to machines becomes reports, final states, and exactly one end of each job."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from neurocaas.protocol.keys import JobId, JobKeys
from neurocaas.protocol.limits import DEADLINE_GRACE, ENDING_GRACE, ORPHAN_GRACE, STALLED_LAUNCH
from neurocaas.protocol.logline import OVERTIME, SUCCEEDED
from runtime.monitor.handler import state_change
from runtime.monitor.port import ComeAgainError
from tests.unit.fake_aws import KilledError
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

ONCE = changed(SETTINGS, attempts=1)
"""A dataset has one machine, whatever becomes of it."""

THREE = ["lab/inputs/a.zip", "lab/inputs/b.zip", "lab/inputs/c.zip"]


@pytest.fixture
def world() -> World:
    return World()


def started(world: World, **fields: object) -> list[str]:
    """Submit and give the machines in the order of their datasets."""
    world.submit(world.submission(**fields))
    return list(world.aws.ec2)


def test_a_machine_that_runs_has_an_active_report_with_its_start(world: World) -> None:
    (machine,) = started(world)
    world.clock.forward(7)
    world.boot(machine)
    assert '"start": "2026-01-31T12:00:07.000Z"' in world.aws.text(BUCKET, f"logs/active/{machine}.json")


def test_a_success_is_filed_priced_certified_and_announced(world: World) -> None:
    (machine,) = started(world)
    world.complete(machine, exit_code=0)
    report = world.report(machine)
    assert (report["status"], report["exit_code"]) == ("SUCCESS", 0)
    assert report["start"] == "2026-01-31T12:00:00.000Z"
    assert report["end"] == "2026-01-31T12:30:00.000Z"
    assert report["cost"] == pytest.approx(0.048)
    assert (BUCKET, f"logs/active/{machine}.json") not in world.aws.objects_
    assert world.end() == "SUCCESS 1/1\n"
    text = world.certificate()
    assert "DATANAME: lab/inputs/a.zip | STATUS: SUCCESS | TIME: 2026-01-31T12:30:00.000Z (finished)" in text
    assert "STEP 4/4 (Initialize Processing): DONE" in text
    assert "JOB RESULT: SUCCESS 1/1" in text
    facts = world.facts()
    assert (facts["outcome"], facts["exit_class"], facts["succeeded"], facts["total"]) == (
        "SUCCESS",
        "success",
        1,
        1,
    )
    assert facts["cost_usd"] == pytest.approx(0.048)
    assert (facts["image"]["id"], facts["datasets"][0]["image_id"]) == (SETTINGS.image.id, "ami-resolved")
    assert (facts["image"]["recipe_sha256"], facts["blueprint_commit"], facts["config"]) == (
        "f" * 64,
        "abc123",
        {"wait": 5},
    )
    ((subject, body),) = world.aws.notices
    assert "SUCCESS 1/1" in subject
    assert "Cost: $0.0480" in body
    assert world.aws.items == {}


def test_a_day_and_an_hour_cost_twenty_five_hours(world: World) -> None:
    (machine,) = started(world)
    world.boot(machine)
    world.clock.forward(25 * 3600)
    world.write_status(machine, "SUCCESS")
    world.die(machine)
    assert world.report(machine)["cost"] == pytest.approx(25 * 0.096)


def test_a_lost_running_event_costs_no_start(world: World) -> None:
    (machine,) = started(world)
    world.clock.forward(600)
    world.write_status(machine, "SUCCESS")
    world.die(machine)
    report = world.report(machine)
    assert report["start"] == "2026-01-31T12:00:00.000Z"
    assert report["end"] is not None


def test_a_failing_script_is_told_with_its_exit_code(world: World) -> None:
    machines = started(world, dataname=THREE)
    world.complete(machines[0])
    world.complete(machines[1], "FAILED", exit_code=3)
    assert world.end() is None
    world.complete(machines[2])
    assert (world.end() or "").startswith("FAILED 2/3")
    assert "exit code 3" in (world.end() or "")
    assert world.facts()["exit_class"] == "analysis"
    wanted = (
        "DATANAME: lab/inputs/b.zip | STATUS: FAILED | TIME: 2026-01-31T13:00:00.000Z (finished) | REASON: "
        "the analysis script ended"
    )
    assert wanted in world.certificate()
    assert "First failure: b.zip" in world.aws.notices[0][1]


def test_the_notice_of_a_failure_ends_with_what_the_script_said_last(world: World) -> None:
    first, second = started(world, dataname=THREE[:2])
    world.complete(first)
    world.complete(
        second, "FAILED", exit_code=1, stderr={"0": "Traceback …", "1": "ValueError: no frames", "2": " "}
    )
    ((_, text),) = world.aws.notices
    assert "First failure: b.zip: the analysis script ended with exit code 1" in text
    assert "Its last error: ValueError: no frames" in text


def test_a_machine_that_dies_silently_is_failed_with_the_reason() -> None:
    world = World(ONCE)
    (machine,) = started(world)
    world.boot(machine)
    world.write_status(machine, "IN PROGRESS", stdout={"0": "so far"})
    world.die(machine, reason="Server.InternalError: the host broke")
    status = world.status(0)
    assert (status.status, status.stdout) == ("FAILED", {"0": "so far"})
    assert "the host broke" in status.reason
    assert world.facts()["exit_class"] == "platform"


def test_a_machine_that_shuts_down_may_still_write_its_status(world: World) -> None:
    (machine,) = started(world)
    world.boot(machine)
    world.clock.forward(60)
    world.aws.set_state(machine, "shutting-down")
    world.event(machine, "shutting-down")
    assert world.end() is None
    world.write_status(machine, "SUCCESS")
    world.clock.forward(30)
    world.aws.set_state(machine, "terminated")
    world.event(machine, "terminated")
    assert world.end() == "SUCCESS 1/1\n"
    assert world.report(machine)["end"] == "2026-01-31T12:01:00.000Z", (
        "the bill ends when the shutdown begins"
    )


@pytest.mark.parametrize(
    ("code", "exit_class"),
    [("Client.UserInitiatedShutdown", "cancelled"), ("Server.InternalError", "platform")],
)
def test_why_a_machine_died_is_classified(code: str, exit_class: str) -> None:
    world = World(ONCE)
    (machine,) = started(world)
    world.boot(machine)
    world.die(machine, code=code)
    assert world.facts()["exit_class"] == exit_class


def test_a_machine_stopped_by_hand_closes_its_job_and_is_terminated(world: World) -> None:
    (machine,) = started(world)
    world.boot(machine)
    world.aws.set_state(machine, "stopped")
    world.event(machine, "stopped")
    assert (world.end() or "").startswith("FAILED 0/1")
    assert "stopped by hand" in world.status(0).reason
    assert world.aws.ec2[machine].state == "shutting-down"


def test_redelivered_events_change_nothing(world: World) -> None:
    (machine,) = started(world)
    world.complete(machine)
    before = {key: value for key, value in world.aws.objects_.items() if "certificate" not in key[1]}
    for state in ("running", "shutting-down", "terminated", "terminated"):
        world.event(machine, state)
    assert {key: value for key, value in world.aws.objects_.items() if "certificate" not in key[1]} == before
    assert len(world.aws.notices) == 1


def test_a_running_event_after_the_end_leaves_no_active_report(world: World) -> None:
    (machine,) = started(world)
    world.write_status(machine, "SUCCESS")
    world.die(machine)
    world.event(machine, "running")
    assert (BUCKET, f"logs/active/{machine}.json") not in world.aws.objects_


def test_two_monitors_at_once_write_one_end_and_one_notice() -> None:
    for _ in range(20):
        world = World()
        machines = started(world, dataname=THREE)
        for machine in machines:
            world.boot(machine)
            world.write_status(machine, "SUCCESS")
            world.aws.set_state(machine, "terminated")
        barrier = threading.Barrier(6)

        def tell(machine: str, world: World = world, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            with suppress(ComeAgainError):
                world.event(machine, "terminated")

        threads = [threading.Thread(target=tell, args=(machine,)) for machine in [*machines, *machines]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert world.end() == "SUCCESS 3/3\n"
        assert len(world.aws.notices) == 1
        assert [metrics for _, metrics in world.aws.measured] == [{SUCCEEDED: 1}]
        assert world.aws.items == {}


def test_a_monitor_that_comes_second_neither_notifies_nor_settles(world: World) -> None:
    (machine,) = started(world)
    world.aws.items[JobId(BUCKET, "lab", "t1")]["ending"] = world.clock().timestamp()
    world.write_status(machine, "SUCCESS")
    with pytest.raises(ComeAgainError):
        world.die(machine)
    assert world.aws.notices == []
    assert len(world.aws.items) == 1
    assert world.end() is None
    world.clock.forward(ENDING_GRACE + 1)
    world.die(machine)
    assert (world.end(), len(world.aws.notices), world.aws.items) == ("SUCCESS 1/1\n", 1, {}), (
        "the other one has died"
    )


def test_an_event_during_the_launch_comes_again(world: World) -> None:
    (machine,) = started(world)
    world.aws.items[JobId(BUCKET, "lab", "t1")]["state"] = "starting"
    world.write_status(machine, "SUCCESS")
    with pytest.raises(ComeAgainError):
        world.die(machine)
    world.aws.items[JobId(BUCKET, "lab", "t1")]["state"] = "launched"
    world.die(machine)
    assert world.end() == "SUCCESS 1/1\n"


def test_the_report_is_filed_under_the_group_that_submitted(world: World) -> None:
    (machine,) = started(world)
    world.complete(machine)
    filed = [key for _, key in world.aws.objects_ if key.startswith("logs/") and machine in key]
    assert filed == [f"logs/lab/{machine}.json"]


# The sweep
# ------------------------------------------------------------------------------------------------------------
def test_the_sweep_closes_machines_whose_events_were_lost(world: World) -> None:
    machines = started(world, dataname=THREE)
    world.write_status(machines[0], "SUCCESS")
    for machine in machines:
        world.aws.set_state(
            machine, "terminated", transition="User initiated (2026-01-31 12:10:00 GMT)", reason="gone"
        )
    world.clock.forward(3600)
    world.sweep()
    assert (world.end() or "").startswith("FAILED 1/3")
    assert world.report(machines[0])["end"] == "2026-01-31T12:10:00.000Z"


def test_the_sweep_closes_machines_that_ec2_has_forgotten(world: World) -> None:
    (machine,) = started(world)
    world.boot(machine)
    del world.aws.ec2[machine]
    world.sweep()
    assert world.end() is None, "a machine may take a while to appear"
    world.clock.forward(1200)
    world.sweep()
    assert (world.end() or "").startswith("FAILED 0/1")
    report = world.report(machine)
    assert report["start"] == "2026-01-31T12:00:00.000Z"
    assert report["end"] == "2026-01-31T12:20:00.000Z"
    assert (BUCKET, f"logs/active/{machine}.json") not in world.aws.objects_


def test_the_sweep_ends_machines_past_their_duration(world: World) -> None:
    (machine,) = started(world)
    world.boot(machine)
    world.write_status(machine, "IN PROGRESS")
    world.clock.forward(3600 + DEADLINE_GRACE - 1)
    world.sweep()
    assert world.end() is None
    world.clock.forward(2)
    world.sweep()
    assert world.aws.ec2[machine].state == "shutting-down"
    assert world.status(0).reason == "timed out after 60 minutes"
    assert {name: value for _, metrics in world.aws.measured for name, value in metrics.items()} == {
        "JobsFailed": 1,
        OVERTIME: 1,
    }
    assert world.facts()["exit_class"] == "timeout"
    (told,) = [text for subject, text in world.aws.notices if "outlived its duration" in subject]
    assert told == f"{machine} outlived its 60 minutes and was ended: dataset 0 of job t1 (group lab)."
    world.write_status(machine, "IN PROGRESS")
    world.die(machine)
    assert world.status(0).status == "FAILED", "what a dying machine writes does not last"


def test_a_finished_machine_that_does_not_go_away_keeps_its_success(world: World) -> None:
    (machine,) = started(world)
    world.boot(machine)
    world.write_status(machine, "SUCCESS")
    world.clock.forward(3600 + DEADLINE_GRACE + 1)
    world.sweep()
    assert world.end() == "SUCCESS 1/1\n"
    assert world.aws.ec2[machine].state == "shutting-down"


def test_the_sweep_ends_machines_without_a_job_and_spares_all_others(world: World) -> None:
    (machine,) = started(world)
    world.boot(machine)
    orphan = "i-orphan"
    developer = "i-developer"
    world.aws.ec2[orphan] = world.aws.ec2[machine].__class__(
        orphan, "m5.large", "running", 0, world.clock(), tags={**world.aws.ec2[machine].tags, "job": "ended"}
    )
    world.aws.ec2[developer] = world.aws.ec2[orphan].__class__(
        developer, "m5.large", "running", 0, world.clock(), tags={"PriceTracking": "On", "Timeout": "60"}
    )
    world.sweep()
    assert world.aws.ec2[orphan].state == "running", "it may be younger than its job's item"
    world.clock.forward(ORPHAN_GRACE + 1)
    world.sweep()
    assert world.aws.ec2[orphan].state == "shutting-down"
    assert world.aws.ec2[machine].state == "running"
    assert world.aws.ec2[developer].state == "running"


def test_the_sweep_ends_a_job_whose_manager_never_came_back(world: World) -> None:
    world.aws.kill_at = 8
    with pytest.raises(KilledError):
        world.submit(world.submission(dataname=THREE))
    world.aws.revive()
    world.clock.forward(STALLED_LAUNCH / 2)
    world.sweep()
    assert world.end() is None
    world.clock.forward(STALLED_LAUNCH)
    world.sweep()
    assert (world.end() or "").startswith("FAILED 0/")
    assert world.aws.items == {}


def test_a_manager_that_comes_back_too_late_launches_nothing(world: World) -> None:
    world.aws.capacity = {"m5.large": 1, "m5.xlarge": 0}
    assert world.submit(world.submission(dataname=THREE)).waiting
    world.clock.forward(STALLED_LAUNCH + 1)
    world.sweep()
    world.aws.capacity = {}
    assert world.deliver(receives=2).message == "delivered again: the job is launched"
    assert len(world.aws.ec2) == 1
    world.complete(*world.aws.ec2)
    assert (world.end() or "").startswith("FAILED 1/3 b.zip: No machine was started")


def test_a_job_without_a_document_has_its_certificate_and_notice(world: World) -> None:
    world.aws.kill_at = 7
    with pytest.raises(KilledError):
        world.submit(world.submission())
    world.aws.revive()
    world.clock.forward(STALLED_LAUNCH + 1)
    world.sweep()
    assert world.facts()["exit_class"] == "platform"
    assert (world.facts()["submission_key"], world.facts()["analysis"]) == (
        "lab/submissions/a_submit.json",
        "dti",
    )
    assert "JOB RESULT: FAILED 0/0" in world.certificate()
    ((subject, text),) = world.aws.notices
    assert subject.startswith("NeuroCAAS dti: job t1 of lab: FAILED 0/0")
    assert "job.json is missing" in text


def test_a_machine_of_a_job_without_a_document_is_ended_at_its_time(world: World) -> None:
    (machine,) = started(world)
    del world.aws.objects_[BUCKET, world.job().keys.job]
    world.clock.forward(60 * SETTINGS.instance.duration_minutes + DEADLINE_GRACE)
    world.sweep()
    assert world.aws.ec2[machine].state == "pending"
    world.clock.forward(1)
    world.sweep()
    assert world.aws.ec2[machine].state == "shutting-down"
    world.aws.set_state(machine, "terminated")
    world.sweep()
    assert (world.end() or "").startswith("FAILED 0/0")


def test_a_job_whose_document_was_deleted_is_ended(world: World) -> None:
    (machine,) = started(world)
    del world.aws.objects_[BUCKET, world.job().keys.job]
    world.die(machine)
    world.clock.forward(600)
    world.sweep()
    assert (world.end() or "").startswith("FAILED 0/0")
    assert world.aws.items == {}


def test_one_job_that_cannot_be_repaired_does_not_keep_others_open(world: World) -> None:
    started(world)
    world.submit(
        world.submission(timestamp="t2", dataname="lab/inputs/b.zip"), key="lab/submissions/b_submit.json"
    )
    for name in world.aws.ec2:
        world.aws.set_state(name, "terminated")
    real = world.aws.close_dataset

    def broken(job: JobId, *args: object, **options: object) -> object:
        if job[2] == "t1":
            raise ConnectionError("no network")
        return real(job, *args, **options)  # type: ignore[arg-type]

    world.aws.close_dataset = broken  # type: ignore[assignment,method-assign]
    world.clock.forward(600)
    with pytest.raises(Exception, match="t1: ConnectionError"):
        world.sweep()
    assert world.end("t2") is not None
    assert world.end("t1") is None


def test_a_quiet_sweep_reads_only_the_open_jobs_the_machines_and_what_is_to_be_told(world: World) -> None:
    (machine,) = started(world)
    world.complete(machine)
    world.aws.calls.clear()
    world.sweep()
    assert [name for name, _ in world.aws.calls] == ["query", "describe", "holds", "digests"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"detail": 3}',
        '{"source": "aws.ec2", "time": "x", "detail": {"instance-id": "i-1", "state": "running"}}',
        '{"source": "aws.s3", "time": "2026-01-01T00:00:00Z", "detail": {"instance-id": "i-1", "state": '
        '"running"}}',
    ],
)
def test_other_messages_are_no_state_changes(body: str) -> None:
    assert state_change(body) is None


def test_an_event_is_read() -> None:
    change = state_change(
        '{"source": "aws.ec2", "time": "2026-01-01T00:00:00Z", "detail": {"instance-id": '
        '"i-1", "state": "running"}}'
    )
    assert change is not None
    assert (change.instance_id, change.state, change.time.year) == ("i-1", "running", 2026)


@pytest.mark.parametrize(
    "status",
    [
        b'{"status": "FAILED", "reason": "half \\ud800 a pair", "stderr": {"0": "\\udc00"}}',
        b'{"status": "FAILED", "reason": "\\u001b[31mred\\u0007\\u0085"}',
        b'{"status": "FAILED", "exit_code": NaN, "progress": Infinity}',
        b'{"status": "SUCCESS", "exit_code": 1' + b"0" * 4000 + b"}",
        b"[" * 200_000,
        b"\xff\xfe\x00",
    ],
    ids=["surrogates", "controls", "no number", "huge", "deep", "no text"],
)
def test_whatever_a_script_makes_of_its_status_file_the_job_ends(status: bytes) -> None:
    world = World(ONCE)
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.boot(machine)
    world.aws.upload(BUCKET, world.job().datasets[0].status_key, status)
    world.aws.upload(
        BUCKET,
        JobKeys.of("lab", "t1").record("a.zip"),
        b'{"inputs": [{"bucket": "\\ud800", "bytes": NaN}], "results": 1}',
    )
    world.clock.forward(60)
    world.die(machine)
    end = world.end()
    assert end is not None
    assert end.rstrip("\n").isprintable()
    assert world.certificate().count("================") == 2
    assert world.aws.items == {}
