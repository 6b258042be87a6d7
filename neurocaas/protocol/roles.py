"""Names of the roles that people take for a session. They are fixed, because who takes one sees no stack's
outputs: region and group are enough.
"""

from __future__ import annotations

import hashlib

_LIMIT = 64
"""Characters of a role's name (IAM user guide, "IAM and AWS STS quotas"); a longer name ends in a digest."""


def session_role(region: str, group: str) -> str:
    """Of the members of a group."""
    return _fitting(f"neurocaas-{region}-{group}")


def lead_role(region: str, group: str) -> str:
    """Of those who lead it. No group's name has a '+', so this is no other group's role."""
    return _fitting(f"neurocaas-{region}-{group}+lead")


def _fitting(name: str) -> str:
    return name if len(name) <= _LIMIT else f"{name[:55]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
