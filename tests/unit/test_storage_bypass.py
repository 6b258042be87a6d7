"""Data from, and results to, buckets that the blueprint registers besides the analysis's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.outside import OutsideBucket
from neurocaas.protocol.settings import AnalysisSettings
from tests.unit.fake_aws import KilledError
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

OUTSIDE = (
    OutsideBucket("pub", "", ("inputs",), ()),
    OutsideBucket("pub2", "open/", ("inputs",), ()),
    OutsideBucket("out", "res/", ("results",), ("lab",)),
    OutsideBucket("theirs", "", ("inputs", "results"), ("other",)),
)
FIELDS = {"dataname": "s3://pub/data/a.zip", "configname": "s3://pub/c.json", "resultpath": "s3://out/res"}
JOB = JobKeys.of("lab", "t1")


@pytest.fixture
def world() -> World:
    world = World(replace(SETTINGS, outside_buckets=OUTSIDE))
    for bucket in ("pub", "theirs"):
        world.aws.upload(bucket, "data/a.zip", b"abc")
        world.aws.upload(bucket, "data/b.zip", b"b")
        world.aws.upload(bucket, "c.json", '{"wait": 1}')
    world.aws.upload("pub2", "open/d.zip")
    return world


def refusal(world: World, **fields: Any) -> str:
    outcome = world.submit(world.submission(**fields))
    assert world.aws.ec2 == {}
    assert outcome.exit_code == 99
    assert world.end() is not None
    return world.certificate()


def test_the_settings_document_keeps_them() -> None:
    settings = replace(SETTINGS, outside_buckets=OUTSIDE)
    assert AnalysisSettings.from_json(settings.to_json()) == settings


def test_data_comes_from_outside_and_results_go_there(world: World) -> None:
    assert world.submit(world.submission(**FIELDS)).exit_code == 0
    job = world.job()
    assert (job.datasets[0].inputpath, job.datasets[0].size, job.datasets[0].name) == (
        "s3://pub/data/a.zip",
        3,
        "a.zip",
    )
    assert (job.configpath, job.config["wait"], job.resultdir) == (
        "s3://pub/c.json",
        1,
        "s3://out/res/job_t1",
    )
    assert job.datasets[0].status_key == JOB.status("a.zip"), (
        "the service's own records stay in the analysis bucket"
    )
    for word in (
        "Storage Bypass initiated from bucket: s3://pub",
        "Storage Bypass initiated to bucket: s3://out",
    ):
        assert f"[Internal (init)] {word}" in world.certificate()

    world.complete(next(iter(world.aws.ec2)))
    assert world.end() == "SUCCESS 1/1\n"
    assert world.aws.text("out", "res/job_t1/process_results/end.txt") == world.end()
    for key in (JOB.certificate, JOB.certificate_json, JOB.status("a.zip")):
        there = key.replace(JOB.prefix, "res/job_t1/")
        assert world.aws.objects_["out", there] == world.aws.objects_[BUCKET, key]
    assert "s3://out/res/job_t1/" in world.aws.notices[0][1]
    assert world.aws.items == {}


def test_a_folder_and_a_list(world: World) -> None:
    world.settings = changed(world.settings, folder="each")
    assert world.submit(world.submission(**{**FIELDS, "dataname": "s3://pub/data/"})).exit_code == 0
    assert [one.inputpath for one in world.job().datasets] == ["s3://pub/data/a.zip", "s3://pub/data/b.zip"]
    names = [f"s3://pub/data/{name}.zip" for name in "ab"]
    world.submit(world.submission(**{**FIELDS, "dataname": names, "timestamp": "t2"}))
    assert [one.inputpath for one in world.job("t2").datasets] == names


def test_results_may_stay(world: World) -> None:
    world.submit(world.submission(**{**FIELDS, "resultpath": None}))
    assert world.job().resultdir == "results/job_t1"
    world.complete(next(iter(world.aws.ec2)))
    assert not [key for bucket, key in world.aws.objects_ if bucket == "out"]


def test_an_ensemble_of_outside_data(world: World) -> None:
    world.aws.upload("pub", "c.json", '{"mode": "train", "ensemble_size": 2}')
    assert world.submit(world.submission(**FIELDS)).exit_code == 0
    assert [one.inputpath for one in world.job().datasets] == ["s3://pub/data/a.zip"] * 2
    assert world.aws.text(BUCKET, JOB.member_config(2, "c.json"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"dataname": "s3://secret/a.zip"}, "'s3://secret/a.zip'"),
        ({"configname": "s3://secret/c.json"}, "below 's3://pub/…' or 's3://pub2/open/…'"),
        ({"dataname": "s3://pub2/closed/d.zip"}, "'s3://pub2/closed/d.zip'"),
        ({"dataname": "s3://theirs/data/a.zip"}, "'s3://theirs/data/a.zip'"),
        ({"dataname": "s3://out/res/a.zip"}, "'s3://out/res/a.zip'"),
        ({"dataname": "s3://pub"}, "'s3://pub'"),
        ({"dataname": "s3://pub/../a.zip"}, "'..' segments"),
        ({"dataname": "s3://pub/data/none.zip"}, "S3 Bucket does not contain s3://pub/data/none.zip"),
        (
            {"dataname": "s3://pub2/open/d.zip"},
            "If bypassing storage for input, data and config must be from same bucket.",
        ),
        (
            {"dataname": "lab/inputs/a.zip"},
            "If bypassing storage for input, data and config must be from same bucket.",
        ),
        ({"resultpath": "out/res"}, "If bypassing storage for output, s3:// format path required"),
        ({"resultpath": 3}, "If bypassing storage for output, s3:// format path required"),
        ({"resultpath": "s3://out"}, "below 's3://out/res/…'"),
        ({"resultpath": "s3://out/results"}, "below 's3://out/res/…'"),
        ({"resultpath": "s3://out/res/../x"}, "'..' segments"),
        ({"resultpath": "s3://theirs/x"}, "'s3://theirs/x'"),
        ({"resultpath": f"s3://{BUCKET}/other/results"}, "below 's3://out/res/…'"),
        ({"resultpath": "s3://out/res/" + "/".join(["x" * 199] * 5)}, "too long for its status file"),
    ],
)
def test_what_is_refused(world: World, fields: dict[str, Any], said: str) -> None:
    assert said in refusal(world, **{**FIELDS, **fields})
    assert not [key for bucket, key in world.aws.objects_ if bucket == "out"]


def test_without_registered_buckets_it_is_said_so() -> None:
    said = refusal(World(), **FIELDS)
    assert "analysis 'dti' has no outside bucket registered for inputs" in said
    assert "analysis 'dti' has no outside bucket registered for results" in said


@pytest.mark.parametrize(
    ("bucket", "field"), [("pub", "dataname"), ("pub", "configname"), ("out", "resultpath")]
)
def test_a_bucket_that_lets_nobody_in_is_an_answer(world: World, bucket: str, field: str) -> None:
    world.aws.closed.add(bucket)
    said = refusal(world, **FIELDS)
    assert any(
        field in line and "S3 refuses access to its bucket (AccessDenied)" in line
        for line in said.splitlines()
    )


def test_another_jobs_results_are_not_touched(world: World) -> None:
    world.aws.upload("out", "res/job_t1/process_results/end.txt", "earlier")
    assert "where another job's results are" in refusal(world, **FIELDS)
    assert world.aws.text("out", "res/job_t1/process_results/end.txt") == "earlier"


def test_a_bucket_that_closes_in_between_does_not_keep_the_job_open(world: World) -> None:
    world.submit(world.submission(**FIELDS))
    world.aws.closed.add("out")
    world.complete(next(iter(world.aws.ec2)))
    assert world.end() == "SUCCESS 1/1\n"
    assert "S3 has refused to copy the logs there (AccessDenied)" in world.aws.notices[0][1]
    assert world.aws.items == {}


def test_the_manager_may_die_anywhere(world: World) -> None:
    """What an earlier delivery has begun counts as its own: only another job's results are in the way."""
    calls = len(_calls(FIELDS))
    for number in range(calls):
        one = World(world.settings)
        one.aws.objects_.update(world.aws.objects_)
        one.aws.kill_at = number
        with pytest.raises(KilledError):
            one.submit(one.submission(**FIELDS))
        one.aws.revive()
        one.clock.forward(200)
        assert one.deliver(receives=2).exit_code == 0
        one.complete(next(iter(one.aws.ec2)))
        assert one.aws.text("out", "res/job_t1/process_results/end.txt") == "SUCCESS 1/1\n"
        assert len(one.aws.ec2) == 1


def _calls(fields: dict[str, Any]) -> list[tuple[str, str]]:
    world = World(replace(SETTINGS, outside_buckets=OUTSIDE))
    world.aws.upload("pub", "data/a.zip")
    world.aws.upload("pub", "c.json", "{}")
    world.submit(world.submission(**fields))
    return list(world.aws.calls)
