"""The place of a run in the root of a machine image that was baked on this computer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.local.sandbox import IMAGE_DIFFERENCES, MakeRoom, RunRoom, Start


def in_image(root: Any) -> MakeRoom:
    """Makes the place of a run in `root`, an image that is open (`localcloud.images.rootrun`)."""

    def make(scratch: Path, needs: Sequence[Path], writable: Path) -> RunRoom:
        there = Path("/opt/neurocaas/code/local")

        def start(command: Sequence[str], variables: Mapping[str, str]) -> Start:
            # the blueprint and the data: the programs are the image's
            read = [(path, path) for path in needs[:2]]
            write = [(scratch / "own/home/ubuntu/neurocaas_contrib", there), (writable, writable)]
            inside = {**variables, "NEUROCAAS_RUN_FOLDER": "/"}
            return Start(root.command(command, inside, read, write), root.environment, root.start)

        (scratch / "own/home/ubuntu").mkdir(parents=True)
        return RunRoom(there, root.python, IMAGE_DIFFERENCES, start)

    return make
