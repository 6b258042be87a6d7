"""Keeps machines within their limits where the kernel does not (see ``limits``), and the host alive in any
case.

Ten times a second: a machine with more memory than its type has, or a host that has hardly any left, loses
its largest process, by SIGKILL as from the kernel; a machine with too many processes ends as a whole, for
what makes them is faster than we are.
"""

import contextlib
import os
import select
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localcloud.sandbox import trees
from localcloud.sandbox.limits import PROCESSES, Limit, host_memory_mib
from localcloud.sandbox.rounds import Rounds

_SECONDS = 0.1
_GONE_SECONDS = 1.0
_IN_MEMORY = ("dev/shm", "run")
_RESERVE_MIB = 512


@dataclass(frozen=True)
class Watched:
    """A machine: its first process on this host, its limits, how it is told a line, and how it is ended."""

    root: int
    limit: Limit
    say: Callable[[str], None]
    end: Callable[[], None]
    isolated: bool
    log: Callable[[str], object] = lambda line: None
    """The machine's own kernel log, where it has one."""


class Watch(Rounds[Watched]):
    """Watches the memory and the processes of machines."""

    def __init__(self) -> None:
        self._reserve = min(_RESERVE_MIB, host_memory_mib() // 16) * 2**20
        super().__init__("watch", _SECONDS)

    def look(self, machines: list[Watched]) -> None:
        for machine in machines:
            if machine.limit.watched:
                self._look(machine)
        if machines and available_memory() < self._reserve:
            self._relieve(machines)

    def _look(self, machine: Watched) -> None:
        pids = trees.tree(machine.root)
        if len(pids) > PROCESSES:
            machine.say(
                f"Too many processes: {len(pids)} (at most {PROCESSES} at once). The machine is ended."
            )
            machine.end()
            return
        most = machine.limit.mib * 2**20
        if sum(map(trees.resident, pids)) + in_memory(machine) > most and memory(machine, pids) > most:
            _kill_largest(machine, f"this machine has {machine.limit.mib} MiB")

    def _relieve(self, machines: list[Watched]) -> None:
        """The kernel would choose as well, but later, and perhaps the emulator."""
        largest = max(machines, key=lambda machine: memory(machine, trees.tree(machine.root)))
        _kill_largest(largest, "this computer has hardly any memory left")


def available_memory() -> int:
    """Memory in bytes that the host can still give without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    raise ValueError("/proc/meminfo without MemAvailable")


def in_memory(machine: Watched) -> int:
    """Bytes that a sandbox keeps in its file systems in memory."""
    if not machine.isolated:
        return 0
    # the first process that sees the sandbox as it is
    inside = next(iter(trees.children(machine.root)), None)
    total = 0
    for name in _IN_MEMORY:
        with contextlib.suppress(OSError):
            place = f"/proc/{inside}/root/{name}"
            if os.stat(place).st_dev == os.stat(f"/{name}").st_dev:
                continue  # the sandbox is not ready: this is the host's
            status = os.statvfs(place)
            total += (status.f_blocks - status.f_bfree) * status.f_frsize
    return total


def memory(machine: Watched, pids: list[int]) -> int:
    """What a machine uses, in bytes: pages that are shared count once, files that could be read again do
    not.
    """
    parts = [trees.own(pid) for pid in pids]
    anonymous, shared = sum(part[0] for part in parts), sum(part[1] for part in parts)
    return anonymous + max(shared, in_memory(machine))  # a file in /dev/shm that is mapped is both


def _kill_largest(machine: Watched, why: str) -> None:
    """Kill a machine's largest process and wait until its memory is back, a second at most. A machine that
    has none to lose ends.
    """
    candidates = scripts(machine)
    if not candidates:
        machine.say(f"Out of memory: {why}. There is no process to kill, so the machine is ended.")
        machine.end()
        return
    largest = max(candidates, key=lambda pid: trees.own(pid)[0])
    try:
        name = Path(f"/proc/{largest}/comm").read_text().strip()
        descriptor = os.pidfd_open(largest)
    except OSError:
        return  # it has ended
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        machine.say(f"Out of memory: a process of this machine was killed ({name}): {why}.")
        machine.log(f"Out of memory: Killed process {largest} ({name})")
        select.select([descriptor], [], [], _GONE_SECONDS)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def scripts(machine: Watched) -> list[int]:
    """The processes of a machine without those that are the machine: the sandbox, its first process, and the
    boot program below that.

    The others depend on these; without the sandbox's own process they would not even end with the fleet.
    """
    keep = {machine.root}
    if machine.isolated:
        for _ in range(2):
            keep |= {child for pid in tuple(keep) for child in list(trees.children(pid))[:1]}
    return [pid for pid in trees.tree(machine.root) if pid not in keep]
