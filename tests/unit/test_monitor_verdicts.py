"""How the end of a machine is judged and told, and which client the monitor's calls go by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from neurocaas.protocol.attempt import RECLAIM
from neurocaas.protocol.documents import iso
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.report import ComputeReport
from neurocaas.protocol.status import DatasetStatus
from neurocaas.protocol.tags import TIMEOUT
from runtime.monitor.aws import AwsMonitorCloud
from runtime.monitor.jobless import DEFAULT_MINUTES, lifetime
from runtime.monitor.machine import (
    DatasetPlace,
    DatasetVerdict,
    ended_at,
    judge,
    new_report,
    place,
    with_verdict,
)
from runtime.monitor.port import Instance, Move
from tests.unit.job_world import BUCKET, SETTINGS, World

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MACHINE = Instance("i-1", "m5.large", "terminated", 2, NOW)
TAGS = {"bucket": "b", "group": "g", "job": "t", "offset": "3", "attempt": "2"}
SILENT = DatasetStatus("IN PROGRESS")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (DatasetStatus("SUCCESS", reason="x", exit_code=0), DatasetVerdict("SUCCESS", None, 0, "success")),
        (DatasetStatus("FAILED", exit_code=3), DatasetVerdict("FAILED", None, 3, "analysis")),
        (DatasetStatus("FAILED", reason="why"), DatasetVerdict("FAILED", "why", None, "analysis")),
        (
            DatasetStatus("FAILED", reason="timed out after 60 minutes"),
            DatasetVerdict("FAILED", "timed out after 60 minutes", None, "timeout"),
        ),
        (
            DatasetStatus("FAILED", reason="cancelled: by k"),
            DatasetVerdict("FAILED", "cancelled: by k", None, "cancelled"),
        ),
    ],
)
@pytest.mark.parametrize("state", ["terminated", "stopped", "running"])
def test_a_machines_own_final_word_counts_however_it_ended(
    status: DatasetStatus, verdict: DatasetVerdict, state: str
) -> None:
    assert (
        judge(status, replace(MACHINE, state=state, reason_code="Server.SpotInstanceTermination", spot=True))
        == verdict
    )


@pytest.mark.parametrize(
    ("machine", "exit_class"),
    [
        ({"state": "stopped"}, "cancelled"),
        ({"state": "stopping"}, "cancelled"),
        ({"reason_code": "Server.SpotInstanceTermination"}, RECLAIM),
        ({"reason_code": "Server.SpotInstanceShutdown"}, RECLAIM),
        ({"reason_code": "Client.UserInitiatedShutdown"}, "cancelled"),
        ({"reason_code": "Client.InstanceInitiatedShutdown"}, "platform"),
        ({"reason_code": "Server.InternalError", "reason": "no host"}, "platform"),
        ({}, "platform"),
    ],
)
def test_why_a_silent_machine_ended(machine: dict[str, str], exit_class: str) -> None:
    verdict = judge(SILENT, replace(MACHINE, **machine))  # type: ignore[arg-type]
    assert (verdict.status, verdict.exit_code, verdict.exit_class) == ("FAILED", None, exit_class)
    if exit_class == "platform":
        assert f"({machine.get('reason') or machine.get('reason_code') or 'no reason given'})" in (
            verdict.reason or ""
        )


@pytest.mark.parametrize(("spot", "exit_class"), [(True, RECLAIM), (False, "platform")])
def test_only_a_spot_machine_can_say_that_it_is_taken_back(spot: bool, exit_class: str) -> None:
    told = DatasetStatus("IN PROGRESS", reason="interrupted: AWS takes it back")
    assert judge(told, replace(MACHINE, spot=spot)).exit_class == exit_class


def test_a_verdict_keeps_what_its_machine_has_told_and_nothing_of_another_end() -> None:
    dataset = _job().datasets[0]
    told = DatasetStatus(
        "FAILED", "other", "i-9", "r", exit_code=1, job_start="s", job_finish="f", stdout={"0": "line"}
    )
    same = with_verdict(told, dataset, "i-1", DatasetVerdict("FAILED", "why", 3, "analysis"), NOW)
    assert (same.status, same.reason, same.exit_code, same.input, same.instance) == (
        "FAILED",
        "why",
        3,
        dataset.inputpath,
        "i-1",
    )
    assert (same.job_start, same.job_finish, same.stdout, same.updated) == ("s", "f", {"0": "line"}, iso(NOW))
    other = with_verdict(told, dataset, None, DatasetVerdict("SUCCESS", None, None, "success"), NOW)
    assert (other.status, other.reason, other.exit_code, other.instance, other.job_finish) == (
        "SUCCESS",
        "NONE",
        None,
        "NONE",
        iso(NOW),
    )
    assert with_verdict(
        DatasetStatus("FAILED"), dataset, "i-1", DatasetVerdict("FAILED", None, None, "x"), NOW
    ).job_finish == iso(NOW)


def _job() -> Any:
    world = World(SETTINGS)
    world.submit(world.submission())
    return world.job()


def test_a_report_has_the_price_of_its_type_and_none_for_a_type_that_nobody_planned() -> None:
    job = _job()
    assert new_report(job, 0, MACHINE, NOW).price == 0.096
    assert new_report(job, 0, replace(MACHINE, instance_type="p4d.24xlarge"), NOW).price == 0.0


@pytest.mark.parametrize("missing", ["bucket", "group", "job", "offset"])
def test_the_place_of_a_machine_is_in_its_tags(missing: str) -> None:
    assert place(replace(MACHINE, tags=TAGS)) == DatasetPlace(JobId("b", "g", "t"), 5, 2)
    assert place(replace(MACHINE, tags={**TAGS, "offset": "x"})) is None
    assert (
        place(replace(MACHINE, tags={name: text for name, text in TAGS.items() if name != missing})) is None
    )


def test_when_a_machine_ended_is_what_ec2_says() -> None:
    told = replace(MACHINE, transition="User initiated (2026-01-31 11:59:58 GMT)")
    assert ended_at(told, NOW + timedelta(days=1)) == NOW - timedelta(seconds=2)
    assert ended_at(replace(MACHINE, transition="User initiated"), NOW) == NOW


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1", 1),
        ("9999999", 9_999_999),
        ("10000000", DEFAULT_MINUTES),
        ("", DEFAULT_MINUTES),
        ("²", DEFAULT_MINUTES),
        ("-1", DEFAULT_MINUTES),
    ],
)
def test_the_lifetime_that_a_tag_says(text: str, minutes: int) -> None:
    assert lifetime(replace(MACHINE, tags={TIMEOUT: text})) == timedelta(minutes=minutes)


# Clients
# ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> AwsMonitorCloud:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return AwsMonitorCloud("ledger", None)


def test_all_that_is_written_for_a_group_goes_by_the_session_of_this_group(
    cloud: AwsMonitorCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    class Client:
        exceptions = ClientError

        def __getattr__(self, name: str) -> Any:
            return lambda **_: {}

    def session(*arguments: Any, moving: bool = False) -> Client:
        asked.append((*arguments, *(["moving"] if moving else [])))
        return Client()

    monkeypatch.setattr(cloud._writers, "s3", session)
    lab, other = cloud.acting_for(BUCKET, "lab"), cloud.acting_for("b2", "other")
    assert lab.put(BUCKET, "lab/results/x", "text")
    other.delete("b2", "logs/active/i-1.json")
    assert lab.hand_over(BUCKET, {"a": "b"}, "archive", ("end", "text")) is None
    assert lab.set_aside(BUCKET, []) == {}
    assert asked == [(BUCKET, "lab", ()), ("b2", "other", ()), (BUCKET, "lab", ("archive",))]
    for write in (
        lambda: cloud.put(BUCKET, "lab/results/x", "text"),
        lambda: cloud.delete(BUCKET, "logs/active/i-1.json"),
        lambda: cloud.hand_over(BUCKET, {}, "archive", ("end", "text")),
        lambda: cloud.set_aside(BUCKET, [Move("lab/results/job_t1/process_results/a", "x")]),
    ):
        with pytest.raises(PermissionError):
            write()
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("code", "then"),
    [
        ("UnsupportedOperation", "terminated"),
        ("InvalidInstanceID.NotFound", ""),
        ("IncorrectInstanceState", ""),
        ("UnauthorizedOperation", "told"),
    ],
)
def test_what_becomes_of_a_machine_that_cannot_be_switched_off(
    cloud: AwsMonitorCloud, code: str, then: str
) -> None:
    with Stubber(cloud.clients.ec2) as ec2:
        ec2.add_client_error("stop_instances", code)
        if then == "terminated":
            ec2.add_response("terminate_instances", {}, {"InstanceIds": ["i-1"]})
        if then == "told":
            with pytest.raises(ClientError):
                cloud.switch_off(["i-1"])
            return
        ec2.add_response("stop_instances", {}, {"InstanceIds": ["i-2"]})
        cloud.switch_off(["i-1", "i-2"])
        ec2.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["InvalidInstanceID.NotFound", "UnauthorizedOperation"])
def test_machines_are_ended_by_hundreds(cloud: AwsMonitorCloud, code: str) -> None:
    ids = [f"i-{number}" for number in range(150)]
    with Stubber(cloud.clients.ec2) as ec2:
        ec2.add_client_error("terminate_instances", code, expected_params={"InstanceIds": ids[:100]})
        if code == "UnauthorizedOperation":
            with pytest.raises(ClientError):
                cloud.terminate(ids)
            return
        ec2.add_response("terminate_instances", {}, {"InstanceIds": ids[100:]})
        cloud.terminate(ids)
        ec2.assert_no_pending_responses()


# Reports
# ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("minutes", "cost"), [(-5, 0.0016), (0, 0.0016), (30, 0.048), (25 * 60, 2.4)])
def test_what_a_machine_that_lives_has_cost_so_far_and_one_that_has_ended_costs_for_ever(
    minutes: float, cost: float
) -> None:
    report, then = new_report(_job(), 0, MACHINE, NOW), NOW + timedelta(minutes=minutes)
    assert (report.seconds, report.cost) == (0.0, 0.0)
    assert report.cost_until(then) == pytest.approx(cost)
    ended = replace(report, end=iso(then))
    assert ended.seconds == max(0, 60 * minutes)
    assert ended.cost == pytest.approx(cost)
    assert ComputeReport.from_json(ended.to_json()) == ended
