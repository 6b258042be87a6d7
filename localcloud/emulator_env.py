"""Where the emulator's own virtual environment is (standard library only: set-up imports this).

It is apart from the project's environment because the emulator pins another boto3, and in the user's cache
because it is the same for every checkout. Its folder is named by its lock file, so that a new lock never
changes an emulator that is running. ``python -m localcloud.emulator_env`` makes it where no project's
set-up does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from localcloud.cache import cache_home, content_hash, locked
from localcloud.paths import lock
from localcloud.project import project

LOCK_FILE = lock("emulator.txt")
COMPLETE = ".complete"
"""A file in the environment that is written last: an environment without it is half made."""


class EmulatorMissing(Exception):
    """The emulator's environment has not been made on this machine."""

    exit_code = 1  # of a command that ends with it


def emulator_directory() -> Path:
    """The folder of the environment for the current lock, whether it exists or not."""
    return cache_home() / f"emulator-{content_hash(LOCK_FILE)}"


def emulator_python() -> Path:
    """The Python that can run the emulator.

    `LOCALCLOUD_EMULATOR_PYTHON` overrides the environment in the cache. Raises `EmulatorMissing` when there
    is none that is complete.
    """
    override = os.environ.get("LOCALCLOUD_EMULATOR_PYTHON")
    if override:
        if not os.access(override, os.X_OK):
            raise EmulatorMissing(
                f"got LOCALCLOUD_EMULATOR_PYTHON={override}, which is not an executable file; "
                "allowed is the path of a Python in which the emulator is installed; correct the variable "
                "or unset it"
            )
        return Path(override)
    directory = emulator_directory()
    python = directory / "bin" / "python"
    if not (directory / COMPLETE).is_file() or not python.exists():
        raise EmulatorMissing(
            f"the emulator's environment {directory} is missing or incomplete; it is made once per machine; "
            f"run `{project().setup}`"
        )
    return python


def main() -> int:
    """Make the environment with the Python that runs this, from an index or from ``PIP_FIND_LINKS``."""
    directory = emulator_directory()
    with locked(directory.with_name(f"{directory.name}.lock"), waiting_for="the emulator", say=print):
        if not (directory / COMPLETE).is_file():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
            pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
            subprocess.run([*pip, "--requirement", str(LOCK_FILE)], check=True)
            (directory / COMPLETE).write_text(f"{content_hash(LOCK_FILE)} {directory}")
    sys.stdout.write(f"{directory}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
