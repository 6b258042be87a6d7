"""Clean roots without a cloud: a public image or a baked one, a fresh layer over it, and programs in a
sandbox on it.

They serve whoever prepares an image by hand before it is baked. The sandbox is the one that bakes use, so
what works here works there; it has the host's kernel and network, no systemd, no GPU, and no boot.
"""

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

import awstoe
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.images.objectstore import object_store
from localcloud.images.store import ImageError, Images
from localcloud.paths import Paths
from localcloud.project import project
from localcloud.running import ACCOUNT, DEFAULT_REGION
from localcloud.sandbox import base, hostaccess
from localcloud.sandbox.sandbox import GUEST_PATH, RUN, Host, Plan, Root, detect, launcher_command
from localcloud.sandbox.spawn import end_tree

_LIBRARY = "/run/localcloud-library"
_LOGS = "/run/localcloud-logs"
_KEPT_SECONDS = 7 * 86400.0
"""How long a kept layer serves: package servers go on meanwhile."""


class ChannelLike(Protocol):
    """A folder that the root sees at ``inside``."""

    @property
    def folder(self) -> Path: ...

    @property
    def inside(self) -> str: ...


@dataclass(frozen=True)
class View:
    """What changed below ``prefix`` is in ``upper``; ``lowers`` are the folders it lies on, nearest first."""

    prefix: str
    upper: Path
    lowers: tuple[Path, ...]


class LocalRoot:
    """One root. Its disk is a folder; it stays until ``close``."""

    def __init__(self, host: Host, work: Path, chain: tuple[Path, ...], parent: str, layers: Path) -> None:
        self._host, self._work, self._layers = host, work, layers
        self._root = Root(work / "disk", chain)
        self._access = hostaccess.collect(os.environ)
        self._running: subprocess.Popen[bytes] | None = None
        self._root.create()
        (work / "run").mkdir(exist_ok=True)
        self.description = (
            f"a sandbox ({host.mode}) with this computer's system in the place of {parent}: no systemd, GPU "
            "or boot"
        )

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        channel: ChannelLike,
        *,
        stdin: int,
        stdout: int,
        stderr: int,
    ) -> "subprocess.Popen[bytes]":
        """Start a program as root, with the host's network and its way to package registries."""
        plan = Plan(
            root=self._root,
            command=list(command),
            environment={"PATH": GUEST_PATH, "LANG": "C.UTF-8", **self._access.environment, **environment},
            hostname="record",
            run=self._work / "run",
            binds=list(self._access.binds),
            writable_binds=[(str(channel.folder), channel.inside)],
        )
        return self._launch(plan, stdin=stdin, stdout=stdout, stderr=stderr)

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
        """Run component documents as a bake does, and return the runner's result. ``log`` hears every line.

        S3 is ``archive`` whatever is asked for, or the folder ``objects``; ``logs`` gets AWSTOE's log folder.
        """
        with object_store(archive, objects) as endpoint:
            read, write = os.pipe2(os.O_CLOEXEC)
            spec = {
                "documents": [
                    {"name": name, "data": data, "parameters": dict(parameters or {})}
                    for name, data in documents
                ],
                "phases": list(phases),
                "environment": {"PATH": GUEST_PATH, "LANG": "C.UTF-8", **self._access.environment},
                "working_directory": "/tmp",  # noqa: S108 (the service's default)
                "endpoint": endpoint,
                "region": DEFAULT_REGION,
                "metadata": endpoint,
                "events": write,
                "logs": _LOGS if logs else None,
            }
            (self._work / "run" / "build.json").write_text(json.dumps(spec), encoding="utf-8")
            package = Path(__file__).parents[1]
            plan = Plan(
                root=self._root,
                command=[
                    base.python_in_sandbox(),
                    "-B",
                    "-m",
                    "localcloud.images.awstoe",
                    f"{RUN}/build.json",
                ],
                environment={
                    "PATH": GUEST_PATH,
                    "LANG": "C.UTF-8",
                    "PYTHONPATH": _LIBRARY,
                    "LD_LIBRARY_PATH": f"{base.PYTHON_MOUNT}/lib",
                },
                hostname="replay",
                run=self._work / "run",
                binds=[
                    (str(package), f"{_LIBRARY}/localcloud"),
                    (str(Path(awstoe.__file__).parent), f"{_LIBRARY}/awstoe"),
                    (str(Path(yaml.__file__).parent), f"{_LIBRARY}/yaml"),
                    *self._access.binds,
                ],
                writable_binds=[(str(logs), _LOGS)] if logs else [],
            )
            try:
                process = self._launch(
                    plan,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=(write,),
                )
            finally:
                os.close(write)
            try:
                return _follow(read, process, log)
            finally:
                os.close(read)
                end_tree(process)
                if process.stdout:
                    process.stdout.close()

    def live_views(self) -> list[View]:
        """The layers while programs run."""
        assert self._host.base is not None
        views = []
        for tree, prefix in (("root", "/"), ("usr", "/usr")):
            lowers = tuple(
                layer / tree for layer in (*self._root.chain, self._host.base) if (layer / tree).is_dir()
            )
            views.append(
                View(prefix, self._root.upper(tree), (*lowers, Path("/usr")) if tree == "usr" else lowers)
            )
        return views

    def views(self) -> list[View]:
        """The layers, without the mount points of what the host lent."""
        self.stop()
        hostaccess.remove_mount_points(self._root.upper("root"), self._access.binds)
        return self.live_views()

    def close(self) -> None:
        """End what runs and remove the disk."""
        self.stop()
        base.remove_tree(self._work)

    def keep(self, layer: str) -> None:
        """End what runs, and keep what was written as a layer for other roots; it is there whole, or not at
        all. The root is gone then.
        """
        self.views()
        target, building = self._layers / layer, self._layers / f".{layer}.new"
        self._layers.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (target, building):
            base.remove_tree(folder)
        (self._work / "disk" / "upper").rename(building)
        os.utime(building)
        building.rename(target)
        self.close()

    def stop(self) -> None:
        """End what runs, and keep the disk."""
        if self._running is not None:
            if self._running.poll() is None:
                end_tree(self._running)
            self._running = None

    def _launch(self, plan: Plan, **options: Any) -> "subprocess.Popen[bytes]":
        self.stop()
        self._running = subprocess.Popen(
            launcher_command(self._host, plan, self._host.scratch),
            env={"PATH": GUEST_PATH},
            cwd=str(self._host.scratch),
            start_new_session=True,
            **options,
        )
        return self._running


class LocalRoots:
    """The roots of one local cloud's home. The cloud itself need not run."""

    account, region = ACCOUNT, DEFAULT_REGION

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._host: Host | None = None

    def folder(self, analysis: str) -> Path:
        """Where the log of a recording is kept."""
        return self._paths.home / "recordings" / analysis

    def open(self, name: str, parent: str, *, again: bool = False, over: Sequence[str] = ()) -> LocalRoot:
        """A fresh root ``name`` over ``parent`` (an image id, or ``ssm:<parameter>``); with ``again`` the one
        that is there, disk and all.
        ``over``: kept layers between the two, nearest first.

        Raises ImageError when this host has no sandboxes, or does not know the parent.
        """
        host = self._isolated()
        layers = self._layers(name)
        chain = (
            *(layers / layer for layer in over),
            *Images(self._paths.images, str(host.mode)).chain(_image(parent)),
        )
        work = host.scratch / "recordings-running" / name
        if again and not (work / "disk").is_dir():
            raise ImageError(
                f"there is no root called {name} to go on with\n  allowed: a recording that was interrupted "
                "on this computer\n"
                "  do: begin a new one: leave --resume out"
            )
        if not again:
            base.remove_tree(work)
        work.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LocalRoot(host, work, chain, parent, layers)

    def kept(self, name: str) -> list[str]:
        """The layers that roots of this name kept in the last days: what they installed grows old."""
        folder, oldest = self._layers(name), time.time() - _KEPT_SECONDS
        found = (
            [entry for entry in folder.iterdir() if not entry.name.startswith(".")] if folder.is_dir() else []
        )
        return [entry.name for entry in found if entry.stat().st_mtime > oldest]

    def forget(self, name: str, but: Collection[str] = ()) -> None:
        """Remove the layers that roots of this name kept, but these."""
        folder = self._layers(name)
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry.name not in but:
                base.remove_tree(entry)

    def _layers(self, name: str) -> Path:
        """Layers hold for one base of this computer, and for one kind of sandbox: in others their files have
        other owners.
        """
        host = self._isolated()
        assert host.base is not None
        return host.scratch / "recordings-kept" / f"{host.base.name}-{host.mode}" / name

    def _isolated(self) -> Host:
        if self._host is None:
            self._host = detect(self._paths.home)
        host = self._host
        if not host.isolated:
            raise ImageError(
                "this computer cannot give a recording a root of its own "
                f"({'; '.join(host.notes) or 'no namespaces'})\n"
                "  allowed: a host with bubblewrap and namespaces\n  do: install bubblewrap, and allow user "
                "namespaces"
            )
        return host


def _image(parent: str) -> str:
    if not parent.startswith("ssm:"):
        return parent
    parameter = parent.removeprefix("ssm:")
    for image in BASE_IMAGES:
        if parameter in image.ssm_parameters:
            return image.image_id
    known = ", ".join(image.ssm_parameters[0] for image in BASE_IMAGES)
    raise ImageError(
        f"the parent image {parent} is not known on this computer\n  allowed: an image that was baked here, "
        f"or a parameter of: {known}\n"
        f"  do: change {project().parent}, or record on a machine in AWS by hand"
    )


def _follow(events: int, process: "subprocess.Popen[bytes]", log: Callable[[str], None]) -> Mapping[str, Any]:
    """Hear the runner until its result, or until the sandbox is gone."""
    assert process.stdout is not None
    console, buffer = process.stdout.fileno(), b""
    words, open_pipes = b"", {events, console}
    while events in open_pipes:
        for descriptor in select.select(list(open_pipes), [], [])[0]:
            data = os.read(descriptor, 1 << 16)
            if not data:
                open_pipes.discard(descriptor)
            elif descriptor == console:
                words = (words + data)[-4000:]
            else:
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "result":
                        return dict(event)
                    if event["type"] == "log":
                        log(str(event["line"]))
    said = words.decode(errors="replace").strip() or "it said nothing"
    return {"status": "failed", "failureMessage": f"the sandbox ended: {said}", "failure": None}
