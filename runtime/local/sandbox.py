"""A machine's looks for `run-local`: by bubblewrap, or as near as it gets without.

In the sandbox the script is root in a home /home/ubuntu of its own, with its own /tmp, /root and processes,
none of which is there afterwards. This computer is read-only; of people's homes, and of what services keep in
/run, only what the run needs is to be seen, so that nothing of this computer can be written, told to end, or
switched off. The network is this computer's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HOME = Path("/home/ubuntu")
_OWN = ("tmp", "root", "var/tmp", "home/ubuntu")
"""Folders in which a script of a machine may write, and which are the run's own."""

_HIDDEN = ("home", "root", "run", "tmp", "var/tmp")
_NOT_BOUND = frozenset({"proc", "dev", "home", "root", "run", "tmp", "lost+found"})
_OF_RUN = ("systemd/resolve", "resolvconf", "NetworkManager", "nscd")
"""What finding names in the network needs of /run."""

_DEVICES = ("nvidia*", "dri", "kfd")
_FORGOTTEN = ("TMPDIR", "TMP", "TEMP", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK")

DIFFERENCES = (
    "bubblewrap does not work here, so the script runs on this computer as it is: /home/ubuntu is not its "
    "home ($userhome is), absolute "
    "paths are this computer's, and processes that get away from it stay. Install bubblewrap (`make setup` "
    "tries)."
)
SANDBOX_DIFFERENCES = (
    "unlike on a machine, programs and packages are this computer's, and read-only, as is all outside of "
    "/home/ubuntu, /root, /tmp and new "
    "folders of /."
)


IMAGE_DIFFERENCES = (
    "unlike on a machine, there is no metadata service, no role and no GPU, and the network is this "
    "computer's."
)


@dataclass(frozen=True)
class Start:
    """How a process is started: its command, its environment, and where."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path


@dataclass(frozen=True)
class RunRoom:
    """Where a run takes place. `code` is the folder of the code tree, as the run sees it, `python` the
    interpreter that reports; `differs` says what is not as on a machine. `start` makes a command and its
    variables a process in it."""

    code: Path
    python: str
    differs: str
    start: Callable[[Sequence[str], Mapping[str, str]], Start]


MakeRoom = Callable[[Path, Sequence[Path], Path], RunRoom]
"""For a run in a folder, whose `own/home/ubuntu/neurocaas_contrib` becomes the code tree: with the paths that
it reads, and the one folder outside that it writes."""


def rooms(environment: Mapping[str, str], bubblewrap: Path | None = None) -> MakeRoom:
    """Rooms on this computer: sandboxed where `bubblewrap` works."""
    kept = {name: value for name, value in environment.items() if name not in _FORGOTTEN}

    def make(scratch: Path, needs: Sequence[Path], writable: Path) -> RunRoom:
        own = scratch / "own"
        home = own / "home/ubuntu"
        for name in _OWN:
            (own / name).mkdir(parents=True, exist_ok=True)
        before: list[str] = []
        if bubblewrap:
            before = [
                str(bubblewrap),
                *_arguments(scratch, [*needs, *_of_path(environment.get("PATH", ""))], writable),
            ]
        if before and _works((*before, "true")):
            inside, differs = HOME, SANDBOX_DIFFERENCES
            variables = {"HOME": "/root", "NEUROCAAS_RUN_FOLDER": "/"}
        else:
            before, inside, differs = [], home, DIFFERENCES
            variables = {"HOME": str(home), "TMPDIR": str(own / "tmp")}
            variables |= {"NEUROCAAS_USERHOME": str(home), "NEUROCAAS_RUN_FOLDER": str(own)}

        def start(command: Sequence[str], more: Mapping[str, str]) -> Start:
            return Start([*before, *command], {**kept, **variables, **more}, home)

        return RunRoom(inside / "neurocaas_contrib", sys.executable, differs, start)

    return make


def prefixes(program: Path) -> Iterator[Path]:
    """What a program consists of: for each link on the way to it, the folder above its bin/."""
    path = Path(os.path.abspath(program))
    while True:
        yield path.parent.parent if path.parent.name in ("bin", "sbin", "condabin") else path
        if not path.is_symlink():
            return
        path = Path(os.path.normpath(path.parent / path.readlink()))


def _works(command: Sequence[str]) -> bool:
    try:
        return (
            subprocess.run(
                command, capture_output=True, timeout=30, stdin=subprocess.DEVNULL, check=False
            ).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def _of_path(path: str) -> Iterator[Path]:
    """The environments of people's homes that are on their PATH."""
    for folder in map(Path, filter(None, path.split(":"))):
        if folder.is_absolute() and folder.is_dir():
            yield folder.parent if folder.name in ("bin", "sbin", "condabin") else folder


def _arguments(scratch: Path, needs: Iterable[Path], writable: Path) -> Iterator[str]:
    yield from (
        "--unshare-user",
        "--uid",
        "0",
        "--gid",
        "0",
        "--unshare-pid",
        "--unshare-ipc",
        "--die-with-parent",
    )
    yield from ("--tmpfs", "/")
    for path in sorted(Path("/").iterdir()):
        if path.name in _NOT_BOUND:
            continue
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        else:
            yield from ("--ro-bind", str(path), str(path))
    yield from ("--proc", "/proc", "--dev", "/dev", "--dir", "/run")
    for name in _OF_RUN:
        yield from ("--ro-bind-try", f"/run/{name}", f"/run/{name}")
    for pattern in _DEVICES:
        for device in sorted(Path("/dev").glob(pattern)):
            yield from ("--dev-bind-try", str(device), str(device))
    for name in _OWN:
        yield from ("--bind", str(scratch / "own" / name), f"/{name}")
    for path in _outermost(needs):
        yield from ("--ro-bind", str(path), str(path))
    yield from ("--bind", str(writable), str(writable), "--chdir", str(HOME))


def _outermost(needs: Iterable[Path]) -> list[Path]:
    """Of what is needed, the paths that the sandbox would hide, without those below others. A hidden folder
    as a whole is never one.
    """
    hidden = [Path("/", name) for name in _HIDDEN]
    homes = [Path.home(), HOME, *hidden]
    found = {
        path
        for path in map(_absolute, needs)
        if any(path.is_relative_to(place) for place in hidden) and path not in homes
    }
    return sorted(
        path for path in found if path.exists() and not any(other in path.parents for other in found)
    )


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def mask_programs(tree: Path) -> None:
    """Leave a `sudo` beside the programs that switch nothing off: here nobody becomes root."""
    shutil.copy(Path(__file__).with_name("sudo"), tree / "ncap_utils" / "machine" / "sudo")
