"""Sends reports in the background: a slow or absent network must hold up neither the script nor the
watchdog.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .storage import Location, Storage, StorageError

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
PATIENCE = 600.0
"""Seconds for which the end of a job waits for a service that may come back."""

HOPELESS = 8.0
"""The same, for errors that waiting does not cure (no rights, no bucket); a new role may need a few
seconds.
"""


@dataclass(frozen=True)
class Piece:
    """Bytes `start` to `end` of a file that only grows; read when they are sent, so that waiting costs no
    memory.
    """

    path: Path
    start: int
    end: int

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read(self.end - self.start)


class Reporter:
    """A queue of objects to write, in order; of several bodies for one place only the newest is sent, and
    last.
    """

    def __init__(self, storage: Storage, *, wait: float = FIRST_WAIT) -> None:
        self._storage = storage
        self._wait = wait
        self._pending: dict[Location, tuple[bytes | Piece, Callable[[], object] | None]] = {}
        self._changed = threading.Condition()
        self._error: StorageError | None = None
        self._told = ""
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def put(self, place: Location, body: bytes | Piece, sent: Callable[[], object] | None = None) -> None:
        """Queue `body` for `place`. `sent` is called (in the background) when it is there."""
        with self._changed:
            self._pending.pop(place, None)
            self._pending[place] = (body, sent)
            self._changed.notify_all()

    def close(self, patience: float = PATIENCE) -> bool:
        """Wait until all is sent, at most `patience` seconds (8 when errors are of the lasting kind). False:
        it is not.
        """
        begin = time.monotonic()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            while self._pending:
                limit = min(patience, HOPELESS) if self._error and self._error.permanent else patience
                if time.monotonic() - begin >= limit:
                    return False
                self._changed.wait(0.2)
        return True

    def _run(self) -> None:
        wait = self._wait
        while True:
            with self._changed:
                while not self._pending:
                    self._changed.wait()
                place = next(iter(self._pending))
                body, sent = self._pending[place]
            try:
                content = body.read() if isinstance(body, Piece) else body
            except OSError as error:  # the log is gone: nothing left to send
                self._tell(StorageError(f"{place}: {error}"))
                self._done(place, body)
                continue
            try:
                self._storage.write(place, content)
            except StorageError as error:
                self._failed(place, body, error)
            else:
                self._error, wait = None, self._wait
                self._done(place, body)
                if sent:
                    sent()
                continue
            with self._changed:
                self._changed.wait_for(lambda: self._closing, wait)
            if self._closing:
                time.sleep(min(wait, 2.0))
            wait = min(wait * 2, LONGEST_WAIT)

    def _done(self, place: Location, body: bytes | Piece) -> None:
        with self._changed:
            if self._pending.get(place, (None, None))[0] is body:
                del self._pending[place]
            self._changed.notify_all()

    def _failed(self, place: Location, body: bytes | Piece, error: StorageError) -> None:
        self._tell(error)
        with self._changed:
            if error.permanent and self._pending.get(place, (None, None))[0] is body:
                self._pending[place] = self._pending.pop(place)  # others may have more luck

    def _tell(self, error: StorageError) -> None:
        self._error = error
        if str(error) != self._told:
            self._told = str(error)
            sys.stderr.write(f"A report could not be sent, the analysis goes on: {error}\n")
