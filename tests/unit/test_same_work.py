"""Identical work is told: never of a job that failed, and never across groups."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.work import work_key, work_of
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

BOTH = ["lab/inputs/a.zip", "lab/inputs/b.zip"]


def done(world: World, stamp: str = "t1", status: str = "SUCCESS", group: str = "lab", **fields: Any) -> None:
    """A job from its submission to its end, with a result."""
    before = set(world.aws.ec2)
    body = world.submission(**{"timestamp": stamp, "dataname": f"{group}/inputs/a.zip", **fields})
    world.submit(body, f"{group}/submissions/{stamp}_submit.json")
    for machine in [one for one in world.aws.ec2 if one not in before]:
        world.complete(machine, status)
    world.aws.upload(BUCKET, f"{JobKeys.of(group, stamp).process_prefix}summary.json", "{}")


def again(world: World, **fields: Any) -> str:
    """What the service says that a second submission is the same as."""
    world.submit(world.submission(timestamp="t2", **fields), "lab/submissions/b_submit.json")
    found = world.job("t2").same_as
    assert (f"NOTE: job {found} has done the same work" in world.certificate("t2")) == bool(found)
    return found


def test_the_same_again_is_told_and_runs_all_the_same() -> None:
    world = World()
    done(world, dataname=BOTH)
    assert again(world, dataname=BOTH[::-1]) == "t1"
    assert len(world.aws.ec2) == 4
    for machine in list(world.aws.ec2)[2:]:
        world.complete(machine)
    facts = world.facts("t2")
    assert facts["same_as"] == "t1"
    assert facts["work"] == world.job("t1").work == world.job("t2").work != ""


def test_the_same_data_under_another_folder_and_longer_time_is_the_same() -> None:
    world = World()
    done(world)
    world.aws.upload(BUCKET, "lab/inputs/other/a.zip")
    world.aws.upload(BUCKET, "lab/configs/d.json", '{"wait": 5, "__duration__": 90}')
    assert again(world, dataname="lab/inputs/other/a.zip", configname="lab/configs/d.json") == "t1"


@pytest.mark.parametrize("what", ["config", "data", "more", "name", "code", "image", "script"])
def test_what_differs_is_other_work(what: str) -> None:
    world = World()
    done(world)
    fields: dict[str, Any] = {}
    if what == "config":
        world.aws.upload(BUCKET, "lab/configs/c.json", '{"wait": 6}')
    elif what == "data":
        world.aws.upload(BUCKET, "lab/inputs/a.zip", b"other")
    elif what == "more":
        fields = {"dataname": BOTH}
    elif what == "name":
        fields = {"dataname": "lab/inputs/b.zip"}
    elif what == "code":
        world.settings = replace(SETTINGS, code=replace(SETTINGS.code, sha256="b" * 64))
    elif what == "image":
        world.settings = replace(SETTINGS, image=replace(SETTINGS.image, id="ami-2"))
    else:
        world.settings = replace(SETTINGS, script="dti/other.sh")
    assert again(world, **fields) == ""


def test_a_job_that_failed_or_lost_its_results_is_not_told() -> None:
    world = World()
    done(world, status="FAILED")
    assert again(world) == ""
    gone = World()
    done(gone)
    for key in [key for key in gone.aws.objects_ if "/t1/" in key[1] or "job_t1/process_results" in key[1]]:
        del gone.aws.objects_[key]
    assert again(gone) == ""


def test_another_groups_job_is_never_told() -> None:
    world = World()
    world.aws.upload(BUCKET, "other/inputs/a.zip")
    world.aws.upload(BUCKET, "other/configs/c.json", "{}")
    done(world, group="other", configname="other/configs/c.json")
    work = world.job("t1", "other").work
    assert (BUCKET, work_key("other", work)) in world.aws.objects_
    assert again(world) == ""
    assert world.job("t2").work == work


def test_a_note_that_cannot_be_read_is_none() -> None:
    world = World()
    done(world)
    world.aws.upload(BUCKET, work_key("lab", world.job("t1").work), "{" * 10_000)
    assert again(world) == ""


def test_a_rerun_is_meant_to_be_the_same() -> None:
    world = World()
    done(world)
    assert again(world, rerun_of="t1") == ""


def test_each_combination_of_a_sweep_counts() -> None:
    world = World(changed(SETTINGS, sweep=10))
    world.aws.upload(BUCKET, "lab/configs/s.json", json.dumps({"sweep": {"wait": [1, 2]}}))
    done(world, configname="lab/configs/s.json")
    world.aws.upload(BUCKET, "lab/configs/s.json", json.dumps({"sweep": {"wait": [1, 3]}}))
    assert again(world, configname="lab/configs/s.json") == ""


CONFIGS = st.dictionaries(st.text(max_size=2), st.integers(0, 2))
ROWS = st.lists(st.tuples(st.text(max_size=3), CONFIGS, st.text(max_size=2)), max_size=4)


@given(ROWS, st.randoms())
def test_the_order_of_datasets_and_names_is_none_of_it(rows: list[Any], random: Any) -> None:
    mixed = [(name, dict(sorted(config.items(), reverse=True)), content) for name, config, content in rows]
    random.shuffle(mixed)
    assert work_of("c", "i", "s", rows) == work_of("c", "i", "s", mixed)
    assert work_of("c", "i", "s", [*rows, ("n", {}, "x")]) != work_of("c", "i", "s", rows)
