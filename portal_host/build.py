"""The built page: static files in the user's cache, for the sources as they are. Nothing built lies in the
checkout.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from localcloud.cache import locked
from portal_host.node import PACKAGES, SOURCES, NodeMissing, program, ready, variables

_SKIPPED = frozenset({"node_modules", "build", *PACKAGES})
_COMPLETE = ".complete"


def sources() -> list[Path]:
    """What the page is built of, sorted."""
    return sorted(
        path
        for path in SOURCES.rglob("*")
        if path.is_file() and not _SKIPPED.intersection(path.relative_to(SOURCES).parts)
    )


def built() -> Path:
    """The folder of the built files; it is made if these sources were not built yet. Raises NodeMissing."""
    folder = ready()
    digest = hashlib.sha256()
    for path in sources():
        digest.update(f"\0{path.relative_to(SOURCES).as_posix()}\0".encode() + path.read_bytes())
    site = folder / "sites" / digest.hexdigest()[:16]
    with locked(folder / "build.lock", waiting_for="the page", say=lambda _: None):
        if not (site / _COMPLETE).is_file():
            work = workshop(folder)
            done = subprocess.run(
                [*program(folder, "vite"), "build", "--logLevel", "warn"],
                cwd=work,
                env={**variables(folder), "NEUROCAAS_PORTAL_OUT": str(site)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise NodeMissing(f"the page could not be built:\n{done.stdout}{done.stderr}")
            (site / _COMPLETE).touch()
    return site


def workshop(folder: Path) -> Path:
    """A copy of the sources beside the packages, where tools look for both."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    for path in sources():
        place = work / path.relative_to(SOURCES)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    for name in PACKAGES:
        shutil.copy(SOURCES / name, work)
    (work / "node_modules").symlink_to(folder / "node_modules")
    return work
