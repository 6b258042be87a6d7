"""A copy of the project with a local cloud of its own: where the tests of the whole road and the benchmarks
run.

Baking writes into blueprints/ and deploying into stacks/, so neither may happen in the checkout that is being
tested.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from localcloud import ports

_OF_TOOLS = (
    ".git",
    "Pulumi.*.yaml",
    ".venv",
    ".local",
    "results",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    "build",
)
_NOT_COPIED = shutil.ignore_patterns(*_OF_TOOLS, "*-pytest-*.pyc", "*.pyc.*")  # the last: as it is written
NOT_SOURCES = shutil.ignore_patterns(*_OF_TOOLS, "__pycache__")
"""What stacks, local cloud and tools keep in a checkout: as `copytree` asks for it."""


class Playground:
    """The copy at `root`; its local cloud listens on `port` and is started by the first command that needs
    it.
    """

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.port = root, port
        # neither a cloud of the caller, nor that no bytecode be written: commands change sources here
        left_out = ("AWS_", "PULUMI_", "LOCALCLOUD_HOME", "PYTHONDONTWRITEBYTECODE")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        self.environ = {**clean, "LOCALCLOUD_PORT": str(port)}

    def invoke(
        self, *arguments: str, typed: str = "", check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run a task in the copy, with `typed` as its input and its output as text. Raises RuntimeError (with
        the output in it) when `check`.
        """
        from localcloud.project import WARM_VARIABLE

        python = self.environ.get(WARM_VARIABLE, sys.executable)
        return self.run([python, "-m", "invoke", *arguments], self.environ, typed=typed, check=check)

    def pulumi(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run the plain CLI in the copy, in the environment that `invoke local.env` gives a shell."""
        return self.run(["pulumi", *arguments, "--non-interactive"], self.local_environment(), check=check)

    def local_environment(self) -> dict[str, str]:
        """The environment of a shell that has evaluated `invoke local.env`."""
        from localcloud.cloud import Cloud
        from localcloud.paths import Paths
        from localcloud.pulumi.environment import applied, environment

        paths = Paths(self.root / ".local")
        cloud = Cloud.load(paths)
        if cloud is None:
            raise RuntimeError(f"the local cloud of {self.root} does not run")
        return applied(environment(paths, self.root, cloud), self.environ)

    def run(
        self, command: list[str], environ: Mapping[str, str], *, typed: str = "", check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            command,
            cwd=self.root,
            env=dict(environ),
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise RuntimeError(
                f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done


def copied(source: Path, root: Path) -> None:
    """Copy the project, without what its stacks, local cloud and tools keep in it. Its bytecode comes along:
    it is valid, since the times of the sources are copied too.
    """
    shutil.copytree(source, root, ignore=_NOT_COPIED, symlinks=True)


@contextmanager
def playground(source: Path) -> Iterator[Playground]:
    """A copy of the project at `source`, in a temporary folder that is gone afterwards, as is all that it
    started.
    """
    with _folder() as root:
        copied(source, root)
        (root / ".venv").symlink_to(sys.prefix)
        with _closing(Playground(root, ports.lease())) as ground:
            yield ground


@contextmanager
def thawed(frozen: Path) -> Iterator[Playground]:
    """A playground as `freeze` has kept it, in a folder and on a port of its own, not started. It needs
    `frozen` as long as it lives.
    """
    with _folder() as root:
        _copy_state(frozen, root, share_base=True)
        with _closing(Playground(root, ports.lease())) as ground:
            yield ground


def freeze(ground: Playground, frozen: Path) -> None:
    """Stop the local cloud of a playground, and keep a copy of all that it is in the new folder `frozen`."""
    from localcloud import cloud
    from localcloud.paths import Paths

    cloud.down(Paths(ground.root / ".local"))
    _copy_state(ground.root, frozen)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="neurocaas-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "project"


@contextmanager
def _closing(ground: Playground) -> Iterator[Playground]:
    from localcloud import cloud
    from localcloud.paths import Paths

    try:
        yield ground
    finally:
        with suppress(OSError, cloud.CloudError):
            cloud.reset(Paths(ground.root / ".local"))


def _copy_state(source: Path, root: Path, *, share_base: bool = False) -> None:
    """Copy a project together with its local cloud, which must not run.

    Images are layers that nobody writes to, so their files are links, and with `share_base` the base of them
    all is one link. A folder in memory stays with the cloud that it was made for, as does what functions have
    unpacked.
    """
    images, emulator = source / ".local" / "images", source / ".local" / "emulator"
    bases = {base.name for base in images.glob("base-*")} if share_base else set()

    def ignored(folder: str, names: list[str]) -> set[str]:
        place = Path(folder)
        left_out = bases if place == images else {"tmp"} if place == emulator else set()
        return {"memory-folder", "cloud.json"}.intersection(names) | left_out

    def copy(old: str, new: str) -> None:
        if old.startswith(f"{images}{os.sep}"):
            with suppress(OSError):  # another file system
                os.link(old, new, follow_symlinks=False)
                return
        shutil.copy2(old, new, follow_symlinks=False)

    shutil.copytree(source, root, symlinks=True, copy_function=copy, ignore=ignored)
    for name in bases:
        (root / ".local" / "images" / name).symlink_to(images / name)
