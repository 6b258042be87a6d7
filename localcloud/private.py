"""What only this user may reach, whatever the umask is.

A closed folder (mode 0700) hides all that lies below it, so the home of a local cloud and its folder in
memory are closed before anything is put there: keys, objects and logs, and disks of machines, on which
scripts make what they like (programs that run as root, devices).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

GUESTS = ("fleet", "images", "builds-running", "recordings-running", "copies")
"""Folders of folders that hold disks and layers: what is in those keeps the modes that machines gave it."""


@contextlib.contextmanager
def umask(mask: int = 0o077) -> Iterator[None]:
    """What is made inside the ``with`` block gets at most the modes that ``mask`` leaves. It holds for all
    threads of the process.
    """
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def folder(path: Path) -> Path:
    """Make a folder, or take the one that is there, and close it.

    Raises PermissionError, in words, when it belongs to somebody else: whoever owns a folder can open it
    again.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        owner = os.fstat(descriptor).st_uid
        if owner != os.getuid():
            raise PermissionError(
                f"{path} belongs to user {owner}, and this is user {os.getuid()}. The local cloud keeps "
                "keys and disks there: only a "
                "folder of its own user is allowed. Work as that user, or choose another folder with "
                "LOCALCLOUD_HOME."
            )
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
    return path


def tighten(home: Path) -> None:
    """Close what an earlier start left open below ``home``, which is closed already.

    Disks and layers stay as they are. So do files with several names (another name may be anywhere) and what
    belongs to somebody else.
    """
    for path, folders, files in os.walk(home):
        below = Path(path).relative_to(home).parts
        if below and below[0] in GUESTS and len(below) > 1:
            folders.clear()
        for name in (*folders, *files):
            _close(Path(path, name))


def _close(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        status = path.lstat()
        if (
            stat.S_ISLNK(status.st_mode)
            or status.st_uid != os.getuid()
            or (status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode))
        ):
            return
        if stat.S_IMODE(status.st_mode) & 0o7077:
            path.chmod(stat.S_IMODE(status.st_mode) & 0o700)
