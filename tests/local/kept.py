"""What tests keep in the user's cache from one run to the next: layers of builds that are not the point, and
deployed services.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from demo.playground import NOT_SOURCES
from localcloud.cache import cache_home
from localcloud.sandbox.base import fingerprint
from tests.warm import VARIABLE

KEPT_LAYERS = {"LOCALCLOUD_LAYERS": os.environ.get("LOCALCLOUD_LAYERS", str(cache_home() / "layers"))}
"""For the environment of a local cloud. Set but empty, `LOCALCLOUD_LAYERS` lets all tests bake."""

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 86400.0
"""After that services are deployed again: what is in them has dates."""
_KEPT = 10
"""So many versions of the sources have their services kept, of about 100 MB each: those of several checkouts
do not drive each other out.
"""
_NO_PART = {
    *("docs", "benchmarks", "tests", "localcloud/tests", ".git", ".github", ".pytest_cache"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile"),
}
_MADE_BY = ("states.py", "deployed.py", "guide_project.py")
"""What a deployed service does not depend on, and what is made of it in the folder of these tests."""


def services() -> Path:
    """A folder for the deployed services of these sources on this machine, the same in all runs of a day. It
    is not removed while this process lives.
    """
    folder = cache_home() / "services"
    mine = folder / _key()
    while True:
        mine.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(mine, os.O_RDONLY)  # until the process ends
        fcntl.flock(held, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):  # another run has just removed it
            if os.stat(mine).st_ino == os.fstat(held).st_ino:
                break
        os.close(held)
    _forget(folder, mine.name)
    return mine


def _key() -> str:
    """The digest of all that is deployed, and of what deploys it."""
    found = hashlib.sha256()
    settings = sorted(
        (name, os.environ[name])
        for name in os.environ
        if name.startswith(("LOCALCLOUD_", "PULUMI_")) and name != VARIABLE  # how it starts, not what it is
    )
    day = int(time.time() // _SECONDS)
    found.update(repr((day, sys.version, sys.prefix, os.getuid(), fingerprint(False), settings)).encode())
    for file in _sources():
        found.update(f"\0{file.relative_to(ROOT)}\0".encode())
        found.update(os.readlink(file).encode() if file.is_symlink() else file.read_bytes())
    return found.hexdigest()[:16]


def _sources() -> list[Path]:
    files = [ROOT / "tests" / "local" / name for name in _MADE_BY]
    files += (ROOT / "docs" / "schema").glob("*.json")  # what commands check outputs by
    for folder, folders, names in os.walk(ROOT):
        place = Path(folder).relative_to(ROOT)
        left_out = NOT_SOURCES(folder, [*folders, *names])
        left_out |= {name for name in [*folders, *names] if (place / name).as_posix() in _NO_PART}
        folders[:] = [name for name in folders if name not in left_out]
        files += [Path(folder, name) for name in names if name not in left_out]
    return sorted(files)


def _forget(folder: Path, mine: str) -> None:
    """Remove all but the last versions, unless a run uses them."""
    others = [(one.stat().st_mtime, one) for one in folder.iterdir() if one.name != mine]
    for _, entry in sorted(others, reverse=True)[_KEPT - 1 :]:
        with suppress(OSError):
            handle = os.open(entry, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(entry, ignore_errors=True)
            finally:
                os.close(handle)
