"""What a build tells: lines into its log file at once, states, steps and lines to the emulator soon."""

import contextlib
import logging
import time
from pathlib import Path
from typing import Any

from localcloud.sandbox.cloud import CloudError, Connection

_log = logging.getLogger("localcloud.builds")
_POST_INTERVAL = 0.4


def body(arn: str, status: str, **more: Any) -> dict[str, Any]:
    """A post to the admin API (see ``localcloud.aws.admin``)."""
    return {"arn": arn, "status": status, "step": None, "log": [], "failure": None, "size_gib": None, **more}


class BuildReport:
    """Of one build. ``status`` goes with every post; after ``silent`` nothing is posted any more (the fleet
    ends).
    """

    def __init__(self, arn: str, connection: Connection, log_path: Path) -> None:
        self.status = "BUILDING"
        self.silent = False
        self._arn, self._connection, self._log_path = arn, connection, log_path
        self._pending: list[str] = []
        self._posted = 0.0

    def say(self, line: str) -> None:
        """A line of the build's log."""
        self._pending.append(line)
        with contextlib.suppress(OSError):
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            with self._log_path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        self.flush()

    def flush(self) -> None:
        """Post lines that have waited long enough; called after lines and when nothing happens for a
        while.
        """
        if self._pending and time.monotonic() - self._posted > _POST_INTERVAL:
            self.post()

    def post(self, step: dict[str, Any] | None = None) -> None:
        """Post what waits, and a step of the workflow or of a component."""
        lines, self._pending = self._pending, []
        self._posted = time.monotonic()
        if self.silent:
            return
        try:
            self._connection.build_progress(body(self._arn, self.status, step=step, log=lines))
        except CloudError as error:
            _log.warning("%s", error)

    def end(self, status: str, failure: dict[str, Any] | None, size_gib: int | None) -> None:
        """The final state: it must arrive, else the build stays open for ever. The emulator may be
        restarting.
        """
        if failure:
            self.say(failure["message"])
        if self.silent:
            return
        lines, self._pending = self._pending, []
        for attempt in range(5):
            try:
                self._connection.build_progress(
                    body(self._arn, status, log=lines, failure=failure, size_gib=size_gib)
                )
                return
            except CloudError as error:
                _log.warning("%s: could not report %s: %s", self._arn, status, error)
                time.sleep(2**attempt / 4)
