"""The suite's own runner: rooms, parts, and what is printed when something failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import run

STAND_INS = """
import sys
from tests import run
run._command = lambda part: [sys.executable, "-c", f"print('ran', {part[0]!r}); raise SystemExit({CODE})"]
run.ROOMS["unit"] = FOLDER
sys.exit(run.main(["--static", "unit"]))
"""


def ran(folder: Path, test: str, code: int) -> subprocess.CompletedProcess[str]:
    """Run a room with one test; lint and types end with `code`."""
    (folder / "test_one.py").write_text(f"def test_one():\n    {test}\n")
    (folder / "pytest.ini").write_text("[pytest]\n")
    program = STAND_INS.replace("CODE", str(code)).replace("FOLDER", repr(str(folder)))
    return subprocess.run(
        [sys.executable, "-c", program], cwd=run.ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_modules_are_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    test = (
        "import os, sys; assert not sys.dont_write_bytecode and not os.environ.get('PYTHONDONTWRITEBYTECODE')"
    )
    answer = ran(tmp_path, test, 0)
    assert answer.returncode == 0, answer.stdout
    assert list((tmp_path / "__pycache__").glob("test_one.*.pyc")) != []


def test_a_room_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["unti"]) == 2
    error = capsys.readouterr().err
    assert "got 'unti'" in error
    assert "\n  allowed: unit, program, opinions, shell, local" in error
    assert "\n  do: did you mean unit?\n" in error


@pytest.mark.parametrize(("test", "code", "ended"), [("pass", 1, 1), ("raise OSError", 0, 1)])
def test_all_parts_run_and_the_summary_comes_last(test: str, code: int, ended: int, tmp_path: Path) -> None:
    answer = ran(tmp_path, test, code)
    assert answer.returncode == ended, answer.stdout + answer.stderr
    lines = answer.stdout.splitlines()
    assert [line for line in lines if line.startswith("ran ")] == ["ran ruff", "ran ruff", "ran mypy"]
    assert ("1 passed" if test == "pass" else "1 failed") in lines[-1]
    assert (f"bin/python -m pytest --lf {tmp_path}" in answer.stdout) is (test != "pass")
    assert sum(line.startswith("failed: ") for line in lines) == (3 if code else 0)
