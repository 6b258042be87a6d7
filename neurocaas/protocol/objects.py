"""S3 calls that manager and monitor make alike, with a botocore client that is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
"""Codes with which S3 says that there is no such object."""

LOST_RACE = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})
"""Codes with which S3 says that an object is another one, or is being written, by now."""


def code_of(error: Any) -> str:
    """The code of a botocore ClientError."""
    return str(error.response["Error"].get("Code", "Unknown"))


def put(
    client: Any,
    bucket: str,
    key: str,
    body: str | bytes,
    *,
    if_absent: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> bool:
    """Write text, or bytes as they are. With `if_absent`, False (and nothing written) when the key exists."""
    kind = "application/json" if key.endswith(".json") else "text/plain; charset=utf-8"
    raw = body.encode() if isinstance(body, str) else body
    condition = {"IfNoneMatch": "*"} if if_absent else {}
    try:
        client.put_object(
            Bucket=bucket, Key=key, Body=raw, ContentType=kind, Metadata=dict(metadata or {}), **condition
        )
    except client.exceptions.ClientError as error:
        if if_absent and code_of(error) in LOST_RACE:
            return False
        raise
    return True
