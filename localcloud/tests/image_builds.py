"""Builds for a fleet that hears a stand-in for the emulator: started, watched, waited for."""

from __future__ import annotations

from typing import Any

from localcloud.images.catalogue import BASE_IMAGES
from localcloud.tests.fleet_fakes import RunningFleet

ROOT = BASE_IMAGES[0].image_id
REGION = "arn:aws:imagebuilder:us-east-1:000000000000"


def start(fleet: RunningFleet, number: int, *documents: str, parent: str = ROOT) -> str:
    """Begin a build of these component documents; returns its ARN. The image will be `image_id(number)`."""
    arn = f"{REGION}:image/recipe-{number}/1.0.0/1"
    components = [
        {
            "arn": f"{REGION}:component/c-{number}{'-test' * place}/1.0.0/1",
            "name": f"c-{number}",
            "data": data,
            "parameters": {},
        }
        for place, data in enumerate(documents)
    ]
    build = {
        "arn": arn,
        "state": "PENDING",
        "image_id": image_id(number),
        "name": f"image-{number}",
        "parent_image": parent,
        "working_directory": "/opt/build",
        "components": components,
        "role_arn": "arn:aws:iam::000000000000:role/builder",
        "instance_type": "t3.medium",
        "region": "us-east-1",
        "account": "000000000000",
        "cancel": False,
    }
    with fleet.emulator.condition:
        fleet.emulator.builds[arn] = build
        fleet.emulator.changed()
    return arn


def image_id(number: int) -> str:
    return f"ami-{number:017x}"


def posts(fleet: RunningFleet, arn: str) -> list[dict[str, Any]]:
    """What the fleet has posted about a build so far."""
    return [body for _, kind, body in fleet.emulator.events if kind == "builds" and body["arn"] == arn]


def log(fleet: RunningFleet, arn: str) -> str:
    return "\n".join(line for body in posts(fleet, arn) for line in body["log"])


def finish(fleet: RunningFleet, arn: str, timeout: float = 60) -> dict[str, Any]:
    """Wait for the end of a build and return its last post."""
    with fleet.emulator.condition:
        assert fleet.emulator.condition.wait_for(lambda: arn not in fleet.emulator.builds, timeout), posts(
            fleet, arn
        )
    return posts(fleet, arn)[-1]
