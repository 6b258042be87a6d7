"""The files of a layer with all that an overlay knows of them: copied, and told apart by a digest."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path


def copied(source: Path, target: Path) -> None:
    """Make `target` the same tree as `source`: modes, owners, times, extended attributes, links, whiteouts.

    On one file system files are shared by a hard link: neither tree may be written afterwards, only removed.
    Raises OSError.
    """
    names: dict[tuple[int, int], Path] = {}
    folders = []
    for path, status in _entries(source):
        made = target / path.relative_to(source)
        if stat.S_ISDIR(status.st_mode):
            made.mkdir(mode=0o700)
            folders.append((path, made, status))
        elif not _linked(path, made):
            known = names.setdefault((status.st_dev, status.st_ino), made)
            if known is not made:
                os.link(known, made, follow_symlinks=False)
            else:
                _copy(path, made, status)
    for path, made, status in reversed(folders):  # what is in a folder changes its time
        _attributes(path, made, status)


def digest(tree: Path) -> str:
    """SHA-256 over the names, contents, modes, owners, links and extended attributes of a tree; times do not
    count. Raises OSError.
    """
    whole = hashlib.sha256()
    for path, status in _entries(tree):
        kind = stat.S_IFMT(status.st_mode)
        size = status.st_size if kind == stat.S_IFREG else 0
        about = [os.fsencode(path.relative_to(tree)), status.st_mode, status.st_uid, status.st_gid, size]
        about += [status.st_rdev, *_extended(path)]
        whole.update(repr(about).encode() + b"\n")
        if kind == stat.S_IFLNK:
            whole.update(os.fsencode(os.readlink(path)) + b"\n")
        elif kind == stat.S_IFREG:
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _entries(tree: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The tree and all in it, a folder before its content, in an order that does not change."""
    waiting = [tree]
    while waiting:
        path = waiting.pop()
        status = path.lstat()
        yield path, status
        if stat.S_ISDIR(status.st_mode):
            waiting += [path / name for name in sorted(os.listdir(path), reverse=True)]


def _linked(path: Path, made: Path) -> bool:
    try:
        os.link(path, made, follow_symlinks=False)
    except OSError:  # another file system, too many names, or a file of somebody else
        return False
    return True


def _copy(path: Path, made: Path, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        made.symlink_to(os.readlink(path))
    elif stat.S_ISREG(status.st_mode):
        shutil.copyfile(path, made)
    else:  # overlay's mark for something that was deleted
        os.mknod(made, status.st_mode, status.st_rdev)
    _attributes(path, made, status)


def _attributes(path: Path, made: Path, status: os.stat_result) -> None:
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(made, status.st_uid, status.st_gid, follow_symlinks=False)
    shutil.copystat(path, made, follow_symlinks=False)
    for name, value in _extended(path):
        os.setxattr(made, name, value, follow_symlinks=False)


def _extended(path: Path) -> list[tuple[str, bytes]]:
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return [(name, os.getxattr(path, name, follow_symlinks=False)) for name in names]
