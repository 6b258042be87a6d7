"""What the submission queue delivers: S3 event notifications."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus


@dataclass(frozen=True)
class ObjectCreated:
    """An object was written; `key` is decoded, `size` in bytes as the event says it."""

    bucket: str
    key: str
    size: int


def objects_created(body: str) -> list[ObjectCreated]:
    """The objects that a queue message tells of. S3's test message and anything else that is not about a written object
    tells of none. Keys arrive form-encoded (a space as '+'; Amazon S3 user guide, "Event message structure")."""
    try:
        message = json.loads(body)
    except ValueError:
        return []
    records = message.get("Records") if isinstance(message, dict) else None
    found = [_object_created(record) for record in records if isinstance(record, dict)] if isinstance(records, list) else []
    return [item for item in found if item is not None]


def _object_created(record: Mapping[str, Any]) -> ObjectCreated | None:
    if record.get("eventSource") != "aws:s3" or not str(record.get("eventName", "")).startswith("ObjectCreated:"):
        return None
    try:
        s3 = record["s3"]
        return ObjectCreated(str(s3["bucket"]["name"]), unquote_plus(str(s3["object"]["key"])), int(s3["object"].get("size", 0)))
    except (KeyError, TypeError, ValueError):
        return None
