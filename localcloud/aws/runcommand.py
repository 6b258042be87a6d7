"""SSM Run Command on machines of the fleet.

MiniStack serves the API; what it asks of a machine (is it reachable, run this there) is answered by the
fleet, which gets the commands with its next poll and reports each end to ``POST /_localcloud/commands``.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context

UNREACHABLE = 255
_LOOK_SECONDS = 2.0
"""How often a waiting command looks whether its machine still runs."""


@dataclass
class _Order:
    instance_id: str
    arguments: list[str]
    ended: threading.Event = field(default_factory=threading.Event)
    outcome: tuple[int, str, str] = (UNREACHABLE, "", "the machine ended while the command ran")


class RunCommand:
    """The commands under way. :meth:`execute` is called in threads, the rest in the server's event loop."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._orders: dict[str, _Order] = {}

    def install(self) -> None:
        """Answer MiniStack's two questions, and the fleet's report."""
        hooks.ec2.instance_is_managed = self.reachable
        hooks.ec2.exec_in_instance_blocking = self.execute
        self._context.admin.operations[("POST", "commands")] = self.report

    def reachable(self, instance_id: str) -> bool:
        """Whether a machine takes commands: it runs, and there is a fleet."""
        record = hooks.ec2._instances.get(instance_id)
        return (
            bool(record)
            and record["State"]["Name"] == "running"
            and self._context.admin.fleet_age() is not None
        )

    def execute(self, instance_id: str, arguments: list[str]) -> tuple[int, str, str]:
        """Have the fleet run a command in a machine, and wait for its end: exit code, standard output,
        standard error.
        """
        identifier, order = str(uuid.uuid4()), _Order(instance_id, arguments)
        self._orders[identifier] = order
        self._loop.call_soon_threadsafe(self._context.store.touch)
        try:
            while not order.ended.wait(_LOOK_SECONDS) and self.reachable(instance_id):
                pass
        finally:
            self._orders.pop(identifier, None)
        return order.outcome

    async def report(self, request: dict[str, Any]) -> dict[str, Any]:
        """POST commands: one has ended. Late reports of commands that nobody waits for any more are
        ignored.
        """
        order = self._orders.get(request["id"])
        if order is not None:
            order.outcome = (int(request["exit_code"]), str(request["stdout"]), str(request["stderr"]))
            order.ended.set()
        return {}

    def for_fleet(self) -> list[dict[str, Any]]:
        """What is to be run."""
        return [
            {"id": identifier, "instance_id": order.instance_id, "arguments": order.arguments}
            for identifier, order in list(self._orders.items())
        ]
