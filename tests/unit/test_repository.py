"""What must never be committed: addresses of package registries, paths of one machine, binaries."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
_HOSTS = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("proxy.golang", "org"),
    ("npmjs", "org"),
    ("anaconda", "org"),
)
REGISTRIES = re.compile("|".join(name + r"\." + end for name, end in _HOSTS))
"""Put together here, so that this file does not name them either."""
INDEX_OPTIONS = re.compile(
    r"^(-i|--index-url|--extra-index-url|-f|--find-links|--trusted-host)\b", re.MULTILINE
)
MACHINE = re.compile(
    r"/(?:home|Users)/(?!ubuntu\b|someone\b|user\b|ec2-user\b)[a-z]\w*|" + re.escape(str(ROOT)) + r"\b"
)
"""Folders of a person, and the folder of this checkout. `/root` and `/home/ubuntu` are also folders of an
instance.
"""
EXECUTABLES = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"PK\x03\x04", b"MZ")
TEXT_LIMIT = 2_000_000


def committed() -> list[Path]:
    """The files that git has or would take."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def matches(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for file in committed():
        text = file.read_text(errors="replace")
        found += [f"{file.relative_to(ROOT)}: {match[0]}" for match in pattern.finditer(text)]
    return found


def test_there_is_something_to_look_at() -> None:
    assert ROOT / "bootstrap.py" in committed()


def test_no_registry_is_named() -> None:
    assert matches(REGISTRIES) == []


def test_no_lock_says_where_to_download() -> None:
    locks = sorted((ROOT / "requirements").glob("*.*"))
    assert len(locks) == 14
    assert [
        lock.name for lock in locks if INDEX_OPTIONS.search(lock.read_text()) or "://" in lock.read_text()
    ] == []


@pytest.mark.parametrize("name", ["base", "dev", "emulator", "go", "portal"])
def test_every_locked_package_has_an_exact_version_and_a_hash(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert lines
    assert [
        line[:60] for line in lines if not re.match(r"^[a-z0-9-]+==\S+.*--hash=sha256:[0-9a-f]{64}", line)
    ] == []


def test_both_locks_of_the_program_agree() -> None:
    pins = []
    for name in ("base", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        pins.append(dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE)))
    base, dev = pins
    assert {
        name: (base[name], dev[name]) for name in base.keys() & dev.keys() if base[name] != dev[name]
    } == {}


def test_no_path_of_one_machine_is_named() -> None:
    assert matches(MACHINE) == []


def test_no_binaries() -> None:
    assert [file for file in committed() if file.read_bytes().startswith(EXECUTABLES)] == []
    assert [file for file in committed() if file.stat().st_size > TEXT_LIMIT] == []
