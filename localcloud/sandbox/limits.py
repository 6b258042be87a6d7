"""Memory and process limits of a machine.

Where control groups can be written (version 1 or 2), a machine may use the memory of its instance type, never
more than the host can spare, and 4,096 processes; it gets no swap, as in AWS. All machines together are held
below the host's memory and number of processes too, so that they can be killed but never the host.

Where they cannot, :mod:`localcloud.sandbox.watch` looks several times a second, and ends what is too much.
Against what happens in between, each *process* is held to a quarter more writable private memory than the
machine has (``RLIMIT_DATA``; not ``RLIMIT_AS``, which also counts address space that numerical libraries
reserve and never use), and an ordinary user's machine to 4,096 processes (``RLIMIT_NPROC``, counted per user
namespace).
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localcloud.instance_types import instance_type

PROCESSES = 4096
_UNKNOWN_TYPE_MIB = 8192
_CGROUP = Path("/sys/fs/cgroup")


def host_memory_mib() -> int:
    """Physical memory of the host in MiB, or less where a control group that we live in says so."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    for folder in _own_groups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):
                total = min(total, int((folder / name).read_text()) // 2**20)
    return total


def _own_groups() -> Iterator[Path]:
    """The control groups for memory that this process is in, with those above."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "memory" in controllers.split(","):
            top = _CGROUP / "memory" if controllers else _CGROUP
            own = top / path.lstrip("/")
            yield from (own, *(above for above in own.parents if above.is_relative_to(top)))


def spare_processes() -> int:
    """How many processes and threads all machines together may have: half of what the host can."""
    counts = [int(Path("/proc/sys/kernel", name).read_text()) for name in ("pid_max", "threads-max")]
    return max(PROCESSES, min(counts) // 2)


def spare_memory_mib() -> int:
    """What all machines together may use: the host's memory less 1 GiB, at least half of it."""
    total = host_memory_mib()
    return max(total - 1024, total // 2)


def memory_mib(type_name: str) -> int:
    """Memory limit of one machine in MiB: its type's, at most what the host can spare."""
    known = instance_type(type_name)
    return min(known.memory_mib if known else _UNKNOWN_TYPE_MIB, spare_memory_mib())


def processors(type_name: str, turn: int) -> tuple[int, ...]:
    """The host processors a machine may use (as many as its type has, rotating by ``turn``); empty when it
    may use all.
    """
    allowed = sorted(os.sched_getaffinity(0))
    known = instance_type(type_name)
    count = known.vcpu if known else len(allowed)
    if count >= len(allowed):
        return ()
    return tuple(sorted(allowed[(turn + offset) % len(allowed)] for offset in range(count)))


def maximum_machines() -> int:
    """How many machines run at once: ``LOCALCLOUD_MAX_INSTANCES``, else four a processor and one a spare GiB,
    whichever is less; at least one.
    """
    given = os.environ.get("LOCALCLOUD_MAX_INSTANCES", "")
    if given:
        if not given.isdigit() or int(given) < 1:
            raise ValueError(
                f"LOCALCLOUD_MAX_INSTANCES is {given!r}; allowed: a whole number from 1. Unset "
                "it for the default."
            )
        return int(given)
    return max(1, min(4 * len(os.sched_getaffinity(0)), spare_memory_mib() // 1024))


@dataclass(frozen=True)
class Limit:
    """The limits of one machine as the launcher applies them, and how to take them away again."""

    cgroups: tuple[Path, ...]
    rlimits: dict[str, int]
    mib: int

    @property
    def watched(self) -> bool:
        """Whether nobody but us keeps the machine within its limits."""
        return not self.cgroups

    @property
    def join(self) -> tuple[str, ...]:
        """The files to write a pid into."""
        return tuple(str(folder / "cgroup.procs") for folder in self.cgroups)

    def killed_for_memory(self) -> bool:
        """Whether the kernel killed a process of this machine because it wanted more memory than it may
        have.
        """
        for folder in self.cgroups:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    for line in (folder / name).read_text().splitlines():
                        key, _, value = line.partition(" ")
                        if key == "oom_kill" and value.strip() != "0":
                            return True
        return False

    def remove(self) -> None:
        """Remove the control groups; their processes must be gone."""
        for folder in self.cgroups:
            with contextlib.suppress(OSError):
                folder.rmdir()


class Limiter:
    """Makes limits. ``kind`` is ``cgroup-v1``, ``cgroup-v2`` or ``rlimit``: what this host allows, found by
    trying.
    """

    def __init__(self, home: Path) -> None:
        self._name = "localcloud-" + hashlib.sha256(str(home).encode()).hexdigest()[:12]
        self._parents: tuple[Path, ...] = ()
        self.kind = "rlimit"
        for kind, parents in (("cgroup-v1", self._version1()), ("cgroup-v2", self._version2())):
            if parents and self._usable(parents):
                self.kind, self._parents = kind, parents
                break

    @property
    def notes(self) -> tuple[str, ...]:
        """What is less than ideal here, in words."""
        if self._parents:
            return ()
        return (
            "no control groups can be written: the memory and the processes of a machine are counted ten "
            "times a second, not by the "
            "kernel; a script that takes more in between gets an error, or the host's memory may run short "
            "for a moment",
        )

    def _version1(self) -> tuple[Path, ...]:
        folders = tuple(_CGROUP / controller for controller in ("memory", "pids"))
        return (
            tuple(folder / self._name for folder in folders)
            if all((folder / "cgroup.procs").exists() for folder in folders)
            else ()
        )

    def _version2(self) -> tuple[Path, ...]:
        if not (_CGROUP / "cgroup.controllers").exists():
            return ()
        own = next(
            (
                line[3:]
                for line in Path("/proc/self/cgroup").read_text().splitlines()
                if line.startswith("0::")
            ),
            "/",
        )
        # a group with processes cannot have limited children; its parent can
        above = Path(own).parent if own != "/" else Path(own)
        return (_CGROUP / str(above).lstrip("/") / self._name,)

    def _usable(self, parents: tuple[Path, ...]) -> bool:
        try:
            for parent in parents:
                parent.mkdir(exist_ok=True)
                if (parent / "cgroup.subtree_control").exists():
                    (parent / "cgroup.subtree_control").write_text("+memory +pids")
                self._set(parent, spare_memory_mib(), spare_processes())
            probe = self._make("probe", parents, 64, 16)
            for folder in probe:
                folder.rmdir()
        except OSError:
            for parent in parents:
                with contextlib.suppress(OSError):
                    parent.rmdir()
            return False
        return True

    @staticmethod
    def _set(folder: Path, mib: int, processes: int) -> None:
        size = str(mib * 2**20)
        _write_if_it_can(folder / "memory.memsw.limit_in_bytes", "-1")  # version 1: never less than the next
        for name, value in {
            "memory.max": size,
            "memory.limit_in_bytes": size,
            "pids.max": str(processes),
        }.items():
            if (folder / name).exists():
                (folder / name).write_text(value)
        _write_if_it_can(folder / "memory.memsw.limit_in_bytes", size)
        _write_if_it_can(folder / "memory.swap.max", "0")

    def _make(self, name: str, parents: tuple[Path, ...], mib: int, processes: int) -> tuple[Path, ...]:
        folders = tuple(parent / name for parent in parents)
        for folder in folders:
            folder.mkdir(exist_ok=True)
            self._set(folder, mib, processes)
        if not any(
            (folder / name).exists() for folder in folders for name in ("memory.max", "memory.limit_in_bytes")
        ):
            raise FileNotFoundError("no memory controller")
        return folders

    def limit(self, name: str, type_name: str) -> Limit:
        """The limits of a machine called ``name``; made now, removed by :meth:`Limit.remove`."""
        mib = memory_mib(type_name)
        if self._parents:
            with contextlib.suppress(OSError):
                return Limit(self._make(name, self._parents, mib, PROCESSES), {}, mib)
        data = min(mib + mib // 4, host_memory_mib()) * 2**20
        return Limit(
            (), {"RLIMIT_DATA": data, **({"RLIMIT_NPROC": PROCESSES} if os.getuid() != 0 else {})}, mib
        )

    def clean(self) -> None:
        """Remove what an earlier fleet of the same home left behind."""
        for parent in self._parents:
            for folder in parent.iterdir():
                if folder.is_dir():
                    with contextlib.suppress(OSError):
                        folder.rmdir()

    def close(self) -> None:
        """Remove the group of all machines."""
        self.clean()
        for parent in self._parents:
            with contextlib.suppress(OSError):
                parent.rmdir()


def _write_if_it_can(file: Path, text: str) -> None:
    """Hosts without swap accounting lack these files."""
    with contextlib.suppress(OSError):
        if file.exists():
            file.write_text(text)
