"""A terminal of 80 columns for tests: what a program writes on it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import termios
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


def environment(home: Path) -> dict[str, str]:
    """Of a person without an account and without a local cloud."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "LOCALCLOUD_", "PULUMI_", "NEUROCAAS_"))
    }
    kept.pop("PYTHONUNBUFFERED", None)
    own = {
        "LOCALCLOUD_HOME": str(home / "local"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(home / "none"),
    }
    return {**kept, **own, "AWS_SHARED_CREDENTIALS_FILE": str(home / "none")}


def record(
    command: Sequence[str], folder: Path, environ: Mapping[str, str], size: tuple[int, int] = (24, 80)
) -> tuple[int, str]:
    """Run a command on a terminal of `size` (lines, columns): its exit code and all that it wrote."""
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    environ = {name: value for name, value in environ.items() if name not in ("COLUMNS", "LINES")} | {
        "TERM": "xterm-256color"
    }
    process = subprocess.Popen(
        command, cwd=folder, env=environ, stdin=its, stdout=its, stderr=its, start_new_session=True
    )
    os.close(its)
    written = b""
    with contextlib.suppress(OSError):  # EIO: the last writer has gone
        while some := os.read(ours, 65536):
            written += some
    os.close(ours)
    return process.wait(), written.decode("utf-8", "replace")


def clean(screen: str) -> str:
    """The text without colours and cursor movements; of a line that was written over, its last state."""
    lines = _CONTROL.sub("", screen).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r")[2] for line in lines)


def columns(line: str) -> int:
    """The columns that a line takes."""
    return sum(
        2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in line
        if not unicodedata.combining(one)
    )
