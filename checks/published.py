"""The one thing that everybody may read: objects below `catalogue/` in a bucket, put there by `invoke
publish`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PREFIX = "catalogue/"
_OBJECTS = re.compile(rf"arn:[a-z-]+:s3:::[a-z0-9.-]+/{re.escape(PREFIX)}\*")


def published(statement: Mapping[str, Any]) -> bool:
    """Whether an allowing statement gives no more than that."""
    actions, resources = (
        value if isinstance(value, list) else [value]
        for value in (statement.get("Action"), statement.get("Resource"))
    )
    plain = (
        "NotPrincipal" not in statement and "NotAction" not in statement and "NotResource" not in statement
    )
    return (
        plain
        and actions == ["s3:GetObject"]
        and all(isinstance(one, str) and _OBJECTS.fullmatch(one) for one in resources)
    )
