"""Checks of this machine: programs, sandboxes, room, and what set-up made. None of them talks to a cloud, and none changes anything."""

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from console.health import Check, Checks, Surroundings, bad, good, note

MINIMUM_PYTHON = (3, 11)
DISK_GIB, MEMORY_GIB = 5, 4
"""Room for the environments, the engine, a few images and machines."""

_GIB = 2**30
_OVERLAY = (
    "mkdir -p lower/folder/old upper work merged && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,userxattr merged"
    " && rm -r merged/folder && mkdir merged/folder && test ! -e merged/folder/old"
)
"""Deleting and making again a folder of the lower layer: overlay needs extended attributes for that."""


def python(around: Surroundings) -> Check:
    version = platform.python_version()
    if sys.version_info < MINIMUM_PYTHON:
        return bad("python", version, "install Python 3.11 or later, then: make setup PYTHON=/path/to/python3")
    return good("python", f"{version} ({sys.executable})")


def environment(around: Surroundings) -> Check:
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = ", ".join(f"{name} {version(name)}" for name in ("pulumi", "pulumi-aws", "boto3"))
    except PackageNotFoundError as error:
        return bad("packages", f"no package {error.name} in {sys.prefix}", "make setup")
    return good("packages", found)


def pulumi(around: Surroundings) -> Check:
    from localcloud.pulumi.cli import find_cli

    cli = find_cli()
    if cli is None:
        return bad("pulumi", "no Pulumi CLI", "make setup (gets or builds one)")
    host = "its Python language host" if cli.has_python_host else "a language host of ours"
    return good("pulumi", f"{cli.version} with {host} ({cli.path})")


def go(around: Surroundings) -> Check:
    from localcloud.pulumi.cli import find_cli

    found = shutil.which("go", path=around.environ.get("PATH"))
    if found:
        return good("go", found)
    if find_cli() is not None:
        return good("go", "none, and not needed: there is a Pulumi CLI")
    return note("go", "none", "make setup gets a toolchain if the Pulumi CLI has to be built")


def bubblewrap(around: Surroundings) -> Check:
    from localcloud.bubblewrap import find_bubblewrap

    found = find_bubblewrap()
    if found is None:
        return note("bubblewrap", "none: local machines would be plain processes", "apt-get install bubblewrap, or make setup")
    return good("bubblewrap", str(found))


def _unshared(script: str, folder: Path) -> str | None:
    """Why a script does not run in a mount namespace of its own, or None."""
    own = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *own, "--mount", "sh", "-c", script]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]


def namespaces(around: Surroundings) -> Check:
    reason = _unshared("true", around.root)
    if reason:
        fix = "sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0, or work as root"
        return note("namespaces", f"refused: {reason}", fix)
    return good("namespaces", "allowed" if os.getuid() == 0 else "allowed for this user")


def overlay(around: Surroundings) -> Check:
    reasons = []
    for place in (around.root, Path("/dev/shm")):  # noqa: S108  (only asked whether it can)
        try:
            with tempfile.TemporaryDirectory(prefix=".doctor-", dir=place, ignore_cleanup_errors=True) as folder:
                reason = _unshared(_OVERLAY, Path(folder))
        except OSError as error:
            reason = str(error)
        if reason is None:
            return good("overlay", f"works in {place}")
        reasons.append(f"{place}: {reason}")
    return note("overlay", "; ".join(reasons), "use a file system with extended attributes; without, local machines are plain processes")


def disk(around: Surroundings) -> Check:
    free = shutil.disk_usage(around.root).free / _GIB
    if free < DISK_GIB:
        fix = f"make room: {DISK_GIB} GiB are enough for set-up, a few images and machines"
        return note("disk", f"{free:.1f} GiB free in {around.root}", fix)
    return good("disk", f"{free:.0f} GiB free")


def memory(around: Surroundings) -> Check:
    from localcloud.fleet.limits import host_memory_mib, maximum_machines

    total, machines = host_memory_mib() / 1024, maximum_machines()
    found = f"{total:.0f} GiB, {os.cpu_count()} processors: {machines} local machine{'' if machines == 1 else 's'} at once"
    if total < MEMORY_GIB:
        return note("memory", found, f"{MEMORY_GIB} GiB or more, or fewer machines: LOCALCLOUD_MAX_INSTANCES=1")
    return good("memory", found)


def emulator(around: Surroundings) -> Check:
    from localcloud.emulator_env import EmulatorMissing, emulator_python

    try:
        return good("emulator", str(emulator_python()))
    except EmulatorMissing as error:
        return bad("emulator", str(error).splitlines()[0], "make setup")


def port(around: Surroundings) -> Check:
    from localcloud.paths import Paths
    from localcloud.ports import DEFAULT_PORT, LOOPBACK
    from localcloud.running import Cloud

    running = Cloud.load(Paths.find(around.root))
    if running is not None:
        return good("local cloud", f"runs at {running.endpoint}")
    given = around.environ.get("LOCALCLOUD_PORT", "")
    if given and not (given.isdigit() and 1024 <= int(given) <= 65535):
        return bad("port", f"LOCALCLOUD_PORT is {given!r}", "set it to a number from 1024 to 65535, or unset it")
    wanted = int(given or DEFAULT_PORT)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, wanted))
        except OSError as error:
            return note("port", f"{wanted}: {error.strerror}", f"another port: LOCALCLOUD_PORT={wanted + 1 if wanted < 65535 else 24567}")
    return good("port", f"{wanted} is free for the local cloud (invoke local.up)")


def git(around: Surroundings) -> Check:
    found = shutil.which("git", path=around.environ.get("PATH"))
    if found is None:
        return note("git", "none", "install git: baked images are recorded in commits")
    names = []
    for key in ("user.name", "user.email"):
        answer = subprocess.run([found, "config", key], cwd=around.root, capture_output=True, text=True, check=False)
        names += [] if answer.stdout.strip() else [key]
    if names:
        return note("git", f"without {' and '.join(names)}", f"git config --global {names[0]} …: baked images are recorded in commits")
    return good("git", found)


CHECKS: Checks = (python, environment, pulumi, go, bubblewrap, namespaces, overlay, disk, memory, emulator, port, git)
