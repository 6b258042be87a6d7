"""Deployed services that are made once and copied for each module.

A state is a playground whose cloud was stopped. Each is deployed on top of a copy of the one before it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.stacks import all_stacks
from demo.playground import Playground, freeze, playground, thawed
from localcloud import cloud
from localcloud.paths import Paths
from localcloud.tests.bases import share_base
from tests.local.deployed import Deployed, client, configure, outputs

ROOT = Path(__file__).resolve().parents[2]
_OUTPUTS = "outputs.json"
_WAITING = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
_SETTLED_SECONDS = 60.0
_PORT = 14999
"""Where the states of the service are made (no port that tests lease): addresses of queues have it."""


class States:
    """The states in `folder`, which all workers share: whoever needs one first makes it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    @contextmanager
    def stopped(self, state: State, environ: Mapping[str, str] | None = None) -> Iterator[Playground]:
        """A copy, with a folder and a port of its own, that does not run yet. It is gone afterwards."""
        with thawed(self._frozen(state)) as ground:
            ground.environ |= environ or {}
            yield ground

    @contextmanager
    def copy(self, state: State, environ: Mapping[str, str] | None = None) -> Iterator[Playground]:
        """A running copy, whose local cloud has these variables too."""
        with self.stopped(state, environ) as ground:
            ground.invoke("local.up")
            yield ground

    @contextmanager
    def in_place(self, state: State) -> Iterator[Playground]:
        """A running copy at the address at which the state was made, so that nothing has another one than the
        stacks say. There is one at a time.
        """
        with self.stopped(state) as ground, _at_its_port(ground):
            ground.invoke("local.up")
            yield ground

    @contextmanager
    def service(self, state: State | None = None) -> Iterator[Deployed]:
        """A running copy (of ANALYSIS unless another is named) with the outputs of its stacks."""
        with self.copy(state or ANALYSIS) as ground:
            told = json.loads((ground.root / _OUTPUTS).read_text())
            yield Deployed(ground, told["utils"], told["analysis-webdev"])

    def _frozen(self, state: State) -> Path:
        frozen = self._folder / state.name
        with (self._folder / f"{state.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not frozen.exists():
                part = frozen.with_suffix(".part")  # what a run has left that was killed
                shutil.rmtree(part, ignore_errors=True)
                with state.make(self) as ground:
                    _settle(ground)
                    freeze(ground, part)
                part.rename(frozen)
        return frozen


@dataclass(frozen=True)
class State:
    """`make` yields the playground, which is stopped and kept then."""

    name: str
    make: Callable[[States], AbstractContextManager[Playground]]


def up(ground: Playground, stack: str, *flags: str) -> None:
    """Deploy a stack by the plain engine."""
    ground.pulumi("up", "--yes", "--skip-preview", *flags, "--stack", stack)


def _settle(ground: Playground) -> None:
    """Wait until functions have read what a deploy has put into their queues: S3 tells of each new
    notification. Else each copy would begin with starting them for it.
    """
    sqs, deadline = client(ground, "sqs"), time.monotonic() + _SETTLED_SECONDS
    sources = client(ground, "lambda").list_event_source_mappings()["EventSourceMappings"]
    for name in sorted({one["EventSourceArn"].rpartition(":")[2] for one in sources}):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        while set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_WAITING)["Attributes"].values()) != {
            "0"
        }:
            assert time.monotonic() < deadline, f"the queue {name} is not read"
            time.sleep(0.1)


@contextmanager
def _at_its_port(ground: Playground) -> Iterator[None]:
    """The playground's cloud is on the port of the states, for which others wait meanwhile."""
    with (Path(tempfile.gettempdir()) / f"neurocaas-states-{os.getuid()}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ground.port = _PORT
        ground.environ["LOCALCLOUD_PORT"] = str(_PORT)
        try:
            yield
        finally:
            cloud.down(Paths(ground.root / ".local"))


@contextmanager
def _utils(states: States) -> Iterator[Playground]:
    with playground(ROOT) as ground, _at_its_port(ground):
        share_base(ground.root / ".local")
        configure(ground)
        up(ground, "utils")
        yield ground


@contextmanager
def _analysis(states: States) -> Iterator[Playground]:
    with states.in_place(UTILS) as ground:
        up(ground, "analysis-webdev")
        told = {stack: outputs(ground, stack) for stack in ("utils", "analysis-webdev")}
        (ground.root / _OUTPUTS).write_text(json.dumps(told))
        yield ground


@contextmanager
def _all(states: States) -> Iterator[Playground]:
    with states.in_place(ANALYSIS) as ground:
        for stack in all_stacks(ground.root):
            if stack not in ("utils", "analysis-webdev"):
                up(ground, stack)
        yield ground


UTILS = State("utils", _utils)
"""`utils` with the groups of `deployed.py`."""
ANALYSIS = State("analysis", _analysis)
"""`analysis-webdev` too."""
ALL = State("all", _all)
"""Every stack of the project."""
