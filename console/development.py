"""`invoke setup`, `lint`, `test`: for who works on this project."""

import sys

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task


def _run(*command: str) -> int:
    import subprocess

    from console.cloud import project_root

    return subprocess.run(command, cwd=project_root(), check=False).returncode


@task
def setup(c: Context) -> None:
    """Make everything that this project needs on this machine: environments, the emulator, the Pulumi CLI (make setup)."""  # noqa: E501
    raise Exit(code=_run("make", "--no-print-directory", "setup"))


@task
def lint(c: Context) -> None:
    """ruff and mypy (make lint types). Runs both, then fails if one did."""
    raise Exit(code=_run("make", "--no-print-directory", "--keep-going", "lint", "types"))


@task(
    name="test",
    help={
        "only": "unit, program or local; all when left out.",
        "k": "Only tests whose name matches (pytest -k).",
    },
)
def run_tests(c: Context, only: str = "", k: str = "") -> None:
    """Run the tests with pytest."""
    folder = f"tests/{only}" if only else "tests"
    raise Exit(code=_run(sys.executable, "-m", "pytest", folder, *(("-k", k) if k else ())))


collection = Collection(setup, lint, run_tests)
