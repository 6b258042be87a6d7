"""`invoke package`: the wheel and the source archive of what analysts install, in dist/."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from console.errors import UserError


def build(root: Path, folder: Path) -> list[Path]:
    """The two files, from the project at `root`. The same sources give the same bytes. Raises UserError where
    the build backend of pyproject.toml is missing, or refuses.
    """
    if importlib.util.find_spec("hatchling") is None:
        raise UserError(
            "no hatchling in this environment", "the tools of requirements/dev.txt", "run `make setup`"
        )
    before = set(folder.glob("neurocaas-*"))
    for old in before:
        old.unlink()
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    # nothing of the shell's may change the bytes
    environ = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(
            f"hatchling ended with {done.returncode}: {done.stderr.strip()[-2000:]}",
            "a pyproject.toml that it understands",
            "put that right, then run `invoke package` again",
        )
    return sorted(folder.glob("neurocaas-*"))


@task(help={"to": "The folder for the two files; older ones of this package in it are replaced."})
def package(c: Context, to: str = "dist") -> None:
    """Build the wheel and the source archive of the analysts' package, and print their SHA-256."""
    from console.cloud import project_root

    root = project_root()
    folder = (root / to).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for file in build(root, folder):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        sys.stdout.write(f"{to}/{file.name}  {file.stat().st_size:,} bytes  sha256 {digest}\n")


collection = Collection(package)
