"""The fleet: follows the emulator's changes and makes the machines of this host agree with them."""

import json
import logging
import os
import threading
import time
from typing import Any

from localcloud import private
from localcloud.fleet.builder import Builder
from localcloud.fleet.copies import Copies
from localcloud.fleet.machine import Machine
from localcloud.fleet.orders import Orders
from localcloud.images.services import Services
from localcloud.images.store import Images
from localcloud.paths import Paths
from localcloud.sandbox import base
from localcloud.sandbox.acceptor import Acceptor
from localcloud.sandbox.cloud import AWAY_SECONDS, CloudError, Connection
from localcloud.sandbox.disks import Disks, DiskWatch
from localcloud.sandbox.limits import Limiter, maximum_machines
from localcloud.sandbox.sandbox import Host, detect
from localcloud.sandbox.spawn import Spawner, end_strays
from localcloud.sandbox.watch import Watch

_log = logging.getLogger("localcloud.fleet")
_POLL_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_ALONE_SECONDS = AWAY_SECONDS
"""A fleet that hears nothing of its emulator for so long ends: nobody would stop it."""
STATUS_FILE = "status.json"


class Fleet:
    """All machines and image builds of one local cloud. :meth:`run` returns when :meth:`stop` was called."""

    def __init__(self, paths: Paths, *, mounts: bool = False) -> None:
        """``mounts``: this process has mounts of its own (:func:`localcloud.sandbox.disks.own_mounts`)."""
        self._paths = paths
        self._maximum = maximum_machines()
        self._host = detect(paths.home)
        limiter = Limiter(paths.home)
        images = Images(paths.images, self._host.mode)
        scratch = self._host.scratch
        # In memory a disk counts as memory of its machine only when the machine itself writes there.
        disks = Disks(scratch, mounts=mounts and self._host.isolated and scratch == paths.home)
        connection = Connection.load(paths.cloud_file)
        self._services = Services(
            paths, self._host, connection, images, limiter, Acceptor(), Spawner(), Watch(), disks,
            DiskWatch(scratch)
        )  # fmt: skip
        self._notes = (*self._host.notes, *limiter.notes, *disks.notes)
        self._machines: dict[str, Machine] = {}
        self._lock = threading.Lock()
        self._turn = 0
        self._seen: set[str] = set()
        self._stopping = threading.Event()
        self._again = threading.Event()
        self._told: set[str] = set()  # machines that have said themselves that they are stopped
        self._latest: list[dict[str, Any]] = []
        self._builder = Builder(self._services)
        self._copies = Copies(self._services)
        self._orders = Orders(self._services.connection, self._services.spawner, os.getpid())

    def run(self) -> None:
        """Follow the emulator until told to stop; then end every sandbox and remove what is left of them."""
        self._clean_up_after_predecessor()
        self._write_status()
        _log.info(
            "fleet ready: sandbox %s, limits by %s, at most %d machines",
            self._host.mode,
            self._services.limiter.kind,
            self._maximum,
        )
        for note in self._notes:
            _log.info("note: %s", note)
        version, first, heard = 0, True, time.monotonic()
        try:
            while not self._stopping.is_set():
                try:
                    answer = self._services.connection.changes(version, 0 if first else _POLL_SECONDS)
                except CloudError as error:
                    _log.warning("%s", error)
                    if time.monotonic() - heard > _ALONE_SECONDS:
                        _log.error("no emulator for %d s: the fleet ends", _ALONE_SECONDS)
                        return
                    self._stopping.wait(_RETRY_SECONDS)
                    continue
                heard = time.monotonic()
                if first:
                    self._report_lost(answer.get("instances", []))
                    self._builder.report_lost(answer.get("builds", []))
                first = False
                version = int(answer.get("version", version))
                self._latest = answer.get("instances", [])
                self._reconcile()
                self._builder.reconcile(answer.get("builds", []))
                self._orders.reconcile(answer.get("commands", []))
                self._copies.reconcile(answer.get("copies", []))
        finally:
            self._end()

    def stop(self) -> None:
        """Ask :meth:`run` to end, from any thread; callable in a signal handler."""
        self._stopping.set()
        threading.Thread(target=self._hurry, daemon=True).start()

    def _hurry(self) -> None:
        """End the sandboxes at once; the long poll may take seconds to return, so the process does not wait
        for it.
        """
        self._end()
        os._exit(0)

    def _clean_up_after_predecessor(self) -> None:
        """Its sandboxes died with it; folders, control groups and half-made layers are what can be left.

        Also a bubblewrap that was killed in the middle of its own set-up: its child waits for ever, before
        anything of a guest has run.
        """
        end_strays(self._host.scratch)
        self._services.limiter.clean()
        self._services.images.clean()
        for folder in {self._host.scratch / "fleet", self._paths.fleet}:
            private.folder(folder)
            for entry in folder.iterdir():
                if entry.is_dir() and not (entry / "disk").is_dir():
                    base.remove_tree(entry)

    def _write_status(self) -> None:
        status = {
            "pid": os.getpid(),
            "sandbox": str(self._host.mode),
            "limits": self._services.limiter.kind,
            "max_instances": self._maximum,
            "scratch": str(self._host.scratch),
            "disks": self._services.disks.kind,
            "notes": list(self._notes),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        self._paths.fleet.mkdir(parents=True, exist_ok=True)
        (self._paths.fleet / STATUS_FILE).write_text(json.dumps(status, indent=1) + "\n", encoding="utf-8")

    def _report_lost(self, instances: list[dict[str, Any]]) -> None:
        """Machines that ran under an earlier fleet are gone: say so, in the place of AWS's status checks."""
        kept = set()
        for instance in instances:
            if instance["state"] in ("running", "stopping", "shutting-down"):
                lost = instance["state"] == "running"
                code, message = (
                    (
                        "Server.InternalError",
                        "Server.InternalError: the fleet was restarted and the machine with it",
                    )
                    if lost
                    else (None, "")
                )
                try:
                    self._services.connection.instance_state(instance["id"], "terminated", code, message)
                except CloudError as error:
                    _log.warning("%s", error)
                self._seen.add(instance["id"])
            elif instance["state"] in ("stopped", "pending"):
                kept.add(instance["id"])
        for entry in (self._host.scratch / "fleet").iterdir():
            if entry.is_dir() and entry.name not in kept:
                base.remove_tree(entry)

    def _reconcile(self) -> None:
        with self._lock:
            wanted = sorted(
                self._latest,
                key=lambda i: (
                    i.get("launched_at") or "",
                    i.get("reservation_id") or "",
                    i.get("launch_index") or 0,
                ),
            )
            for instance in wanted:
                identifier, state = instance["id"], instance["state"]
                machine = self._machines.get(identifier)
                if machine is not None:
                    if state in ("shutting-down", "terminated"):
                        machine.order("terminate")
                    elif state in ("stopping", "stopped"):
                        machine.order("stop")
                    else:
                        machine.update(instance)
                elif state == "pending":
                    self._told.discard(identifier)
                    if (
                        len(self._machines) < self._maximum
                        and identifier not in self._seen
                        and not self._stopping.is_set()
                    ):
                        self._boot(instance)
                elif state == "stopping" and identifier in self._told:
                    # the list is older than what its machine has told: it may have been started again
                    self._told.discard(identifier)
                elif state in ("shutting-down", "stopping") and identifier not in self._seen:
                    self._finish(instance)
                elif state == "stopped":
                    self._seen.discard(identifier)
                    self._told.discard(identifier)

    def _boot(self, instance: dict[str, Any]) -> None:
        self._turn += 1
        first_boot = not (self._host.scratch / "fleet" / instance["id"] / "disk").is_dir()
        machine = Machine(self._services, instance, self._turn, self._ended, first_boot=first_boot)
        self._machines[machine.id] = machine
        self._seen.add(machine.id)
        machine.start()

    def _finish(self, instance: dict[str, Any]) -> None:
        """End an instance that has no machine: it waited for room, or was stopped."""
        self._seen.add(instance["id"])
        done = "stopped" if instance["state"] == "stopping" else "terminated"
        if done == "terminated":
            self._services.disks.remove(self._host.scratch / "fleet" / instance["id"])
        try:
            self._services.connection.instance_state(instance["id"], done)
        except CloudError as error:
            self._seen.discard(instance["id"])
            _log.warning("%s", error)

    def _ended(self, machine: Machine) -> None:
        with self._lock:
            self._machines.pop(machine.id, None)
            if machine.stopped:
                self._seen.discard(machine.id)  # it may be started again
                self._told.add(machine.id)
        if not self._stopping.is_set():
            self._reconcile_waiting(machine.id)

    def _reconcile_waiting(self, ended: str) -> None:
        """Room for the next one: the list that we have is enough to start it."""
        self._latest = [instance for instance in self._latest if instance["id"] != ended]
        self._reconcile()

    def _end(self) -> None:
        self._services.connection.ending.set()
        with self._lock:
            self._stopping.set()
            machines = list(self._machines.values())
        for machine in machines:
            machine.order("fleet-stop")
        self._builder.stop()
        for machine in machines:
            machine.join(timeout=5)
        self._services.limiter.close()


def describe(paths: Paths) -> dict[str, Any]:
    """What this host allows, without starting anything (``python -m localcloud.fleet --probe``)."""
    host: Host = detect(paths.home)
    limiter = Limiter(paths.home)
    kind = limiter.kind
    return {
        "sandbox": str(host.mode),
        "limits": kind,
        "max_instances": maximum_machines(),
        "scratch": str(host.scratch),
        "notes": [*host.notes, *limiter.notes],
    }
