"""Commands that the emulator wants run inside machines (SSM Run Command): run each once, report its end."""

import logging
import subprocess
import tempfile
import threading
from typing import Any

from localcloud.fleet import entry
from localcloud.sandbox.cloud import CloudError, Connection
from localcloud.sandbox.spawn import Spawner

_log = logging.getLogger("localcloud.fleet")
OUTPUT_BYTES = 1 << 17
"""What is reported of each of the two outputs; the emulator shows less."""


class Orders:
    """Runs commands, each in a thread of its own. ``fleet_pid`` is the process whose children the machines
    are.
    """

    def __init__(self, connection: Connection, spawner: Spawner, fleet_pid: int) -> None:
        self._connection, self._spawner, self._fleet_pid = connection, spawner, fleet_pid
        self._begun: set[str] = set()

    def reconcile(self, wanted: list[dict[str, Any]]) -> None:
        """Start the commands that are new."""
        self._begun &= {order["id"] for order in wanted}
        for order in wanted:
            if order["id"] not in self._begun:
                self._begun.add(order["id"])
                threading.Thread(target=self._run, args=(order,), name=order["id"], daemon=True).start()

    def _run(self, order: dict[str, Any]) -> None:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            pid = entry.first_process(self._fleet_pid, order["instance_id"])
            if pid is None:
                status = entry.GONE
                err.write(b"the machine does not run\n")
            else:
                try:
                    process = self._spawner.start(
                        entry.command(pid, order["arguments"]),
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=err,
                        start_new_session=True,
                    )
                    status = process.wait()
                except OSError as error:
                    status = 71
                    err.write(f"{error}\n".encode())
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read(OUTPUT_BYTES).decode(errors="replace"))
        try:
            self._connection.command_ended(
                {"id": order["id"], "exit_code": status, "stdout": texts[0], "stderr": texts[1]}
            )
        except CloudError as error:
            _log.warning(
                "command %s on %s: its end could not be reported: %s",
                order["id"],
                order["instance_id"],
                error,
            )
