"""Locks of the file backend whose engine is gone: one that was killed, or lost with the machine, leaves its
stack locked for ever.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path


def drop_dead(state: Path) -> None:
    """Remove the locks in the backend `state` that engines of this machine hold no more. Their layout:
    pkg/backend/diy/lock.go.
    """
    for file in (state / ".pulumi" / "locks").rglob("*.json"):
        try:
            lock = json.loads(file.read_text())
            dead = lock["hostname"] == socket.gethostname() and not _is_engine(int(lock["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # released at this moment, or not a lock as we know it
        if dead:
            file.unlink(missing_ok=True)


def held(state: Path) -> bool:
    """Whether an engine holds a lock in the backend `state`, or may hold one."""
    return any((state / ".pulumi" / "locks").rglob("*.json"))


def _is_engine(pid: int) -> bool:
    try:
        return "pulumi" in Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return False
