"""What this person has submitted from this computer: a file in the place that the platform has for what
programs remember. `--mine` goes by this too: where the service could not say who has submitted, and for
groups that are in no groups.yaml.

It is a convenience: where it cannot be written, nothing is said, and nothing fails. `NEUROCAAS_STATE_FOLDER`
names another folder.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from neurocaas.places import state_folder

MOST = 5000
"""So many are remembered, the latest."""


def remember(bucket: str, group: str, job: str) -> None:
    """That a job was submitted from here."""
    with contextlib.suppress(OSError, RuntimeError):
        file = _file()
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps([bucket, group, job]) + "\n")
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        if len(lines) > 2 * MOST:
            half = file.with_name(f"{file.name}.{os.getpid()}")
            half.write_text("".join(lines[-MOST:]), encoding="utf-8")
            half.replace(file)


def own(bucket: str, group: str) -> frozenset[str]:
    """The jobs of a group that were submitted from here."""
    found = set()
    with contextlib.suppress(OSError, RuntimeError):
        for line in _file().read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, TypeError):
                where, whose, job = json.loads(line)
                if (where, whose) == (bucket, group):
                    found.add(str(job))
    return frozenset(found)


def _file() -> Path:
    return state_folder() / "submitted.jsonl"
