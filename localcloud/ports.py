"""The one port of a local cloud: which it shall be, whether it is free, and who has it."""

from __future__ import annotations

import fcntl
import os
import random
import shlex
import socket
import tempfile
import time
from pathlib import Path

from localcloud import processes
from localcloud.paths import HOME_VARIABLE
from localcloud.project import project
from localcloud.running import CloudError

EMULATOR = "localcloud.aws"
"""The module that listens there."""
DEFAULT_PORT = 24566
LOOPBACK = "127.0.0.1"
LEASED = range(15000, 30000)
"""Below the ports that kernels give to outgoing connections (Linux: from 32768), so that a cloud that is
stopped and started again finds its port free.
"""
_leases: list[int] = []  # file descriptors: a lease ends with its process


def wanted(otherwise: int) -> int:
    """``$LOCALCLOUD_PORT`` when it is set, else ``otherwise``. Raises CloudError when it is no port."""
    given = os.environ.get("LOCALCLOUD_PORT", "")
    if not given:
        return otherwise
    if not given.isdigit() or not 1024 <= int(given) <= 65535:
        raise CloudError(
            f"LOCALCLOUD_PORT is {given!r}. A port is a number from 1024 to 65535. Correct it or unset it "
            f"(default {DEFAULT_PORT})."
        )
    return int(given)


def await_free(port: int, seconds: float) -> None:
    """Return when the port is free. Raises CloudError when it is not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
                return
            except OSError as error:
                if time.monotonic() >= deadline:
                    holder, stop = _holder(port)
                    raise CloudError(
                        f"Port {port} on {LOOPBACK} is taken by {holder} ({error.strerror}). The local "
                        "cloud needs one free port. "
                        f"{stop}, or choose another port: LOCALCLOUD_PORT={port + 1} "
                        f"{project().says('up')}"
                    ) from error
        time.sleep(0.02)


def lease() -> int:
    """A free port, of :data:`LEASED`, that no other process of this user gets here as long as this one lives:
    for clouds that come and go beside each other, as those of tests do.

    Raises CloudError when there is none.
    """
    folder = Path(tempfile.gettempdir()) / f"localcloud-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for port in random.sample(LEASED, len(LEASED)):
        file = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind((LOOPBACK, port))
        except OSError:
            os.close(file)
            continue
        _leases.append(file)
        return port
    raise CloudError(
        f"All ports from {LEASED.start} to {LEASED.stop - 1} on {LOOPBACK} are taken. One free port is "
        f"needed. Stop local clouds that nobody uses: {project().says('down')}"
    )


def _holder(port: int) -> tuple[str, str]:
    """Who has the port, and how it is stopped: the local cloud of another checkout is told by its home."""
    for process in processes.find(EMULATOR, {"LOCALCLOUD_PORT": str(port)}):
        home = processes.variable(process, HOME_VARIABLE)
        return (
            f"the local cloud in {home}",
            f"Stop it ({HOME_VARIABLE}={shlex.quote(home)} {project().says('down')})",
        )
    return "another program", "Stop that program"
