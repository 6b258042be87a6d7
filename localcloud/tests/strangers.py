"""Another user of this machine, for tests of what such a one can reach."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


def needed() -> None:
    """Skip where no second user can be had."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can be another user for a moment (and setpriv is needed)")


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a program as nobody."""
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return subprocess.run([*drop, *command], capture_output=True, text=True, check=False, cwd="/", timeout=60)


@contextmanager
def open_place() -> Iterator[Path]:
    """A folder that everybody can enter; pytest's own are closed, and would hide what is not."""
    place = Path(tempfile.mkdtemp(prefix="localcloud-open-"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def seen(place: Path) -> list[str]:
    """What nobody finds below a folder, the folder itself left out."""
    found = run("find", str(place)).stdout.splitlines()
    assert found[:1] == [str(place)], "the test itself must reach the folder"
    return found[1:]
