"""A bake as a person sees it: on a terminal steps with their times and the log's last line under them,
elsewhere plain lines.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from image_builder.progress import BuildEvent


class BakeReport:
    """Writes to `out`. A context manager: times count from its entry, and the live line is gone after it."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._begun, self._live = out, time.monotonic(), out.isatty()
        self._pending = False
        self._since: dict[str, float] = {}

    def __enter__(self) -> BakeReport:
        self._begun = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def say(self, text: str) -> None:
        """One line for a person."""
        self._clear()
        self._out.write(text + "\n")
        self._out.flush()

    def event(self, event: BuildEvent) -> None:
        """What became of a build, or a line of its log."""
        now = time.monotonic() - self._begun
        at = f"{now:7.1f} s"
        if event.kind == "state":
            self.say(f"{at}  {event.status}  {event.text}".rstrip())
        elif event.kind == "step":
            began = self._since.setdefault(event.name, now)
            took = f"  ({now - began:.1f} s)" if event.status != "RUNNING" and now - began >= 0.1 else ""
            self.say(f"{at}    {event.name}: {event.status}{took}  {event.text}".rstrip())
        elif self._live:
            self._clear()
            self._out.write(f"{at}      {event.text}"[: shutil.get_terminal_size().columns - 1])
            self._out.flush()
            self._pending = True
        else:
            self.say(f"{at}      {event.text}")

    def _clear(self) -> None:
        if self._pending:
            self._out.write("\r\x1b[K")
            self._pending = False
