"""A machine whose script has failed waits for developers to look at it (`on_failure: hold 30m`).

The service finds it by its final status, and ends it: at its time, when it is released, or at once where
nothing can be reserved for it. The machine itself waits a little longer than it may be held, should nobody
end it.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

from neurocaas.protocol.limits import SWEEP_INTERVAL
from neurocaas.protocol.status import NONE

from .context import Context

_FILE = "hold"
_UNHEARD = 3 * SWEEP_INTERVAL
"""Seconds in which the service has found a machine that waits, and ended one whose time is over."""


def wait_to_be_held(context: Context, state: Path) -> None:
    """Note that the machine is to wait: where it is one of the service's, and the blueprint says so."""
    if context.hold and context.instance != NONE and context.evidence:
        with suppress(OSError):
            (state / _FILE).write_text(str(context.hold + _UNHEARD))


def wait(state: Path, seconds: float | None = None) -> int:
    """Wait, when that was noted; 0. `seconds`: in place of those that were noted."""
    with suppress(OSError, ValueError):
        noted = float((state / _FILE).read_text())
        sys.stderr.write("NeuroCAAS: the script has failed; this machine waits for developers.\n")
        sys.stderr.flush()
        time.sleep(noted if seconds is None else min(seconds, noted))
    return 0
