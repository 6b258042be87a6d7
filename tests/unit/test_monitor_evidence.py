"""What a machine says of its own dataset: nothing in it is taken for more than that."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from neurocaas.protocol.certificate import MovedFile
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import EvidenceKeys
from neurocaas.protocol.limits import RECORD_MAX_BYTES, RECORD_MAX_FILES, STATUS_MAX_BYTES
from neurocaas.protocol.status import DatasetStatus
from runtime.monitor.evidence import Records, read_status, status_of
from tests.unit.fake_aws import MonitorView
from tests.unit.job_world import BUCKET, World

SHA = "0123456789abcdef" * 4
MACHINE = "i-1"
PLACE = EvidenceKeys("AROALAB", MACHINE)


@pytest.fixture
def world() -> World:
    world = World()
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    return world


def entry(key: str = "lab/inputs/a.zip", **changes: Any) -> dict[str, Any]:
    return {"bucket": BUCKET, "key": key, "bytes": 5, "sha256": SHA, **changes}


def found(
    world: World, record: object, job: Job | None = None, index: int = 0
) -> dict[str, list[tuple[str, str]]]:
    """Bucket and key of the files that are believed."""
    body = record if isinstance(record, bytes) else json.dumps(record).encode()
    world.aws.upload(BUCKET, PLACE.files, body)
    files = Records(MonitorView(world.aws), job or world.job()).of(index, MACHINE)
    return {kind: [(file.bucket, file.key) for file in some] for kind, some in files.items()}


RESULTS = "lab/results/job_t1/"


@pytest.mark.parametrize(
    "key", ["lab/inputs/a.zip", "lab/configs/c.json", "jobs/lab/job_t1/job.json", "lab/inputs/folder/"]
)
def test_inputs_are_what_a_machine_of_the_group_can_have_read(world: World, key: str) -> None:
    assert found(world, {"inputs": [entry(key)]}) == {"inputs": [(BUCKET, key)], "results": []}


@pytest.mark.parametrize(
    "key",
    [
        "other/inputs/a.zip",
        "lab2/inputs/a.zip",
        "jobs/other/job_t1/job.json",
        "logs/active/i-2.json",
        "evidence/AROALAB:i-2/status.json",
    ],
)
def test_what_is_not_its_groups_is_left_out_of_inputs_and_results(world: World, key: str) -> None:
    assert found(world, {"inputs": [entry(key), entry()], "results": [entry(key)]}) == {
        "inputs": [(BUCKET, "lab/inputs/a.zip")],
        "results": [],
    }


@pytest.mark.parametrize(
    "key",
    [
        "lab/results/job_t10/x",
        "lab/results/job_t2/x",
        "lab/inputs/a.zip",
        "jobs/lab/job_t1/end.txt",
        "lab/results/",
    ],
)
def test_results_are_those_of_the_job(world: World, key: str) -> None:
    mine = entry(f"{RESULTS}process_results/x")
    assert found(world, {"results": [entry(key), mine]})["results"] == [(BUCKET, mine["key"])]


def test_a_line_break_in_its_name_makes_no_less_of_a_result(world: World) -> None:
    odd = entry(f"{RESULTS}process_results/two\nlines")
    assert found(world, {"results": [odd]})["results"] == [(BUCKET, odd["key"])]


@pytest.mark.parametrize(
    "spoilt",
    [
        {"sha256": SHA[:-1]},
        {"sha256": SHA.upper()},
        {"sha256": SHA + "\n"},
        {"sha256": None},
        {"bytes": -1},
        {"bytes": 1.5},
        {"bytes": "5"},
        {"bytes": True},
        {"bucket": "elsewhere"},
        {"bucket": 3},
        {"key": "lab/inputs/../../other/x"},
        {"key": "lab/inputs//x"},
        {"key": "lab/inputs/" + "x" * 1024},
        {"key": ""},
        {"version_id": "x" * 1025},
        {"version_id": 7},
    ],
)
def test_what_cannot_be_a_file_is_left_out_and_the_rest_stays(world: World, spoilt: dict[str, Any]) -> None:
    good = entry("lab/inputs/b.zip", version_id="x" * 1024)
    assert found(world, {"inputs": [entry(**spoilt), good]})["inputs"] == [(BUCKET, "lab/inputs/b.zip")]


@pytest.mark.parametrize("junk", [None, 3, "x", [], [entry()]])
def test_an_entry_of_another_kind_is_left_out(world: World, junk: object) -> None:
    assert found(world, {"inputs": [junk, entry()]})["inputs"] == [(BUCKET, "lab/inputs/a.zip")]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b"\xff", b"[" * 100_000, b'{"inputs": 3}', b'{"inputs": {"a": 1}}']
)
def test_a_record_of_another_kind_says_nothing(world: World, body: bytes) -> None:
    assert not any(found(world, body).values())


def test_a_record_without_files_and_a_missing_one(world: World) -> None:
    assert Records(MonitorView(world.aws), world.job()).of(0, MACHINE) == {"inputs": (), "results": ()}
    assert found(world, {}) == {"inputs": [], "results": []}
    assert found(world, {"inputs": [entry()], "results": None}) == {
        "inputs": [(BUCKET, "lab/inputs/a.zip")],
        "results": [],
    }


def test_a_file_has_all_that_was_told_of_it(world: World) -> None:
    world.aws.upload(BUCKET, PLACE.files, json.dumps({"inputs": [entry(bytes=0, version_id="v1"), entry()]}))
    one, other = Records(MonitorView(world.aws), world.job()).of(0, MACHINE)["inputs"]
    assert one == MovedFile(BUCKET, "lab/inputs/a.zip", 0, SHA, "v1")
    assert other.version_id is None


def test_outside_buckets_are_those_that_this_dataset_names(world: World) -> None:
    job = world.job()
    first, second = job.datasets
    job = replace(
        job,
        datasets=(
            replace(first, inputpath="s3://archive/lab/a.zip", configpath=None),
            replace(second, inputpath="s3://vault/lab/b.zip", configpath=None),
        ),
        configpath="s3://settings/lab/c.json",
        resultdir="s3://results/lab/job_t1",
    )
    record = {
        "inputs": [
            *(
                entry(key, bucket=bucket)
                for bucket, key in (
                    ("archive", "lab/a.zip"),
                    ("vault", "lab/b.zip"),
                    ("settings", "lab/c.json"),
                )
            ),
            *(
                entry(key, bucket=bucket)
                for bucket, key in (
                    ("archive", "lab/b.zip"),
                    ("archive", "lab/"),
                    ("results", "lab/job_t1/x"),
                )
            ),
        ],
        "results": [
            entry("lab/job_t1/x", bucket="results"),
            entry("lab/job_t2/x", bucket="results"),
            entry(f"{RESULTS}x"),
        ],
    }
    assert found(world, record, job) == {
        "inputs": [("archive", "lab/a.zip"), ("settings", "lab/c.json")],
        "results": [("results", "lab/job_t1/x")],
    }
    assert found(world, record, job, 1)["inputs"] == [("vault", "lab/b.zip"), ("settings", "lab/c.json")]


def test_a_machine_is_asked_in_its_own_place_only(world: World) -> None:
    said = DatasetStatus("SUCCESS", "lab/inputs/a.zip", MACHINE)
    for key in (
        EvidenceKeys("AROALAB", "i-2").status,
        EvidenceKeys("AROAOTHER", MACHINE).status,
        world.job().datasets[0].status_key,
    ):
        world.aws.upload(BUCKET, key, said.to_json())
    assert status_of(MonitorView(world.aws), world.job(), MACHINE) == DatasetStatus()
    world.aws.upload(BUCKET, PLACE.status, said.to_json())
    assert status_of(MonitorView(world.aws), world.job(), MACHINE) == said


@pytest.mark.parametrize("body", [None, b"", b"[]", b"\xff", b"{"])
def test_an_unreadable_status_says_that_nothing_is_up_yet(body: bytes | None) -> None:
    assert read_status(body) == DatasetStatus()


def test_what_is_larger_than_it_can_be_is_not_read(world: World) -> None:
    status = DatasetStatus("SUCCESS", "lab/inputs/a.zip", MACHINE).to_json()
    for size, read in ((STATUS_MAX_BYTES, "SUCCESS"), (STATUS_MAX_BYTES + 1, "INITIALIZING")):
        world.aws.upload(BUCKET, PLACE.status, status.ljust(size))
        assert status_of(MonitorView(world.aws), world.job(), MACHINE).status == read
    record = json.dumps({"inputs": [entry()]})
    for size, number in ((RECORD_MAX_BYTES, 1), (RECORD_MAX_BYTES + 1, 0)):
        assert len(found(world, record.ljust(size).encode())["inputs"]) == number


def test_the_records_of_a_job_have_one_limit_together(world: World) -> None:
    record = json.dumps({"inputs": [entry()]}).encode()
    for number, size in (
        ("1", RECORD_MAX_BYTES - 2 * len(record) - 2),
        ("2", 0),
        ("3", len(record) + 3),
        ("4", 0),
    ):
        world.aws.upload(BUCKET, EvidenceKeys("AROALAB", f"i-{number}").files, record.ljust(size))
    records = Records(MonitorView(world.aws), world.job())
    assert [len(records.of(0, f"i-{number}").get("inputs", ())) for number in "1234"] == [1, 1, 0, 1]


def test_a_record_of_more_files_than_any_is_not_taken_apart(world: World) -> None:
    for number, read in ((RECORD_MAX_FILES - 2, 1), (RECORD_MAX_FILES - 1, 0)):
        assert len(found(world, {"inputs": [entry()], "x": "{" * (number - 1)}).get("inputs", [])) == read
