"""Checks of this machine: programs, sandboxes, room, and what set-up made. None of them talks to a cloud, and
none changes anything.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from console.health import Check, Checks, Surroundings, bad, good, note

if TYPE_CHECKING:
    from localcloud.needs import Finding

MINIMUM_PYTHON = (3, 11)
DISK_GIB, MEMORY_GIB = 5, 4
"""Room for the environments, the engine, a few images and machines."""
DEMO_DISK_GIB = 1
"""What one image and its machines take, with half as much again."""


def python(around: Surroundings) -> Check:
    version = platform.python_version()
    if sys.version_info < MINIMUM_PYTHON:
        return bad(
            "python", version, "install Python 3.11 or later, then: make setup PYTHON=/path/to/python3"
        )
    return good("python", f"{version} ({sys.executable})")


def environment(around: Surroundings) -> Check:
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = ", ".join(f"{name} {version(name)}" for name in ("pulumi", "pulumi-aws", "boto3"))
    except PackageNotFoundError as error:
        return bad(
            "packages",
            f"no package {error.name} in {sys.prefix}",
            "make setup",
            "the packages of requirements/base.txt",
        )
    return good("packages", found)


def pulumi(around: Surroundings) -> Check:
    from localcloud.pulumi.cli import find_cli

    cli = find_cli()
    if cli is None:
        return bad(
            "pulumi",
            "no Pulumi CLI",
            "make setup (gets or builds one)",
            "the Pulumi CLI, on PATH or in the user's cache",
        )
    host = "its Python language host" if cli.has_python_host else "a language host of ours"
    return good("pulumi", f"{cli.version} with {host} ({cli.path})")


def go(around: Surroundings) -> Check:
    from localcloud.pulumi.cli import find_cli
    from localcloud.pulumi.cli_build import find_go

    found, reason = find_go()
    if found is not None:
        return good("go", found)
    if find_cli() is not None:
        return good("go", "none that is wanted: there is a Pulumi CLI")
    return note(
        "go",
        reason.removeprefix("build from source: "),
        "make setup gets a toolchain if the Pulumi CLI has to be built",
    )


def local_cloud(around: Surroundings, *, keep: bool = False) -> Iterator[Check]:
    """What a local cloud needs of this machine, as set-up and the demo look at it. `keep`: one is about to be
    started.
    """
    from localcloud import needs
    from localcloud.paths import Paths

    for finding in needs.of_a_cloud(Paths.find(around.root), keep=keep):
        yield _told(finding)


def _told(finding: Finding) -> Check:
    if finding.enough:
        return good(finding.name, finding.found)
    return (bad if finding.wrong else note)(
        finding.name, " ".join(finding.found.split()), finding.do, finding.allowed
    )


def disk(around: Surroundings, wanted: float | None = None) -> Check:
    from localcloud import needs

    wanted = DISK_GIB if wanted is None else wanted
    return _told(needs.room("disk", around.root, int(wanted * needs.GIB), "set-up, images and machines"))


def room_for_a_demo(around: Surroundings) -> Check:
    return disk(around, DEMO_DISK_GIB)


def memory(around: Surroundings) -> Check:
    from localcloud.sandbox.limits import host_memory_mib, maximum_machines

    total, machines = host_memory_mib() / 1024, maximum_machines()
    found = (
        f"{total:.0f} GiB, {os.cpu_count()} processors: {machines} local "
        f"machine{'' if machines == 1 else 's'} at once"
    )
    if total < MEMORY_GIB:
        return note(
            "memory", found, f"{MEMORY_GIB} GiB or more, or fewer machines: LOCALCLOUD_MAX_INSTANCES=1"
        )
    return good("memory", found)


def limits(around: Surroundings) -> Check:
    from localcloud.sandbox.limits import Limiter

    limiter = Limiter(around.root / "doctor")  # a group of its own, made and removed
    try:
        if limiter.notes:
            fix = "work as root, or from a shell over ssh: systemd-run --user --scope invoke local.up"
            return note("limits", limiter.notes[0].partition(";")[0], fix)
        return good("limits", f"memory and processes of local machines are held by {limiter.kind}")
    finally:
        limiter.close()


def emulator(around: Surroundings) -> Check:
    from localcloud.emulator_env import EmulatorMissing, emulator_python

    try:
        return good("emulator", str(emulator_python()))
    except EmulatorMissing as error:
        return bad(
            "emulator", str(error).splitlines()[0], "make setup", "the emulator's own Python environment"
        )


def git(around: Surroundings) -> Check:
    found = shutil.which("git", path=around.environ.get("PATH"))
    if found is None:
        return note("git", "none", "install git: baked images are recorded in commits")
    names = []
    for key in ("user.name", "user.email"):
        answer = subprocess.run(
            [found, "config", key], cwd=around.root, capture_output=True, text=True, check=False
        )
        names += [] if answer.stdout.strip() else [key]
    if names:
        return note(
            "git",
            f"without {' and '.join(names)}",
            f"git config --global {names[0]} …: baked images are recorded in commits",
        )
    return good("git", found)


def checkout(around: Surroundings) -> Check:
    from localcloud import needs

    return _told(
        needs.writable(
            "checkout",
            around.root / "results",
            "run it as the owner of the checkout, or clone it to a folder of your own",
        )
    )


CHECKS: Checks = (python, environment, pulumi, go, disk, memory, limits, emulator, git)
FOR_A_DEMO: Checks = (environment, pulumi, checkout, room_for_a_demo, emulator)
"""With `local_cloud`, what the tour of the demo cannot do without."""
