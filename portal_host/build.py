"""The built page: static files in the user's cache, for the sources as they are. Nothing built lies in the
checkout.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localcloud.cache import locked
from portal_host.node import PACKAGES, ROOT, SOURCES, NodeMissing, program, ready, variables

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
    with workshop(folder) as work:
        if not (site / _COMPLETE).is_file():
            command = [*program(folder, "vite"), "build", "--logLevel", "warn", "--emptyOutDir"]
            done = run_in(work, [*command, "--outDir", str(site)])
            if done.returncode:
                raise NodeMissing(f"the page could not be built:\n{done.stdout}{done.stderr}")
            (site / _COMPLETE).touch()
    return site


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """A copy of the sources beside the packages, where tools look for both; of one process at a time."""
    with locked(folder / "work.lock", waiting_for="the page", say=lambda _: None):
        shutil.rmtree(folder / "work", ignore_errors=True)
        work = folder / "work" / "portal"
        for path in sources():
            place = work / path.relative_to(SOURCES)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        for name in PACKAGES:
            shutil.copy(SOURCES / name, work)
        shutil.copytree(ROOT / "docs" / "vectors", folder / "work" / "docs" / "vectors")
        (work / "node_modules").symlink_to(folder / "node_modules")
        yield work


def run_in(work: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program of the page's packages in the workshop; its output as text."""
    return subprocess.run(
        command,
        cwd=work,
        env=variables(work.parents[1]),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
