"""`python bake_and_boot.py FOLDER PORT`: bake an image in a new local cloud, start a machine of it, and write
what came of it as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from localcloud import cloud  # noqa: E402
from localcloud.paths import Paths  # noqa: E402
from localcloud.tests.builder_chain import Chain  # noqa: E402
from localcloud.tests.homes import client_of  # noqa: E402

DOCUMENT = """schemaVersion: 1.0
parameters:
  - Greeting: {type: string, default: hello}
phases:
  - name: build
    steps:
      - name: write
        action: ExecuteBash
        inputs: {commands: ["echo from-the-bake > /opt/baked"]}
"""
USER_DATA = """#!/bin/bash
echo "read: $(cat /opt/baked)"
echo "modes:" $(umask; stat -c %a / /usr /usr/local/bin /etc/hosts /opt/baked)
shutdown -h now
"""
PATIENCE = 90.0


class Baked(Chain):
    """A chain whose component leaves a file."""

    def make_component(self, version: str, data: str = DOCUMENT) -> str:
        return super().make_component(version, data)


def until(look: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not wanted(seen := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return seen


def main(folder: Path, port: int) -> dict[str, Any]:
    paths = Paths(folder / "local")
    running = cloud.up(paths, port=port)
    try:
        client = client_of(running)
        chain = Baked(client, running)
        arn = chain.start()
        image = until(
            lambda: chain.image(arn), lambda seen: seen["state"]["status"] in ("AVAILABLE", "FAILED")
        )
        done: dict[str, Any] = {"sandbox": running.sandbox, "bake": image["state"], "console": ""}
        if image["state"]["status"] == "AVAILABLE":
            ami = image["outputResources"]["amis"][0]["image"]
            ec2 = client("ec2")
            [machine] = ec2.run_instances(
                ImageId=ami, InstanceType="t3.micro", MinCount=1, MaxCount=1, UserData=USER_DATA
            )["Instances"]
            about = {"InstanceIds": [machine["InstanceId"]]}
            until(
                lambda: ec2.describe_instances(**about)["Reservations"][0]["Instances"][0]["State"]["Name"],
                lambda seen: seen in ("stopped", "terminated"),
            )
            done["console"] = paths.console(machine["InstanceId"]).read_text()
        return done
    finally:
        cloud.down(paths)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))) + "\n")
