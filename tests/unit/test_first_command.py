"""How long a machine takes from its launch to the first command of the script: measured, filed, shown."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from image_builder.images import _middle, jobs_by_image
from neurocaas.protocol.documents import iso
from tests.unit.job_world import World


@pytest.fixture
def world() -> World:
    return World()


def ended(world: World, job_start: str) -> Any:
    world.submit(world.submission())
    (machine,) = world.aws.ec2
    world.complete(machine, job_start=job_start)
    ((outcome,),) = [one["machines"] for one in world.facts()["datasets"]]
    assert world.report(machine)["first-command-seconds"] == outcome["first_command_seconds"]
    return outcome["first_command_seconds"]


def test_it_is_in_the_report_and_in_the_certificate(world: World) -> None:
    launched = world.clock()
    world.clock.forward(0)
    assert ended(world, iso(launched.replace(minute=launched.minute + 2))) == 120.0


@pytest.mark.parametrize(
    "said", ["NONE", "2001-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z", "soon", "2026-13-01"]
)
def test_what_cannot_be_is_no_figure(world: World, said: str) -> None:
    assert ended(world, said) is None


class _S3:
    class exceptions:  # noqa: N801 (botocore's name)
        ClientError = OSError

    def __init__(self, certificates: dict[str, Any]) -> None:
        self.certificates = {f"jobs/lab/job_{name}/": one for name, one in certificates.items()}

    def get_paginator(self, name: str) -> Any:
        return self

    def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
        return [{"CommonPrefixes": [{"Prefix": one} for one in self.certificates]}]

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 (botocore's names)
        return {
            "Body": io.BytesIO(json.dumps(self.certificates[Key.removesuffix("certificate.json")]).encode())
        }


def certificate(*seconds: float | None) -> dict[str, Any]:
    machines = [{"first_command_seconds": one} for one in seconds]
    return {"image": {"id": "ami-1"}, "datasets": [{"machines": machines}]}


def test_an_image_has_the_median_of_its_machines() -> None:
    s3 = _S3({"a": certificate(10.0, 30.0), "b": certificate(20.0, None), "old": {"image": {"id": "ami-1"}}})
    (jobs,) = jobs_by_image("b", ["lab"], s3).values()
    assert [job.name for job in jobs] == ["lab/a", "lab/b", "lab/old"]
    assert _middle(jobs) == 20.0
    assert _middle(jobs[2:]) is None
