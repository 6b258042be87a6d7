"""Find bubblewrap, the program that makes the instances' sandboxes, or get it (standard library only: set-up
imports this).

Whoever needs it asks `find_bubblewrap`, and whoever starts a process with another PATH or HOME than the
user's gives it `passed_on`: what set-up found is what is used. It is not needed: without it instances are
plain processes, which the fleet says when it starts.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from localcloud import apt
from localcloud.cache import cache_home, locked
from localcloud.progress import Progress
from localcloud.project import project

PACKAGE = "bubblewrap"
VARIABLE = "LOCALCLOUD_BUBBLEWRAP"
"""Names the program, before PATH and the cache: so the fleet, which has neither the user's PATH nor the
user's cache, is told of it.
"""
_REFUSED = ".none"
"""Left in the cache when nothing worked, so that not every run spends half a minute on trying the same
again.
"""


class BubblewrapMisnamed(ValueError):
    """`LOCALCLOUD_BUBBLEWRAP` names no program."""

    exit_code = 1  # of a command that ends with it


def find_bubblewrap() -> Path | None:
    """The one that `LOCALCLOUD_BUBBLEWRAP` names, else `bwrap` on PATH, else the one in the user's cache,
    else None. Changes nothing.

    Raises `BubblewrapMisnamed`.
    """
    named = os.environ.get(VARIABLE, "")
    if named:
        if not (named.startswith("/") and _is_program(Path(named))):
            raise BubblewrapMisnamed(
                f"{VARIABLE} is {named!r}\n  allowed: the absolute path of a program\n  do: correct it, or "
                "unset it to have bwrap found"
            )
        return Path(named)
    found = shutil.which("bwrap")
    if found is not None:
        return Path(found).absolute()
    kept = _cached()
    return kept if _is_program(kept) else None


def passed_on() -> dict[str, str]:
    """What a process needs in its environment to find the same program as this one; nothing when there is
    none.
    """
    found = find_bubblewrap()
    return {} if found is None else {VARIABLE: str(found)}


def ensure_bubblewrap(progress: Progress | None = None) -> Path | None:
    """`bwrap`, installed first if it can be: by apt-get as root (or by `sudo -n`), else from its package into
    the user's cache.

    None, after one line that says why and what to install, when there is no way; it is tried again after
    `make clean`.
    """
    progress = progress or Progress()
    found = find_bubblewrap()
    if found is not None:
        return found
    refused = _cached().parent / _REFUSED
    if refused.is_file():
        progress.say(refused.read_text())
        return None
    try:
        with locked(cache_home() / "bubblewrap.lock", waiting_for=PACKAGE, say=progress.say):
            reasons = [] if find_bubblewrap() else list(_install(progress))
    except OSError as error:
        reasons = [str(error)]
    found = find_bubblewrap()
    if found is None:
        text = (
            "bubblewrap: there is no `bwrap` and it could not be installed "
            f"({'; '.join(dict.fromkeys(reasons))}); "
            "instances will be plain processes without a root and a network of their own. "
            f"To have sandboxes, install the package {PACKAGE} and run `{project().setup}` again."
        )
        with contextlib.suppress(OSError):  # where it cannot be kept, it is tried again
            refused.parent.mkdir(parents=True, exist_ok=True)
            refused.write_text(text)
        progress.say(text)
    return found


def forget_refusal() -> None:
    """Let the next run try again."""
    (_cached().parent / _REFUSED).unlink(missing_ok=True)


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _cached() -> Path:
    return cache_home() / PACKAGE / "bwrap"


def _install(progress: Progress) -> Iterator[str]:
    """Try the ways in turn until one gives a `bwrap`; yields why each of the others failed."""
    with progress.step("bubblewrap: installing", "10-60 seconds, once per machine"):
        for way in (functools.partial(apt.install, PACKAGE), _into_cache):
            reason = way()
            if reason is None:
                return
            yield reason


def _into_cache() -> str | None:
    """Take the one program out of the package, check that it starts here, and keep it; the reason if that
    failed.
    """
    with tempfile.TemporaryDirectory(prefix="bubblewrap-") as folder:
        program = Path(folder) / "usr" / "bin" / "bwrap"
        reason = apt.unpack(PACKAGE, Path(folder)) or apt.run([str(program), "--version"])
        if reason is None:
            kept = _cached()
            kept.parent.mkdir(parents=True, exist_ok=True)
            new = kept.with_suffix(".new")
            shutil.copy2(program, new)
            new.replace(kept)
        return reason
