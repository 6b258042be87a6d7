"""Sandboxes: which kind this machine allows, and how one is described to the launcher.

Three kinds, the best possible is taken (``LOCALCLOUD_SANDBOX`` forces one):

- ``bubblewrap``: we are root; overlays over the host's ``/usr`` and a small base, bubblewrap with few capabilities;
- ``bubblewrap-userns``: an ordinary user; the same inside a user namespace that maps one id;
- ``process``: no namespaces here; a private process with its own folders. It sees the host, has no image layers, and says so.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from localcloud.bubblewrap import find_bubblewrap
from localcloud.fleet import oneid
from localcloud.images import base

LAUNCHER = Path(__file__).with_name("launcher.py")
RUN = "/run/localcloud"
"""Where a sandbox sees its own run folder: user data, control pipe, boot program (read-only)."""
GUEST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FILTER_DESCRIPTOR = 250
_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT",
    "AUDIT_WRITE", "SETFCAP",
)  # fmt: skip


class Mode(StrEnum):
    """The kinds of sandboxes (the values appear in ``cloud.json`` and in image metadata)."""

    BUBBLEWRAP = "bubblewrap"
    BUBBLEWRAP_USERNS = "bubblewrap-userns"
    PROCESS = "process"


@dataclass(frozen=True)
class Host:
    """What this machine allows. ``scratch`` is where overlay uppers can live; ``notes`` says in words what is less than ideal, and why."""

    mode: Mode
    scratch: Path
    base: Path | None
    bwrap: str | None
    notes: tuple[str, ...] = ()

    @property
    def isolated(self) -> bool:
        """Whether machines have their own root and network."""
        return self.mode is not Mode.PROCESS


@dataclass
class Root:
    """A writable root: ``work`` is a private folder (upper directories), ``chain`` the image layers, nearest first."""

    work: Path
    chain: tuple[Path, ...] = ()

    def create(self) -> None:
        """Make the upper, work and mount-point folders (kept when they exist: a stopped machine keeps its disk)."""
        with base.readable():  # the upper folder is what a machine sees as / or /usr
            for tree in ("root", "usr"):
                for kind in ("upper", "work", "merged"):
                    (self.work / kind / tree).mkdir(parents=True, exist_ok=True)

    def upper(self, tree: str) -> Path:
        """The folder that receives what is written below ``/`` (``root``) or ``/usr`` (``usr``)."""
        return self.work / "upper" / tree

    def mounts(self, host_base: Path, start: Path) -> list[dict[str, Any]]:
        """The launcher's overlay mounts, with paths relative to ``start`` (kernel limit: 4,096 characters of options)."""

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
    """One process tree to start in a sandbox. ``listen``: addresses for the fleet to serve (own network); None = the host's network."""

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
    hand_over: int | None = None


def launcher_command(host: Host, plan: Plan, start: Path) -> list[str]:
    """The command that becomes the sandbox; it must run with ``start`` readable and ``plan.hand_over`` inherited."""
    if host.base is None or host.bwrap is None:
        raise ValueError("no sandboxes on this host")
    filtered = oneid.program() if host.mode is Mode.BUBBLEWRAP_USERNS else None
    spec = {
        "parent": os.getpid(),
        "directory": str(start),
        "userns": host.mode is Mode.BUBBLEWRAP_USERNS,
        "net": None
        if plan.listen is None
        else {"addresses": list(plan.addresses), "listen": [list(pair) for pair in plan.listen], "hand_over": plan.hand_over},
        "mounts": plan.root.mounts(host.base, start),
        "cgroups": list(plan.cgroups),
        "rlimits": plan.rlimits,
        "cpus": list(plan.cpus),
        "filter": filtered.hex() if filtered else None,
        "filter_descriptor": _FILTER_DESCRIPTOR,
        "exec": [
            host.bwrap,
            *(["--seccomp", str(_FILTER_DESCRIPTOR)] if filtered else []),
            *_bubblewrap(host, plan, start),
            "--",
            *plan.command,
        ],
    }
    return [sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(spec)]


def _bubblewrap(host: Host, plan: Plan, start: Path) -> list[str]:
    merged = plan.root.work / "merged"
    arguments = ["--bind", str(merged / "root"), "/", "--bind", str(merged / "usr"), "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if Path("/", name).is_dir() and not Path("/", name).is_symlink():
            arguments += ["--ro-bind", f"/{name}", f"/{name}"]
    arguments += [
        "--proc",
        "/proc",
        "--ro-bind-try",
        "/proc/sys",
        "/proc/sys",
        "--ro-bind-try",
        "/proc/sysrq-trigger",
        "/proc/sysrq-trigger",
    ]
    arguments += [
        "--dev",
        "/dev",
        "--tmpfs",
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
    arguments += ["--cap-drop", "ALL", *(part for name in _CAPABILITIES for part in ("--cap-add", f"CAP_{name}"))]
    arguments += ["--clearenv", *(part for key, value in plan.environment.items() for part in ("--setenv", key, value))]
    return arguments


def detect(home: Path) -> Host:
    """Find the best kind of sandbox by trying: a real sandbox runs ``true``. Takes some 50 ms an attempt, plus the base when it is new."""
    forced = os.environ.get("LOCALCLOUD_SANDBOX", "")
    if forced and forced not in set(Mode):
        raise ValueError(f"LOCALCLOUD_SANDBOX is {forced!r}; allowed: {', '.join(Mode)}. Unset it to let the fleet choose.")
    notes: list[str] = []
    found = find_bubblewrap()
    bwrap = None if found is None else str(found)
    if bwrap is None:
        notes.append("bubblewrap (bwrap) is not installed")
    candidates = [Mode(forced)] if forced else ([Mode.BUBBLEWRAP] if os.getuid() == 0 else []) + [Mode.BUBBLEWRAP_USERNS]
    for mode in candidates:
        if mode is Mode.PROCESS or bwrap is None:
            break
        for scratch in (home, memory_scratch(home)):
            host = _try(mode, home, scratch, bwrap, notes)
            if host is not None:
                return host
    return Host(Mode.PROCESS, home, None, None, tuple(notes))


def memory_scratch(home: Path) -> Path:
    """A folder in memory for hosts whose own file system cannot hold overlay uppers (for instance inside a container)."""
    return Path("/dev/shm") / f"localcloud-{os.getuid()}-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"  # noqa: S108 (the owner is checked)


def _try(mode: Mode, home: Path, scratch: Path, bwrap: str, notes: list[str]) -> Host | None:
    try:
        scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        if scratch.stat().st_uid != os.getuid():
            raise PermissionError(f"{scratch} belongs to somebody else")
        root_base = base.prepare(scratch / "images", user_namespace=mode is Mode.BUBBLEWRAP_USERNS)
    except OSError as error:
        notes.append(f"{mode}: the base root could not be made in {scratch}: {error}")
        return None
    in_memory = [] if scratch == home else [f"image layers and machine disks live in memory ({scratch})"]
    host = Host(mode, scratch, root_base, bwrap, (*notes, *in_memory))
    (scratch / "fleet").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="probe-", dir=scratch / "fleet", ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        (work / "run").mkdir()
        plan = Plan(Root(work / "disk"), ["/bin/sh", "-c", _PROBE], {"PATH": GUEST_PATH}, "probe", work / "run")
        plan.root.create()
        try:
            done = subprocess.run(
                launcher_command(host, plan, scratch), capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            notes.append(f"{mode}: {error}")
            return None
        finally:
            base.remove_tree(work / "disk")
    if done.returncode != 0:
        notes.append(f"{mode} in {scratch}: {(done.stderr.strip().splitlines() or ['exit status ' + str(done.returncode)])[-1]}")
        return None
    return host


_PROBE = "rm -rf /usr/local/share && mkdir /usr/local/share && test ! -e /usr/local/share/man && touch /etc/probe && test -e /usr/bin/env"
"""Proves that deleting and re-creating a folder of a lower layer works: overlay needs extended attributes for that."""
