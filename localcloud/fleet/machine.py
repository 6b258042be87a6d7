"""One machine: from the emulator's record of an instance to a running sandbox, and to its end."""

import contextlib
import logging
import os
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud.fleet import runfolder
from localcloud.fleet.console import Console
from localcloud.fleet.relay import Relay
from localcloud.fleet.userdata import UserData, parse
from localcloud.images.services import Services
from localcloud.images.store import ImageError
from localcloud.sandbox import base, peers
from localcloud.sandbox.acceptor import Handler
from localcloud.sandbox.cloud import CloudError, RoleCredentials
from localcloud.sandbox.disks import DEFAULT_GIB, Measured
from localcloud.sandbox.imds import Imds, user_data
from localcloud.sandbox.limits import Limit, processors
from localcloud.sandbox.sandbox import GUEST_PATH, RUN, Plan, Root, launcher_command
from localcloud.sandbox.spawn import end_tree, plain_command
from localcloud.sandbox.watch import Watched

_log = logging.getLogger("localcloud.fleet")
IMDS_ADDRESS = "169.254.169.254"


class Machine(threading.Thread):
    """The life of one machine, in a thread of its own. ``ended`` is called (in that thread) when nothing of
    it is left.
    """

    def __init__(
        self,
        services: Services,
        instance: dict[str, Any],
        turn: int,
        ended: Callable[["Machine"], None],
        *,
        first_boot: bool,
    ) -> None:
        super().__init__(name=instance["id"], daemon=True)
        self.instance = instance
        self.id: str = instance["id"]
        self._services = services
        self._turn = turn
        self._ended = ended
        self._first_boot = first_boot
        self._folder = services.host.scratch / "fleet" / self.id
        self._console = Console(services.paths.console(self.id))
        self._wake_read, self._wake_write = socket.socketpair()
        self._order: str | None = None
        self._follower: threading.Thread | None = None
        self._alive = -1
        self.stopped = False
        self._listeners: list[socket.socket] = []
        self._process: subprocess.Popen[bytes] | None = None
        role = instance.get("role_arn")
        self._credentials = RoleCredentials(services.connection, role, self.id) if role else None
        self._imds = Imds(instance, self._credentials)

    def update(self, instance: dict[str, Any]) -> None:
        """Take a newer record of the instance (its tags are visible in the metadata service)."""
        self.instance = instance
        self._imds.instance = instance

    def order(self, what: str) -> None:
        """``terminate`` or ``stop`` by API, or ``fleet-stop``: the fleet ends, the sandbox with it, and the
        emulator is not told.
        """
        self._order = what
        with contextlib.suppress(OSError):
            self._wake_write.send(b"x")

    def run(self) -> None:
        """Boot, watch, end, clean up. Never raises."""
        try:
            self.stopped = self._live() == "stopped"
        except (OSError, ValueError, ImageError, CloudError) as error:
            _log.warning("%s: %s", self.id, error)
            self._console.line(f"The machine could not be run: {error}")
            self._clean(keep_disk=False)
            self._report("terminated", "Server.InternalError", str(error))
        finally:
            self._clean(keep_disk=self.stopped)
            self._console.close()
            for end in (self._wake_read, self._wake_write):
                end.close()
            self._ended(self)

    def _live(self) -> str:
        while True:
            started = time.monotonic()
            request = self._boot_and_wait()
            if request != "reboot":
                break
            self._console.line("Rebooting: the disk stays, user data is not run again.")
            self._first_boot = False
        _log.info("%s: %s after %.2f s", self.id, request, time.monotonic() - started)
        if request == "fleet-stop":
            return "ended"
        behaviour = self.instance.get("shutdown_behavior", "stop")
        by_guest = request == "poweroff"
        stop = request == "stop" or (by_guest and behaviour == "stop")
        reason = (
            (
                "Client.InstanceInitiatedShutdown",
                "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
            )
            if by_guest
            else (None, "")
        )
        if request == "lost":
            reason = (
                "Server.InternalError",
                "Server.InternalError: the sandbox ended by itself; see the console output",
            )
        if by_guest or request == "lost":
            self._report("stopping" if stop else "shutting-down", *reason)
        self._clean(keep_disk=stop)
        self._report("stopped" if stop else "terminated", *reason)
        return "stopped" if stop else "terminated"

    def _report(self, state: str, code: str | None = None, message: str = "") -> None:
        try:
            self._services.connection.instance_state(self.id, state, code, message)
        except CloudError as error:
            _log.warning("%s: could not report %s: %s", self.id, state, error)

    def _boot_and_wait(self) -> str:
        parsed = parse(user_data(self.instance)) if self._first_boot else UserData((), ())
        for warning in parsed.warnings:
            self._console.line(warning)
        if self._credentials is not None:
            threading.Thread(target=self._prefetch, daemon=True).start()
        run = self._folder / "run"
        run.mkdir(parents=True, exist_ok=True)
        control = runfolder.control_pipe(run)
        # nothing is ever written: the boot program sees whether our end is still open
        self._alive, ours = os.pipe2(os.O_CLOEXEC)
        limit = self._services.limiter.limit(self.id, self.instance["instance_type"])
        try:
            start = self._start_isolated if self._services.host.isolated else self._start_process
            process = start(parsed, run, limit)
            self._watch(process, limit)
            request = self._wait(process, control)
            self._kill(process)
            if limit.killed_for_memory():
                self._console.line(
                    "Out of memory: the kernel killed a process of this machine "
                    f"({self.instance['instance_type']}: {limit.mib} MiB)."
                )
        finally:
            self._services.watch.remove(self.id)
            self._services.disk_watch.remove(self.id)
            if self._process is not None:
                self._kill(self._process)
            limit.remove()
            for descriptor in (control, self._alive, ours):
                os.close(descriptor)
            for listener in self._listeners:
                self._services.acceptor.remove(listener)
            self._listeners = []
        return request

    def _watch(self, process: "subprocess.Popen[bytes]", limit: Limit) -> None:
        """Where the kernel does not keep it within its limits, somebody does."""
        services, isolated = self._services, self._services.host.isolated
        watched = Watched(
            process.pid, limit, self._console.line, lambda: end_tree(process), isolated, self._kernel_says
        )
        services.watch.add(self.id, watched)
        size = None if services.disks.kind == "file" else self._gib() << 30
        folder = self._folder / ("disk" if isolated else "home")
        services.disk_watch.add(self.id, Measured(process.pid, folder, size, self._console.line))

    def _kernel_says(self, line: str) -> None:
        runfolder.kernel_says(self._folder / "run", self._hostname(), line)

    def _gib(self) -> int:
        return int(self.instance.get("volume_gib") or DEFAULT_GIB)

    def _limits(self, limit: Limit) -> dict[str, int]:
        """No file is longer than the volume, where nothing else says so."""
        return (
            limit.rlimits
            if self._services.disks.kind == "file"
            else {**limit.rlimits, "RLIMIT_FSIZE": self._gib() << 30}
        )

    def _prefetch(self) -> None:
        if self._credentials is not None:
            with contextlib.suppress(CloudError):
                self._credentials.get()

    def _environment(self) -> dict[str, str]:
        region = self.instance["region"]
        return {
            "PATH": GUEST_PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._services.connection.port}",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }

    def _hostname(self) -> str:
        return "ip-" + (self.instance.get("private_ip") or "10.0.0.1").replace(".", "-")

    def _start_isolated(self, parsed: UserData, run: Path, limit: Limit) -> "subprocess.Popen[bytes]":
        host, services = self._services.host, self._services
        chain = services.images.chain(self.instance["image_id"])
        root = Root(services.disks.open(self._folder, self._gib()), chain)
        root.create()
        environment = self._environment()
        address = self.instance.get("private_ip") or "10.0.0.1"
        parts = runfolder.fill(run, parsed, self._hostname(), address, environment)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        plan = Plan(
            root=root,
            command=[
                "/bin/bash",
                f"{RUN}/boot",
                self.id,
                str(self._alive),
                *(f"{RUN}/scripts/{name}" for name in parts),
            ],
            environment=environment,
            hostname=self._hostname(),
            run=run,
            listen=[(IMDS_ADDRESS, 80), ("127.0.0.1", services.connection.port)],
            addresses=(IMDS_ADDRESS, address),
            binds=[(str(run / name), f"/etc/{name}") for name in runfolder.ETC_FILES]
            + [(str(run / runfolder.KERNEL_LOG), "/var/log/kern.log")]
            + [(str(run / "bin" / place.rpartition("/")[2]), f"/usr/{place}") for place in base.STAND_INS],
            cgroups=limit.join,
            rlimits=self._limits(limit),
            cpus=processors(self.instance["instance_type"], self._turn),
            memory_mib=limit.mib,
            hand_over=theirs.fileno(),
        )
        with ours, theirs:
            process = self._popen(
                launcher_command(host, plan, host.scratch),
                {"PATH": GUEST_PATH},
                str(host.scratch),
                (theirs.fileno(), self._alive),
            )
            theirs.close()
            ours.settimeout(30)
            message, descriptors, _, _ = socket.recv_fds(ours, 64, 2)
        if message != b"listening" or len(descriptors) != 2:
            process.wait(timeout=10)
            raise OSError(
                f"the sandbox did not start (exit status {process.returncode}); the lines above say why"
            )
        self._listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        self._serve()
        return process

    def _start_process(self, parsed: UserData, run: Path, limit: Limit) -> "subprocess.Popen[bytes]":
        """A machine without a sandbox: what the instance's user data does, it does on this host, as this
        user.
        """
        self._services.images.chain_without_layers(self.instance["image_id"])
        self._console.line(
            "No sandbox on this host: this machine is a plain process and sees the host. "
            + "; ".join(self._services.host.notes)
        )
        home = self._folder / "home"
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        self._listeners = [socket.create_server(("127.0.0.1", 0), backlog=128) for _ in range(2)]
        imds, relay = (listener.getsockname()[1] for listener in self._listeners)
        environment = self._environment() | {
            "PATH": f"{run / 'bin'}:{GUEST_PATH}",
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{relay}",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{imds}",
            "LOCALCLOUD_CONTROL": str(run / "control"),
        }
        parts = runfolder.fill(run, parsed, self._hostname(), "127.0.0.1", environment)
        self._serve()
        command = [
            "/bin/bash",
            str(run / "boot"),
            self.id,
            str(self._alive),
            *(str(run / "scripts" / name) for name in parts),
        ]
        return self._popen(
            plain_command(command, limit.join, self._limits(limit)), environment, str(home), (self._alive,)
        )

    def _serve(self) -> None:
        connection = self._services.connection
        relay = Relay(
            connection.host, connection.port, lambda: self._credentials.issued if self._credentials else set()
        )
        serve: Handler = self._imds.serve
        if not self._services.host.isolated:  # it listens on the host's network
            serve = peers.only_for(lambda: self._process.pid if self._process else None, serve)
        self._services.acceptor.add(self._listeners[0], serve)
        self._services.acceptor.add(self._listeners[1], relay.serve)

    def _popen(
        self, command: list[str], environment: dict[str, str], cwd: str, descriptors: tuple[int, ...]
    ) -> "subprocess.Popen[bytes]":
        read, write = os.pipe2(os.O_CLOEXEC)
        self._follower = self._console.follow(read)
        try:
            self._process = self._services.spawner.start(
                command,
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                env=environment,
                cwd=cwd,
                pass_fds=descriptors,
                start_new_session=True,
            )
        finally:
            os.close(write)
        return self._process

    def _wait(self, process: "subprocess.Popen[bytes]", control: int) -> str:
        """Until the guest powers off (``poweroff``, ``reboot``), somebody orders something, or the sandbox is
        gone (``lost``).
        """
        self._services_running()
        pidfd = os.pidfd_open(process.pid)
        try:
            while True:
                ready, _, _ = select.select([control, self._wake_read.fileno(), pidfd], [], [])
                if self._order:
                    return self._order
                if control in ready:
                    with contextlib.suppress(BlockingIOError):
                        text = os.read(control, 4096).decode(errors="replace")
                        return "reboot" if text.split()[:1] == ["reboot"] else "poweroff"
                if pidfd in ready:
                    return "lost"
        finally:
            os.close(pidfd)

    def _services_running(self) -> None:
        if self._order is None and self.instance.get("state") != "running":
            self._report("running")
            self.instance["state"] = "running"

    def _kill(self, process: "subprocess.Popen[bytes]") -> None:
        """End all processes of the machine, and wait until they are gone and their output is in the
        console.
        """
        if process.poll() is None:
            end_tree(process)
        process.wait()
        if self._follower is not None:
            self._follower.join(timeout=2)

    def _clean(self, *, keep_disk: bool) -> None:
        if keep_disk:
            shutil.rmtree(self._folder / "run", ignore_errors=True)
        else:
            self._services.disks.remove(self._folder)
