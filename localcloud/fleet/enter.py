"""Runs a command inside a machine that is running: ``python -I -S enter.py PID FILTER TERMINAL -- COMMAND…``.

``PID`` is the machine's first process as this host numbers it; the command gets what that process has:
namespaces, root, environment, control groups, limits, processors and capabilities. ``FILTER`` is a
system-call filter in hexadecimal, or ``-``. With ``TERMINAL`` = ``terminal`` standard input is a terminal
that becomes the command's own, else ``plain``.

Pure standard library and self-contained, like ``launcher.py``. Exit status: that of the command (128 +
signal), 71 when the named step was refused by the operating system, 72 when the machine is gone.
"""

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import sys
import termios

_libc = ctypes.CDLL(None, use_errno=True)
_NEW = {
    "user": 0x10000000,
    "mnt": 0x00020000,
    "net": 0x40000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "pid": 0x20000000,
}
_PDEATHSIG, _CAPBSET_DROP, _SECCOMP, _NO_NEW_PRIVS = 1, 24, 22, 38
_LIMITS = ("RLIMIT_DATA", "RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CORE")


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _join_control_groups(pid: int) -> None:
    """The command counts as part of the machine; where groups cannot be written there are none of ours."""
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        lines = file.read().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        folder = f"/sys/fs/cgroup/{controllers}".rstrip("/") + path
        with contextlib.suppress(OSError), open(f"{folder}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))


def _limits(pid: int) -> None:
    for name in _LIMITS:
        number = getattr(resource, name)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(number, resource.prlimit(pid, number))
    os.sched_setaffinity(0, os.sched_getaffinity(pid))


def _namespaces(pid: int) -> None:
    """Those that differ from ours; the user namespace first, since it gives the right to join the others."""
    different = [
        name
        for name in _NEW
        if os.stat(f"/proc/{pid}/ns/{name}").st_ino != os.stat(f"/proc/self/ns/{name}").st_ino
    ]
    descriptors = [
        (name, os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)) for name in different
    ]
    for name, descriptor in descriptors:
        _call("setns", descriptor, _NEW[name])


def _capabilities(pid: int) -> int:
    """What the machine's first process has; it could not get more either, since it has given up gaining
    privileges.
    """
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("CapPrm:"))


def _become(capabilities: int, filter_hex: str, terminal: bool) -> None:
    _call("prctl", _PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.chdir("/")
    os.umask(0o022)
    os.setsid()
    if terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for capability in range(64):
        if not capabilities >> capability & 1:
            _libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0)  # fails for numbers that the kernel does not know
    _call("prctl", _NO_NEW_PRIVS, 1, 0, 0, 0)
    if filter_hex != "-":
        code = ctypes.create_string_buffer(bytes.fromhex(filter_hex))
        program = _Program((len(code) - 1) // 8, ctypes.addressof(code))
        _call("prctl", _SECCOMP, 2, ctypes.byref(program), 0, 0)


def main(pid: int, filter_hex: str, terminal: bool, command: list[str]) -> int:
    """Enter the machine of process ``pid``, run ``command``, and return its exit status."""
    step = "looking at the machine"
    try:
        _call("prctl", _PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = dict(entry.split(b"=", 1) for entry in file.read().split(b"\0") if b"=" in entry)
        capabilities = _capabilities(pid)
        step = "limits"
        _join_control_groups(pid)
        step = "namespaces"
        _namespaces(pid)
        step = "limits"
        _limits(pid)  # only now: the number of processes is counted in the machine's user namespace
    except FileNotFoundError:
        sys.stderr.write("enter: the machine is gone\n")
        return 72
    except (OSError, ValueError) as error:
        sys.stderr.write(f"enter: {step} refused: {error}\n")
        return 71
    child = os.fork()  # a process is in a new process namespace from its birth on
    if child == 0:
        step = "start"
        try:
            _become(capabilities, filter_hex, terminal)
            if terminal:
                environment[b"TERM"] = os.environb.get(b"TERM", b"xterm")
            os.execvpe(os.fsencode(command[0]), [os.fsencode(part) for part in command], environment)  # noqa: S606 (no shell is wanted)
        except OSError as error:
            sys.stderr.write(f"enter: {step} refused: {error}\n")
            os._exit(71)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    split = sys.argv.index("--")
    status = main(int(sys.argv[1]), sys.argv[2], sys.argv[3] == "terminal", sys.argv[split + 1 :])
    sys.exit(status if status >= 0 else 128 - status)
