"""The index of a group's jobs: what manager and monitor note of each, whoever is killed, late or second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol import job_index
from neurocaas.protocol.job_index import (
    RUNNING,
    STATES,
    IndexEntry,
    complete_key,
    index_prefix,
    note_job,
    read_lines,
    segment_key,
    worth_telling,
)
from runtime.monitor import reindex
from runtime.monitor.port import Deployed
from tests.unit.fake_aws import KilledError
from tests.unit.job_world import BUCKET, World
from tests.unit.test_ledger_conditions import Table, table

assert table  # the fixture

FIRST = IndexEntry("job_t1", "2026-01-31T12:00:00.000Z", RUNNING, "dti", "ann", datasets=3)
ENDED = replace(FIRST, state="SUCCESS", done=3, cost=1234, ended="2026-01-31T13:00:00.000Z")


def listed(world: World, group: str = "lab") -> list[IndexEntry]:
    return list(read_lines(world.aws.objects_[BUCKET, segment_key(group, 0)][0]))


# What is told
# ------------------------------------------------------------------------------------------------------------
def test_a_job_is_in_the_index_from_its_launch_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    (begun,) = listed(world)
    assert (begun.name, begun.state, begun.datasets, begun.done) == ("t1", RUNNING, 2, 0)
    assert begun.analysis == "dti"
    assert begun.reserved == world.aws.budgets["dti/lab/2026-01"][0] > 0
    assert begun.config == world.job().config_source.sha256  # type: ignore[union-attr]
    first, second = world.aws.ec2
    world.complete(first)
    assert [(one.done, one.failed, one.state) for one in listed(world)] == [(1, 0, RUNNING)]
    world.complete(second, "FAILED", reason="no such channel")
    (end,) = listed(world)
    assert (end.state, end.done, end.failed, end.reserved) == ("FAILED", 2, 1, 0)
    assert end.why == "b.zip: no such channel"
    assert end.cost == world.aws.budgets["dti/lab/2026-01"][1] > 0
    assert end.created == world.job().created
    assert end.ended > end.created


def test_refusals_are_in_it_with_their_reason() -> None:
    world = World()
    world.submit(world.submission(dataname="lab/inputs/nowhere.zip"))
    world.submit({"dataname": "lab/inputs/a.zip"}, "lab/submissions/odd_submit.json")
    world.aws.upload(BUCKET, "lab/submissions/ghost_cancel.json", "{}")
    found = {one.folder: one for one in listed(world)}
    assert set(found) == {"job_t1", "rejected_odd"}
    assert {one.state for one in found.values()} == {"REJECTED"}
    assert "nowhere.zip" in found["job_t1"].why
    assert found["rejected_odd"].name == "odd"


def test_a_deleted_job_whose_timestamp_is_used_again_stays_with_what_it_cost() -> None:
    world = World()
    world.submit(world.submission())
    world.complete(next(iter(world.aws.ec2)))
    (first,) = listed(world)
    for key in [key for key in world.aws.objects_ if "/job_t1/" in key[1]]:
        del world.aws.objects_[key]
    world.clock.forward(3600)
    world.submit(world.submission())
    again = listed(world)
    assert again[0] == first
    assert [one.state for one in again] == ["SUCCESS", RUNNING]


def test_groups_have_indexes_of_their_own() -> None:
    world = World()
    world.submit(world.submission())
    assert {key for _, key in world.aws.objects_ if "/index/" in key} == {segment_key("lab", 0)}


@pytest.mark.parametrize("kill", range(1, 40))
def test_whoever_is_killed_the_index_says_at_the_end_what_the_ledger_says(kill: int) -> None:
    """The queue delivers again; the sweep ends what was left."""
    world = World()
    body = world.submission()
    world.aws.kill_at = kill
    with_kill(lambda: world.submit(body))
    world.aws.revive()
    world.clock.forward(200)
    world.deliver(receives=2)
    (machine,) = list(world.aws.ec2)
    world.aws.kill_at = kill
    with_kill(lambda: world.complete(machine))
    world.aws.revive()
    world.aws.set_state(machine, "terminated", reason_code="Client.InstanceInitiatedShutdown")
    for _ in range(4):
        world.clock.forward(4000)
        world.sweep()
    assert not world.aws.items
    (end,) = listed(world)
    assert (end.open, end.cost) == (False, world.aws.budgets["dti/lab/2026-01"][1])


def with_kill(step: Callable[[], Any]) -> None:
    try:
        step()
    except KilledError:
        pass


@pytest.mark.parametrize(("total", "told"), [(1, 1), (20, 20), (1000, 20), (10_000, 20)])
def test_a_large_job_is_told_of_in_steps(total: int, told: int) -> None:
    assert sum(worth_telling(done, total) for done in range(1, total + 1)) == told


# Lines
# ------------------------------------------------------------------------------------------------------------
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
entries = st.builds(
    IndexEntry,
    folder=st.from_regex(r"(job|rejected)_[a-z0-9]{1,9}", fullmatch=True),
    created=st.just(FIRST.created),
    state=st.sampled_from(STATES),
    analysis=text,
    submitter=text,
    ended=st.sampled_from(["", FIRST.created]),
    datasets=st.integers(0, 10_000),
    cost=st.integers(0, 10**12),
    seconds=st.floats(0, 1e9),
    why=text,
)


@given(entries)
def test_an_entry_is_read_as_it_was_written(entry: IndexEntry) -> None:
    assert "\n" not in entry.line()
    assert list(read_lines(f"{entry.line()}\n".encode())) == [entry]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "nonsense",
        '{"folder":"job_x"}',
        '{"folder":"job_x","created":"yesterday","state":"RUNNING"}',
        '{"folder":"../x","created":"2026-01-31T12:00:00.000Z","state":"RUNNING"}',
        '{"folder":"job_x","created":"2026-01-31T12:00:00.000Z","state":"RUNNING","cost":-1}',
        '{"folder":"job_x","created":"2026-01-31T12:00:00.000Z","state":"RUNNING","cost":"1"}',
    ],
)
def test_a_line_that_says_nothing_is_passed_over(line: str) -> None:
    assert list(read_lines(f"{line}\n{FIRST.line()}\n".encode())) == [FIRST]


# The table and the documents
# ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def world(table: Table) -> Table:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    return table


def note(table: Table, entry: IndexEntry, s3: Any = None) -> None:
    note_job(s3 or boto3.client("s3"), table.client, "ledger", BUCKET, "lab", entry)


def documents() -> dict[str, list[IndexEntry]]:
    s3 = boto3.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    return {key: list(read_lines(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())) for key in keys}


def test_what_comes_late_does_not_take_the_place_of_what_is_newer(world: Table) -> None:
    for entry in (FIRST, replace(FIRST, done=2), ENDED, replace(FIRST, done=1), FIRST):
        note(world, entry)
    assert documents() == {segment_key("lab", 0): [ENDED]}


def test_jobs_go_to_segments_in_the_order_in_which_they_came(
    world: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_index, "SEGMENT", 2)
    every = [replace(FIRST, folder=f"job_{name}") for name in "edcba"]
    for entry in every:
        note(world, entry)
    note(world, replace(every[0], done=1))
    found = documents()
    assert sorted(found) == [segment_key("lab", number) for number in range(3)]
    assert [{one.name for one in some} for _, some in sorted(found.items())] == [
        {"e", "d"},
        {"c", "b"},
        {"a"},
    ]
    assert all(key.startswith(index_prefix("lab")) for key in found)


class Late:
    """An S3 client before whose write `meanwhile` happens, once."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._s3, self._meanwhile = boto3.client("s3"), meanwhile
        self.exceptions = self._s3.exceptions

    def put_object(self, **arguments: Any) -> None:
        then, self._meanwhile = self._meanwhile, lambda: None
        then()
        self._s3.put_object(**arguments)


def test_who_writes_late_does_not_leave_an_old_document(world: Table) -> None:
    other = replace(FIRST, folder="job_t2")
    note(world, FIRST, Late(lambda: note(world, other)))
    assert documents() == {segment_key("lab", 0): [FIRST, other]}


def test_a_bucket_that_takes_nothing_hinders_no_job(table: Table) -> None:
    note(table, FIRST)
    assert table.kinds() == {"index", "indexed", f"index/{BUCKET}/lab/0"}


# Jobs of before
# ------------------------------------------------------------------------------------------------------------
def earlier(*names: str) -> World:
    """A service that was upgraded: jobs that have ended, one that is open, refusals, and no index."""
    world = World()
    world.aws.deployed = [Deployed(BUCKET, ("lab",), "queue")]
    for name in names:
        world.submit(world.submission(timestamp=name), f"lab/submissions/{name}_submit.json")
        machine = list(world.aws.ec2)[-1]
        if name != "open":
            world.complete(machine)
    world.submit(world.submission(timestamp="no", dataname="nowhere"), "lab/submissions/no_submit.json")
    world.submit({"dataname": "lab/inputs/a.zip"}, "lab/submissions/odd_submit.json")
    return world


def forget(world: World) -> None:
    world.aws.index_.clear()
    for key in [key for key in world.aws.objects_ if "/index/" in key[1]]:
        del world.aws.objects_[key]
    reindex._done.clear()


def test_a_sweep_puts_the_jobs_of_before_into_the_index() -> None:
    world = earlier("t1", "t2", "open")
    before = {one.identity: one for one in listed(world)}
    forget(world)
    world.sweep()
    after = {one.identity: one for one in listed(world)}
    for identity, one in before.items():
        assert replace(after[identity], reserved=0, submitter="") == replace(one, reserved=0, submitter="")
    assert (BUCKET, complete_key("lab")) in world.aws.objects_
    calls = len(world.aws.calls)
    world.sweep()
    assert not [key for name, key in world.aws.calls[calls:] if "/index/" in key], "it is done"


def test_many_jobs_take_several_sweeps_and_what_is_newer_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"t{number}" for number in range(5)]
    world = earlier(*names)
    forget(world)
    world.submit(world.submission(timestamp="t9"), "lab/submissions/t9_submit.json")
    newest = listed(world)
    monkeypatch.setattr(reindex, "JOBS_AT_ONCE", 3)
    for sweeps in (1, 2, 3):
        assert (BUCKET, complete_key("lab")) not in world.aws.objects_, sweeps
        world.sweep()
    found = listed(world)
    assert {one.name for one in found} == {*names, "t9", "no", "odd"}
    assert [one for one in found if one.name == "t9"] == newest
    assert (BUCKET, complete_key("lab")) in world.aws.objects_


@pytest.mark.parametrize("spoilt", ["certificate.json", "job.json", "end.txt"])
def test_records_that_cannot_be_read_keep_no_other_job_out(spoilt: str) -> None:
    world = earlier("t1", "t2")
    forget(world)
    world.aws.upload(BUCKET, f"jobs/lab/job_t1/{spoilt}", '{"finished": 3}')
    world.sweep()
    assert "t2" in {one.name for one in listed(world)}
    assert (BUCKET, complete_key("lab")) in world.aws.objects_
