"""A copy of the project with a local cloud of its own: where the tests of the whole road and the benchmarks
run.

Baking writes into blueprints/ and deploying into stacks/, so neither may happen in the checkout that is being
tested.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_NOT_COPIED = shutil.ignore_patterns(
    ".git",
    "Pulumi.*.yaml",
    ".venv",
    ".local",
    "results",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".hypothesis",
    "build",
)


class Playground:
    """The copy at `root`; its local cloud listens on `port` and is started by the first command that needs
    it.
    """

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.port = root, port
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "PULUMI_", "LOCALCLOUD_HOME"))
        }
        self.environ = {**clean, "LOCALCLOUD_PORT": str(port)}

    def invoke(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a task in the copy, with its output as text. Raises CalledProcessError (with the output in it)
        when `check`.
        """
        return self.run([sys.executable, "-m", "invoke", *arguments], self.environ, check=check)

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
        self, command: list[str], environ: Mapping[str, str], *, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            command,
            cwd=self.root,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
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
    """Copy the project, without what its stacks, local cloud and tools keep in it."""
    shutil.copytree(source, root, ignore=_NOT_COPIED, symlinks=True)


@contextmanager
def playground(source: Path) -> Iterator[Playground]:
    """A copy of the project at `source`, in a temporary folder that is gone afterwards, as is all that it
    started.
    """
    with tempfile.TemporaryDirectory(prefix="neurocaas-", ignore_cleanup_errors=True) as folder:
        root = Path(folder) / "project"
        copied(source, root)
        (root / ".venv").symlink_to(sys.prefix)
        ground = Playground(root, _free_port())
        try:
            yield ground
        finally:
            ground.invoke("local.down", check=False)
            ground.invoke("local.reset", "--yes", check=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
