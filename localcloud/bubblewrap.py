"""Find bubblewrap, the program that makes the instances' sandboxes, or get it (standard library only: set-up imports this).

It is not needed: without it instances are plain processes, which the fleet says when it starts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from localcloud.cache import cache_home, locked
from localcloud.progress import Progress, last_line

PACKAGE = "bubblewrap"
APT_SECONDS = 300
_REFUSED = ".none"
"""Left in the cache when nothing worked, so that not every run spends half a minute on trying the same again."""


def find_bubblewrap() -> Path | None:
    """`bwrap` on PATH, else the one in the user's cache, else None. Changes nothing."""
    found = shutil.which("bwrap")
    if found is not None:
        return Path(found)
    kept = _cached()
    return kept if os.access(kept, os.X_OK) else None


def ensure_bubblewrap(progress: Progress | None = None) -> Path | None:
    """`bwrap`, installed first if it can be: by apt-get as root (or by `sudo -n`), else from its package into the user's cache.

    None, after one line that says why and what to install, when there is no way; it is tried again after `make clean`.
    """
    progress = progress or Progress()
    found = find_bubblewrap()
    if found is not None:
        return found
    refused = _cached().parent / _REFUSED
    if refused.is_file():
        progress.say(refused.read_text())
        return None
    with locked(cache_home() / "bubblewrap.lock", waiting_for=PACKAGE, say=progress.say):
        reasons = [] if find_bubblewrap() else list(_install(progress))
    found = find_bubblewrap()
    if found is None:
        text = (
            f"bubblewrap: there is no `bwrap` and it could not be installed ({'; '.join(reasons)}); "
            "instances will be plain processes without a root and a network of their own. "
            f"To have sandboxes, install the package {PACKAGE} and run `make setup` again."
        )
        refused.parent.mkdir(parents=True, exist_ok=True)
        refused.write_text(text)
        progress.say(text)
    return found


def forget_refusal() -> None:
    """Let the next run try again."""
    (_cached().parent / _REFUSED).unlink(missing_ok=True)


def _cached() -> Path:
    return cache_home() / PACKAGE / "bwrap"


def _install(progress: Progress) -> Iterator[str]:
    """Try the ways in turn until one gives a `bwrap`; yields why each of the others failed."""
    if shutil.which("apt-get") is None:
        yield "no apt-get on this machine"
        return
    with progress.step("bubblewrap: installing", "10-60 seconds, once per machine"):
        for way in (_as_administrator, _as_user):
            reason = way()
            if reason is None:
                return
            yield reason


def _as_administrator() -> str | None:
    """Install the package for the whole machine; the reason if that failed."""
    if os.geteuid() == 0:
        prefix: list[str] = []
    elif shutil.which("sudo") and _run(["sudo", "-n", "true"]) is None:
        prefix = ["sudo", "-n"]
    else:
        return "not root, and no sudo without a password"
    install = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q", "--no-install-recommends", PACKAGE]
    if _run(install) is None:
        return None
    return _run([*prefix, "apt-get", "update", "-q"]) or _run(install)


def _as_user() -> str | None:
    """Fetch the package with lists and a cache of our own, check that it starts, and keep its one program; the reason if that failed."""
    with tempfile.TemporaryDirectory(prefix="bubblewrap-") as folder:
        work = Path(folder)
        for name in ("lists/partial", "archives/partial"):
            (work / name).mkdir(parents=True)
        private = [
            *("-o", f"Dir::State::Lists={work}/lists", "-o", f"Dir::Cache={work}", "-o", f"Dir::Cache::Archives={work}/archives"),
            *("-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="),
        ]
        reason = _run(["apt-get", *private, "update", "-q"]) or _run(["apt-get", *private, "download", PACKAGE], cwd=work)
        if reason is not None:
            return reason
        package = next(work.glob(f"{PACKAGE}_*.deb"), None)
        if package is None:
            return "apt-get download left no package"
        reason = _run(["dpkg-deb", "-x", str(package), str(work / "root")])
        program = work / "root" / "usr" / "bin" / "bwrap"
        reason = reason or _run([str(program), "--version"])
        if reason is None:
            kept = _cached()
            kept.parent.mkdir(parents=True, exist_ok=True)
            new = kept.with_suffix(".new")
            shutil.copy2(program, new)
            new.replace(kept)
        return reason


def _run(command: list[str], cwd: Path | None = None) -> str | None:
    """Run a command without input; None if it succeeded, else its last line."""
    try:
        answer = subprocess.run(
            command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=APT_SECONDS, check=False
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    if answer.returncode == 0:
        return None
    return f"{command[0]}: {last_line(answer.stderr) or last_line(answer.stdout) or f'exit code {answer.returncode}'}"
