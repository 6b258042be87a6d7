"""Names of resources. Physical names come from Pulumi (logical name + random suffix), so logical names must
leave room.
"""

from __future__ import annotations

import hashlib
import re

AUTONAME_SUFFIX = 8
"""Characters that Pulumi appends: a hyphen and seven hexadecimal digits."""

LIMIT = 64 - AUTONAME_SUFFIX
"""IAM roles and Lambda functions have the tightest limit of what the program makes: 64 characters."""

PREFIX = "neurocaas"


def logical(*parts: str, limit: int = LIMIT) -> str:
    """Joins the parts with hyphens; what is too long is cut and gets a hash, so that it stays unique.

    Characters that some service refuses become hyphens; a hash is added then too, since `a.b` and `a-b` are
    two groups.
    """
    text = "-".join(parts)
    clean = re.sub(r"[^A-Za-z0-9_-]", "-", text)
    if clean == text and len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{clean[: limit - 9].rstrip('-')}-{digest}"
