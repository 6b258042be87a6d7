"""What is taken out of a layer before it becomes an image (the local counterpart of Image Builder's clean-up
script).
"""

import contextlib
import os
import stat
from pathlib import Path

from localcloud.sandbox.base import remove_tree, within

_CONTENTS = (
    "tmp", "var/tmp", "run", "var/cache/apt/archives", "var/lib/apt/lists", "root/.cache", "var/log",
    "var/lib/cloud",
    "home/ubuntu/.cache/pip", "dev", "proc", "sys",
)  # fmt: skip
_FILES = (
    "var/cache/apt/pkgcache.bin", "var/cache/apt/srcpkgcache.bin", "etc/machine-id",
    "var/lib/dbus/machine-id",
    "root/.bash_history", "home/ubuntu/.bash_history", "etc/sudoers.d/90-cloud-init-users",
    "var/cache/ldconfig/aux-cache", "root/.python_history", "root/.wget-hsts", "root/.netrc",
)  # fmt: skip


_KEYS = ("etc/ssh/ssh_host_*", "root/.ssh/authorized_keys", "home/*/.ssh/authorized_keys")


def clean(upper: Path) -> None:
    """Remove caches, logs, temporary files and identities from the upper directory of ``/``. What is below it
    in the base stays.
    """
    for name in _CONTENTS:
        folder = within(upper, name)
        if folder is not None and folder.is_dir():
            for entry in list(folder.iterdir()):
                if not _whiteout(entry):
                    remove_tree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            with contextlib.suppress(OSError):
                folder.rmdir()
    keys = [path.relative_to(upper) for pattern in _KEYS for path in upper.glob(pattern)]
    for name in (*_FILES, *map(str, keys)):
        file = within(upper, name)
        if file is not None and file.is_file():
            file.unlink()


def _whiteout(path: Path) -> bool:
    """Whether an entry is overlay's mark for something that was deleted."""
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def size_bytes(folder: Path) -> int:
    """Disk space of a tree in bytes; files with several names count once."""
    seen: set[int] = set()
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(path, name))
                if status.st_ino not in seen:
                    seen.add(status.st_ino)
                    total += status.st_blocks * 512
    return total
