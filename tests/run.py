"""Runs tests by room, with lint and types if wanted: `python -m tests.run [ROOM ...]`; no room: all tests.

`make check`, `make test`, `make test-ROOM` and `invoke test` are this. Lint comes first (it takes a second),
types are checked beside the tests. Everything runs even if one part fails, and pytest's summary comes last.
A run of all rooms leaves out those that passed with the same inputs (`tests/passed.py`).
"""

from __future__ import annotations

import argparse
import difflib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from localcloud.cache import cache_home
from tests.order import Order
from tests.passed import RoomPasses, planned

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
ROOMS = {
    "unit": "tests/unit",
    "program": "tests/program",
    "opinions": "tests/opinions",
    "shell": "tests/shell",
    "local": "tests/local",
    "localcloud": "localcloud/tests",
}
LINT = (("ruff", "check", "."), ("ruff", "format", "--check", "."))
TYPES = ("mypy",)


class Parts:
    """What runs with the tests. A plugin of pytest: how the parts ended is told above the tests' summary."""

    def __init__(self) -> None:
        self.failed = [
            _shown(part) for part in LINT if subprocess.run(_command(part), cwd=ROOT, check=False).returncode
        ]
        self._types: subprocess.Popen[str] | None = subprocess.Popen(
            _command(TYPES), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finish(self) -> str:
        """What the check of types said, when it has ended; empty when that was asked before."""
        if self._types is None:
            return ""
        words, _ = self._types.communicate()
        if self._types.returncode:
            self.failed.append(_shown(TYPES))
        self._types = None
        return words

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("lint and types")
        terminalreporter.write(self.finish())
        for part in self.failed:
            terminalreporter.write_line(f"failed: {part}", red=True)


class Again:
    """A plugin of pytest that shows the command for what failed."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._command = " ".join((_shown(("python", "-m", "pytest", "--lf")), *folders))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
            terminalreporter.section("to run only what failed again")
            terminalreporter.write_line(self._command)


def _command(part: Sequence[str]) -> list[str]:
    return [str(BIN / part[0]), *part[1:]]


def _shown(part: Sequence[str]) -> str:
    """A command as one types it in the checkout's folder."""
    return " ".join((os.path.relpath(BIN / part[0], ROOT), *part[1:]))


def _mistake(room: str) -> str:
    near = difflib.get_close_matches(room, ROOMS, 1)
    do = f"did you mean {near[0]}?" if near else "name one of them, or none for all tests"
    return f"error: got {room!r}, which is not a room of tests\n  allowed: {', '.join(ROOMS)}\n  do: {do}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: pytest's, or 1 when only lint or types failed, or 2 for a room that does not exist."""
    parser = argparse.ArgumentParser(prog="python -m tests.run", description=__doc__)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(ROOMS))
    parser.add_argument("--static", action="store_true", help="lint and types as well")
    parser.add_argument("--thorough", action="store_true", help="as many examples a property as in CI")
    parser.add_argument("--jobs", type=int, default=0, help="so many processes; 0: in this one")
    parser.add_argument("-k", default="", help="only tests whose name matches")
    options = parser.parse_args(arguments)
    for room in options.rooms:
        if room not in ROOMS:
            sys.stderr.write(_mistake(room))
            return 2
    if options.thorough:
        os.environ["HYPOTHESIS_PROFILE"] = "ci"
    # Set-up has compiled the program; without this, each worker of each run would compile all tests.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.chdir(ROOT)
    rooms, plugins = list(options.rooms), list[object]()
    if options.jobs and not options.k:
        passes = planned(rooms, RoomPasses(cache_home() / "rooms"), ROOT, os.environ)
        rooms = [room for room in ROOMS if room not in passes.left_out] if passes.left_out else rooms
        plugins.append(passes)
    folders = [ROOMS[room] for room in rooms]
    words = [*folders, "--durations=20", "-p", "tests.opened"]
    words += ["-n", str(options.jobs), "--dist", "loadfile", "--no-loadscope-reorder"]
    words += ["-k", options.k] if options.k else []
    plugins += [Again(folders), Order()]
    parts = Parts() if options.static else None
    if parts:
        plugins.append(parts)
    code = int(pytest.main(words, plugins))
    if parts:
        sys.stderr.write(parts.finish())
    return code or int(bool(parts and parts.failed))


if __name__ == "__main__":
    sys.exit(main())
