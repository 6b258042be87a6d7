"""Versions and names that Image Builder accepts, derived from content."""

from __future__ import annotations

import hashlib
import re

GENERATOR = 2
"""Major version of all documents and recipes: the generation of this compiler. Raise it when its output
changes meaning.
"""

_NODE_BITS = 30
_NAME_LIMIT = 120


def content_version(sha256: str) -> str:
    """`x.y.z` from a digest: 60 of its bits in the two lower nodes, each below 2^30 (Image Builder's limit
    for a node).

    The same content has the same version everywhere; versions are not ordered, so nothing may select by
    `x.x.x`.
    """
    bits = int(sha256, 16) >> (256 - 2 * _NODE_BITS)
    return f"{GENERATOR}.{bits >> _NODE_BITS}.{bits & ((1 << _NODE_BITS) - 1)}"


def safe_name(text: str) -> str:
    """`[a-z0-9-]{1,120}`: Image Builder folds case, spaces and underscores, so other names could collide."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "step"
    if len(name) <= _NAME_LIMIT:
        return name
    return f"{name[: _NAME_LIMIT - 9].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
