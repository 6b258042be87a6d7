"""What runs on machines of others: shell scripts that shellcheck has nothing to say about, and Python that
3.10 understands.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from neurocaas.protocol.userdata import UserDataPayload, debug_script, user_data

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
FOREIGN = "tests/shell/foreign/"
"""Scripts in the style of other people, whose style is the point."""


class Code:
    bucket, key, sha256 = "code-bucket", "code/tree.tar.gz", "0" * 64


PAYLOAD = UserDataPayload("mock", "lab/results/job_1/logs/job.json", Code())


def shellcheck(*arguments: str, text: str | None = None) -> str:
    done = subprocess.run(
        [TOOLS / "shellcheck", *arguments], cwd=ROOT, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def scripts() -> list[str]:
    """The shell scripts that git has or would take: by their name, or by their first line."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [
        name
        for name in listed.stdout.split("\0")
        if name and (ROOT / name).is_file() and not name.startswith(FOREIGN)
    ]
    return [
        name
        for name in names
        if name.endswith(".sh") or (not Path(name).suffix and _begins_as_shell(ROOT / name))
    ]


def _begins_as_shell(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and first.rstrip().endswith((b"/sh", b"/bash", b" bash", b" sh"))


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_shell_scripts_are_clean() -> None:
    found = scripts()
    assert {
        "runtime/instance/contrib/run_main.sh",
        ".ci/run",
        "blueprints/dti/provision/10-python.sh",
    } <= set(found)
    assert shellcheck(*found) == ""


@pytest.mark.parametrize(
    "text", [user_data(PAYLOAD), debug_script(PAYLOAD, 2)], ids=["user data", "debug script"]
)
def test_scripts_that_are_made_are_clean(text: str) -> None:
    assert shellcheck("-", text=text) == ""


def test_a_fault_would_be_seen() -> None:
    assert "SC2086" in shellcheck("-", text='#!/bin/bash\nname="$1"\nrm $name\n')


def test_what_runs_in_aws_or_is_installed_by_analysts_is_python_3_10() -> None:
    command: list[str | Path] = [
        TOOLS / "vermin",
        "--target=3.10-",
        "--violations",
        "--no-tips",
        "--eval-annotations",
        "neurocaas",
        "runtime",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Minimum required versions: 3." in done.stdout
