"""The manager: one submission becomes exactly one set of machines, or one clear answer."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from neurocaas.protocol.job_index import segment_key
from neurocaas.protocol.keys import rejected_keys
from neurocaas.protocol.limits import WAIT_PAUSE, WAIT_SECONDS
from neurocaas.protocol.settings import Image
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.dispatch import process
from runtime.manager.events import ObjectCreated
from runtime.manager.launch import Option, request
from tests.unit.fake_aws import Clock, KilledError, ManagerView
from tests.unit.job_world import BUCKET, SETTINGS, SUBMISSION, World


@pytest.fixture
def world() -> World:
    return World()


def test_one_dataset_gets_one_machine_and_a_certificate_in_the_guides_wording(world: World) -> None:
    outcome = world.submit(world.submission())
    assert (outcome.exit_code, outcome.again) == (0, False)
    assert [machine.tags["job"] for machine in world.aws.ec2.values()] == ["t1"]
    text = world.certificate()
    for wanted in (
        "REQUEST START TIME: 2026-01-31 12:00:00 (GMT)\nANALYSIS VERSION ID: abc123\nJOB ID: t1\n",
        "PER ENVIRONMENT MONITORING:\n================\nDATANAME: lab/inputs/a.zip | STATUS: INITIALIZING | "
        "TIME: ",
        "[Job Manager] Detected new job: starting up.",
        "[Internal (init)] Using default instance type m5.large from config file.",
        "[Internal (init)] Analysis request with dataset(s): lab/inputs/a.zip, config file "
        "lab/configs/c.json",
        "parameter __duration__ not given, proceeding with standard compute launch.",
        "[Job Manager] STEP 1/4 (Initialization): DONE",
        "[Job Manager] STEP 2/4 (Validation): DONE",
        "[Job Manager] STEP 3/4 (Environment Setup): DONE",
        "[Internal (start_instance)] Created 1 immutable analysis environments.",
        "[Internal (process_inputs)] Starting analysis 1 with parameter set a.zip",
        "[Job Manager] STEP 4/4 (Initialize Processing): DONE",
        "All jobs submitted. Processing...",
        "JOB MONITOR LOG COMPLETE. SEE TOP FOR LIVE PER-DATASET MONITORING",
    ):
        assert wanted in text


def test_a_misspelt_name_of_the_service_or_the_analysis_starts_no_machine(world: World) -> None:
    world.aws.upload(BUCKET, "lab/configs/c.json", '{"__durration__": 90, "wiat": 1}')
    world.submit(world.submission())
    assert world.aws.ec2 == {}
    assert "Did you mean '__duration__'?" in world.certificate()
    assert (
        "config 'wiat': got 1, but there is no such parameter. Allowed: 'wait', 'mode'" in world.certificate()
    )
    assert "Did you mean 'wait'?" in world.certificate()


def test_a_name_that_looks_like_the_services_own_is_told() -> None:
    world = World(replace(SETTINGS, parameters=None))
    world.aws.upload(BUCKET, "lab/configs/c.json", '{"__weight__": 90, "wait": 1}')
    world.submit(world.submission())
    assert (
        "parameter '__weight__' is none of the service's (__duration__, __dataset_size__)"
        in world.certificate()
    )


def test_machines_are_tagged_for_prices_lifetime_and_ownership(world: World) -> None:
    world.aws.upload(BUCKET, "lab/configs/c.json", '{"__duration__": 90}')
    world.submit(world.submission())
    (machine,) = world.aws.ec2.values()
    wanted = {
        "PriceTracking": "On",
        "Timeout": "90",
        "group": "lab",
        "analysis": "dti",
        "job": "t1",
        "bucket": "dti",
        "offset": "0",
    }
    assert wanted.items() <= machine.tags.items()
    assert machine.tags["OwnerArn"] == "arn:manager"


def test_defaults_of_the_blueprint_are_in_the_job(world: World) -> None:
    world.submit(world.submission())
    assert world.job().config == {"wait": 5}


@pytest.mark.parametrize("number", [1, 10, 50, 200, 500])
def test_calls_do_not_grow_with_the_number_of_datasets(number: int) -> None:
    world = World()
    names = [f"lab/inputs/many/{index:04}.zip" for index in range(number)]
    for name in names:
        world.aws.upload(BUCKET, name)
    world.submit(world.submission(dataname=names))
    assert len(world.aws.ec2) == number
    chunks = -(-number // 100)
    assert len(world.aws.calls) <= 23 + chunks
    offsets = sorted(int(machine.tags["offset"]) + machine.launch_index for machine in world.aws.ec2.values())
    assert offsets == list(range(number))


def test_equal_base_names_have_their_own_status_files(world: World) -> None:
    for folder in ("x", "y"):
        world.aws.upload(BUCKET, f"lab/inputs/{folder}/d.zip")
    world.submit(world.submission(dataname=["lab/inputs/x/d.zip", "lab/inputs/y/d.zip"]))
    assert len({dataset.status_key for dataset in world.job().datasets}) == 2


def test_the_volume_grows_by_the_size_that_the_configuration_asks_for(world: World) -> None:
    world.aws.upload(BUCKET, "lab/configs/c.json", '{"__dataset_size__": 30}')
    world.submit(world.submission())
    (request, _), *_ = world.aws.reservations.values()
    assert request.volume_gib == 46


def test_the_same_submission_again_starts_nothing_more(world: World) -> None:
    world.submit(world.submission())
    assert world.deliver().again is False
    assert world.submit(world.submission()).exit_code == 0
    assert len(world.aws.ec2) == 1


def test_another_submission_with_a_used_timestamp_is_refused_and_the_job_untouched(world: World) -> None:
    world.submit(world.submission())
    index = (BUCKET, segment_key("lab", 0))  # has a line more
    before = {key: value for key, value in world.aws.objects_.items() if key != index}
    outcome = world.submit(world.submission(dataname="lab/inputs/b.zip"), key="lab/submissions/b_submit.json")
    assert outcome.exit_code == 99
    assert len(world.aws.ec2) == 1
    answer = world.aws.text(BUCKET, rejected_keys("lab", "b").certificate)
    assert "another submission of group 'lab' has used" in answer
    assert {key: value for key, value in world.aws.objects_.items() if key in before} == before


def test_every_kill_point_of_a_refused_submission_ends_with_its_answer() -> None:
    number = 0
    finished = False
    while not finished:
        number += 1
        world = World()
        world.aws.kill_at = number
        try:
            finished = world.submit(world.submission(dataname="lab/inputs/none.zip")).exit_code == 99
        except KilledError:
            finished = False
        world.aws.revive()
        world.clock.forward(150)
        world.deliver(receives=2)
        assert "S3 Bucket does not contain lab/inputs/none.zip" in world.certificate()
        assert (world.end() or "").startswith("FAILED 0/0")
    assert number > 5


def test_two_managers_at_once_launch_one_set() -> None:
    for _ in range(20):
        world = World()
        world.aws.upload(
            BUCKET,
            SUBMISSION,
            str(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"])).replace("'", '"'),
        )
        barrier = threading.Barrier(4)
        outcomes: list[Any] = []

        def deliver(
            world: World = world, barrier: threading.Barrier = barrier, outcomes: list[object] = outcomes
        ) -> None:
            barrier.wait()
            outcomes.append(world.deliver())

        threads = [threading.Thread(target=deliver) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == 4
        assert len(world.aws.ec2) == 2


def test_a_second_manager_waits_while_the_first_lives(world: World) -> None:
    world.aws.kill_at = 7
    with pytest.raises(KilledError):
        world.submit(world.submission())
    world.aws.revive()
    assert world.deliver(receives=2).again is True
    assert not world.aws.ec2
    world.clock.forward(150)
    assert world.deliver(receives=3).exit_code == 0
    assert len(world.aws.ec2) == 1


def test_an_error_of_aws_gives_the_job_back_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(request: object) -> object:
        raise ConnectionError("no network")

    monkeypatch.setattr(world.aws, "run", broken)
    with pytest.raises(ConnectionError):
        world.submit(world.submission())
    monkeypatch.undo()
    assert world.deliver(receives=2).exit_code == 0
    assert len(world.aws.ec2) == 1


def test_a_partial_launch_goes_on_with_the_next_type(world: World) -> None:
    world.aws.capacity = {"m5.large": 2}
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip", "lab/inputs/c.zip"]))
    assert [machine.instance_type for machine in world.aws.ec2.values()] == [
        "m5.large",
        "m5.large",
        "m5.xlarge",
    ]
    assert [machine.tags["offset"] for machine in world.aws.ec2.values()] == ["0", "0", "2"]


def test_a_type_that_the_analyst_chose_is_never_replaced(world: World) -> None:
    world.aws.capacity = {"m5.xlarge": 0}
    outcome = world.submit(world.submission(instance_type="m5.xlarge"))
    assert outcome.waiting is True
    assert not world.aws.ec2


def test_no_capacity_is_waited_for_visibly_and_then_answered(world: World) -> None:
    world.aws.capacity = {"m5.large": 0, "m5.xlarge": 0}
    outcome = world.submit(world.submission())
    assert outcome.waiting
    assert "AWS capacity reached" in world.certificate()
    assert "place 1 of 1 in the queue, until 2026-01-31 12:15 UTC" in world.certificate()
    looks: list[Outcome] = []
    while not looks or looks[-1].waiting:
        world.clock.forward(world.aws.pauses[-1])
        looks.append(world.deliver())
    assert (looks[-1].exit_code, looks[-1].again) == (99, False)
    assert (world.clock() - Clock()()).total_seconds() == WAIT_SECONDS
    assert (world.end() or "").startswith("FAILED 0/1")
    assert world.facts()["exit_class"] == "capacity"
    assert world.aws.items == {}
    assert world.aws.count("run") <= 2 * (WAIT_SECONDS // WAIT_PAUSE + 2)


def test_capacity_that_comes_back_ends_the_wait(world: World) -> None:
    world.aws.capacity = {"m5.large": 1, "m5.xlarge": 0}
    data = ["lab/inputs/a.zip", "lab/inputs/b.zip"]
    assert world.submit(world.submission(dataname=data)).waiting
    world.aws.capacity = {"m5.large": 5, "m5.xlarge": 0}
    world.clock.forward(150)
    assert world.deliver(receives=2).again is False
    assert sorted(int(m.tags["offset"]) + m.launch_index for m in world.aws.ec2.values()) == [0, 1]


def test_datasets_that_never_get_a_machine_are_failed_with_the_reason(world: World) -> None:
    world.aws.capacity = {"m5.large": 1, "m5.xlarge": 0}
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"], wait="0s"))
    assert world.status(1).status == "FAILED"
    assert "AWS capacity reached" in world.status(1).reason
    world.complete(next(iter(world.aws.ec2)))
    assert (world.end() or "").startswith("FAILED 1/2")


def test_a_launch_that_aws_refuses_for_good_is_answered_at_once(world: World) -> None:
    world.aws.refusals = {"m5.large": "UnauthorizedOperation"}
    outcome = world.submit(world.submission())
    assert (outcome.exit_code, outcome.again) == (99, False)
    assert "UnauthorizedOperation" in world.certificate()
    assert world.facts()["exit_class"] == "platform"
    assert world.aws.count("run") == 1


def test_a_missing_image_hides_no_other_mistake() -> None:
    world = World(replace(SETTINGS, image=Image("resolve:ssm:/x", False)))
    world.aws.upload(BUCKET, "lab/configs/c.json", '{"wiat": 1}')
    world.submit(world.submission(dataname="lab/inputs/none"))
    text, facts = world.certificate(), world.facts()
    assert [one["field"] for one in facts["problems"]] == ["machine image", "dataname", "config 'wiat'"]
    assert "INPUT ERROR: config 'wiat'" in text
    assert "RESOURCE ERROR: machine image" in text
    world.submit(world.submission(dataname=3, timestamp="t2"), "lab/submissions/b_submit.json")
    assert [one["field"] for one in world.facts("t2")["problems"]] == [
        "dataname",
        "machine image",
        "config 'wiat'",
    ]


def test_a_submission_that_another_has_replaced_at_once_is_answered_all_the_same(world: World) -> None:
    first = json.dumps(world.submission(timestamp="t1")).encode()
    world.aws.upload(BUCKET, SUBMISSION, first)
    written = ObjectCreated(BUCKET, SUBMISSION, 1, *[world.aws.etag(BUCKET, SUBMISSION)] * 2)
    world.submit(world.submission(timestamp="t2", dataname="lab/inputs/b.zip"))
    until = world.clock() + timedelta(seconds=121)
    for receives in (1, 2):
        process(
            ManagerView(world.aws),
            world.settings,
            world.clock,
            Delivery(written, receives, f"x-{receives}", "arn:manager", until),
        )
    assert [world.job(stamp).datasets[0].inputpath for stamp in ("t1", "t2")] == [
        "lab/inputs/a.zip",
        "lab/inputs/b.zip",
    ]
    assert len(world.aws.ec2) == 2
    world.aws.upload(BUCKET, SUBMISSION, b"x" * 300_000)  # not even one that cannot be read hides it
    later = ObjectCreated(BUCKET, SUBMISSION, 1, written.etag, written.version_id)
    assert process(
        ManagerView(world.aws), world.settings, world.clock, Delivery(later, 1, "y", "arn", until)
    ).message == ("delivered again: the job is launched")


def test_two_submissions_of_one_name_without_a_timestamp_have_an_answer_each(world: World) -> None:
    world.aws.upload(BUCKET, SUBMISSION, b"[1]")
    etag = world.aws.etag(BUCKET, SUBMISSION)
    world.submit(b"[2]")
    until = world.clock() + timedelta(seconds=121)
    written = ObjectCreated(BUCKET, SUBMISSION, 1, etag, etag)
    process(
        ManagerView(world.aws), world.settings, world.clock, Delivery(written, 1, "x", "arn:manager", until)
    )
    for name, said in (("a", "[2]"), (f"a-{etag[:8]}", "[1]")):
        assert f"got {said}." in world.aws.text(BUCKET, rejected_keys("lab", name).certificate)


def test_a_submission_that_was_deleted_is_not_run(world: World) -> None:
    world.aws.upload(BUCKET, SUBMISSION, json.dumps(world.submission()))
    written = ObjectCreated(BUCKET, SUBMISSION, 1, *[world.aws.etag(BUCKET, SUBMISSION)] * 2)
    del world.aws.objects_[BUCKET, SUBMISSION]
    until = world.clock() + timedelta(seconds=121)
    outcome = process(
        ManagerView(world.aws), world.settings, world.clock, Delivery(written, 1, "x", "arn:manager", until)
    )
    assert "the file was deleted before it was read" in outcome.message
    assert world.aws.ec2 == {}


def test_without_an_image_the_certificate_says_how_to_get_one() -> None:
    world = World(replace(SETTINGS, image=Image("resolve:ssm:/x", False)))
    assert world.submit(world.submission()).exit_code == 99
    assert "no machine image yet" in world.certificate()
    assert (
        "invoke bake-ami --stack dti-webdev, then invoke deploy dti-webdev; when it is baked already, only"
        in world.certificate()
    )
    assert "invoke bake-ami --stack dti-webdev" in world.certificate()
    assert world.facts()["exit_class"] == "image"
    assert not world.aws.ec2


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"not json", "text that is not JSON"),
        (b"[1]", "Allowed: a JSON object"),
        (b'{"dataname": "lab/inputs/a.zip", "configname": "lab/configs/c.json"}', "timestamp: got nothing"),
        (b'{"timestamp": "../x"}', "timestamp: got '../x'"),
        (b"\xff\xfe", "not JSON in UTF-8"),
        (b"[" * 200_000, "not JSON"),
        (b"x" * 300_000, "up to 262144 bytes"),
    ],
)
def test_what_cannot_be_a_job_is_answered_under_a_predictable_key(
    world: World, body: bytes, wanted: str
) -> None:
    assert world.submit(body).exit_code == 99
    assert wanted in world.aws.text(BUCKET, rejected_keys("lab", "a").certificate)
    assert world.aws.text(BUCKET, "lab/results/rejected_a/process_results/end.txt").startswith("FAILED 0/0")
    assert not world.aws.ec2


def test_a_file_that_was_deleted_before_it_was_read_is_answered(world: World) -> None:
    assert world.deliver().exit_code == 99
    assert "deleted before it was read" in world.aws.text(BUCKET, rejected_keys("lab", "a").certificate)


def test_all_problems_are_told_at_once(world: World) -> None:
    world.aws.upload(BUCKET, "lab/configs/c.json", '{"__duration__": -5, "wait": "long"}')
    world.submit(
        world.submission(dataname=["lab/inputs/none.zip", "other/inputs/x.zip"], instance_type="p4d.24xlarge")
    )
    text = world.certificate()
    for wanted in (
        "does not contain lab/inputs/none.zip",
        "'other/inputs/x.zip'",
        "p4d.24xlarge",
        "__duration__",
        "config wait",
    ):
        assert wanted in text
    assert len(world.facts()["problems"]) == 5
    assert "Traceback" not in text


def test_a_prefix_of_a_key_is_not_the_key(world: World) -> None:
    assert world.submit(world.submission(dataname="lab/inputs/a")).exit_code == 99
    assert not world.aws.ec2


def test_a_folder_is_one_dataset_if_something_is_in_it(world: World) -> None:
    world.aws.upload(BUCKET, "lab/inputs/empty/", b"")
    world.aws.upload(BUCKET, "lab/inputs/full/1.dat")
    assert world.submit(world.submission(dataname="lab/inputs/empty/")).exit_code == 99
    assert world.submit(world.submission(dataname="lab/inputs/full/", timestamp="t2")).exit_code == 0
    assert len(world.aws.ec2) == 1


def test_names_with_spaces_and_unicode_are_fine(world: World) -> None:
    world.aws.upload(BUCKET, "lab/inputs/Mäuse und Fliegen 🪰.zip")
    assert (
        world.submit(
            world.submission(dataname="lab/inputs/Mäuse und Fliegen 🪰.zip"),
            key="lab/submissions/my +1_submit.json",
        ).exit_code
        == 0
    )
    assert world.job().datasets[0].name == "Mäuse und Fliegen 🪰.zip"


def test_yaml_configurations_work(world: World) -> None:
    world.aws.upload(BUCKET, "lab/configs/c.yml", "wait: 7\n__duration__: 15\n")
    assert world.submit(world.submission(configname="lab/configs/c.yml")).exit_code == 0
    assert (world.job().config["wait"], world.job().duration_minutes) == (7, 15)


def test_a_job_that_has_ended_is_not_started_again(world: World) -> None:
    world.submit(world.submission())
    world.complete(next(iter(world.aws.ec2)))
    assert world.deliver(receives=2).exit_code == 0
    assert len(world.aws.ec2) == 1
    assert world.aws.items == {}


def test_a_timestamp_whose_results_were_deleted_runs_anew(world: World) -> None:
    world.submit(world.submission())
    world.complete(next(iter(world.aws.ec2)))
    for bucket, key in list(world.aws.objects_):
        if key.startswith(("lab/results/", "jobs/lab/")):
            del world.aws.objects_[bucket, key]
    world.clock.forward(60)
    assert world.deliver().exit_code == 0
    assert len(world.aws.ec2) == 2


@pytest.mark.parametrize(
    "key", ["lab/results/x_submit.json", "nobody/submissions/x_submit.json", "logs/submissions/x_submit.json"]
)
def test_other_keys_are_ignored(world: World, key: str) -> None:
    before = len(world.aws.objects_) + 1
    assert world.submit(world.submission(), key=key).message.startswith("ignored")
    assert len(world.aws.objects_) == before


def _delete(world: World, *suffixes: str) -> None:
    for bucket, key in list(world.aws.objects_):
        if key.startswith(("lab/results/", "jobs/lab/")) and key.endswith(suffixes or ""):
            del world.aws.objects_[bucket, key]


def test_machines_of_a_deleted_run_do_not_count_for_its_successor(world: World) -> None:
    world.submit(world.submission())
    world.complete(next(iter(world.aws.ec2)))
    before = world.job().created
    _delete(world)
    world.clock.forward(60)
    world.aws.calls.clear()
    world.aws.kill_at = 20
    with pytest.raises(KilledError):
        world.deliver()
    assert world.job().created > before, "the job document is written"
    assert len(world.aws.ec2) == 1, "nothing is launched"
    world.aws.revive()
    world.clock.forward(150)
    assert world.deliver(receives=2).exit_code == 0
    assert len(world.aws.ec2) == 2


def test_a_job_document_of_a_deleted_run_is_not_used(world: World) -> None:
    world.submit(world.submission())
    world.complete(next(iter(world.aws.ec2)))
    before = world.job().created
    _delete(world, "certificate.txt", "end.txt")
    world.clock.forward(60)
    world.aws.calls.clear()
    world.aws.kill_at = 9
    with pytest.raises(KilledError):
        world.deliver()
    assert world.job().created == before, "that of the deleted run is still there"
    world.aws.revive()
    world.clock.forward(150)
    assert world.deliver(receives=2).exit_code == 0
    assert world.job().created > before


def test_launch_calls_have_tokens_of_their_own_and_are_repeatable(world: World) -> None:
    world.submit(world.submission())
    job = world.job()
    ways = [
        Option("on-demand", "m5.large", None),
        Option("spot", "m5.large", None),
        Option("spot", "m5.large", "us-east-1a"),
    ]
    calls = [
        request(job, "arn", offset, 1, way, attempt)
        for offset in (0, 1)
        for way in ways
        for attempt in (1, 2)
    ]
    assert len({call.client_token for call in calls}) == 12
    assert all(len(call.client_token) <= 64 for call in calls)
    assert request(job, "arn", 0, 1, ways[0]) == calls[0]
    later = replace(job, created="2026-02-01T00:00:00.000Z")
    assert request(later, "arn", 0, 1, ways[0]).client_token != calls[0].client_token


def test_a_job_that_ends_without_a_machine_is_announced_once(world: World) -> None:
    world.aws.refusals = {"m5.large": "UnauthorizedOperation"}
    for receives in (1, 2):
        world.submit(world.submission(), receives=receives)
    ((subject, text),) = world.aws.notices
    assert subject == "NeuroCAAS dti: job t1 of lab: FAILED 0/0"
    assert "First failure: machines: got AWS ERROR. RunInstances was refused (UnauthorizedOperation)" in text
    assert "Cost: $0.0000." in text


@pytest.mark.parametrize(
    ("there", "named"),
    [
        ("lab/inputs/Zu\u0308rich.zip", "lab/inputs/Z\u00fcrich.zip"),
        ("lab/inputs/Z\u00fcrich.zip", "lab/inputs/Zu\u0308rich.zip"),
        ("lab/inputs/a b.zip", "lab/inputs/a%20b.zip"),
        ("lab/inputs/a.zip", "lab/inputs/a.zip "),
        ("lab/inputs/scans/one", "lab/inputs/scans"),
    ],
)
def test_a_name_that_only_looks_like_that_of_a_dataset_is_told_as_the_bucket_has_it(
    world: World, there: str, named: str
) -> None:
    world.aws.upload(BUCKET, there)
    outcome = world.submit(world.submission(dataname=named))
    right = "lab/inputs/scans/" if there.endswith("/one") else there
    assert f"Write it as the bucket has it: {json.dumps(right)}." in outcome.message
    assert (
        world.submit(
            world.submission(dataname=right, timestamp="t2"), "lab/submissions/b_submit.json"
        ).exit_code
        == 0
    )
