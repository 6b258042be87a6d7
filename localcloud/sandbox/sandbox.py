"""Sandboxes: which kind this machine allows, and how one is described to the launcher.

Three kinds, the best possible is taken (``LOCALCLOUD_SANDBOX`` forces one):

- ``bubblewrap``: we are root; overlays over the host's ``/usr`` and a small base, bubblewrap with few
  capabilities, which count inside a user namespace only (where the host allows one) that has the same ids;
- ``bubblewrap-userns``: an ordinary user; the same inside a user namespace that maps one id;
- ``process``: no namespaces here; a private process with its own folders. It sees the host, has no image
  layers, and says so.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from localcloud import memory, private
from localcloud.bubblewrap import find_bubblewrap
from localcloud.sandbox import base, callfilter

LAUNCHER = Path(__file__).with_name("launcher.py")
RUN = "/run/localcloud"
"""Where a sandbox sees its own run folder: user data, control pipe, boot program (read-only)."""
GUEST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FILTER_DESCRIPTOR, _ARGUMENTS_DESCRIPTOR = 250, 251
_SPECIFICATION = "launch.json"
_IN_MEMORY = {"shm": "1777", "run": "755"}
"""File systems in memory, and their modes: /dev/shm and /run."""
_READ_ONLY_PROC = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi")
"""Parts of /proc that are the whole host's and that root may write by its id alone, without any
capability.
"""
_HIDDEN_PROC = ("kcore", "keys", "key-users", "timer_list", "sched_debug", "latency_stats")
"""Parts that tell of other users' programs."""
_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE",
    "NET_RAW", "SYS_CHROOT",
    "AUDIT_WRITE", "SETFCAP",
)  # fmt: skip


class Mode(StrEnum):
    """The kinds of sandboxes (the values appear in ``cloud.json`` and in image metadata)."""

    BUBBLEWRAP = "bubblewrap"
    BUBBLEWRAP_USERNS = "bubblewrap-userns"
    PROCESS = "process"


@dataclass(frozen=True)
class Host:
    """What this machine allows. ``scratch`` is where overlay uppers can live; ``notes`` says in words what is
    less than ideal, and why.
    """

    mode: Mode
    scratch: Path
    base: Path | None
    bwrap: str | None
    notes: tuple[str, ...] = ()
    own_users: bool = True
    """Whether a machine's root is one in a user namespace only."""

    @property
    def isolated(self) -> bool:
        """Whether machines have their own root and network."""
        return self.mode is not Mode.PROCESS


@dataclass
class Root:
    """A writable root: ``work`` is a private folder (upper directories), ``chain`` the image layers, nearest
    first.
    """

    work: Path
    chain: tuple[Path, ...] = ()

    def create(self) -> None:
        """Make the upper, work and mount-point folders (kept when they exist: a stopped machine keeps its
        disk).

        An upper folder's mode is that of ``/`` or ``/usr`` of the machine, where not all are root.
        """
        for tree in ("root", "usr"):
            for kind in ("upper", "work", "merged"):
                folder = self.work / kind / tree
                if not folder.is_dir():
                    folder.mkdir(parents=True)
                    folder.chmod(0o755)
        for name in _IN_MEMORY:
            (self.work / "memory" / name).mkdir(parents=True, exist_ok=True)

    def upper(self, tree: str) -> Path:
        """The folder that receives what is written below ``/`` (``root``) or ``/usr`` (``usr``)."""
        return self.work / "upper" / tree

    def mounts(self, host_base: Path, start: Path) -> list[dict[str, Any]]:
        """The launcher's overlay mounts, with paths relative to ``start`` (kernel limit: 4,096 characters of
        options).
        """

        def near(path: Path) -> str:
            return os.path.relpath(path, start).replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")

        result = []
        for tree in ("root", "usr"):
            lower = [near(layer / tree) for layer in (*self.chain, host_base) if (layer / tree).is_dir()]
            result.append(
                {
                    "lower": [*lower, "/usr"] if tree == "usr" else lower,
                    "upper": near(self.work / "upper" / tree),
                    "work": near(self.work / "work" / tree),
                    "target": os.path.relpath(self.work / "merged" / tree, start),
                }
            )
        return result


@dataclass
class Plan:
    """One process tree to start in a sandbox. ``listen``: addresses for the fleet to serve (own network);
    None = the host's network.
    """

    root: Root
    command: list[str]
    environment: dict[str, str]
    hostname: str
    run: Path
    listen: list[tuple[str, int]] | None = None
    addresses: tuple[str, ...] = ()
    binds: list[tuple[str, str]] = field(default_factory=list)
    writable_binds: list[tuple[str, str]] = field(default_factory=list)
    cgroups: tuple[str, ...] = ()
    rlimits: dict[str, int] = field(default_factory=dict)
    cpus: tuple[int, ...] = ()
    memory_mib: int | None = None
    hand_over: int | None = None


def launcher_command(host: Host, plan: Plan, start: Path) -> list[str]:
    """The command that becomes the sandbox; it must run with ``start`` readable and ``plan.hand_over``
    inherited.

    What it is to do is in a file beside the root's disk, which it removes: command lines are for all users of
    the host to read.
    """
    if host.base is None or host.bwrap is None:
        raise ValueError("no sandboxes on this host")
    filtered = callfilter.program(one_id=host.mode is Mode.BUBBLEWRAP_USERNS)
    size = f",size={plan.memory_mib * 2**19}" if plan.memory_mib else ""  # half the memory, as on any machine
    spec = {
        "parent": os.getpid(),
        "directory": str(start),
        "userns": "one" if host.mode is Mode.BUBBLEWRAP_USERNS else "same" if host.own_users else None,
        "net": None
        if plan.listen is None
        else {
            "addresses": list(plan.addresses),
            "listen": [list(pair) for pair in plan.listen],
            "hand_over": plan.hand_over,
        },
        "mounts": plan.root.mounts(host.base, start),
        "memory": [
            [str(plan.root.work / "memory" / name), f"mode={mode}{size}"] for name, mode in _IN_MEMORY.items()
        ],
        "cgroups": list(plan.cgroups),
        "rlimits": plan.rlimits,
        "cpus": list(plan.cpus),
        "filter": filtered.hex() if filtered else None,
        "filter_descriptor": _FILTER_DESCRIPTOR,
        "arguments": [
            "--clearenv",
            *(part for key, value in plan.environment.items() for part in ("--setenv", key, value)),
        ],
        "arguments_descriptor": _ARGUMENTS_DESCRIPTOR,
        "exec": [
            host.bwrap,
            *("--args", str(_ARGUMENTS_DESCRIPTOR)),
            *(["--seccomp", str(_FILTER_DESCRIPTOR)] if filtered else []),
            *_bubblewrap(host, plan, start),
            "--",
            *plan.command,
        ],
    }
    file = plan.root.work / _SPECIFICATION
    file.unlink(missing_ok=True)
    with open(
        os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="utf-8"
    ) as text:
        json.dump(spec, text)
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(file)]


def _bubblewrap(host: Host, plan: Plan, start: Path) -> list[str]:
    merged = plan.root.work / "merged"
    arguments = ["--bind", str(merged / "root"), "/", "--bind", str(merged / "usr"), "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if Path("/", name).is_dir() and not Path("/", name).is_symlink():
            arguments += ["--ro-bind", f"/{name}", f"/{name}"]
    arguments += [
        "--proc",
        "/proc",
        *(part for name in _READ_ONLY_PROC for part in ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")),
    ]
    hidden = [f"/proc/{name}" for name in _HIDDEN_PROC if Path("/proc", name).exists()]
    arguments += [part for place in hidden for part in ("--ro-bind", "/dev/null", place)]
    in_memory = plan.root.work / "memory"
    arguments += ["--dev", "/dev", "--bind", str(in_memory / "shm"), "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108 (the sandbox's)
    arguments += [
        "--bind",
        str(in_memory / "run"),
        "/run",
        "--dir",
        "/run/lock",
        "--ro-bind",
        str(plan.run),
        RUN,
        "--ro-bind",
        str(base.base_python()),
        base.PYTHON_MOUNT,
    ]
    for source, target in plan.binds:
        arguments += ["--ro-bind", source, target]
    for source, target in plan.writable_binds:
        arguments += ["--bind", source, target]
    arguments += [
        "--unshare-pid",
        "--unshare-uts",
        "--unshare-ipc",
        "--hostname",
        plan.hostname,
        "--die-with-parent",
        "--new-session",
        "--chdir",
        "/",
    ]
    arguments += [
        "--cap-drop",
        "ALL",
        *(part for name in _CAPABILITIES for part in ("--cap-add", f"CAP_{name}")),
    ]
    return arguments


def detect(home: Path) -> Host:
    """Find the best kind of sandbox by trying: a real sandbox runs ``true``. Takes some 50 ms an attempt,
    plus the base when it is new.
    """
    forced = os.environ.get("LOCALCLOUD_SANDBOX", "")
    if forced and forced not in set(Mode):
        raise ValueError(
            f"LOCALCLOUD_SANDBOX is {forced!r}; allowed: {', '.join(Mode)}. Unset it to let the fleet choose."
        )
    notes: list[str] = []
    found = find_bubblewrap()
    bwrap = None if found is None else str(found)
    if bwrap is None:
        notes.append("bubblewrap (bwrap) is not installed")
    candidates = (
        [Mode(forced)]
        if forced
        else ([Mode.BUBBLEWRAP] if os.getuid() == 0 else []) + [Mode.BUBBLEWRAP_USERNS]
    )
    for mode in candidates:
        if mode is Mode.PROCESS or bwrap is None:
            break
        for place in (private.folder, memory.make):
            for own_users in (True,) if mode is Mode.BUBBLEWRAP_USERNS else (True, False):
                host = _try(mode, home, place, own_users, bwrap, notes)
                if host is not None:
                    return host
    return Host(Mode.PROCESS, home, None, None, tuple(notes))


def _try(
    mode: Mode, home: Path, place: Callable[[Path], Path], own_users: bool, bwrap: str, notes: list[str]
) -> Host | None:
    try:
        scratch = private.folder(place(home))
        root_base = base.prepare(scratch / "images", user_namespace=mode is Mode.BUBBLEWRAP_USERNS)
    except OSError as error:
        notes.append(f"{mode}: the base root could not be made: {error}")
        return None
    less = [] if scratch == home else [f"image layers and machine disks live in memory ({scratch})"]
    less += (
        []
        if own_users
        else [
            "root in a machine is root of this host, held by few capabilities only: "
            "user namespaces are refused"
        ]
    )
    host = Host(mode, scratch, root_base, bwrap, (*notes, *less), own_users)
    private.folder(scratch / "fleet")
    with tempfile.TemporaryDirectory(
        prefix="probe-", dir=scratch / "fleet", ignore_cleanup_errors=True
    ) as folder:
        work = Path(folder)
        (work / "run").mkdir()
        plan = Plan(
            Root(work / "disk"), ["/bin/sh", "-c", _PROBE], {"PATH": GUEST_PATH}, "probe", work / "run"
        )
        plan.root.create()
        try:
            done = subprocess.run(
                launcher_command(host, plan, scratch),
                capture_output=True,
                text=True,
                timeout=30,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            notes.append(f"{mode}: {error}")
            return None
        finally:
            base.remove_tree(work / "disk")
    if done.returncode != 0:
        notes.append(
            f"{mode} in {scratch}: "
            f"{(done.stderr.strip().splitlines() or ['exit status ' + str(done.returncode)])[-1]}"
        )
        return None
    return host


_PROBE = (
    "rm -rf /usr/local/share && mkdir /usr/local/share && test ! -e /usr/local/share/man && touch "
    "/etc/probe && test -e /usr/bin/env"
)
"""Proves that deleting and re-creating a folder of a lower layer works: overlay needs extended attributes for
that.
"""
