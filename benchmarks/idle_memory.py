"""Memory of a local cloud that does nothing: as started, after the stacks were deployed, and once its
functions are idle, too.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.engine import family, memory
from benchmarks.report import ROOT, Figure, say, show, wants_json
from console.stacks import all_stacks
from demo.playground import Playground, playground
from localcloud.aws.settings import LAMBDA_IDLE_SECONDS
from localcloud.cloud import Cloud
from localcloud.paths import Paths

AIM = 300.0
SETTLED = 15.0
IDLE = LAMBDA_IDLE_SECONDS + 60.0
"""Seconds after the last command."""


def idle(ground: Playground) -> tuple[float, float]:
    """MiB of the control plane and of the fleet, each with its children."""
    cloud = Cloud.load(Paths(ground.root / ".local"))
    if cloud is None or cloud.fleet_pid is None:
        raise RuntimeError("the local cloud does not run")
    emulator, fleet = (
        sum(memory(pid) for pid in family(root)) for root in (cloud.emulator_pid, cloud.fleet_pid)
    )
    return emulator, fleet


def main() -> None:
    figures = []
    with playground(ROOT) as ground:
        ground.invoke("local.up")
        for when, seconds, aim in (
            ("as started", SETTLED, AIM),
            ("with all stacks, just deployed", SETTLED, None),
            ("with all stacks", IDLE, AIM),
        ):
            if aim is None:
                for stack in all_stacks(ground.root):
                    say(f"up of {stack}")
                    ground.pulumi("up", "--yes", "--skip-preview", "--stack", stack)
            say(f"doing nothing for {seconds:.0f} s")
            time.sleep(seconds)
            emulator, fleet = idle(ground)
            figures.append(Figure(f"{when}: control plane", emulator, "MiB"))
            figures.append(Figure(f"{when}: fleet", fleet, "MiB"))
            figures.append(
                Figure(
                    f"{when}: together",
                    emulator + fleet,
                    "MiB",
                    aim,
                    f"{seconds:.0f} s after the last command",
                )
            )
    show("idle_memory", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
