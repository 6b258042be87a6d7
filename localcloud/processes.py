"""Starting processes that outlive us, and stopping exactly those: a process is a pid *and* its start time."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process that we started. ``start`` is field 22 of ``/proc/<pid>/stat`` (clock ticks since boot)."""

    pid: int
    start: int

    def alive(self) -> bool:
        """Whether this very process still runs; another one that got its pid, or a zombie, does not count."""
        found = _stat(self.pid)
        return found is not None and found.start == self.start and found.state not in "ZX"


@dataclass(frozen=True)
class _Stat:
    pid: int
    state: str
    parent: int
    session: int
    start: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may contain spaces and brackets
    return _Stat(pid, fields[0], int(fields[1]), int(fields[3]), int(fields[19]))


def identify(pid: int) -> Process | None:
    """The process that has this pid now, or None."""
    found = _stat(pid)
    return Process(pid, found.start) if found else None


def _all() -> list[_Stat]:
    return [found for entry in os.listdir("/proc") if entry.isdigit() if (found := _stat(int(entry)))]


def find(module: str, variables: Mapping[str, str]) -> list[Process]:
    """The processes of this user that run ``python -m module`` with these environment variables."""
    wanted = {f"{name}={value}".encode() for name, value in variables.items()}
    found = []
    for stat in _all():
        try:
            command = Path(f"/proc/{stat.pid}/cmdline").read_bytes().split(b"\0")
            if module.encode() in command and wanted <= set(
                Path(f"/proc/{stat.pid}/environ").read_bytes().split(b"\0")
            ):
                found.append(Process(stat.pid, stat.start))
        except OSError:
            continue  # ended, or another user's
    return found


def variable(process: Process, name: str) -> str:
    """An environment variable that the process was started with; empty when it has none, or when it cannot be
    read.
    """
    try:
        pairs = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    prefix = f"{name}=".encode()
    return next((os.fsdecode(pair.removeprefix(prefix)) for pair in pairs if pair.startswith(prefix)), "")


def family(root: Process) -> list[Process]:
    """``root`` and all that belongs to it: its descendants, and members of the session that it leads (even
    orphans of it).
    """
    stats = _all()
    current = next((s for s in stats if s.pid == root.pid), None)
    if current is not None and current.start != root.start:
        return []  # the pid belongs to a stranger now, and so does its session
    members = {root.pid}
    grown = True
    while grown:
        grown = False
        for s in stats:
            if (
                s.pid not in members
                and (s.parent in members or s.session == root.pid)
                and s.start >= root.start
            ):
                members.add(s.pid)
                grown = True
    return [Process(s.pid, s.start) for s in stats if s.pid in members]


def spawn(command: list[str], *, env: dict[str, str], cwd: Path, log: Path, stdin: str = "") -> Process:
    """Start ``command`` in a session of its own, with exactly ``env``; ``stdin`` is given to it and closed.

    Its output is appended to ``log``. What it makes is for this user only, and it leaves no core file: its
    memory holds keys.
    Raises OSError when the program cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab") as out:
        child = subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            start_new_session=True,
            close_fds=True,
            umask=0o077,
        )
    process = identify(child.pid)
    with contextlib.suppress(ProcessLookupError):  # it ended already
        resource.prlimit(
            child.pid, resource.RLIMIT_CORE, (0, resource.prlimit(child.pid, resource.RLIMIT_CORE)[1])
        )
    assert child.stdin is not None
    try:
        child.stdin.write(stdin.encode())
        child.stdin.close()
    except BrokenPipeError:
        pass  # it ended already; its log says why
    # nobody will wait for it: keep Popen from warning about a process that is meant to stay
    child.returncode = 0
    return process or Process(child.pid, -1)


def stop(roots: Iterable[Process], grace: float = 10.0) -> None:
    """End the processes and everything that belongs to them: SIGTERM, then SIGKILL for what is left after
    ``grace`` seconds.
    """
    roots = list(roots)
    everyone = {member for root in roots for member in family(root)}
    for root in roots:
        _signal(root, signal.SIGTERM)
    _wait(roots, grace)
    # Orphans keep their session, so those that appeared meanwhile are found again.
    everyone |= {member for root in roots for member in family(root)}
    survivors = [p for p in everyone if p.alive()]
    for process in survivors:
        _signal(process, signal.SIGKILL)
    _wait(survivors, 5.0)


def _signal(process: Process, number: signal.Signals) -> None:
    if process.alive():
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            pass


def _wait(processes: list[Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(p.alive() for p in processes):
        for p in processes:
            try:
                os.waitpid(p.pid, os.WNOHANG)  # ours when the same program starts and stops it (tests)
            except ChildProcessError:
                pass
        time.sleep(0.02)


def memory(processes: Iterable[Process]) -> int:
    """Resident memory in bytes, shared pages counted once per process that maps them in proportion (PSS)."""
    total = 0
    for process in processes:
        try:
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total
