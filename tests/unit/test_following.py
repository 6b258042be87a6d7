"""Submissions that follow an earlier job: they wait for its end, unreserved, and take its results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from neurocaas.protocol.chain import Source
from neurocaas.protocol.keys import JobId, JobKeys
from neurocaas.protocol.limits import AFTER_SECONDS, UNKNOWN_ATTEMPTS
from runtime.manager.events import objects_created
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

SECOND = "lab/submissions/b_submit.json"
FIRST, THEN = JobKeys.of("lab", "t1"), JobKeys.of("lab", "t2")
OTHER = JobKeys.of("lab", "s1")


@pytest.fixture
def world() -> World:
    return World()


def follow(world: World, key: str = SECOND, receives: int = 1, **fields: Any) -> Any:
    body = world.submission(
        **{"timestamp": "t2", "dataname": "process_results/*.csv", "after": "t1", **fields}
    )
    return world.submit(body, key, receives)


def results(world: World, *names: str, keys: JobKeys = FIRST, bucket: str = BUCKET) -> None:
    for name in (*names, "end.txt", "update.txt", "c.json"):
        world.aws.upload(bucket, keys.process_prefix + name, f"of {name}")


def woken(world: World) -> list[str]:
    """What the queue was told of, and is delivered now."""
    keys = [key for _, key in world.aws.queue]
    world.aws.queue.clear()
    for key in keys:
        world.deliver(key)
    return keys


def machine(world: World, timestamp: str) -> str:
    return next(name for name, one in world.aws.ec2.items() if one.tags["job"] == timestamp)


def test_it_waits_with_nothing_reserved_and_takes_the_results_at_the_end(world: World) -> None:
    world.submit(world.submission())
    assert "waiting for job t1" in follow(world).message
    assert "Waiting for job t1 to end. Nothing is reserved." in world.certificate("t2")
    assert world.aws.items[JobId(BUCKET, "lab", "t2")].get("reserved") is None
    assert len(world.aws.ec2) == 1
    results(world, "a.csv", "b.csv", "deep/c.csv", "d.txt")
    world.complete(machine(world, "t1"))
    assert woken(world) == [SECOND]
    job = world.job("t2")
    assert [one.inputpath for one in job.datasets] == [FIRST.process_prefix + n for n in ("a.csv", "b.csv")]
    assert job.datasets[0].version_id == world.aws.version(BUCKET, FIRST.process_prefix + "a.csv")
    assert job.after == "t1"
    assert world.aws.items[JobId(BUCKET, "lab", "t2")]["reserved"] > 0
    for name in [one for one in world.aws.ec2 if world.aws.ec2[one].tags["job"] == "t2"]:
        world.complete(name)
    assert world.end("t2") == "SUCCESS 2/2\n"


def test_one_that_follows_what_has_ended_starts_at_once(world: World) -> None:
    world.submit(world.submission())
    results(world, "a.csv")
    world.complete(machine(world, "t1"))
    assert "launched 1" in follow(world).message


def test_a_folder_of_results_is_one_dataset_without_what_the_service_wrote(world: World) -> None:
    world.submit(world.submission())
    results(world, "a.csv", "deep/c.csv")
    world.complete(machine(world, "t1"))
    follow(world, dataname="process_results/")
    (dataset,) = world.job("t2").datasets
    pins = json.loads(world.aws.text(BUCKET, THEN.records.pins(0)))
    assert dataset.inputpath == FIRST.process_prefix
    assert sorted(one["path"] for one in pins["objects"]) == [
        FIRST.process_prefix + "a.csv",
        FIRST.process_prefix + "deep/c.csv",
    ]


def test_results_and_own_inputs_may_be_named_together(world: World) -> None:
    world.submit(world.submission())
    results(world, "a.csv")
    world.complete(machine(world, "t1"))
    follow(world, dataname=["lab/inputs/b.zip", "process_results/a.csv"])
    assert [one.name for one in world.job("t2").datasets] == ["b.zip", "a.csv"]


def test_a_job_that_has_failed_refuses_its_followers_unless_they_take_what_there_is(world: World) -> None:
    world.submit(world.submission())
    follow(world)
    follow(world, "lab/submissions/c_submit.json", timestamp="t3", after_when="ended")
    results(world, "a.csv")
    world.complete(machine(world, "t1"), "FAILED", exit_code=3)
    assert len(woken(world)) == 2
    end = world.end("t2")
    assert end is not None
    assert end.startswith("FAILED 0/0 after: got 't1', which has ended as FAILED 0/1")
    assert len(world.job("t3").datasets) == 1


def test_a_cancelled_job_refuses_its_followers(world: World) -> None:
    world.submit(world.submission())
    follow(world)
    world.submit({"timestamp": "t1"}, "lab/submissions/x_cancel.json")
    world.complete(machine(world, "t1"), "FAILED", reason="cancelled: by somebody")
    woken(world)
    assert "which has ended as FAILED" in world.certificate("t2")


def test_what_a_refused_job_waits_for_is_told_to_those_that_wait_for_it(world: World) -> None:
    world.submit(world.submission())
    follow(world)
    follow(world, "lab/submissions/c_submit.json", timestamp="t3", after="t2")
    world.complete(machine(world, "t1"), "FAILED")
    assert woken(world) == [SECOND]
    assert woken(world) == ["lab/submissions/c_submit.json"]
    assert world.end("t3") is not None
    assert world.aws.items == {}


def test_one_that_waits_is_cancelled_without_a_machine(world: World) -> None:
    world.submit(world.submission())
    follow(world)
    world.submit({"timestamp": "t2"}, "lab/submissions/x_cancel.json")
    assert woken(world) == [SECOND]
    assert world.facts("t2")["exit_class"] == "cancelled"
    assert [item.timestamp for item in world.aws.items] == ["t1"]


def test_it_does_not_wait_for_ever(world: World) -> None:
    world.submit(world.submission())
    follow(world)
    world.clock.forward(AFTER_SECONDS + 1)
    world.deliver(SECOND)
    assert "which has not ended in 7 days" in world.certificate("t2")


def test_the_sweep_wakes_what_nobody_woke_and_leaves_the_others_alone(world: World) -> None:
    world.submit(world.submission())
    follow(world)
    world.clock.forward(3300)
    before = world.aws.count("wake")
    world.sweep()
    assert world.aws.count("wake") == before
    results(world, "a.csv")
    world.complete(machine(world, "t1"))
    world.aws.queue.clear()  # lost
    world.sweep()
    assert woken(world) == [SECOND]
    assert world.job("t2").after == "t1"


def test_a_job_that_nobody_has_heard_of_is_waited_for_a_little(world: World) -> None:
    assert follow(world).again
    assert not follow(world, receives=UNKNOWN_ATTEMPTS).again
    assert "'t1', which no job of the group has" in world.certificate("t2")


def test_no_circle_can_be_made(world: World) -> None:
    first = world.submission(after="t2", dataname="process_results/*.csv")
    assert world.submit(first).again  # claimed, and not waiting yet
    follow(world)
    world.deliver(receives=2)
    assert "which waits for this job itself" in world.certificate("t1")
    woken(world)
    assert world.aws.items == {}


def test_faults_that_can_be_seen_are_told_before_it_waits(world: World) -> None:
    world.submit(world.submission())
    follow(world, configname="lab/configs/none.json")
    assert "configname" in str(world.end("t2"))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"after": "t2"}, "which is this job itself"),
        ({"after": "spikes/t1"}, "a job of the analysis 'spikes'"),
        ({"after": "../t1"}, "after: got '../t1'"),
        ({"after": 3}, "after: got 3"),
        ({"after_when": "never"}, "after_when: got 'never'"),
        ({"after": None, "after_when": "ended"}, "without `after`"),
        ({"after": None}, "dataname: got 'process_results/*.csv'"),
        ({"dataname": ["process_results/../../other/x.csv"]}, "segments"),
    ],
)
def test_what_after_may_say(world: World, fields: dict[str, Any], says: str) -> None:
    follow(world, **fields)
    assert says in world.certificate("t2")


def test_a_pattern_that_nothing_fits_is_refused_with_what_there_is(world: World) -> None:
    world.submit(world.submission())
    results(world, "a.txt")
    world.complete(machine(world, "t1"))
    follow(world)
    assert "which no result of job t1 fits" in world.certificate("t2")
    assert "a.txt" in world.certificate("t2")


def test_who_submitted_is_known_after_the_wait(world: World) -> None:
    waiting = objects_created  # what wakes it says who wrote the submission
    world.submit(world.submission())
    world.principal = "AWS:AROAX:ann"
    follow(world)
    (item,) = [one["waiting"] for one in world.aws.items.values() if "waiting" in one]
    assert [one.principal for one in waiting(item.message)] == ["AWS:AROAX:ann"]


class TestOfAnotherAnalysis:
    """`spikes` has its own bucket, in which the group's jobs have their results."""

    def world(self, *groups: str) -> World:
        world = World(changed(SETTINGS, sources=(Source("spikes", "spikes-webdev", "spikes-bucket"),)))
        names = dict.fromkeys(groups, SETTINGS.groups["lab"])
        other = changed(
            SETTINGS, analysis="spikes", stack="spikes-webdev", bucket="spikes-bucket", groups=names
        )
        world.aws.upload("artifacts", "analyses/spikes-webdev/settings.json", other.to_json())
        results(world, "a.csv", keys=OTHER, bucket="spikes-bucket")
        world.aws.upload("spikes-bucket", OTHER.records.end, "SUCCESS 1/1\n")
        return world

    def test_its_results_are_read_where_they_are(self) -> None:
        world = self.world("lab")
        assert "launched" in follow(world, after="spikes/s1").message
        (dataset,) = world.job("t2").datasets
        assert dataset.inputpath == f"s3://spikes-bucket/{OTHER.process_prefix}a.csv"

    def test_a_group_that_is_not_one_of_it_gets_nothing(self) -> None:
        world = self.world("other")
        follow(world, after="spikes/s1")
        assert "of an analysis that group 'lab' may not use" in world.certificate("t2")

    def test_paths_in_its_bucket_are_those_of_the_job_that_is_followed(self) -> None:
        world = self.world("lab")
        for name in (
            "other/results/job_s1/process_results/a.csv",
            "lab/results/job_s2/process_results/a.csv",
        ):
            follow(world, after="spikes/s1", dataname=f"s3://spikes-bucket/{name}")
            assert "INPUT ERROR: dataname" in world.certificate("t2")
