"""What recording and replaying need of a clean root: a machine's parent image with a fresh, writable layer
over it.

This room does not know how such a root is made; whoever assembles the commands hands one in (`CleanRoots`).
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class View(Protocol):
    """One writable layer: what changed below `prefix` is in `upper`, as overlayfs keeps it; `lowers` are what
    it lies on, nearest first.
    """

    @property
    def prefix(self) -> str: ...

    @property
    def upper(self) -> Path: ...

    @property
    def lowers(self) -> tuple[Path, ...]: ...


@dataclass(frozen=True)
class Channel:
    """A folder of the host that the root sees, writable, at `inside`."""

    folder: Path
    inside: str


class CleanRoot(Protocol):
    """A root. `description` says in words what it is and what it cannot prove."""

    description: str

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        channel: Channel,
        *,
        stdin: int,
        stdout: int,
        stderr: int,
    ) -> subprocess.Popen[bytes]:
        """Start a program as root in the root, with the host's network. It leads a session of its own."""

    def run_documents(
        self,
        documents: Sequence[tuple[str, str]],
        phases: Sequence[str],
        archive: bytes | None,
        log: Callable[[str], None],
        *,
        parameters: Mapping[str, str] | None = None,
        objects: Path | None = None,
        logs: Path | None = None,
    ) -> Mapping[str, Any]:
        """Run component documents (name, text) by the AWSTOE runner; `archive` is what their S3Download steps
        get.

        In place of an archive, `objects` is a folder whose `BUCKET/KEY` are the objects of S3. `logs`: the
        folder for AWSTOE's log files.
        Returns the runner's result: `status` ("failed" or not), `failureMessage`, and `failure` with
        `script`, `line`, `text`, or None.
        """

    def views(self) -> Sequence[View]:
        """The layers, after removing what only the host lent (mount points). No program may be running."""

    def live_views(self) -> Sequence[View]:
        """The layers while programs run."""

    def stop(self) -> None:
        """End what runs, and keep the root."""

    def close(self) -> None:
        """End what runs and throw the root away."""

    def keep(self, layer: str) -> None:
        """End what runs, and keep what was written as the layer of this name, on which other roots can stand.
        The root is gone then.
        """


class CleanRoots(Protocol):
    """Makes clean roots on this computer. Raises an exception with a message for people when it cannot."""

    account: str
    region: str
    """Whose baked images it can open."""

    def open(self, name: str, parent: str, *, again: bool = False, over: Sequence[str] = ()) -> CleanRoot:
        """The root `name` over the parent (an image id, or `ssm:<parameter>`): a fresh one, or with `again`
        the one that is there. `over`:
        layers that a root of this name kept, nearest first, which lie between."""

    def kept(self, name: str) -> Collection[str]:
        """The layers that roots of this name kept here in the last days."""

    def forget(self, name: str, but: Collection[str] = ()) -> None:
        """Remove the layers that roots of this name kept, but these."""

    def folder(self, analysis: str) -> Path:
        """Where the log of a recording is kept while it goes on."""
