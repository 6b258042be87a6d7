"""The door of a running machine: which process is its first, and a command or a shell inside it."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import termios
import tty
from fcntl import ioctl
from pathlib import Path

from localcloud.running import Cloud
from localcloud.sandbox import callfilter, trees

ENTER = Path(__file__).with_name("enter.py")
GONE = 72
"""Exit status of :mod:`localcloud.fleet.enter` when the machine is gone."""


def first_process(fleet_pid: int, instance_id: str) -> int | None:
    """The host's number of the first process inside a machine of a fleet; None when the machine does not run
    there, or its root is still being made.

    A sandbox is a child of the fleet with the machine's id among its arguments; a machine without a sandbox
    has it in its environment.
    """
    for child in trees.children(fleet_pid):
        arguments = _read(child, "cmdline").split(b"\0")
        if instance_id.encode() in arguments and b"--unshare-pid" in arguments:
            # Bubblewrap's own first process makes the root, then forks the machine's.
            for reaper in trees.children(child):
                return next(trees.children(reaper), None)
        elif f"/{instance_id}/run/control".encode() in _read(child, "environ"):
            return child
    return None


def command(pid: int, arguments: list[str], *, terminal: bool = False) -> list[str]:
    """The command that runs ``arguments`` in the machine whose first process is ``pid``."""
    filtered = callfilter.program(one_id=_has_one_id(pid)) if _in_other_namespace(pid) else None
    kind = "terminal" if terminal else "plain"
    return [
        sys.executable,
        "-I",
        "-S",
        str(ENTER),
        str(pid),
        filtered.hex() if filtered else "-",
        kind,
        "--",
        *arguments,
    ]


def shell(cloud: Cloud, instance_id: str, line: str = "") -> int | None:
    """A shell in a machine of this computer's local cloud, or one command line; its exit status, None when it
    does not run here.
    """
    pid = first_process(cloud.fleet_pid, instance_id) if cloud.fleet_pid else None
    if pid is None:
        return None
    arguments = ["/bin/bash", "-lc", line] if line else ["/bin/bash", "-l"]
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return subprocess.run(command(pid, arguments), check=False).returncode
    return _on_terminal(command(pid, arguments, terminal=True))


def _on_terminal(arguments: list[str]) -> int:
    """Run a program on a terminal of its own, joined to ours until it ends."""
    ours, theirs = pty.openpty()
    inside = subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    saved = termios.tcgetattr(0)

    def resize(*_: object) -> None:
        size = shutil.get_terminal_size()
        ioctl(
            ours,
            termios.TIOCSWINSZ,
            size.lines.to_bytes(2, sys.byteorder) + size.columns.to_bytes(2, sys.byteorder) + bytes(4),
        )

    before = signal.signal(signal.SIGWINCH, resize)
    try:
        resize()
        tty.setraw(0)
        _copy(ours)
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)
        signal.signal(signal.SIGWINCH, before)
        os.close(ours)
    return inside.wait()


def _copy(ours: int) -> None:
    sources = [0, ours]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if ours in ready:
            try:
                data = os.read(ours, 65536)
            except OSError:  # the last process on the terminal has ended
                return
            if not data:
                return
            os.write(1, data)
        if 0 in ready:
            typed = os.read(0, 65536)
            if not typed:
                sources = [ours]
            os.write(ours, typed or b"\x04")


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _in_other_namespace(pid: int) -> bool:
    """Whether it is a sandbox, not a plain process."""
    try:
        return Path(f"/proc/{pid}/ns/mnt").stat().st_ino != Path("/proc/self/ns/mnt").stat().st_ino
    except OSError:
        return False


def _has_one_id(pid: int) -> bool:
    return _read(pid, "uid_map").split()[2:] == [b"1"]
