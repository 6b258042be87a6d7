"""Python environments from locks, made once in the user's cache."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from localcloud.cache import cache_home, locked


def environment(name: str, locks: Sequence[Path]) -> Path:
    """The folder of an environment with what the locks pin."""
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks) + sys.version.encode()).hexdigest()[
        :16
    ]
    folder = cache_home() / f"{name}-test-{digest}"
    with locked(folder.with_suffix(".lock"), waiting_for=f"the environment {name}", say=print):
        if not (folder / ".complete").is_file():
            _make(folder, locks)
    return folder


def _make(folder: Path, locks: Sequence[Path]) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    command = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    command += ["--only-binary", ":all:", "--require-hashes"]
    for lock in locks:
        command += ["--requirement", str(lock)]
    subprocess.run(command, check=True)
    (folder / ".complete").touch()
