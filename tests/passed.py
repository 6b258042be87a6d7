"""Closed rooms that passed: `make test` leaves them out while their digest (`tests/closed.py`) is one with
which they passed on this machine; never in CI, and never when the room is asked for by name.

That a room passed is written into the user's cache after a run of all of its tests, none of which failed, or
opened a file that the room does not name (`tests/opened.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from localcloud import private
from tests.closed import CLOSED, digest

FRESH = timedelta(days=7)
"""For so long a pass counts: what depends on the date, or on the world, is seen again."""
MOST = 20
"""So many passes are kept."""


def may_leave_out(variables: Mapping[str, str]) -> bool:
    """Whether rooms may be left out, and passes be kept: not in CI, and not where pytest is told otherwise
    what to run.
    """
    return not variables.get("CI") and not variables.get("PYTEST_ADDOPTS")


@dataclass(frozen=True)
class RoomPass:
    """A run of a whole room in which nothing failed."""

    passed: int
    skipped: int
    ended: str
    """ISO 8601, UTC."""

    def told(self, room: str) -> str:
        """One line of the summary."""
        when = datetime.fromisoformat(self.ended).astimezone()
        skipped = f" ({self.skipped:,} skipped)" if self.skipped else ""
        return (
            f"{room}: {self.passed:,} tests passed{skipped} with the same inputs on {when:%Y-%m-%d %H:%M}; "
            f"make test-{room} runs them"
        )


class RoomPasses:
    """Passes of rooms, in a folder; each under its digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, room: str, seen: str) -> RoomPass | None:
        """The pass with these inputs, unless there was none, it is too old, or it cannot be read."""
        try:
            known = RoomPass(**json.loads(self._place(room, seen).read_text(encoding="utf-8")))
            age = datetime.now(UTC) - datetime.fromisoformat(known.ended)
        except (OSError, ValueError, TypeError):
            return None
        return known if timedelta(0) <= age < FRESH else None

    def keep(self, room: str, seen: str, run: RoomPass) -> None:
        place = self._place(room, seen)
        private.folder(place.parent)
        part = place.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(asdict(run)), encoding="utf-8")
        part.replace(place)
        for old in sorted(place.parent.glob("*.json"), key=lambda file: -file.stat().st_mtime_ns)[MOST:]:
            old.unlink(missing_ok=True)

    def _place(self, room: str, seen: str) -> Path:
        return self._folder / room / f"{seen}.json"


@dataclass
class _Room:
    """What is known of a room's run."""

    seen: str
    """Digest of its inputs, before the run."""
    passed: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    bad: bool = False
    strange: set[str] = field(default_factory=set)
    """Files that were opened and are not named."""


class KeptPasses:
    """A plugin of pytest: keeps that rooms passed, and tells which were left out."""

    def __init__(
        self, passes: RoomPasses, running: Mapping[str, str], left_out: Mapping[str, RoomPass]
    ) -> None:
        """`running`: the digest of each closed room that runs wholly."""
        self._passes, self.left_out = passes, left_out
        self._rooms = {room: _Room(seen) for room, seen in running.items()}

    def _of(self, test: str) -> _Room | None:
        return next(
            (known for room, known in self._rooms.items() if test.startswith(f"{CLOSED[room].folder}/")), None
        )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            for room in self._rooms.values():
                room.bad = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        room = self._of(report.nodeid)
        if room is None:
            return
        if report.failed:
            room.bad = True
        elif report.skipped:
            room.skipped.add(report.nodeid)
        elif report.when == "call":
            room.passed.add(report.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended, and says which files its tests have opened."""
        told = getattr(node, "workeroutput", {}).get("opened")
        for name, room in self._rooms.items():
            room.bad = room.bad or told is None
            room.strange.update((told or {}).get(name, ()))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        for name, room in self._rooms.items():
            whole = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
            if whole and room.passed and not room.bad and not room.strange:
                self._passes.keep(name, room.seen, RoomPass(len(room.passed), len(room.skipped), ended))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name, room in self._rooms.items():
            if room.strange:
                terminalreporter.section(f"{name} is not kept as passed")
                terminalreporter.write_line(
                    "its tests opened files that the room does not name: "
                    + ", ".join(sorted(room.strange)[:10])
                )
        if self.left_out:
            terminalreporter.section("left out")
            for name, run in self.left_out.items():
                terminalreporter.write_line(run.told(name))


def planned(rooms: Sequence[str], passes: RoomPasses, root: Path, variables: Mapping[str, str]) -> KeptPasses:
    """For a run of these rooms, or of all: which closed ones are left out, which may be kept as passed."""
    if not may_leave_out(variables):
        return KeptPasses(passes, {}, {})
    seen = {
        name: digest(root, room, variables) for name, room in CLOSED.items() if not rooms or name in rooms
    }
    found = {name: passes.find(name, inputs) for name, inputs in seen.items()} if not rooms else {}
    left_out = {name: run for name, run in found.items() if run is not None}
    return KeptPasses(
        passes, {name: inputs for name, inputs in seen.items() if name not in left_out}, left_out
    )
