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
    """Install what this project needs: environments, the emulator, the Pulumi CLI (make setup)."""
    raise Exit(code=_run("make", "--no-print-directory", "setup"))


@task
def lint(c: Context) -> None:
    """ruff (its rules and its format) and mypy (make lint types). Runs all, then fails if one did."""
    raise Exit(code=_run("make", "--no-print-directory", "--keep-going", "lint", "types"))


@task(
    name="test",
    help={
        "only": "unit, program, shell, local or localcloud; all when left out.",
        "k": "Only tests whose name matches (pytest -k).",
        "jobs": "So many files at a time; 0: one after the other, in one process.",
    },
)
def run_tests(c: Context, only: str = "", k: str = "", jobs: int = 0) -> None:
    """Run the tests with pytest (make test-ROOM, or make test for lint and types as well)."""
    rooms = (only,) if only else ()
    raise Exit(
        code=_run(sys.executable, "-m", "tests.run", *rooms, f"--jobs={jobs}", *((f"-k={k}",) if k else ()))
    )


collection = Collection(setup, lint, run_tests)
