"""Deployed services that are made once a run of the tests and copied for each module.

A state is a playground whose cloud was stopped. Each is deployed on top of a copy of the one before it.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from console.stacks import all_stacks
from demo.playground import Playground, freeze, playground, thawed
from tests.local.deployed import Deployed, configure, outputs

ROOT = Path(__file__).resolve().parents[2]
UTILS, ANALYSIS, ALL = "utils", "analysis", "all"
"""`utils` with the groups of `deployed.py`; `analysis-webdev` too; every stack of the project."""
_BEFORE = {ANALYSIS: UTILS, ALL: ANALYSIS}
_OUTPUTS = "outputs.json"


class States:
    """The states in `folder`, which all workers of a run share: whoever needs one first makes it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder

    @contextmanager
    def copy(self, name: str) -> Iterator[Playground]:
        """A running copy, with a folder and a port of its own. It is gone afterwards."""
        with thawed(self._frozen(name)) as ground:
            ground.invoke("local.up")
            yield ground

    @contextmanager
    def service(self, name: str = ANALYSIS) -> Iterator[Deployed]:
        """A running copy with the outputs of its stacks."""
        with self.copy(name) as ground:
            told = json.loads((ground.root / _OUTPUTS).read_text())
            yield Deployed(ground, told["utils"], told["analysis-webdev"])

    def _frozen(self, name: str) -> Path:
        frozen = self._folder / name
        with (self._folder / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not frozen.exists():
                part = frozen.with_suffix(".part")  # what a run has left that was killed
                shutil.rmtree(part, ignore_errors=True)
                self._make(name, part)
                part.rename(frozen)
        return frozen

    def _make(self, name: str, frozen: Path) -> None:
        if name == UTILS:
            with playground(ROOT) as ground:
                configure(ground)
                up(ground, "utils")
                freeze(ground, frozen)
            return
        with self.copy(_BEFORE[name]) as ground:
            stacks = [stack for stack in all_stacks(ground.root) if stack != "utils"]
            for stack in ["analysis-webdev"] if name == ANALYSIS else stacks:
                up(ground, stack)
            told = {stack: outputs(ground, stack) for stack in ("utils", "analysis-webdev")}
            (ground.root / _OUTPUTS).write_text(json.dumps(told))
            freeze(ground, frozen)


def up(ground: Playground, stack: str, *flags: str) -> None:
    """Deploy a stack by the plain engine."""
    ground.pulumi("up", "--yes", "--skip-preview", *flags, "--stack", stack)
