"""Who is at the other end of a connection over loopback: any user of the host can connect there."""

import contextlib
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from localcloud.sandbox import trees
from localcloud.sandbox.http1 import response


def only_for(
    root: Callable[[], int | None], serve: Callable[[socket.socket], None]
) -> Callable[[socket.socket], None]:
    """``serve`` for connections that a process makes which descends from ``root()``; others are told that
    they may not.
    """

    def guarded(connection: socket.socket) -> None:
        pid = root()
        if pid is not None and made_below(pid, connection):
            serve(connection)
        else:
            connection.sendall(response("403 Forbidden", b"this is for another process\n", close=True))

    return guarded


def made_below(root: int, connection: socket.socket) -> bool:
    """Whether the other end of a connection within this host is open in ``root`` or in a descendant of it."""
    ends = f"{_end(connection.getpeername())} {_end(connection.getsockname())}"
    inode = next(
        (line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines() if f" {ends} " in line),
        "0",
    )
    return inode != "0" and any(_has_open(pid, f"socket:[{inode}]") for pid in trees.tree(root))


def _end(address: tuple[str, int]) -> str:
    """As the kernel writes it: the address in the processor's byte order."""
    return f"{struct.unpack('=I', socket.inet_aton(address[0]))[0]:08X}:{address[1]:04X}"


def _has_open(pid: int, target: str) -> bool:
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{name}") == target:
                    return True
    return False
