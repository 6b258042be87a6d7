"""Files of a file backend whose writing was cut off: an engine that is killed leaves them so, and no command
works on any stack then.

The backend puts the files of stacks in place as a whole, and notes beside each what it is (`.attrs`), which
it does not.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname


def folder(url: str) -> Path | None:
    """Where a file backend keeps its files (`file://~`, `file:///srv/state?...`); None for another kind of
    backend.
    """
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    return Path(os.path.expanduser(url2pathname(parts.netloc + parts.path))) / ".pulumi"


def torn(state: Path) -> list[Path]:
    """The files below `state` that an engine cannot read."""
    return sorted(
        file for pattern in ("*.json", "*.attrs") for file in state.rglob(pattern) if not _readable(file)
    )


def mend(state: Path) -> list[Path]:
    """Make the backend readable again: notes are dropped, which the engine takes for none; a state gives way
    to the one before it, of which the engine keeps a copy, and stands beside it. Only when no engine works
    there. Returns what was torn."""
    found = torn(state)
    for file in found:
        before = file.with_name(f"{file.name}.bak")
        if file.suffix == ".attrs" or "locks" in file.relative_to(state).parts:
            file.unlink(missing_ok=True)
            continue
        file.replace(file.with_name(f"{file.name}.torn"))
        if _readable(before):
            file.write_bytes(before.read_bytes())
    return found


def _readable(file: Path) -> bool:
    try:
        json.loads(file.read_bytes())
    except ValueError:
        return False
    except OSError:
        return not file.exists() and file.suffix != ".bak"  # gone at this moment: nothing is wrong with it
    return True
