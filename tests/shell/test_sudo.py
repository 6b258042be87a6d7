"""The stand-in for sudo in local machines: the ways in which people call it."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

SUDO = Path(__file__).parents[2] / "localcloud/sandbox/guest/sudo.sh"


def sudo(*arguments: str) -> tuple[int, str]:
    """Exit status, and what it printed."""
    done = subprocess.run(
        ["sh", SUDO, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(
    "flags",
    [
        "-u {}",
        "-u{}",
        "-Hnu {}",
        "-H -u {}",
        "--user {}",
        "--user={}",
        "-iu {}",
        "-i -u {} --",
        "-n --login --user {}",
    ],
)
def test_a_user(flags: str) -> None:
    name, home = (
        ("nobody", "/nonexistent")
        if os.getuid() == 0
        else (pwd.getpwuid(os.getuid()).pw_name, os.environ["HOME"])
    )
    status, said = sudo(*flags.format(name).split(), "sh", "-c", 'echo "$(id -un) $HOME $USER $LOGNAME"')
    assert (status, said.splitlines()[-1]) == (0, f"{name} {home} {name} {name}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-E", "A=1", "B=a b", "sh", "-c", 'echo "$A $B"'], "1 a b"),
        (["-S", "-p", "", "echo", "-u", "x"], "-u x"),
        (["--preserve-env=PATH", "--", "echo", "x"], "x"),
        (["-D", "/usr", "pwd"], "/usr"),
        (["-s", "echo", "a  b", "$x"], "a  b $x"),
        (["-i", "cd", "/"], ""),
        (["-v"], ""),
    ],
)
@pytest.mark.skipif(os.getuid() != 0, reason="without -u it is root's")
def test_options(arguments: list[str], said: str) -> None:
    assert sudo(*arguments) == (0, said)


def test_a_user_that_is_not_there() -> None:
    assert sudo("-u", "nosuch", "true") == (1, "sudo: unknown user nosuch")
