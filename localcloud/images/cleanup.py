"""What is taken out of a layer before it becomes an image (the local counterpart of Image Builder's clean-up script)."""

import contextlib
import os
import stat
from pathlib import Path

from localcloud.images.base import remove_tree

_CONTENTS = (
    "tmp", "var/tmp", "run", "var/cache/apt/archives", "var/lib/apt/lists", "root/.cache", "var/log", "var/lib/cloud",
    "home/ubuntu/.cache/pip", "dev", "proc", "sys",
)  # fmt: skip
_FILES = (
    "var/cache/apt/pkgcache.bin", "var/cache/apt/srcpkgcache.bin", "etc/machine-id", "var/lib/dbus/machine-id",
    "root/.bash_history", "home/ubuntu/.bash_history",
    "var/cache/ldconfig/aux-cache", "root/.python_history", "root/.wget-hsts", "root/.netrc",
)  # fmt: skip


def clean(upper: Path) -> None:
    """Remove caches, logs, temporary files and identities from the upper directory of ``/``. What is below it in the base stays."""
    for name in _CONTENTS:
        folder = upper / name
        if folder.is_dir() and not folder.is_symlink():
            for entry in list(folder.iterdir()):
                if not _whiteout(entry):
                    remove_tree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            with contextlib.suppress(OSError):
                folder.rmdir()
    for name in _FILES:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            (upper / name).unlink()
    if (upper / "etc/ssh").is_dir():
        for key in (upper / "etc/ssh").glob("ssh_host_*"):
            key.unlink()


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
