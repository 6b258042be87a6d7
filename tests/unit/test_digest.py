"""The digest of a day: each job that has ended once, each day once, to the groups that want it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import moto
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol import digest
from neurocaas.protocol.digest import Digest, notice_of
from neurocaas.protocol.notice import DIGEST, about
from tests.unit.fake_aws import KilledError
from tests.unit.job_world import World

TABLE = "ledger"


def ended(world: World, *timestamps: str, status: str = "SUCCESS") -> None:
    for timestamp in timestamps:
        before = set(world.aws.ec2)
        world.submit(world.submission(timestamp=timestamp), key=f"lab/submissions/{timestamp}_submit.json")
        (machine,) = set(world.aws.ec2) - before
        world.complete(machine, status)


def digests(world: World) -> list[tuple[str, str]]:
    return [
        notice
        for notice, attributes in zip(world.aws.notices, world.aws.notices_about, strict=True)
        if attributes["event"] == DIGEST
    ]


@pytest.fixture
def world() -> World:
    made = World()
    made.aws.digest_groups_ = {"lab"}
    return made


def test_the_jobs_of_a_day_are_told_once_when_it_is_over(world: World) -> None:
    ended(world, "t1", "t2")
    ended(world, "t3", status="FAILED")
    world.sweep()
    assert digests(world) == []
    world.clock.forward(24 * 3600)
    for _ in range(3):
        world.sweep()
    ((subject, text),) = digests(world)
    assert subject == "NeuroCAAS: 3 jobs of lab ended on 2026-01-31, 1 failed"
    lines = text.splitlines()
    assert lines[0].startswith("3 jobs of group lab ended on 2026-01-31 (UTC). Failed: 1. Cost: $0.14")
    assert [line.split()[0] for line in lines[2:]] == ["FAILED", "SUCCESS", "SUCCESS"]
    assert about(DIGEST, "lab") in world.aws.notices_about


def test_a_group_that_did_not_choose_it_is_told_nothing_and_nothing_is_kept(world: World) -> None:
    world.aws.digest_groups_ = {"lab10"}
    ended(world, "t1")
    world.clock.forward(24 * 3600)
    world.sweep()
    assert (digests(world), world.aws.ended_lines) == ([], {})


def test_a_refused_submission_is_in_no_digest(world: World) -> None:
    world.submit(world.submission(configname="missing.json"))
    assert world.aws.ended_lines == {}


def test_a_job_that_got_no_machine_is_in_it(world: World) -> None:
    world.aws.refusals = {"m5.large": "UnauthorizedOperation"}
    world.submit(world.submission())
    ((key, lines),) = world.aws.ended_lines.items()
    assert key == ("2026-01-31", "lab")
    assert len(lines) == 1


@pytest.mark.parametrize("call", range(1, 6))
def test_a_sweep_that_is_killed_is_made_good_by_the_next(world: World, call: int) -> None:
    ended(world, "t1")
    world.clock.forward(24 * 3600)
    world.aws.calls.clear()
    world.aws.kill_at = call
    try:
        world.sweep()
    except KilledError:
        pass
    world.aws.revive()
    world.sweep()  # at once: another may be at it
    world.clock.forward(3600)
    world.sweep()
    assert len(digests(world)) in (1, 2)
    assert world.aws.ended_lines == {}


def test_a_digest_that_cannot_be_told_keeps_no_job_open(world: World, monkeypatch: Any) -> None:
    ended(world, "t1")
    world.clock.forward(24 * 3600)
    monkeypatch.setattr(world.aws, "digest_groups", lambda: 1 / 0)
    with pytest.raises(Exception, match="digests: ZeroDivisionError"):
        world.sweep()
    assert world.aws.items == {}


@given(st.lists(st.text(max_size=80), max_size=8), st.integers(0, 3))
def test_whatever_stands_in_a_line_is_a_line(lines: list[str], more: int) -> None:
    subject, text, _ = notice_of(Digest("lab", "2026-01-31", tuple(lines), more))
    assert len(text.splitlines()) <= 3 + len(lines) + (2 if more else 0)
    assert len(subject) <= 100


@pytest.mark.parametrize("text", [None, b"", b"[]", b"{", b'{"groups": 3}', b'{"groups": [1, {}]}'])
def test_without_a_list_nobody_wants_it(text: bytes | None) -> None:
    assert digest.read_groups(text) == frozenset()


def test_who_wants_it_is_read_as_it_was_written() -> None:
    assert digest.read_groups(digest.groups_json(["lab2", "lab1"]).encode()) == {"lab1", "lab2"}


@pytest.fixture
def table() -> Iterator[Any]:
    with moto.mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        )
        yield client


def test_the_table_keeps_a_line_once_and_counts_what_has_no_room(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "MOST", 2)
    for line in ("a", "a", "b", "c"):
        digest.note(table, TABLE, "lab", "2026-01-31", line)
    digest.note(table, TABLE, "lab", "2026-02-01", "d")
    assert digest.untold(table, TABLE, "2026-02-01", 10) == [Digest("lab", "2026-01-31", ("a", "b"), 1)]
    assert digest.untold(table, TABLE, "2026-01-31", 10) == []


def test_one_sweep_at_a_time_tells_a_digest(table: Any) -> None:
    digest.note(table, TABLE, "lab", "2026-01-31", "a")
    (one,) = digest.untold(table, TABLE, "2026-02-01", 10)
    assert [digest.take(table, TABLE, one, now, now - 60) for now in (100.0, 101.0, 161.0)] == [
        True,
        False,
        True,
    ]
    assert not digest.take(table, TABLE, Digest("lab", "2026-01-30", ()), 100.0, 40.0)


def test_a_day_is_over_half_an_hour_after_midnight() -> None:
    world = World()
    midnight = world.clock().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert digest.over_before(midnight + timedelta(minutes=29)) == "2026-01-31"
    assert digest.over_before(midnight + timedelta(minutes=30)) == "2026-02-01"
