"""Baking on the local cloud: an image cold, again, and unchanged; machines that start from it; what its layer
takes on disk; and the same image with its tools in a base image below it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import boto3

from benchmarks.report import ROOT, Figure, p50, say, show, wants_json
from console.cloud import lay_over
from demo.playground import Playground, playground
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.sandbox.cleanup import size_bytes

ANALYSIS, STACK = "dti", "dti-webdev"
MACHINES = 10
USER_DATA = '#!/bin/bash\necho "first line at $(date +%s.%N)"\nshutdown -h now\n'


def main() -> None:
    figures = []
    with playground(ROOT) as ground:
        ground.invoke("local.up")
        for stack in ("utils", STACK):
            say(f"up of {stack}")
            ground.pulumi("up", "--yes", "--skip-preview", "--stack", stack)
        alone = packages_alone(ground)
        figures.append(
            Figure(
                "the packages alone",
                alone,
                "s",
                note="venv and pip install of the same lock on this machine, no image",
            )
        )
        for name, flags, note in (
            ("bake, cold", (), "first of this local cloud"),
            ("bake, again", ("--force",), "same recipe"),
            ("bake, unchanged", (), "finds that there is nothing to do"),
        ):
            say(name)
            seconds, image_id = bake(ground, STACK, *flags)
            figures.append(
                Figure(name, seconds, "s", note=f"{note}; {seconds / alone:.2f} x the packages alone")
            )
        lay_over(os.environ, ground.local_environment())
        parent = p50([start(ground, BASE_IMAGES[0].image_id) for _ in range(MACHINES)])
        layered = p50([start(ground, image_id) for _ in range(MACHINES)])
        figures.append(
            Figure(
                "start of a machine, public image",
                parent,
                "s",
                note=f"RunInstances to the first line of user data, p50 of {MACHINES}",
            )
        )
        figures.append(
            Figure(
                "start of a machine, baked image",
                layered,
                "s",
                note=f"{layered / parent:.2f} x the public one; p50 of {MACHINES}",
            )
        )
        figures.append(
            Figure(
                "layer of the image",
                layer_mib(ground, image_id),
                "MiB",
                note="on disk; its parent is this machine's own system",
            )
        )
        figures += two_layers(ground)
    show("bake", figures, as_json=wants_json())


def bake(ground: Playground, stack: str, *flags: str) -> tuple[float, str]:
    """How long it took, and the image."""
    begun = time.monotonic()
    done = ground.invoke(
        "bake-ami", "--local", "--json", "--stack", stack, "--no-commit", "--unverified", *flags
    )
    return time.monotonic() - begun, str(json.loads(done.stdout)["image_id"])


def layer_mib(ground: Playground, image_id: str) -> float:
    return size_bytes(ground.root / ".local" / "images" / image_id / "layer") / 2**20


def two_layers(ground: Playground) -> Iterator[Figure]:
    """The starter, whose image has the tools that the base has: with them in its own layer, and over the
    base.
    """
    own, stack = ground.root / "blueprints" / "analysis", "analysis-webdev"
    rows = (
        ("tools in the analysis's image", stack),
        ("tools in the base image", "utils"),
        ("the analysis over the base", stack),
    )
    first = 0.0
    for name, baked in rows:
        say(f"bake, {name}")
        if name == rows[2][0]:
            settings = own / "blueprint.yaml"
            settings.write_text(settings.read_text().replace("parent: ubuntu24", "parent: base"))
            (own / "provision" / "10-tools.sh").unlink()
            (own / "provision" / "10-tools.sh").write_text("true\n")
        ground.pulumi("up", "--yes", "--skip-preview", "--stack", baked)
        seconds, image_id = bake(ground, baked)
        first = first or seconds
        size = layer_mib(ground, image_id)
        yield Figure(
            f"bake, {name}",
            seconds,
            "s",
            note=f"a layer of {size:.0f} MiB; {seconds / first:.2f} x with its own tools",
        )


def packages_alone(ground: Playground) -> float:
    """What the recording of the analysis mostly does, without an image around it."""
    requirements = ground.root / "blueprints" / ANALYSIS / "provision" / "requirements.txt"
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [
            f"{folder}/bin/python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-cache-dir",
            "--only-binary",
            ":all:",
            "--require-hashes",
        ]
        subprocess.run([*install, "--requirement", str(requirements)], check=True)
        return time.monotonic() - begun


def start(ground: Playground, image_id: str) -> float:
    """Seconds from the request to the first line of a machine's user data, by its own clock."""
    ec2: Any = boto3.client("ec2")
    begun = time.time()
    asked = {
        "ImageId": image_id,
        "InstanceType": "m5.large",
        "InstanceInitiatedShutdownBehavior": "terminate",
    }
    machine = ec2.run_instances(**asked, MinCount=1, MaxCount=1, UserData=USER_DATA)["Instances"][0][
        "InstanceId"
    ]
    while (
        ec2.describe_instances(InstanceIds=[machine])["Reservations"][0]["Instances"][0]["State"]["Name"]
        != "terminated"
    ):
        time.sleep(0.1)  # AWS's waiter asks every 15 s, and takes "pending" for a failure
    console = (ground.root / ".local" / "console" / f"{machine}.log").read_text()
    return float(console.partition("first line at ")[2].split()[0]) - begun


if __name__ == "__main__":
    main()
