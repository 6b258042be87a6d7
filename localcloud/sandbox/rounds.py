"""A thread that looks at all machines again and again, and sleeps while there is none."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

Machine = TypeVar("Machine")

_log = logging.getLogger("localcloud.fleet")


class Rounds(ABC, Generic[Machine]):
    """Whoever knows how to `look`. A round that fails is in the log, and the next one comes after `seconds`
    as well.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self._seconds = seconds
        self._machines: dict[str, Machine] = {}
        self._lock = threading.Lock()
        self._any = threading.Event()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @abstractmethod
    def look(self, machines: list[Machine]) -> None:
        """Look at the machines that there are now."""

    def add(self, name: str, machine: Machine) -> None:
        """Watch a machine until it is removed."""
        with self._lock:
            self._machines[name] = machine
            self._any.set()

    def remove(self, name: str) -> None:
        """Its first process ends, or has ended."""
        with self._lock:
            self._machines.pop(name, None)
            if not self._machines:
                self._any.clear()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._any.wait()
            with self._lock:
                machines = list(self._machines.values())
            try:
                self.look(machines)
            except (OSError, ValueError):
                _log.exception("looking at machines")
            pause.wait(self._seconds)
