"""Debian and Ubuntu packages: installed for the machine where that is allowed, else unpacked into a folder
(standard library only).

An ordinary user can fetch and unpack a package without any right on the machine, if apt-get is given lists
and a cache of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from localcloud.progress import last_line

SECONDS = 300


def install(package: str) -> str | None:
    """Install for the whole machine, as root or by a sudo that asks for no password; the reason if that
    failed.
    """
    if shutil.which("apt-get") is None:
        return "no apt-get on this machine"
    if os.geteuid() == 0:
        prefix: list[str] = []
    elif shutil.which("sudo") and run(["sudo", "-n", "true"]) is None:
        prefix = ["sudo", "-n"]
    else:
        return "not root, and no sudo without a password"
    command = [
        *prefix,
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "-y",
        "-q",
        "--no-install-recommends",
        package,
    ]
    if run(command) is None:
        return None
    return run([*prefix, "apt-get", "update", "-q"]) or run(command)


def unpack(package: str, target: Path) -> str | None:
    """Fetch a package and unpack its files below `target`, without its dependencies; the reason if that
    failed.
    """
    if shutil.which("apt-get") is None:
        return "no apt-get on this machine"
    with tempfile.TemporaryDirectory(prefix="apt-") as folder:
        work = Path(folder)
        for name in ("lists/partial", "archives/partial"):
            (work / name).mkdir(parents=True)
        private = [
            *(
                "-o",
                f"Dir::State::Lists={work}/lists",
                "-o",
                f"Dir::Cache={work}",
                "-o",
                f"Dir::Cache::Archives={work}/archives",
            ),
            *("-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="),
        ]
        reason = run(["apt-get", *private, "update", "-q"]) or run(
            ["apt-get", *private, "download", package], cwd=work
        )
        if reason is not None:
            return reason
        file = next(work.glob(f"{package}_*.deb"), None)
        return (
            run(["dpkg-deb", "-x", str(file), str(target)])
            if file is not None
            else "apt-get download left no package"
        )


def run(command: list[str], cwd: Path | None = None) -> str | None:
    """Run a command without input; None if it succeeded, else its name and its last line."""
    try:
        answer = subprocess.run(
            command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
            check=False
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    if answer.returncode == 0:
        return None
    return (
        f"{command[0]}: "
        f"{last_line(answer.stderr) or last_line(answer.stdout) or f'exit code {answer.returncode}'}"
    )
