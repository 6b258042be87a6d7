"""Disks of machines, and their size.

Where the fleet is root and the host has loop devices, a disk is a file with a file system of the volume's
size, which is mounted for the fleet only (:func:`own_mounts`) and takes neither set-user-id programs nor
devices: when it is full, a program gets "No space left on device", as on AWS. The file grows with what is in
it.

Elsewhere a disk is a folder. It is measured from time to time, and while it is larger than the volume its
machine's programs cannot make files longer ("File too large"). In both cases that also happens to all
machines while the host itself has hardly any room left.
"""

import ctypes
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localcloud.sandbox import base, cleanup, trees
from localcloud.sandbox.rounds import Rounds

_NEWNS, _MS_REC, _MS_SLAVE = 0x00020000, 0x4000, 1 << 19
_PROBE_BYTES = 16 << 20
_SECONDS = 1.0
_SELDOM = 20
"""A folder is measured again after so many times as long as measuring it took."""
DEFAULT_GIB = 8


def own_mounts() -> bool:
    """Give this process (and what it starts) mounts of its own, which go with the last of them; call it
    before there are threads.

    False where that is not allowed. Later mounts of the host still appear.
    """
    library = ctypes.CDLL(None, use_errno=True)
    return bool(
        library.unshare(_NEWNS) == 0 and library.mount(b"none", b"/", None, _MS_REC | _MS_SLAVE, None) == 0
    )


def reserve_bytes(folder: Path) -> int:
    """What machines leave of the host's disk: a twentieth of it, at most 1 GiB."""
    return min(1 << 30, shutil.disk_usage(folder).total // 20)


class Disks:
    """The disks below ``fleet`` folders. ``kind`` is ``file`` or ``folder``: what this host allows, found by
    trying.
    """

    def __init__(self, scratch: Path, *, mounts: bool) -> None:
        self._lock = threading.Lock()
        self._reason = self._why_not(scratch) if mounts else "the fleet may not mount file systems"
        self.kind = "folder" if self._reason else "file"

    @property
    def notes(self) -> tuple[str, ...]:
        """What is less than ideal here, in words."""
        if self._reason is None:
            return ()
        return (
            "the size of a machine's disk is measured, not held by a file system of its own "
            f"({self._reason}): "
            "a full one says 'File too large', some seconds late",
        )

    @staticmethod
    def _why_not(scratch: Path) -> str | None:
        missing = [name for name in ("mkfs.ext4", "mount", "umount") if shutil.which(name) is None]
        if missing:
            return f"there is no {' and no '.join(missing)}"
        with tempfile.TemporaryDirectory(prefix="probe-", dir=scratch / "fleet") as folder:
            try:
                _make(Path(folder, "image"), _PROBE_BYTES)
                _mount(Path(folder, "image"), Path(folder))
                _unmount(Path(folder))
            except OSError as error:
                return str(error)
        return None

    def open(self, folder: Path, gib: int | None = None) -> Path:
        """The disk in a machine's folder, ready to use: made with ``gib`` when there is none yet, else as it
        is.
        """
        place, image = folder / "disk", folder / "disk.img"
        with self._lock:
            place.mkdir(parents=True, exist_ok=True)
            if (
                self.kind == "folder"
                or os.path.ismount(place)
                or (not image.exists() and any(place.iterdir()))
            ):
                return place
            if not image.exists():
                free = shutil.disk_usage(folder).free - reserve_bytes(folder)
                _make(image, max(_PROBE_BYTES, min((gib or DEFAULT_GIB) << 30, free)))
            _mount(image, place)
            place.chmod(0o700)
        return place

    def remove(self, folder: Path) -> None:
        """Remove a machine's folder with its disk."""
        with self._lock:
            if os.path.ismount(folder / "disk"):
                _unmount(folder / "disk")
            base.remove_tree(folder)


def _make(image: Path, size: int) -> None:
    with open(image, "wb") as file:
        file.truncate(size)
    # Without a journal: what survives a power cut of the host is not worth its time.
    _run(
        "mkfs.ext4",
        "-q",
        "-F",
        "-m",
        "0",
        "-O",
        "^has_journal",
        "-E",
        "lazy_itable_init=1,nodiscard",
        str(image),
    )


def _mount(image: Path, place: Path) -> None:
    _run("mount", "-t", "ext4", "-o", "loop,nosuid,nodev,noinit_itable", str(image), str(place))


def _unmount(place: Path) -> None:
    _run("umount", "--lazy", str(place))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise OSError(
            f"{command[0]}: {(done.stderr.strip().splitlines() or [f'exit status {done.returncode}'])[-1]}"
        )


@dataclass
class Measured:
    """A machine whose files may grow or not: its first process here, and how it is told.

    ``limit`` is how large ``folder`` may be, in bytes; None when a file system says so, or nobody does.
    """

    root: int
    folder: Path
    limit: int | None
    say: Callable[[str], None]
    size: int = 0
    next: float = 0.0
    full: bool = False


class DiskWatch(Rounds[Measured]):
    """Measures the disks of machines."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        super().__init__("disk-watch", _SECONDS)

    def look(self, machines: list[Measured]) -> None:
        short = shutil.disk_usage(self._scratch).free < reserve_bytes(self._scratch)
        for machine in machines:
            self._look(machine, short)

    def _look(self, machine: Measured, short: bool) -> None:
        began = time.monotonic()
        limit = machine.limit
        if limit is not None and began >= machine.next:
            machine.size = cleanup.size_bytes(machine.folder)
            machine.next = began + _SELDOM * (time.monotonic() - began)
        over = limit is not None and machine.size > limit
        full = short or over
        if full and not machine.full:
            size = f"{machine.size >> 20} MiB of {(limit or 0) >> 20} MiB"
            why = size if over else "the one of this computer has hardly any room left"
            machine.say(f"The disk is full: {why}. Files cannot grow until there is room again.")
        if full or machine.full:  # again each time: a process that was just born may have the old limit
            for pid in trees.tree(machine.root):
                _let_grow(pid, 0 if full else limit)
        machine.full = full


def _let_grow(pid: int, size: int | None) -> None:
    """How long a process can make its files (None: as long as it ever could); its children inherit it."""
    try:
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        least = hard if size is None else size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (least, hard))
    except (ProcessLookupError, PermissionError):
        return  # it has ended, or is becoming another program at this moment
