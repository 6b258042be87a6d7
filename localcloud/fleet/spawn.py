"""Starting processes that must not outlive the fleet.

The kernel sends a child its parent-death signal when the *thread* that started it ends, so all sandboxes are started by one thread that
lives as long as the fleet.
"""

import queue
import subprocess
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Order:
    command: list[str]
    options: dict[str, Any]
    result: "Future[subprocess.Popen[bytes]]" = field(default_factory=Future)


class Spawner:
    """A thread that starts processes for other threads."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="spawner", daemon=True).start()

    def start(self, command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Like ``subprocess.Popen(command, **options)``, which it is; raises what that raises."""
        order = _Order(command, options)
        self._orders.put(order)
        return order.result.result()

    def _run(self) -> None:
        while True:
            order = self._orders.get()
            try:
                order.result.set_result(subprocess.Popen(order.command, **order.options))
            except Exception as error:  # noqa: BLE001  # handed to the thread that asked
                order.result.set_exception(error)
