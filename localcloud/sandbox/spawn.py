"""Starting processes that must not outlive the fleet.

The kernel sends a child its parent-death signal when the *thread* that started it ends, so all sandboxes are
started by one thread that lives as long as the fleet.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.sandbox import trees


@dataclass
class _Order:
    command: list[str]
    options: dict[str, Any]
    result: "Future[subprocess.Popen[bytes]]" = field(default_factory=Future)


class Spawner:
    """A thread that starts processes for other threads."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="spawner", daemon=True).start()

    def start(self, command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Like ``subprocess.Popen(command, **options)``, which it is; raises what that raises."""
        order = _Order(command, options)
        self._orders.put(order)
        return order.result.result()

    def _run(self) -> None:
        while True:
            order = self._orders.get()
            try:
                order.result.set_result(subprocess.Popen(order.command, **order.options))
            except Exception as error:  # noqa: BLE001  # handed to the thread that asked
                order.result.set_exception(error)


def plain_command(command: list[str], cgroups: tuple[str, ...], rlimits: dict[str, int]) -> list[str]:
    """The command that becomes ``command``, dies with this process, and is held to limits as a sandbox is."""
    words = [*cgroups, *(f"{name}={value}" for name, value in rlimits.items())]
    return [
        sys.executable,
        "-I",
        "-S",
        str(Path(__file__).with_name("plain.py")),
        str(os.getpid()),
        *words,
        "--",
        *command,
    ]


def end_tree(process: "subprocess.Popen[bytes]") -> None:
    """Kill a sandbox (or a plain process group) and wait for it.

    The first process *inside* a sandbox is killed first: the kernel then ends all others of its namespace
    before bubblewrap, which waits for it, exits. Killing bubblewrap itself would return before the processes
    inside are gone.
    """
    with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        own_session = os.getsid(process.pid)
        inner = [int(child) for child in children if os.getsid(int(child)) != own_session]
        for child in inner:
            os.kill(child, signal.SIGKILL)
        if inner:
            process.wait(timeout=5)
            return
    _kill_all(process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _kill_all(root: int) -> None:
    """Kill a process and its descendants. They are stopped first, so that none is born while we count."""
    stopped: set[int] = set()
    while fresh := set(trees.tree(root)) - stopped:
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        stopped |= fresh
    for pid in stopped:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def end_strays(scratch: Path) -> None:
    """Kill bubblewrap processes whose root lies below ``scratch``. For a fleet that starts: none of them can
    be its own.
    """
    prefixes = tuple(f"{scratch}/{name}/".encode() for name in ("fleet", "builds-running"))
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"bwrap") and any(word.startswith(prefixes) for word in words):
                os.kill(int(entry.name), signal.SIGKILL)
