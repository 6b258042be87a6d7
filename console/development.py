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
    """Make everything that this project needs on this machine: environments, the emulator, the Pulumi CLI."""
    raise Exit(code=_run(sys.executable, "bootstrap.py"))


@task
def lint(c: Context) -> None:
    """ruff (rules and format) and mypy (strict). Runs them all, then fails if one did."""
    python = sys.executable
    codes = [
        _run(python, "-m", "ruff", "check", "."),
        _run(python, "-m", "ruff", "format", "--check", "."),
        _run(python, "-m", "mypy"),
    ]
    if any(codes):
        raise Exit(code=1)


@task(name="test", help={"only": "unit, program or local; all when left out.", "k": "Only tests whose name matches (pytest -k)."})
def run_tests(c: Context, only: str = "", k: str = "") -> None:
    """Run the tests with pytest."""
    folder = f"tests/{only}" if only else "tests"
    raise Exit(code=_run(sys.executable, "-m", "pytest", folder, *(("-k", k) if k else ())))


collection = Collection(setup, lint, run_tests)
