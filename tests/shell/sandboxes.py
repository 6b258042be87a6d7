"""Another /home for a command, by bubblewrap."""

from __future__ import annotations

import subprocess
from pathlib import Path

from localcloud.bubblewrap import find_bubblewrap


def sandbox(*home: str) -> list[str] | None:
    """What comes before a command so that it sees a /home made by bubblewrap's arguments `home`, with the
    other homes of this computer in it as they are. None where that is impossible."""
    program = find_bubblewrap()
    others = [
        argument
        for path in Path("/home").iterdir()
        if path.name != "ubuntu"
        for argument in ("--bind", str(path), str(path))
    ]
    command = [str(program), "--dev-bind", "/", "/", *home, *others]
    if program is None or subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        return None
    return command
