"""The last program that runs outside a sandbox: makes the namespaces, mounts and limits, then becomes
bubblewrap.

Started as ``python -I -S launcher.py FILE`` (JSON, see :func:`main`; a file, since any user of the host can
read command lines); pure standard library and self-contained, because its start is on the road from
RunInstances to the first line of user data. It exists because these things must happen before bubblewrap does
its part:

- a user namespace, so that root in the sandbox has rights over nothing of this host: ids are the same inside
  and outside, or, for an ordinary user, one id is mapped. Programs in the sandbox cannot make further ones;
- overlay mounts in a private mount namespace (bubblewrap 0.8 has no overlays of its own); they vanish with
  the last process;
- the network namespace with the address of the metadata service; its listening sockets are made *inside* and
  handed to the fleet through a socket, so that nothing has to run in the sandbox to forward connections;
- joining the control groups and setting the limits of the instance type.

Exit status 71 with one line on standard error: the named step was refused by the operating system.
"""

import array
import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import struct
import sys

_libc = ctypes.CDLL(None, use_errno=True)
_NEWNS, _NEWUSER, _NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE = 2, 4, 0x4000, 1 << 18
_PR_SET_PDEATHSIG = 1
_SIOCSIFFLAGS, _SIOCGIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8914, 0x8913, 0x8916, 0x891C
_IFF_UP = 1
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_JOIN_SESSION_KEYRING = 1
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446  # the same for all processors
_ABSTRACT_SOCKETS = 1
_PER_NAMESPACE = {"RLIMIT_NPROC"}
"""Limits of a user: set in the machine's own user namespace they count its processes, before it those of all
machines.
"""
_EASILY_KILLED = 500
"""What the kernel adds to the memory of these processes (in thousandths of the host's) when it looks for one
to kill.
"""


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _namespaces(spec: dict) -> None:  # type: ignore[type-arg]
    flags = _NEWNS | (_NEWUSER if spec["userns"] else 0) | (_NEWNET if spec["net"] else 0)
    uid, gid = os.getuid(), os.getgid()
    if spec["userns"] == "same":
        _same_ids(flags)
    else:
        _call("unshare", flags)
    if spec["userns"] == "one":
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
    if spec["userns"]:
        with contextlib.suppress(OSError):  # a kernel without this setting, or /proc that cannot be written
            _write("/proc/sys/user/max_user_namespaces", "0")
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)


def _same_ids(flags: int) -> None:
    """Make the namespaces, the user namespace with all ids that we have: only a process that stays outside
    may write such a map.
    """
    maps = {}
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/self/{name}", encoding="ascii") as file:
            maps[name] = "\n".join("{0} {0} {2}".format(*line.split()) for line in file)
    inside, (wait, go) = os.getpid(), os.pipe()
    outside = os.fork()
    if outside == 0:
        status = 1
        with contextlib.suppress(OSError):
            os.close(go)
            os.read(wait, 1)
            for name, text in maps.items():
                _write(f"/proc/{inside}/{name}", text)
            status = 0
        os._exit(status)
    try:
        _call("unshare", flags)
    finally:
        os.close(go)
        os.close(wait)
        status = os.waitpid(outside, 0)[1]
    if status != 0:
        raise PermissionError("the map of user ids could not be written")


def _nothing_inherited() -> None:
    """No keys of the host's keyrings, no unix sockets by abstract name (they belong to a network, and a bake
    has the host's).

    Each where the kernel can.
    """
    keyctl = _KEYCTL.get(os.uname().machine)
    if keyctl is not None:
        _libc.syscall(keyctl, _JOIN_SESSION_KEYRING, None)
    ruleset = _libc.syscall(_LANDLOCK_CREATE_RULESET, struct.pack("QQQ", 0, 0, _ABSTRACT_SOCKETS), 24, 0)
    if ruleset >= 0:
        _libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0)
        os.close(ruleset)


def _address(probe: socket.socket, alias: str, address: str) -> None:
    def request(value: str) -> bytes:
        return struct.pack("16sHH4s8x", alias.encode(), socket.AF_INET, 0, socket.inet_aton(value))

    fcntl.ioctl(probe, _SIOCSIFADDR, request(address))
    fcntl.ioctl(probe, _SIOCSIFNETMASK, request("255.255.255.255"))


def _network(net: dict) -> None:  # type: ignore[type-arg]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        flags = struct.unpack("16sh", fcntl.ioctl(probe, _SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))[1]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP))
        for number, address in enumerate(net["addresses"]):
            _address(probe, f"lo:{number}", address)
    listeners = [socket.create_server((host, port), backlog=512) for host, port in net["listen"]]
    descriptors = array.array("i", [listener.fileno() for listener in listeners])
    with socket.socket(fileno=net["hand_over"]) as channel:
        channel.sendmsg([b"listening"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
    for listener in listeners:
        listener.close()


def _limit(name: str, value: int) -> None:
    number = getattr(resource, name)
    hard = resource.getrlimit(number)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(number, (value, value))


def _limits(spec: dict) -> None:  # type: ignore[type-arg]
    for path in spec["cgroups"]:
        _write(path, str(os.getpid()))
    for name, value in spec["rlimits"].items():
        if name not in _PER_NAMESPACE:
            _limit(name, value)
    # a file that cannot grow is an error for a program, not its end
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # a core file may go to the host
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if spec["cpus"]:
        os.sched_setaffinity(0, spec["cpus"])
    with contextlib.suppress(OSError):
        _write("/proc/self/oom_score_adj", str(_EASILY_KILLED))


def _descriptor(number: int, content: bytes) -> None:
    """Open ``content`` for reading as the descriptor ``number`` of the next program."""
    file = os.memfd_create("given")  # this one is closed by the next program, its copy is not
    os.write(file, content)
    os.lseek(file, 0, os.SEEK_SET)
    os.dup2(file, number, inheritable=True)


def main(file: str) -> None:
    """Do what the specification in ``file`` says, in this order, then execute ``exec``. The file is removed.

    ``parent``: the process id of the fleet.
    ``directory``: where relative paths of ``mounts`` start. ``userns``: make a user namespace with the
    ``same`` ids as outside, with ``one`` id (ordinary users), or None. ``net``: None for the host's network,
    else ``{addresses, listen: [[host, port]], hand_over: descriptor}``. ``mounts``: ``[{lower: [top first],
    upper, work, target}]``. ``memory``: ``[[target, options]]`` of file systems in memory.
    ``cgroups``: files to write our pid into. ``rlimits``: ``{RLIMIT_NAME: value}``. ``cpus``: numbers of the
    processors to run on, or [].
    ``filter``: a system-call filter in hexadecimal, or None; it is open as ``filter_descriptor`` afterwards.
    ``arguments``: more arguments for bubblewrap, open as ``arguments_descriptor``: those that nobody else
    shall see.
    """
    with open(file, encoding="utf-8") as text:
        spec = json.load(text)
    os.unlink(file)
    os.umask(0o022)  # as on any machine; the fleet's own is closed
    step = "limits"
    try:
        _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != spec["parent"]:
            sys.exit(71)  # it died before we could say that we want to die with it
        _limits(spec)
        step = "namespaces"
        _namespaces(spec)
        for name in _PER_NAMESPACE & spec["rlimits"].keys():
            _limit(name, spec["rlimits"][name])
        step = "overlay"
        os.chdir(spec["directory"])
        for mount in spec["mounts"]:
            options = f"lowerdir={':'.join(mount['lower'])},upperdir={mount['upper']},workdir={mount['work']},userxattr"  # noqa: E501
            _call(
                "mount",
                b"overlay",
                mount["target"].encode(),
                b"overlay",
                _MS_NOSUID | _MS_NODEV,
                options.encode(),
            )
        for target, options in spec["memory"]:
            _call("mount", b"tmpfs", target.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV, options.encode())
        if spec["net"]:
            step = "network"
            _network(spec["net"])
        step = "filter"
        if spec["filter"]:
            _descriptor(spec["filter_descriptor"], bytes.fromhex(spec["filter"]))
        _descriptor(
            spec["arguments_descriptor"], b"".join(word.encode() + b"\0" for word in spec["arguments"])
        )
        _nothing_inherited()
        step = "bubblewrap"
        os.execv(spec["exec"][0], spec["exec"])  # noqa: S606 (no shell is wanted)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"sandbox: {step} refused: {error}\n")
        sys.exit(71)


if __name__ == "__main__":
    main(sys.argv[1])
