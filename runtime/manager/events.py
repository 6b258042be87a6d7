"""What the submission queue delivers: S3 event notifications."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from neurocaas.protocol.notification import notification


@dataclass(frozen=True)
class ObjectCreated:
    """An object was written; `key` is decoded, `size` in bytes, `etag` (without quotes) and `version_id` as
    the event says them, "" where it does not. `principal`: who wrote it, as S3 says it
    (`AWS:AIDA…` for a user, `AWS:AROA…:session` for the session of a role)."""

    bucket: str
    key: str
    size: int
    etag: str = ""
    version_id: str = ""
    principal: str = ""


def message_of(event: ObjectCreated) -> str:
    """The message that tells of an object once more."""
    return notification(event.bucket, event.key, event.size, event.etag, event.version_id, event.principal)


def objects_created(body: str) -> list[ObjectCreated]:
    """The objects that a queue message tells of. S3's test message and anything else that is not about a
    written object tells of none. Keys arrive form-encoded (a space as '+'; Amazon S3 user guide, "Event
    message structure")."""
    try:
        message = json.loads(body)
    except ValueError:
        return []
    records = message.get("Records") if isinstance(message, dict) else None
    found = (
        [_object_created(record) for record in records if isinstance(record, dict)]
        if isinstance(records, list)
        else []
    )
    return [item for item in found if item is not None]


def _object_created(record: Mapping[str, Any]) -> ObjectCreated | None:
    if record.get("eventSource") != "aws:s3" or not str(record.get("eventName", "")).startswith(
        "ObjectCreated:"
    ):
        return None
    try:
        s3 = record["s3"]
        item = s3["object"]
        return ObjectCreated(
            str(s3["bucket"]["name"]),
            unquote_plus(str(item["key"])),
            int(item.get("size", 0)),
            str(item.get("eTag", "")).strip('"'),
            str(item.get("versionId") or ""),
            str((record.get("userIdentity") or {}).get("principalId") or ""),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
