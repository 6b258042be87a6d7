"""certificate.json: what is published about it, and what jobs of all kinds really write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from neurocaas.protocol.certificate_schema import certificate_schema
from neurocaas.protocol.keys import JobKeys, rejected_keys
from tests.unit.job_world import BUCKET, World

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "schema" / "certificate.json"
KEYS = JobKeys.of("lab", "t1")


def check(document: Any) -> None:
    jsonschema.validate(document, certificate_schema())


def test_what_is_published_is_what_is_written() -> None:
    published = json.loads(PUBLISHED.read_text())
    assert published == certificate_schema(), (
        "python -m neurocaas.protocol.certificate_schema >docs/schema/certificate.json"
    )
    jsonschema.Draft202012Validator.check_schema(published)


def moved(key: str, **more: Any) -> dict[str, Any]:
    return {"kind": "input", "bucket": BUCKET, "key": key, "bytes": 3, "sha256": "a" * 64, **more}


def test_a_job_tells_what_was_read_and_written() -> None:
    world = World()
    world.submit(world.submission(dataname=["lab/inputs/a.zip", "lab/inputs/b.zip"]))
    record = {
        "schema_version": 1,
        "dataset": "a.zip",
        "inputs": [moved("lab/inputs/a.zip", version_id="v1"), moved("lab/configs/c.json")],
        "results": [moved("lab/results/job_t1/process_results/out.csv")],
    }
    first, second = world.aws.ec2
    world.aws.upload(BUCKET, world.evidence(first).files, json.dumps(record))
    # the copy for people, which nobody believes
    world.aws.upload(BUCKET, KEYS.record("b.zip"), json.dumps(record))
    world.complete(first)
    world.complete(second, "FAILED", exit_code=3)
    facts = world.facts()
    check(facts)
    one, other = facts["datasets"]
    assert [(file["key"], file["version_id"]) for file in one["inputs"]] == [
        ("lab/inputs/a.zip", "v1"),
        ("lab/configs/c.json", None),
    ]
    assert [file["sha256"] for file in one["results"]] == ["a" * 64]
    assert (other["inputs"], other["results"], other["exit_class"]) == ([], [], "analysis")
    image = {"id": "ami-1", "ready": True, "recipe_sha256": "f" * 64, "root_device": "/dev/sda1"}
    assert facts["image"] == image
    assert (facts["blueprint_commit"], facts["code_sha256"]) == ("abc123", "a" * 64)


@pytest.mark.parametrize(
    "record",
    [
        "",
        "[]",
        "nonsense",
        '{"inputs": 3}',
        '{"inputs": [3]}',
        '{"results": [{"key": 1}]}',
        json.dumps({"inputs": [moved("x", bytes="many")]}),
    ],
)
def test_a_spoilt_record_spoils_nothing_else(record: str) -> None:
    world = World()
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.aws.upload(BUCKET, world.evidence(machine).files, record)
    world.complete(machine)
    check(world.facts())
    assert (world.end(), world.facts()["datasets"][0]["inputs"]) == ("SUCCESS 1/1\n", [])


def test_refused_and_cancelled_jobs_keep_to_the_schema() -> None:
    world = World()
    world.submit(b"nonsense")
    check(json.loads(world.aws.text(BUCKET, rejected_keys("lab", "a").certificate_json)))
    world.submit(world.submission(dataname="lab/inputs/none"))
    check(world.facts())
    world.aws.upload(BUCKET, "lab/submissions/b_submit.json", json.dumps(world.submission(timestamp="t2")))
    world.submit(b"", "lab/submissions/b_cancel.json")
    check(world.facts("t2"))
    with pytest.raises(jsonschema.ValidationError):
        check({**world.facts("t2"), "exit_class": "tired"})
    with pytest.raises(jsonschema.ValidationError):
        check({**world.facts("t2"), "stage": "prod"})
