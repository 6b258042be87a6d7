"""The processes of a machine as this host numbers them."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def children(pid: int) -> Iterator[int]:
    """The children of all threads of a process; none when it is gone."""
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                yield from map(int, (thread / "children").read_text().split())


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children(pid)
    return found


def resident(pid: int) -> int:
    """Resident memory in bytes, pages that are shared with others included; 0 when the process is gone."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return 0


def own(pid: int) -> tuple[int, int]:
    """Anonymous memory and shared memory in bytes, each page in proportion to those that have it; resident
    memory where that is unknown.
    """
    with contextlib.suppress(OSError, ValueError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        if "Pss_Anon" in values:
            return values["Pss_Anon"], values["Pss_Shmem"]
    return resident(pid), 0
