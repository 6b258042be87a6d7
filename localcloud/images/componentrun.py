"""Runs phases of a build's components in a sandbox (or, where that was asked for, on the host) and hears
their events.
"""

import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import awstoe
from localcloud.images.services import Services
from localcloud.sandbox import base, peers
from localcloud.sandbox.cloud import RoleCredentials
from localcloud.sandbox.disks import Measured
from localcloud.sandbox.hostaccess import HostAccess
from localcloud.sandbox.imds import Imds
from localcloud.sandbox.limits import Limit
from localcloud.sandbox.sandbox import GUEST_PATH, RUN, Plan, Root, launcher_command
from localcloud.sandbox.spawn import end_tree, plain_command
from localcloud.sandbox.watch import Watched

_LIBRARY = "/run/localcloud-library"
"""Where a bake sees this package (read-only): the runner works inside the sandbox."""
_QUIET_SECONDS = 0.4
_DEFAULT_TYPE = "m5.large"
_DEFAULT_DIRECTORY = "/tmp"  # noqa: S108 (the service's default)


@dataclass
class Outcome:
    """``result`` is the runner's (None: the sandbox ended without one), ``console`` the last lines that it
    wrote beside its events.
    """

    result: dict[str, Any] | None = None
    console: list[str] = field(default_factory=list)


class ComponentRun:
    """Runs the components of one build. ``hear`` gets ``step`` and ``log`` events, ``quiet`` is called when
    none came for 0.4 s.
    """

    def __init__(
        self,
        services: Services,
        build: dict[str, Any],
        work: Path,
        hear: Callable[[dict[str, Any]], None],
        quiet: Callable[[], None],
    ) -> None:
        self._services, self._build, self._work, self._hear, self._quiet = services, build, work, hear, quiet
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    def kill(self) -> None:
        """End what runs, and let nothing start any more."""
        self._killed = True
        process = self._process
        if process is not None:
            end_tree(process)

    def run(self, phases: list[str], root: Root, access: HostAccess) -> Outcome:
        """Run the phases over all components."""
        services = self._services
        run = self._work / "run"
        run.mkdir(exist_ok=True)
        listener, metadata = self._metadata()
        events_read, events_write = os.pipe2(os.O_CLOEXEC)
        spec = self._specification(phases, access, metadata, events_write)
        (run / "build.json").write_text(json.dumps(spec), encoding="utf-8")
        limit = services.limiter.limit(
            "build-" + self._work.name[-40:], self._build.get("instance_type") or _DEFAULT_TYPE
        )
        outcome = Outcome()
        try:
            command, start = self._command(run, root, access, limit.join, limit.rlimits)
            console_read, console_write = os.pipe2(os.O_CLOEXEC)
            try:
                self._process = services.spawner.start(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=console_write,
                    stderr=console_write,
                    env={"PATH": GUEST_PATH, "PYTHONPATH": str(Path(__file__).parents[2])},
                    cwd=str(start),
                    pass_fds=(events_write,),
                    start_new_session=True,
                )
            finally:
                os.close(console_write)
                os.close(events_write)
            reader = threading.Thread(target=_collect, args=(console_read, outcome.console), daemon=True)
            reader.start()
            if self._killed:
                end_tree(self._process)
            self._watch(self._process, limit)
            self._follow(events_read, outcome)
            end_tree(self._process)
            reader.join(timeout=2)
        finally:
            services.watch.remove(self._work.name)
            services.disk_watch.remove(self._work.name)
            self._process = None
            os.close(events_read)
            limit.remove()
            if listener is not None:
                services.acceptor.remove(listener)
        return outcome

    def _watch(self, process: "subprocess.Popen[bytes]", limit: Limit) -> None:
        """As with machines; how large an image becomes is only bounded by the host's disk."""
        services = self._services

        def say(line: str) -> None:
            self._hear({"type": "log", "line": line})

        services.watch.add(
            self._work.name,
            Watched(process.pid, limit, say, lambda: end_tree(process), services.host.isolated),
        )
        services.disk_watch.add(self._work.name, Measured(process.pid, self._work, None, say))

    def _specification(
        self, phases: list[str], access: HostAccess, metadata: str | None, events: int
    ) -> dict[str, Any]:
        """What the runner inside is told (see ``localcloud.images.awstoe.__main__``)."""
        region, build = self._build["region"], self._build
        endpoint = f"http://127.0.0.1:{self._services.connection.port}"
        environment = {"PATH": GUEST_PATH, "LANG": "C.UTF-8", **access.environment}
        environment |= {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
        environment |= _about(build["arn"], phases)
        if metadata:
            environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = metadata
        return {
            "documents": [
                {"name": c["name"], "data": c["data"], "parameters": c.get("parameters") or {}}
                for c in build["components"]
            ],
            "phases": phases,
            "environment": environment,
            "working_directory": build.get("working_directory") or _DEFAULT_DIRECTORY,
            "endpoint": endpoint,
            "region": region,
            "metadata": metadata,
            "events": events,
        }

    def _metadata(self) -> tuple[socket.socket | None, str | None]:
        """A metadata service, when the build has a role. A build uses the host's network, so scripts find it
        through the environment, and it asks who is asking.
        """
        role, region = self._build.get("role_arn"), self._build["region"]
        if not role:
            return None, None
        session = "build-" + re.sub(r"[^A-Za-z0-9]+", "-", self._work.name)[-40:]
        record = {
            "id": session,
            "image_id": self._build["parent_image"],
            "instance_type": self._build.get("instance_type") or _DEFAULT_TYPE,
            "region": region,
            "availability_zone": region + "a",
            "account": self._build["account"],
        }
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        serve = Imds(record, RoleCredentials(self._services.connection, role, session)).serve
        self._services.acceptor.add(
            listener, peers.only_for(lambda: self._process.pid if self._process else None, serve)
        )
        return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"

    def _command(
        self, run: Path, root: Root, access: HostAccess, cgroups: tuple[str, ...], rlimits: dict[str, int]
    ) -> tuple[list[str], Path]:
        """The command that becomes the runner, and the folder it is started in."""
        host, package = self._services.host, Path(__file__).parents[1]
        module = ["-m", "localcloud.images.awstoe"]
        if not host.isolated:
            return plain_command(
                [sys.executable, *module, str(run / "build.json")], cgroups, rlimits
            ), self._work
        plan = Plan(
            root=root,
            command=[base.python_in_sandbox(), "-B", *module, f"{RUN}/build.json"],
            environment={
                "PATH": GUEST_PATH,
                "LANG": "C.UTF-8",
                "PYTHONPATH": _LIBRARY,
                "LD_LIBRARY_PATH": f"{base.PYTHON_MOUNT}/lib",
            },
            hostname="bake",
            run=run,
            binds=[
                (str(package), f"{_LIBRARY}/localcloud"),
                (str(Path(awstoe.__file__).parent), f"{_LIBRARY}/awstoe"),
                (str(Path(yaml.__file__).parent), f"{_LIBRARY}/yaml"),
                *access.binds,
            ],
            cgroups=cgroups,
            rlimits=rlimits,
        )
        return launcher_command(host, plan, host.scratch), host.scratch

    def _follow(self, descriptor: int, outcome: Outcome) -> None:
        """Hear the runner until its result, or until the sandbox is gone."""
        buffer = b""
        while True:
            ready, _, _ = select.select([descriptor], [], [], _QUIET_SECONDS)
            if not ready:
                self._quiet()
                continue
            data = os.read(descriptor, 1 << 16)
            if not data:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                event = json.loads(line)
                if event["type"] == "result":
                    outcome.result = event
                    return
                self._hear(event)


def _about(arn: str, phases: list[str]) -> dict[str, str]:
    """What Image Builder tells programs about the image they build (user guide, "Environment variables that
    Image Builder provides").

    The ids of workflow executions and the pipeline are not known to a build here: they are empty.
    """
    version, _, number = arn.rpartition("/")
    return {
        "IMAGE_BUILD_VERSION_ARN": arn,
        "IMAGE_VERSION": version.rpartition("/")[2],
        "IMAGE_BUILD_VERSION": number,
        "IMAGE_PHASE": "TESTING" if phases == ["test"] else "BUILDING",
        "IMAGE_PIPELINE_ARN": "",
        "IMAGE_WORKFLOW_EXECUTION_ID": "",
        "IMAGE_STEP_EXECUTION_ID": "",
    }


def _collect(descriptor: int, lines: list[str]) -> None:
    with os.fdopen(descriptor, "r", errors="replace") as pipe:
        for line in pipe:
            lines.append(line.rstrip("\n"))
            del lines[:-200]
