"""The order to stop a running job: `stop.json` among the service's records (neurocaas.protocol.stop), looked
for every few seconds.
"""

from __future__ import annotations

import threading

from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.stop import StopOrder

from .storage import Location, Storage, StorageError

EVERY = 10.0
"""Seconds between two looks: one small request each, most of which are answered "not there"."""


class StopWatch:
    """`order` is None as long as nobody has ordered a stop. Looks in the background: a slow network must not
    hold up the agent.
    """

    def __init__(self, storage: Storage, place: Location, *, every: float = EVERY) -> None:
        self._storage = storage
        self._place = place
        self._every = every
        self.order: StopOrder | None = None
        threading.Thread(target=self._run, name="stop", daemon=True).start()

    def _run(self) -> None:
        wait = threading.Event()
        while self.order is None:
            try:
                self.order = StopOrder.from_json(self._storage.read(self._place))
            # not there, or not to be had: the sweep ends the machine then
            except (StorageError, DocumentError):
                wait.wait(self._every)
