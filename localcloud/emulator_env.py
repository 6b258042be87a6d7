"""Where the emulator's own virtual environment is (standard library only: set-up imports this).

It is apart from the project's environment because the emulator pins another boto3, and in the user's cache
because it is the same for every checkout. Its folder is named by its lock file, so that a new lock never
changes an emulator that is running.
"""

from __future__ import annotations

import os
from pathlib import Path

from localcloud.cache import cache_home, content_hash
from localcloud.project import project

LOCK_FILE = Path(__file__).resolve().parent.parent / "requirements" / "emulator.txt"
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
