"""The search for submissions and cancellations that no manager has heard of: each is told of again, none that
has its answer, at a bounded cost."""

from __future__ import annotations

import json

import pytest

from neurocaas.protocol.limits import QUEUE_MAX_RECEIVES, QUEUE_VISIBILITY
from runtime.monitor import unheard
from runtime.monitor.port import Deployed, Heard, Search
from runtime.monitor.unheard import ANSWERED, PAGE, PAGES, SETTLED, deliver_unheard
from tests.unit.fake_aws import FakeAws, MonitorView
from tests.unit.job_world import BUCKET, SUBMISSION, World

LAB = Deployed(BUCKET, ("lab",), "queue")


@pytest.fixture
def world() -> World:
    """The first search of all has been: it looks at nothing."""
    world = World()
    world.aws.deployed = [LAB]
    search(world)
    world.clock.forward(300)
    return world


def search(world: World) -> list[str]:
    """One search; the keys that the queue was told of. Nothing but that is written."""
    before, objects = len(world.aws.queue), dict(world.aws.objects_)
    log: list[str] = []
    assert deliver_unheard(MonitorView(world.aws), world.clock, lambda text, _: log.append(text)) == []
    told = world.aws.queue[before:]
    assert log == [f"delivered again: s3://{BUCKET}/{key}" for _, key in told]
    assert {queue for queue, _ in told} <= {"queue"}
    assert world.aws.objects_ == objects
    return [key for _, key in told]


def submission(world: World, name: str = "a", group: str = "lab", suffix: str = "submit") -> str:
    key = f"{group}/submissions/{name}_{suffix}.json"
    world.aws.upload(BUCKET, key, json.dumps(world.submission(timestamp=name)))
    return key


def test_times_fit_together() -> None:
    assert ANSWERED > QUEUE_VISIBILITY * QUEUE_MAX_RECEIVES, (
        "what the queue may still deliver is not told of again"
    )


@pytest.mark.parametrize("suffix", ["submit", "cancel"])
def test_what_nobody_heard_of_is_told_of_once_it_has_settled(world: World, suffix: str) -> None:
    key = submission(world, suffix=suffix)
    world.clock.forward(SETTLED - 1)
    assert search(world) == []
    world.clock.forward(1)
    assert search(world) == [key]
    assert world.aws.heard_[BUCKET, key] == Heard("", world.aws.etag(BUCKET, key), world.clock().timestamp())


def test_a_lost_submission_becomes_a_job_and_is_not_told_of_any_more(world: World) -> None:
    key = submission(world)
    world.clock.forward(300)
    assert search(world) == [key]
    world.deliver(key)
    assert len(world.aws.ec2) == 1
    for _ in range(20):
        world.clock.forward(300)
        assert search(world) == []


def test_what_was_heard_is_not_told_of(world: World) -> None:
    world.submit(world.submission())
    world.clock.forward(300)
    assert search(world) == []


def test_a_file_that_was_written_again_is_another_one(world: World) -> None:
    world.submit(world.submission())
    world.clock.forward(10)
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission(timestamp="t2")))
    world.clock.forward(300)
    assert search(world) == [SUBMISSION]
    world.clock.forward(10)
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission(timestamp="t3")))
    world.clock.forward(100)
    assert search(world) == [SUBMISSION], "what was told is not what is there now"


def test_what_the_queue_was_told_of_is_not_told_again_before_it_must_have_an_answer(world: World) -> None:
    key = submission(world)
    world.clock.forward(100)
    assert search(world) == [key]
    world.clock.forward(ANSWERED - 1)
    assert search(world) == []
    world.clock.forward(1)
    assert search(world) == [key]


def test_other_files_are_nobodys(world: World) -> None:
    for key in (
        "lab/submissions/a.json",
        "lab/results/x_submit.json",
        "other/submissions/a_submit.json",
        "lab2/submissions/a_submit.json",
    ):
        world.aws.upload(BUCKET, key)
    world.clock.forward(300)
    assert search(world) == []


def test_the_first_search_of_all_runs_nothing_a_second_time() -> None:
    """Its table is new, or was lost: what is there has been answered long ago."""
    world = World()
    world.aws.deployed = [LAB]
    old = submission(world, "old")
    world.clock.forward(ANSWERED + 1)
    recent = submission(world, "recent")
    world.clock.forward(SETTLED)
    assert search(world) == [recent]
    world.clock.forward(ANSWERED)
    assert search(world) == [recent]
    assert world.aws.heard_.get((BUCKET, old)) is None
    assert world.aws.searches[BUCKET] == Search(
        "", world.clock().timestamp(), world.clock().timestamp() - ANSWERED
    )


def test_old_files_cost_a_listing_and_no_look_up(world: World) -> None:
    for number in range(300):
        submission(world, f"old{number:03}")
    world.clock.forward(300)
    search(world)
    for _, key in world.aws.queue:
        world.deliver(key)
    for _ in range(3):
        world.clock.forward(ANSWERED + 300)
        search(world)
    world.aws.calls.clear()
    world.clock.forward(300)
    new = submission(world, "new")
    world.clock.forward(300)
    assert search(world) == [new]
    assert [detail for call, detail in world.aws.calls if call == "heard"] == ["1"]
    assert world.aws.count("list") == 1


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unheard, "PAGES", 2)
    monkeypatch.setattr(unheard, "PAGE", 3)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("number", [1, 2, 3, 5, 6, 7, 12, 13])
def test_every_file_is_found_by_searches_of_a_bounded_length(world: World, number: int) -> None:
    world.aws.deployed = [Deployed(BUCKET, ("lab", "alab", "other"), "queue")]
    keys = {submission(world, f"{n:02}", group) for n in range(number) for group in ("lab", "alab")} | {
        submission(world, "x", "other")
    }
    world.clock.forward(SETTLED)
    told, searches = list[str](), 0
    while len(told) < len(keys):
        searches += 1
        assert searches <= 1 + 2 * (number // 3 + 1) + 3
        world.aws.calls.clear()
        told += search(world)
        assert world.aws.count("list") <= 2
        world.clock.forward(10)
    assert sorted(told) == sorted(keys), "each once"


@pytest.mark.usefixtures("small")
def test_what_comes_behind_the_search_is_found_in_its_next_round(world: World) -> None:
    for number in range(9):
        world.deliver(submission(world, f"m{number}"))
    world.clock.forward(300)
    assert search(world) == []
    assert world.aws.searches[BUCKET].after == "lab/submissions/m5_submit.json"
    early = submission(world, "a")
    world.clock.forward(ANSWERED * 3)
    assert search(world) == [], "it goes on where it stopped"
    assert world.aws.searches[BUCKET].after == ""
    assert search(world) == [early], (
        "and the next round begins: since the begin of the last one, however long that took"
    )


@pytest.mark.usefixtures("small")
def test_a_group_that_goes_while_the_search_is_at_it_stops_nothing(world: World) -> None:
    world.aws.deployed = [Deployed(BUCKET, ("alab", "lab"), "queue")]
    for number in range(7):
        submission(world, f"{number}", "alab")
    mine = submission(world)
    world.clock.forward(SETTLED)
    assert len(search(world)) == 6
    world.aws.deployed = [LAB]
    assert search(world) == [mine]


def test_one_bucket_that_cannot_be_read_keeps_no_other_from_its_answers(world: World) -> None:
    world.aws.deployed = [Deployed("gone", ("lab",), "other-queue"), LAB]
    world.aws.closed = {"gone"}
    key = submission(world)
    world.clock.forward(300)
    (fault,) = deliver_unheard(MonitorView(world.aws), world.clock, lambda *_: None)
    assert fault.startswith("gone: BucketRefusedError")
    assert world.aws.queue == [("queue", key)]
    assert "gone" not in world.aws.searches


def test_a_search_that_was_cut_short_begins_again_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [submission(world, name) for name in "ab"]
    world.clock.forward(300)
    state, real = world.aws.searches[BUCKET], FakeAws.deliver

    def fail(aws: FakeAws, queue: str, bucket: str, written: object, now: float) -> None:
        if written.key == keys[1]:  # type: ignore[attr-defined]
            raise ConnectionError
        real(aws, queue, bucket, written, now)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(FakeAws, "deliver", fail)
        (fault,) = deliver_unheard(MonitorView(world.aws), world.clock, lambda *_: None)
    assert "ConnectionError" in fault
    assert world.aws.searches[BUCKET] == state
    assert search(world) == [keys[1]]


def test_the_bound_of_a_search_is_what_its_description_says() -> None:
    assert (PAGES, PAGE) == (50, 1000)
