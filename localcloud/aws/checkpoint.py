"""All state survives ``kill -9``: MiniStack saves at a clean stop only, so we save soon after every change.

A request that may change something marks its service. A tenth of a second later the marked services are copied on the event loop (their
handlers run there, so the copy is consistent) and written in a thread. A copy that takes long is taken less often: at most a twentieth of
the loop's time goes into copying. Every few seconds of activity all services are looked at, for what changed as a side effect.
Objects of S3 are on disk before their request is answered; this is about everything else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.store import Store

DEBOUNCE_SECONDS = 0.1
FULL_SECONDS = 5.0
SHARE = 20
"""A service whose copy takes t seconds is copied at most every SHARE * t seconds."""

log = logging.getLogger(__name__)


class Checkpoint:
    """Saves marked services. ``seconds`` and ``count`` measure its cost on the event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._marked: set[str] = set()
        self._wake = asyncio.Event()
        self._not_before: dict[str, float] = {}
        self._written: dict[str, int] = {}
        self._active = True
        self.seconds = 0.0
        self.count = 0

    def mark(self, *keys: str) -> None:
        """These services (state keys of MiniStack) changed; none = only our own store."""
        self._marked.update(keys)
        self._active = True
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Save until ``stop``, then once more."""
        stopped = asyncio.ensure_future(stop.wait())
        next_full = time.monotonic() + FULL_SECONDS
        while not stop.is_set():
            woken = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait({woken, stopped}, timeout=max(0.0, next_full - time.monotonic()), return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
            if stop.is_set():
                break
            self._wake.clear()
            await asyncio.wait({stopped}, timeout=DEBOUNCE_SECONDS)
            if time.monotonic() >= next_full:
                next_full = time.monotonic() + FULL_SECONDS
                if self._active:
                    self._active = False
                    self._marked.update(hooks.state_readers())
            await self._save()
            if self._marked and not self._wake.is_set():  # a costly one has to wait
                asyncio.get_running_loop().call_later(DEBOUNCE_SECONDS, self._wake.set)
        self._marked.update(hooks.state_readers())
        self._not_before.clear()
        await self._save()

    async def _save(self) -> None:
        now = time.monotonic()
        due = {key for key in self._marked if self._not_before.get(key, 0.0) <= now}
        self._marked -= due
        readers = hooks.state_readers()
        for key in sorted(due & readers.keys()):
            started = time.monotonic()
            try:
                text = self._copy(readers[key])
            except Exception:
                log.exception("state of %s cannot be read", key)
                continue
            cost = time.monotonic() - started
            self.seconds += cost
            self.count += 1
            self._not_before[key] = time.monotonic() + SHARE * cost
            if text is not None and self._written.get(key) != (mark := hash(text)):
                await asyncio.to_thread(hooks.write_state, key, text)
                self._written[key] = mark
            await asyncio.sleep(0)
        if self._store.dirty:
            await asyncio.to_thread(self._store.write, self._store.snapshot())

    @staticmethod
    def _copy(reader: Any) -> str | None:
        state = reader()
        return None if state is None else hooks.encode_state(state)
