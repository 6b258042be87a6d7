"""Who submitted: the person behind the principal that S3 names in its event, which nobody else can write."""

from __future__ import annotations

import re

_SESSION = re.compile(r"(?:AWS:)?AROA[A-Z0-9]+:(?P<name>[A-Za-z0-9_+=,.@-]{2,64})")
"""The session of a role (S3 user guide, "Event message structure"; IAM user guide, "Unique identifiers")."""


def submitter_of(principal: str) -> str:
    """The name of the session of a group's role; "" for any other principal."""
    found = _SESSION.fullmatch(principal)
    return found["name"] if found else ""
