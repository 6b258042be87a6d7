"""Which packages the distribution has: this folder as `localcloud`, what it stands on, and its locks.

This folder is the package itself, so that a checkout needs no installation; nothing is built in it.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
ROOTS = {"localcloud": HERE, "awstoe": HERE.parent / "awstoe"}


def packages(name: str, folder: Path) -> list[str]:
    """The package and those below it, its tests left out."""
    found = {path.parent.relative_to(folder).parts for path in folder.rglob("*.py")}
    return [".".join((name, *parts)) for parts in sorted(found) if "tests" not in parts]


class Build(build_py):  # type: ignore[misc]  # setuptools carries no types
    """All modules of the packages but this file."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = super().find_package_modules(package, package_dir)
        return [entry for entry in found if Path(entry[2]).resolve() != Path(__file__).resolve()]


work = tempfile.mkdtemp(prefix="localcloud-build-")
atexit.register(shutil.rmtree, work, ignore_errors=True)
setup(
    packages=[
        *(package for name, folder in ROOTS.items() for package in packages(name, folder)),
        "localcloud.requirements",
    ],
    package_dir={
        **{name: os.path.relpath(folder, HERE) for name, folder in ROOTS.items()},
        "localcloud.requirements": "../requirements",
    },
    package_data={
        "": ["*.json"],
        "localcloud.pulumi": ["cli-module/*"],
        "localcloud.sandbox": ["guest/*.sh"],
        "localcloud.requirements": ["emulator.txt", "go.txt"],
    },
    include_package_data=False,
    cmdclass={"build_py": Build},
    options={"build": {"build_base": work}, "egg_info": {"egg_base": work}},
)
