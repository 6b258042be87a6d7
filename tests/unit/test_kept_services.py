"""Deployed services that tests keep: for the same sources only, and not for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local import kept


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept, "ROOT", tmp_path / "project")
    for file in ("components/a.py", "docs/a.md", "localcloud/tests/test_a.py", "tests/unit/test_a.py"):
        write(tmp_path / "project" / file)
    for name in ("states.py", "deployed.py", "guide_project.py"):
        write(tmp_path / "project/tests/local" / name)
    return tmp_path / "project"


def write(file: Path, text: str = "1") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_other_sources_have_other_services(root: Path) -> None:
    first = kept.services()
    for file in ("docs/a.md", "localcloud/tests/test_a.py", "tests/unit/test_a.py", ".local/state"):
        write(root / file, "2")
    assert kept.services() == first
    found = {first}
    for number, file in enumerate(("components/a.py", "components/b.py", "tests/local/deployed.py"), start=1):
        write(root / file, "2")
        found.add(kept.services())
        assert len(found) == number + 1
    (root / "components/b.py").rename(root / "components/c.py")
    assert kept.services() not in found


def test_a_setting_of_the_local_cloud_makes_others(monkeypatch: pytest.MonkeyPatch) -> None:
    first = kept.services()
    monkeypatch.setenv("LOCALCLOUD_WARM_PYTHON", "/a/python/of/this/run")
    assert kept.services() == first
    monkeypatch.setenv("LOCALCLOUD_SANDBOX", "process")
    assert kept.services() != first


ASK = "from pathlib import Path; import sys; from tests.local import kept; kept.ROOT = Path(sys.argv[1]); "


def test_only_the_last_versions_are_kept_and_those_that_a_run_uses(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_KEPT", 2)
    repository = Path(__file__).resolve().parents[2]

    def made(text: str, *, stays: bool = False) -> Path:
        """A version that another process made."""
        write(root / "components/a.py", text)
        code = ASK + "print(kept.services(), flush=True); sys.stdin.read()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(root)],
            cwd=repository,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        assert process.stdin
        folder = Path(process.stdout.readline().strip())
        if stays:
            running.append(process)
        else:
            process.communicate("")
        age = next(ages)
        os.utime(folder, (age, age))
        return folder

    running: list[subprocess.Popen[str]] = []
    ages = iter(range(1000, 2000, 10))
    used = made("used", stays=True)
    old, before = made("old"), made("before")
    try:
        write(root / "components/a.py", "now")
        now = kept.services()
        assert [one.exists() for one in (used, old, before, now)] == [True, False, True, True]
    finally:
        for process in running:
            process.communicate("")
