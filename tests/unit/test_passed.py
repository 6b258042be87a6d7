"""What a closed room stands on, and when a run leaves it out."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localcloud.sandbox import base
from tests import passed, run
from tests.closed import CLOSED, ClosedRoom, digest, stands_on

ROOM = ClosedRoom("room", ("room", "one.txt"))
VARIABLES = {"LANG": "C.UTF-8", "PWD": "/one", "MAKEFLAGS": ""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "room" / "deep").mkdir(parents=True)
    (tmp_path / "room" / "deep" / "a.py").write_text("1")
    (tmp_path / "one.txt").write_text("1")
    (tmp_path / "not of it.txt").write_text("1")
    return tmp_path


CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte": lambda folder: (folder / "room/deep/a.py").write_text("2"),
    "a byte of a file that is named itself": lambda folder: (folder / "one.txt").write_text("2"),
    "a new file": lambda folder: (folder / "room/deep/b.json").touch(),
    "a file that is gone": lambda folder: (folder / "room/deep/a.py").unlink(),
    "a new name": lambda folder: (folder / "room/deep/a.py").rename(folder / "room/a.py"),
    "a file that can be run": lambda folder: (folder / "room/deep/a.py").chmod(0o755),
    "a link": lambda folder: (folder / "room/link").symlink_to("nowhere"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_file_counts(change: str, folder: Path) -> None:
    before = digest(folder, ROOM, VARIABLES)
    assert digest(folder, ROOM, VARIABLES) == before
    CHANGES[change](folder)
    assert digest(folder, ROOM, VARIABLES) != before


@pytest.mark.parametrize(
    "name", ["room/__pycache__/a.cpython-311.pyc", "room/.pytest_cache/v/x", "not of it.txt", "room/build/x"]
)
def test_what_a_tool_has_made_or_the_room_does_not_name_does_not_count(name: str, folder: Path) -> None:
    before = digest(folder, ROOM, VARIABLES)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("anything")
    assert digest(folder, ROOM, VARIABLES) == before


def test_the_python_its_packages_and_the_host_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = folder / "site-packages"
    (packages / "boto3-1.0.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(packages))
    seen = {digest(folder, ROOM, VARIABLES)}
    (packages / "boto3-1.0.dist-info").rename(packages / "boto3-1.1.dist-info")
    seen.add(digest(folder, ROOM, VARIABLES))
    tools = folder / "bin"
    tools.mkdir()
    (tools / "pulumi").write_text("#!/bin/sh\n")
    (tools / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    seen.add(digest(folder, ROOM, VARIABLES))
    monkeypatch.setattr(sys, "version", "3.99.0")
    seen.add(digest(folder, ROOM, VARIABLES))
    monkeypatch.setattr(base, "fingerprint", lambda user_namespace: "other packages of the host")
    seen.add(digest(folder, ROOM, VARIABLES))
    assert len(seen) == 5


def test_variables_count_but_not_those_of_a_terminal(folder: Path) -> None:
    before = digest(folder, ROOM, VARIABLES)
    assert digest(folder, ROOM, {**VARIABLES, "PWD": "/other", "SSH_TTY": "x"}) == before
    for name in ("LOCALCLOUD_SANDBOX", "HYPOTHESIS_PROFILE", "PATH", "TZ", "NOBODY_KNOWS"):
        assert digest(folder, ROOM, {**VARIABLES, name: "x"}) != before


def test_the_room_localcloud_names_all_that_it_imports() -> None:
    room = CLOSED["localcloud"]
    strange = {
        (str(file.relative_to(run.ROOT)), name)
        for top in room.stands_on
        for file in (run.ROOT / top).rglob("*.py")
        for name in imports(file)
        if (run.ROOT / name.partition(".")[0]).is_dir() or (run.ROOT / f"{name}.py").is_file()
        if not stands_on(room, Path(name.replace(".", "/")))
        and not stands_on(room, Path(f"{name.replace('.', '/')}.py"))
    }
    assert strange == set()


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_a_pass_counts_for_a_week(tmp_path: Path) -> None:
    passes, now = passed.RoomPasses(tmp_path), datetime.now(UTC)
    for days, found in ((0.5, True), (6.9, True), (7.1, False), (-1, False)):
        known = passed.RoomPass(3, 1, (now - timedelta(days=days)).isoformat())
        passes.keep("localcloud", "seen", known)
        assert passes.find("localcloud", "seen") == (known if found else None)
    assert passes.find("localcloud", "other") is None
    next(tmp_path.rglob("*.json")).write_text("{")
    assert passes.find("localcloud", "seen") is None


def test_only_the_latest_passes_are_kept(tmp_path: Path) -> None:
    passes, known = passed.RoomPasses(tmp_path), passed.RoomPass(1, 0, datetime.now(UTC).isoformat())
    for number in range(passed.MOST + 3):
        passes.keep("localcloud", f"seen{number}", known)
    assert len(list(tmp_path.rglob("*.json"))) == passed.MOST
    assert passes.find("localcloud", f"seen{passed.MOST + 2}") == known


@pytest.mark.parametrize(
    ("rooms", "variables", "left_out"),
    [
        ([], {}, True),
        ([], {"CI": "true"}, False),
        ([], {"PYTEST_ADDOPTS": "-x"}, False),
        (["localcloud"], {}, False),
        (["unit", "localcloud"], {}, False),
    ],
)
def test_a_room_is_left_out_of_a_run_of_all_rooms_on_this_machine(
    rooms: list[str], variables: dict[str, str], left_out: bool, tmp_path: Path
) -> None:
    passes = passed.RoomPasses(tmp_path)
    variables = {**VARIABLES, **variables}
    known = passed.RoomPass(1234, 0, datetime.now(UTC).isoformat())
    passes.keep("localcloud", digest(run.ROOT, CLOSED["localcloud"], variables), known)
    plan = passed.planned(rooms, passes, run.ROOT, variables)
    assert plan.left_out == ({"localcloud": known} if left_out else {})


STAND_INS = """
import sys
from pathlib import Path
sys.path[0] = SOURCES
from tests import run
# the room
run.ROOT = Path(FOLDER)
run.ROOMS = {"localcloud": FOLDER + "/room", "other": FOLDER + "/other"}
sys.exit(run.main(ARGUMENTS))
"""
CONFTEST = """
from tests.closed import CLOSED, ClosedRoom
CLOSED["localcloud"] = ClosedRoom("room", ("room",))
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A checkout with a closed room and another."""
    folder = tmp_path / "house"
    for room in ("room", "other"):
        (folder / room).mkdir(parents=True)
        (folder / room / f"test_{room}.py").write_text("def test_one(): pass\ndef test_two(): pass\n")
    (folder / "pytest.ini").write_text(
        "[pytest]\ntestpaths = room other\naddopts = --import-mode=importlib\n"
    )
    (folder / "conftest.py").write_text(CONFTEST)
    return folder


def ran(house: Path, *arguments: str, **variables: str) -> str:
    """What a run of the runner in `house` prints."""
    words = ["--jobs", "1", *arguments]
    program = CONFTEST.join(STAND_INS.split("# the room\n"))
    for name, value in (("FOLDER", str(house)), ("ARGUMENTS", words), ("SOURCES", str(run.ROOT))):
        program = program.replace(name, repr(value))
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_ADDOPTS")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=run.ROOT,
        env={**kept, "XDG_CACHE_HOME": str(house.parent / "cache"), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def kept(house: Path) -> list[dict[str, object]]:
    return [json.loads(file.read_text()) for file in (house.parent / "cache").rglob("rooms/*/*.json")]


def test_a_room_that_passed_is_left_out_until_something_changes(house: Path) -> None:
    """Also when another room failed; and the digest is of what was there before the run."""
    (house / "other" / "test_three.py").write_text("def test_three(): raise OSError\n")
    writes = (
        "import shutil\nfrom pathlib import Path\ndef test_three(tmp_path):\n"
        "    Path(__file__).with_name('new.json').write_text('1')\n"
        "    (tmp_path / 'deep/other').mkdir(parents=True)\n"
        "    shutil.rmtree(tmp_path / 'deep')  # opens 'other' in a folder that it has opened\n"
    )
    (house / "room" / "test_three.py").write_text(writes)
    assert "1 failed, 5 passed" in ran(house)
    assert [known["passed"] for known in kept(house)] == [3]
    assert "1 failed, 5 passed" in ran(house)
    again = ran(house)
    assert "1 failed, 2 passed" in again
    assert "\nlocalcloud: 3 tests passed with the same inputs on 20" in again
    assert "; make test-localcloud runs them\n" in again


def test_a_room_whose_tests_open_what_it_does_not_name_is_not_kept(house: Path) -> None:
    (house / "README.md").write_text("words")
    (house / "room" / "test_three.py").write_text(
        "from pathlib import Path\nHERE = Path(__file__).parents[1]\n"
        "def test_three(): assert (HERE / 'README.md').read_text() and Path(__file__).read_text()\n"
    )
    text = ran(house)
    assert "5 passed" in text
    assert "its tests opened files that the room does not name: README.md\n" in text
    assert kept(house) == []


TEST = "localcloud/tests/test_one.py::test"


def reports(plan: passed.KeptPasses, outcome: str, opened: object) -> None:
    """One test's end, and its worker's."""
    for when, ended in (("setup", "passed"), ("call", outcome), ("teardown", "passed")):
        report: Any = SimpleNamespace(
            nodeid=TEST, when=when, failed=ended == "failed", skipped=ended == "skipped", outcome=ended
        )
        plan.pytest_runtest_logreport(report)
    plan.pytest_testnodedown(SimpleNamespace(workeroutput={} if opened is None else {"opened": opened}))


@pytest.mark.parametrize(
    ("outcome", "opened", "collected", "exitstatus", "counts"),
    [
        ("passed", {"localcloud": []}, True, 0, True),
        ("passed", {"localcloud": []}, True, 1, True),  # another room's test failed
        ("failed", {"localcloud": []}, True, 1, False),
        ("skipped", {"localcloud": []}, True, 0, False),  # nothing was tested
        ("passed", {"localcloud": ["README.md"]}, True, 0, False),
        ("passed", None, True, 1, False),  # the worker died
        ("passed", {"localcloud": []}, False, 1, False),
        ("passed", {"localcloud": []}, True, 2, False),  # interrupted
    ],
)
def test_only_a_whole_run_in_which_nothing_failed_is_kept(
    outcome: str, opened: object, collected: bool, exitstatus: int, counts: bool, tmp_path: Path
) -> None:
    passes = passed.RoomPasses(tmp_path)
    plan = passed.planned([], passes, run.ROOT, VARIABLES)
    report: Any = SimpleNamespace(failed=not collected)
    plan.pytest_collectreport(report)
    reports(plan, outcome, opened)
    session: Any = None
    plan.pytest_sessionfinish(session, exitstatus)
    found = passes.find("localcloud", digest(run.ROOT, CLOSED["localcloud"], VARIABLES))
    assert (found is not None) is counts
    if found:
        assert (found.passed, found.skipped) == (1, 0)


@pytest.mark.parametrize("variables", [{"CI": "1"}, {"PYTEST_ADDOPTS": "-k one"}])
def test_nothing_is_kept_of_ci_or_of_what_the_environment_has_chosen(
    variables: dict[str, str], tmp_path: Path
) -> None:
    plan = passed.planned([], passed.RoomPasses(tmp_path), run.ROOT, {**VARIABLES, **variables})
    reports(plan, "passed", {"localcloud": []})
    session: Any = None
    plan.pytest_sessionfinish(session, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "keeps"),
    [([], True), (["localcloud"], True), (["-k", "one"], False), (["--jobs", "0"], False)],
)
def test_a_part_of_a_room_is_not_kept(
    arguments: list[str], keeps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def main(words: list[str], plugins: list[object]) -> int:
        given.extend(plugins)
        return 0

    monkeypatch.setattr(pytest, "main", main)
    assert run.main(["--jobs", "1", *arguments]) == 0
    assert any(isinstance(plugin, passed.KeptPasses) for plugin in given) is keeps


def test_every_closed_room_is_a_room_of_the_runner() -> None:
    assert {name: room.folder for name, room in CLOSED.items()}.items() <= run.ROOMS.items()
    assert not {"unit", "local"} & set(CLOSED)
    assert all((run.ROOT / name).exists() for room in CLOSED.values() for name in room.stands_on)
