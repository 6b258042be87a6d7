"""Whether a Python package index can be reached, the way that pip would (standard library only: set-up
imports this).
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from localcloud.progress import last_line

SECONDS = 30


class Unreachable(Exception):
    """The index does not answer, or does not know the package; the text is pip's reason."""


def ask(python: Path, lock: Path) -> None:
    """Ask for the first package that `lock` pins, with the pip of `python` and its settings (PIP_INDEX_URL,
    proxies, pip.conf).

    Gets nothing. A pip that was told to be quiet says no versions: that it found the package is enough.
    Raises `Unreachable`.
    """
    pinned = re.search(r"^([A-Za-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE)
    if pinned is None:
        raise Unreachable(f"{lock} pins no package; restore it from git")
    name, version = pinned.groups()
    command = [
        str(python),
        "-m",
        "pip",
        "index",
        "versions",
        name,
        "--pre",
        "--retries",
        "1",
        "--timeout",
        "5",
        "--disable-pip-version-check",
    ]
    try:
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unreachable(str(error)) from error
    if answer.returncode != 0:
        raise Unreachable(last_line(answer.stderr) or f"pip ended with {answer.returncode}")
    if answer.stdout.strip() and version not in re.split(r"[\s,]+", answer.stdout):
        raise Unreachable(f"it has no {name} {version}")
