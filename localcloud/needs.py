"""What a local cloud needs of this machine, found out by trying, within seconds: before anything is begun
that takes minutes.

Whatever tells a person about this machine asks here, so that all say the same. Standard library only: set-up
imports this.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from localcloud import memory, ports, processes
from localcloud.bubblewrap import PACKAGE, BubblewrapMisnamed, find_bubblewrap
from localcloud.paths import HOME_VARIABLE, Paths
from localcloud.progress import last_line
from localcloud.project import project
from localcloud.running import Cloud, CloudError
from localcloud.sandbox import base, sandbox
from localcloud.sandbox.limits import maximum_machines

GIB = 1 << 30
MEMORY = Path("/dev/shm")  # noqa: S108  (only asked whether it can)
_AGAIN = "rm -r merged/folder && mkdir merged/folder && test ! -e merged/folder/old"
"""Deleting and making again a folder of the lower layer: overlay needs extended attributes for that."""
_ON_HOST = "LOCALCLOUD_BAKE_ON_HOST"


@dataclass(frozen=True)
class Finding:
    """What was found of one thing, and, when that is not enough, what is allowed and what to do."""

    name: str
    found: str
    allowed: str = ""
    do: str = ""
    wrong: bool = False
    """A setting that is wrong, not a thing that is missing."""

    @property
    def enough(self) -> bool:
        return not self.do

    def text(self) -> str:
        """Three parts for a person, in the shape of all messages."""
        return f"{self.name}: got {self.found}\n  allowed: {self.allowed}\n  do: {self.do}"


def room(name: str, folder: Path, wanted: int, for_what: str) -> Finding:
    """Whether `wanted` bytes are free where `folder` is, or will be."""
    free = shutil.disk_usage(_there(folder)).free
    if free < wanted:
        return Finding(
            name,
            f"{free / GIB:.1f} GiB free in {folder}",
            f"{wanted / GIB:.1f} GiB, for {for_what}",
            "make room, or take a folder on a larger disk",
        )
    return Finding(name, f"{free / GIB:.0f} GiB free")


def writable(name: str, folder: Path, do: str) -> Finding:
    """Whether files can be made in a folder that may not exist yet."""
    there = _there(folder)
    if not there.is_dir():
        found = f"{there}, which is no folder"
    elif not os.access(there, os.W_OK | os.X_OK):
        found = (
            f"{there}, which {'is on a read-only disk' if _read_only(there) else 'this user may not write'}"
        )
    else:
        return Finding(name, f"{folder} can be written")
    return Finding(name, found, f"a folder {folder} that can be made and written", do)


def temporary() -> Finding:
    """Whether there is a folder for temporary files: all programs of a set-up want one."""
    try:
        return Finding("temporary files", tempfile.gettempdir())
    except FileNotFoundError as error:
        allowed = "a folder in which this user can write, with room"
        return Finding(
            "temporary files",
            error.strerror or str(error),
            allowed,
            "make room in /tmp, or name another: export TMPDIR=/a/folder",
        )


def port(paths: Paths) -> Finding:
    """Whether the local cloud of `paths` runs, or can have its port."""
    running = Cloud.load(paths)
    if running is not None:
        return Finding("local cloud", f"runs at {running.endpoint}")
    before = Cloud.read(paths)
    try:
        wanted = ports.wanted(before.port if before is not None else ports.DEFAULT_PORT)
    except CloudError:
        given = os.environ.get("LOCALCLOUD_PORT")
        return Finding(
            "port",
            f"LOCALCLOUD_PORT is {given!r}",
            "a number from 1024 to 65535",
            "correct it, or unset it",
            wrong=True,
        )
    # one that lost its cloud.json is ended by the next `up`
    if not processes.find(ports.EMULATOR, {HOME_VARIABLE: str(paths.home)}):
        try:
            ports.await_free(wanted, 0.0)
        except CloudError as error:
            other = wanted + 1 if wanted < 65535 else ports.DEFAULT_PORT + 1
            return Finding(
                "port",
                str(error).split(". ")[0],
                f"a free port on {ports.LOOPBACK}",
                f"stop that, or take another: export LOCALCLOUD_PORT={other}",
            )
    return Finding("port", f"{wanted} is free for the local cloud")


def bubblewrap() -> Finding:
    """The program that makes sandboxes."""
    try:
        found = find_bubblewrap()
    except BubblewrapMisnamed as error:
        got, allowed, do = (line.strip() for line in str(error).splitlines())
        return Finding(
            "bubblewrap", got, allowed.removeprefix("allowed: "), do.removeprefix("do: "), wrong=True
        )
    if found is None:
        allowed = (
            "`bwrap` on PATH or in the user's cache: without, local machines are plain processes and "
            "nothing is baked"
        )
        return Finding(
            "bubblewrap",
            "none",
            allowed,
            f"install the package {PACKAGE} (apt-get install {PACKAGE}), or run {project().setup}",
        )
    return Finding("bubblewrap", str(found))


def namespaces(folder: Path) -> Finding:
    """Whether this user may make namespaces: the launcher of sandboxes does its part in `folder`, without
    files.
    """
    reason = _launched(folder, with_files=False)
    if reason is None:
        return Finding("namespaces", "allowed" if os.geteuid() == 0 else "allowed for this user")
    do = (
        "in a container, start it with --privileged, or with seccomp=unconfined and apparmor=unconfined as "
        "its --security-opt"
    )
    if os.geteuid() != 0:
        do = (
            "sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0, "
            f"or work as root; {do}"
        )
    return Finding(
        "namespaces", f"refused: {reason}", "mount, network and (for an ordinary user) user namespaces", do
    )


def overlay(folder: Path) -> Finding:
    """Whether the launcher can lay a writable folder over another one, in `folder` or in memory."""
    reasons = []
    for place in (folder, MEMORY):
        reason = _launched(place, with_files=True)
        if reason is None:
            return Finding("overlay", f"works in {place}")
        reasons.append(f"{place}: {reason}")
    allowed = "overlay mounts on a file system with extended attributes"
    return Finding(
        "overlay", "; ".join(reasons), allowed, "put the checkout on such a file system (ext4, xfs, tmpfs)"
    )


def sandboxes(paths: Paths) -> Finding:
    """Whether machines and bakes have a root of their own: the kind that the running local cloud has, else
    one is made for a moment.

    Made where the local cloud will make them, so that their base root is there when it starts. Where there is
    no home yet, in a folder beside it that is gone afterwards, which takes some seconds.
    """
    running, notes = Cloud.load(paths), tuple[str, ...]()
    if running is not None and running.sandbox is not None:
        if running.sandbox != sandbox.Mode.PROCESS:
            return Finding("sandboxes", f"{running.sandbox}, in the local cloud that runs")
        kind, first = (
            str(running.sandbox),
            f"stop the local cloud that runs without ({project().says('down')}) and try again; ",
        )
    else:
        try:
            with _home(paths) as home:
                host = _tried(home)
        except ValueError:
            given, kinds = os.environ.get("LOCALCLOUD_SANDBOX"), ", ".join(sandbox.Mode)
            return Finding(
                "sandboxes",
                f"LOCALCLOUD_SANDBOX is {given!r}",
                kinds,
                "correct it, or unset it to have the best taken",
                wrong=True,
            )
        if host.isolated:
            return Finding("sandboxes", "; ".join((str(host.mode), *host.notes)))
        kind, notes, first = str(host.mode), host.notes, ""
    if os.environ.get(_ON_HOST) == "1":
        return Finding("sandboxes", f"none, and not wanted: {_ON_HOST}=1")
    below = _below_usr() if os.geteuid() != 0 else ()
    if below:
        first += (
            f"unmount what is mounted below /usr ({', '.join(below)}), over which an ordinary user's "
            "sandbox cannot be laid; "
        )
    why = "; ".join(notes) or f"why is in the log of the fleet ({project().says('logs fleet')})"
    return Finding(
        "sandboxes",
        f"machines that are plain processes ({kind}): {why}",
        "sandboxes: bubblewrap, namespaces, and overlay mounts",
        f"{first}allow what was refused; or, on a machine that bakes may change for good, export "
        f"{_ON_HOST}=1",
    )


def machines() -> Finding:
    """How many machines run at once."""
    try:
        return Finding("machines", f"{maximum_machines()} at once")
    except ValueError:
        given = os.environ.get("LOCALCLOUD_MAX_INSTANCES")
        return Finding(
            "machines",
            f"LOCALCLOUD_MAX_INSTANCES is {given!r}",
            "a whole number from 1",
            "correct it, or unset it",
            wrong=True,
        )


def of_a_cloud(paths: Paths, *, keep: bool = False) -> Iterator[Finding]:
    """All that a local cloud with bakes needs beside its programs. Where machines are wanted to be plain
    processes, no sandboxes.

    `keep`: a local cloud is about to be started, so its home is made, and what is made on trying a sandbox
    stays there for it.
    """
    if platform.system() != "Linux":
        yield Finding(
            "system",
            platform.system(),
            "Linux, whose namespaces the machines are made of",
            "run it on a Linux machine",
        )
        return
    home = writable(
        "home of the local cloud",
        paths.home,
        "put that right, or name another: export LOCALCLOUD_HOME=/a/folder",
    )
    yield home
    if not home.enough:
        return
    if keep:
        paths.home.mkdir(parents=True, exist_ok=True)
    yield port(paths)
    yield machines()
    forced = os.environ.get("LOCALCLOUD_SANDBOX", "")
    if forced == sandbox.Mode.PROCESS or os.environ.get(_ON_HOST) == "1":
        yield sandboxes(paths)
        return
    folder = _there(paths.home)
    parts = [bubblewrap()]
    yield parts[0]
    parts.append(namespaces(folder))
    yield parts[1]
    if parts[1].enough:
        parts.append(overlay(folder))
        yield parts[2]
    # a sandbox is all of them together: where one is missing there is no more to be learned from it
    if all(part.enough for part in parts):
        yield sandboxes(paths)


def problems(findings: Iterable[Finding]) -> list[Finding]:
    """Those that are not enough."""
    return [finding for finding in findings if not finding.enough]


def _tried(home: Path) -> sandbox.Host:
    """The best kind of sandbox; where there is none, nothing of the attempt is left in memory."""
    before = memory.find(home)
    host = sandbox.detect(home)
    after = memory.find(home)
    if not host.isolated and before is None and after is not None:
        base.remove_tree(after)
    return host


@contextlib.contextmanager
def _home(paths: Paths) -> Iterator[Path]:
    if paths.home.is_dir():
        yield paths.home
        return
    with tempfile.TemporaryDirectory(
        prefix=".probe-", dir=_there(paths.home), ignore_cleanup_errors=True
    ) as name:
        try:
            yield Path(name)
        finally:
            base.remove_tree(Path(name) / "images")
            in_memory = memory.find(Path(name))
            if in_memory is not None:
                base.remove_tree(in_memory)


def _launched(folder: Path, *, with_files: bool) -> str | None:
    """Why the launcher of sandboxes could not do its part in `folder`; None when it could. bubblewrap is not
    needed for that.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with (
            ours,
            theirs,
            tempfile.TemporaryDirectory(prefix=".probe-", dir=folder, ignore_cleanup_errors=True) as name,
        ):
            work = Path(name)
            for part in ("lower/folder/old", "upper", "work", "merged"):
                (work / part).mkdir(parents=True)
            specification = {
                "parent": os.getpid(),
                "directory": name,
                "userns": "one" if os.geteuid() != 0 else None,
                "net": None
                if with_files
                else {"addresses": [], "listen": [["127.0.0.1", 0]], "hand_over": theirs.fileno()},
                "mounts": [{"lower": ["lower"], "upper": "upper", "work": "work", "target": "merged"}]
                if with_files
                else [],
                "memory": [],
                "cgroups": [],
                "rlimits": {},
                "cpus": [],
                "filter": None,
                "arguments": [],
                "arguments_descriptor": 251,
                "exec": ["/bin/sh", "-c", _AGAIN if with_files else "true"],
            }
            file = work / "launch.json"
            file.write_text(json.dumps(specification))
            command = [sys.executable, "-I", "-S", str(sandbox.LAUNCHER), str(file)]
            try:
                done = subprocess.run(
                    command,
                    cwd=folder,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=20,
                    check=False,
                )
            finally:
                base.remove_tree(work / "work")
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else last_line(done.stderr) or f"exit status {done.returncode}"


def _below_usr() -> tuple[str, ...]:
    """What is mounted below /usr."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ()
    return tuple(sorted({point for line in lines if (point := line.split()[4]).startswith("/usr/")}))


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(one for one in (folder, *folder.parents) if os.path.lexists(one))


def _read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
