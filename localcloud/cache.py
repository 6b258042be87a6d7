"""The user's cache: what is made once per machine and shared by all checkouts (standard library only: set-up
imports this).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path

from localcloud.project import project

Say = Callable[[str], None]
"""A function that shows one line to a person."""


class HomeUnknown(Exception):
    """This user has no home folder: neither $HOME nor the system's list of users names one."""

    exit_code = 1  # of a command that ends with it


def user_home() -> Path:
    """`$HOME`, else what the system's list of users says; a relative value is ignored, it would be another
    folder from everywhere.

    Raises `HomeUnknown`.
    """
    named = os.environ.get("HOME", "")
    if named.startswith("/"):
        return Path(named)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError as error:
        raise HomeUnknown(
            f"no home folder: HOME is {named!r}, and the system knows no user {os.getuid()}\n"
            "  allowed: an absolute path in HOME, of a folder that this user can write\n"
            "  do: export HOME=/a/folder"
        ) from error


def cache_home() -> Path:
    """The folder below `$XDG_CACHE_HOME`, else `~/.cache`, that has the name which the project gives it
    (`localcloud.project`; XDG base directory specification: a relative value is ignored).

    Raises `HomeUnknown`.
    """
    configured = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(configured) if configured.startswith("/") else user_home() / ".cache"
    return base / project().cache


def content_hash(*files: Path) -> str:
    """Twelve hexadecimal digits of the SHA-256 of the files' contents, in order: the key of everything made
    from them.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def locked(file: Path, *, waiting_for: str, say: Say) -> Iterator[None]:
    """Hold an exclusive lock on `file` so that two runs do not make the same thing; says so when it has to
    wait.

    The lock belongs to the process (flock): it is released when the process ends, however that happens.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that is at work on {waiting_for} (lock: {file})")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
