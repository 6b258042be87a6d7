"""What else the caller of the request that is being served may do: AWS does some things with the caller's own
rights (a service-linked role, a grant on a key).
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

Judge = Callable[[str, str, str, dict[str, Any]], bool]
"""Service, action, ARN, condition keys → whether the caller may."""

judge: contextvars.ContextVar[Judge | None] = contextvars.ContextVar("localcloud_judge", default=None)
"""Set by the layer that checks requests; None where nobody called: what the local cloud does itself."""


def may(service: str, action: str, arn: str, context: dict[str, Any]) -> bool:
    """Whether the caller may do this as well."""
    own = judge.get()
    return own is None or own(service, action, arn, context)
