"""Requests are signed with S3's time where this machine's clock is wrong.

S3 refuses a signature whose time is more than fifteen minutes off (`RequestTimeTooSkewed`; a HEAD is just
403) and says in the answer's `Date` what time it is. Botocore then asks again, with a signature of that time;
so are all that follow. Where the machine's start has found out already by how many seconds the clock is
behind (NEUROCAAS_CLOCK_SKEW), no request is lost.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any

from botocore import compat

KNOWN = "NEUROCAAS_CLOCK_SKEW"

SKEWED = timedelta(minutes=5)
"""By so much a clock is wrong that is corrected: requests may be on their way for a while, and S3 lets
fifteen minutes pass.
"""

_machine: Callable[[bool], datetime] = compat.get_current_datetime
_lock = threading.Lock()
_offset = timedelta()


def follow(client: Any) -> None:
    """Let `client` learn the time from refusals. What it learns holds for all clients of this process."""
    global _offset
    _offset = _offset or timedelta(seconds=float(os.environ.get(KNOWN) or 0))
    # it signs by the Common Runtime, where there is one
    for name in ("botocore.auth", *(["botocore.crt.auth"] if compat.HAS_CRT else [])):
        # Where they take the time of a signature from. Botocore comes with the code, so it is of the version
        # that the tests have.
        vars(import_module(name))["get_current_datetime"] = now
    client.meta.events.register("needs-retry", _learn)


def now(remove_tzinfo: bool = True) -> datetime:
    """The time, as far as it is known."""
    return _machine(remove_tzinfo) + _offset


def _learn(response: Any, attempts: int, **_: Any) -> int | None:
    """0 (seconds until the next try) after a refusal that the clock may be the reason of, else None."""
    global _offset
    if response is None or response[0].status_code not in (400, 401, 403) or attempts > 3:
        return None
    try:
        told = parsedate_to_datetime(response[0].headers.get("Date", ""))
    except (TypeError, ValueError):
        return None
    with _lock:
        wrong = told - now(remove_tzinfo=False)
        if abs(wrong) < SKEWED:
            return None
        _offset += wrong
    return 0
