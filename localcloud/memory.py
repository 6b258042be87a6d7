"""A folder in memory beside the home, for hosts whose own file system cannot hold overlays (for instance
inside a container).

Everybody may make folders in ``/dev/shm``, so its name cannot be foreseen; it is kept in the home, and with
it the folder until the host restarts or the cloud is reset.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

_PLACE = Path("/dev/shm")  # noqa: S108 (the name is random, and the owner is looked at)
_NAME = "memory-folder"


def find(home: Path) -> Path | None:
    """The folder of this home, or None when there is none or what has its name is not ours."""
    try:
        folder = Path((home / _NAME).read_text(encoding="utf-8"))
        status = folder.lstat()
    except (OSError, ValueError):
        return None
    return (
        folder
        if folder.parent == _PLACE and stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        else None
    )


def make(home: Path) -> Path:
    """The folder of this home, made when there is none. Raises OSError when there is no room for folders in
    memory here.
    """
    folder = find(home)
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix=f"localcloud-{os.getuid()}-", dir=_PLACE))
        record = home / _NAME
        record.unlink(missing_ok=True)
        record.write_text(str(folder), encoding="utf-8")
    return folder
