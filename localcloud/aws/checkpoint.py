"""All state survives ``kill -9``: whatever a client got an answer for is on disk before the answer.

A request that changes something is answered once the change is in the journal (:meth:`Checkpoint.settle`): as
a record of the item or message, or of the service's whole state. A tenth of a second later the files of the
changed services are written, which makes the records superfluous. A copy that takes long is taken less often:
at most a twentieth of the loop's time goes into copying for files, and at most half of it into records. Every
few seconds of activity all services are looked at, for what changed as a side effect. Objects of S3 are on
disk before their request is answered; this is about everything else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from localcloud.aws import hooks, journal
from localcloud.aws.journal import GENERATION, Journal, Record
from localcloud.aws.parts import Parts
from localcloud.aws.store import STORE, Store

DEBOUNCE_SECONDS = 0.1
FULL_SECONDS = 5.0
SHARE = 20
"""A service whose copy takes t seconds is copied for its file at most every SHARE * t seconds."""
COPY_ATTEMPTS = 5
"""Threads of MiniStack change what is being copied, which ends the copy."""

log = logging.getLogger(__name__)


class Checkpoint:
    """Saves marked services. ``seconds`` and ``count`` measure its cost on the event loop."""

    def __init__(self, store: Store, folder: Path, records: Journal, parts: Iterable[Parts] = ()) -> None:
        self._store = store
        self._folder = folder
        self._journal = records
        self._parts = {part.key: part for part in parts}
        self._loop = asyncio.get_running_loop()
        self._marked: set[str] = set()
        self._wake = asyncio.Event()
        self._not_before: dict[str, float] = {}
        self._durable: dict[str, int] = {}
        self._stored = (store.version, hash(store.text()))
        self._active = True
        self._partly: set[str] = set()
        self._wholly: set[str] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._flushing: asyncio.Handle | None = None
        self._free_at = 0.0
        self.seconds = 0.0
        self.count = 0

    def mark(self, *keys: str) -> None:
        """These services (state keys of MiniStack) changed; none = only our own store."""
        self._marked.update(keys)
        self._active = True
        self._wake.set()

    async def settle(self, *keys: str, parts: Iterable[str] = ()) -> None:
        """Return when what these services hold now is in the journal, and what our own store holds.

        Args:
            keys: whose whole state may have changed.
            parts: of which only items or messages may have changed.

        Raises:
            OSError: it cannot be written. Nothing may be answered then.
        """
        future = self._loop.create_future()
        self._waiting.append(future)
        self._ask(keys, parts)
        await future

    def record_soon(self, *parts: str) -> None:
        """Items or messages changed in the background: put them into the journal, and wait for nothing. From
        any thread.
        """
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ask, (), parts)

    def _ask(self, keys: Iterable[str], parts: Iterable[str]) -> None:
        self._wholly.update(keys)
        self._partly.update(parts)
        if self._flushing is None:
            self._flushing = self._loop.call_later(max(0.0, self._free_at - time.monotonic()), self._flush)

    def _flush(self) -> None:
        began = time.monotonic()
        self._flushing = None
        waiting, self._waiting = self._waiting, []
        partly, wholly = self._partly, self._wholly
        self._partly, self._wholly = set(), set()
        try:
            keys = self._record(partly, wholly)
        except Exception as error:
            log.exception("what was changed cannot be recorded")
            for key in partly | wholly:
                self._durable.pop(key, None)
            self._wholly |= partly | wholly  # parts that were taken are lost as parts
            problem = OSError(
                f"The change was made but cannot be saved: {error}. See that the disk of the "
                "local cloud has room."
            )
            for future in waiting:
                if not future.done():
                    future.set_exception(problem)
            return
        finally:
            took = time.monotonic() - began
            self.seconds += took
            self._free_at = began + 2 * took
        for future in waiting:
            if not future.done():
                future.set_result(None)
        if keys:
            self.mark(*keys)

    def _record(self, partly: set[str], wholly: set[str]) -> set[str]:
        records: list[Record] = []
        for key in sorted(partly - wholly):
            taken = self._parts[key].take() if key in self._parts else None
            if taken is None:
                wholly = wholly | {key}
            elif taken:
                self._durable.pop(key, None)
                records += taken
        readers = hooks.state_readers()
        for key in sorted(wholly & readers.keys()):
            if key in self._parts:
                self._parts[key].take()  # it is in the copy
            text = self._copy(readers[key])
            if text is not None and self._durable.get(key) != (mark := hash(text)):
                records.append(Record(key, hooks.state_document(key, text, {})))
                self._durable[key] = mark
        if self._stored[0] != self._store.version:
            before, text = self._stored[1], self._store.text()
            self._stored = (self._store.version, hash(text))
            if before != self._stored[1]:
                records.append(Record(STORE, text))
        try:
            self._journal.append(records)
        except OSError:
            self._stored = (-1, -1)
            raise
        return {record.key for record in records}

    async def run(self, stop: asyncio.Event) -> None:
        """Save until ``stop``, then once more."""
        stopped = asyncio.ensure_future(stop.wait())
        next_full = time.monotonic() + FULL_SECONDS
        while not stop.is_set():
            woken = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait(
                {woken, stopped},
                timeout=max(0.0, next_full - time.monotonic()),
                return_when=asyncio.FIRST_COMPLETED,
            )
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
                self._loop.call_later(DEBOUNCE_SECONDS, self._wake.set)
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
                generation, text = self._read(key, readers[key])
            except Exception:
                log.exception("state of %s cannot be read", key)
                self._marked.add(key)
                continue
            cost = time.monotonic() - started
            self.seconds += cost
            self.count += 1
            self._not_before[key] = time.monotonic() + SHARE * cost
            if text is not None and (key in self._journal.recorded() or self._durable.get(key) != hash(text)):
                self._durable[key] = hash(text)
                await self._write(
                    key,
                    self._folder / f"{key}.json",
                    hooks.state_document(key, text, {GENERATION: generation}),
                    generation,
                )
            await asyncio.sleep(0)
        if self._store.dirty or STORE in self._journal.recorded():
            generation = self._journal.rotate()
            self._store.dirty = False
            await self._write(STORE, self._store.file, self._store.text({GENERATION: generation}), generation)
        self._journal.drop()

    def _read(self, key: str, reader: Callable[[], Any]) -> tuple[int, str | None]:
        """The state, and the generation whose records are not in it (or are in it and do no harm)."""
        generation = self._journal.rotate()
        if key in self._parts:
            self._journal.append(self._parts[key].take() or [])
        return generation, self._copy(reader)

    async def _write(self, key: str, file: Path, text: str, generation: int) -> None:
        try:
            await asyncio.to_thread(journal.write, file, text)
        except OSError:
            log.exception("%s cannot be written", file)
            self._durable.pop(key, None)
            self._store.dirty = self._store.dirty or key == STORE
            self._marked.add(key)
        else:
            self._journal.covered(key, generation)

    @staticmethod
    def _copy(reader: Callable[[], Any]) -> str | None:
        for attempt in range(COPY_ATTEMPTS):
            try:
                state = reader()
                return None if state is None else hooks.encode_state(state)
            except RuntimeError:  # "dictionary changed size during iteration"
                if attempt == COPY_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")
