"""`rerun_of`: the image and the code of an earlier job of the group."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.settings import Code, Group, Image
from tests.unit.job_world import BUCKET, SETTINGS, World

OLD = replace(
    SETTINGS,
    code=Code("artifacts", f"code/{'b' * 64}.tar.gz", "b" * 64),
    groups={"lab": Group("lt-1", "3"), "other": Group("lt-2", "1")},
    image=Image("ami-old", True, "e" * 64),
)
NEW = replace(
    OLD,
    code=Code("artifacts", f"code/{'c' * 64}.tar.gz", "c" * 64),
    groups={"lab": Group("lt-1", "4"), "other": Group("lt-2", "2")},
    image=Image("ami-new", True, "d" * 64),
)


@pytest.fixture
def world() -> World:
    world = World(OLD)
    world.submit(world.submission(timestamp="then"))
    world.settings = NEW
    return world


def again(world: World, **fields: Any) -> str:
    outcome = world.submit(
        world.submission(**{"timestamp": "now", "rerun_of": "then", **fields}),
        "lab/submissions/b_submit.json",
    )
    return "" if outcome.exit_code == 0 else world.certificate("now")


def test_image_and_code_are_those_of_then(world: World) -> None:
    assert again(world) == ""
    job, then = world.job("now"), world.job("then")
    assert (job.launch_template, job.code, job.image) == (then.launch_template, then.code, then.image)
    launched = next(request for request, _ in world.aws.reservations.values() if request.tags["job"] == "now")
    assert (launched.template_id, launched.template_version) == ("lt-1", "3")


def test_without_it_they_are_those_of_now(world: World) -> None:
    assert again(world, rerun_of=None) == ""
    assert (world.job("now").launch_template.launch_template_version, world.job("now").code.sha256) == (
        "4",
        "c" * 64,
    )


def test_an_image_of_then_will_do_where_none_of_now_is_ready(world: World) -> None:
    world.settings = replace(NEW, image=Image("ami-new", False, None))
    assert again(world) == ""


def test_another_jobs_template_is_never_taken(world: World) -> None:
    world.settings = replace(NEW, groups={**NEW.groups, "lab": Group("lt-9", "1")})
    assert "whose launch template is gone, and with it the image ami-old; now it is ami-new" in again(world)


def test_a_group_that_was_removed_and_came_back_runs_again_on_the_same_image(world: World) -> None:
    world.settings = replace(
        NEW, groups={**NEW.groups, "lab": Group("lt-9", "1", "AROANEW")}, image=OLD.image
    )
    assert again(world) == ""
    job = world.job("now")
    assert (job.launch_template, job.code, job.image) == (Group("lt-9", "1", "AROANEW"), OLD.code, OLD.image)


@pytest.mark.parametrize("named", ["no-such-job", "../other", 3, ["then"]])
def test_what_is_no_job_of_the_group_is_refused(world: World, named: object) -> None:
    assert "rerun_of" in again(world, rerun_of=named)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"launch_template": {"launch_template_id": "lt-2", "launch_template_version": "1"}},
        {"launch_template": {"launch_template_id": "lt-1", "launch_template_version": "$Latest"}},
        {"code": {"bucket": "evil", "key": "x", "sha256": "../x"}},
        {"schema_version": 99},
    ],
)
def test_a_document_that_a_machine_has_changed_gives_nothing_away(
    world: World, spoilt: dict[str, Any]
) -> None:
    key = JobKeys.of("lab", "then").job
    world.aws.upload(BUCKET, key, json.dumps({**json.loads(world.aws.text(BUCKET, key)), **spoilt}))
    assert "rerun_of" in again(world)
    assert not [one for one, _ in world.aws.reservations.values() if one.tags["job"] == "now"]


def test_a_code_archive_of_another_bucket_is_looked_for_in_the_stacks_own(world: World) -> None:
    key = JobKeys.of("lab", "then").job
    code = {"bucket": "evil", "key": "evil.tar.gz", "sha256": "f" * 64}
    world.aws.upload(BUCKET, key, json.dumps({**json.loads(world.aws.text(BUCKET, key)), "code": code}))
    assert again(world) == ""
    assert world.job("now").code == Code("artifacts", f"code/{'f' * 64}.tar.gz", "f" * 64)
