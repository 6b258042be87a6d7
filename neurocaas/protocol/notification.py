"""The S3 event notification of one written object, as the queue of submissions has it (Amazon S3 user guide,
"Event message structure"): for what the service itself puts there.
"""

from __future__ import annotations

import json
from urllib.parse import quote_plus


def notification(
    bucket: str, key: str, size: int, etag: str, version_id: str = "", principal: str = ""
) -> str:
    """The message; what is read from it are the arguments again (`runtime.manager.events`)."""
    version = {"versionId": version_id} if version_id else {}
    s3 = {
        "bucket": {"name": bucket},
        "object": {"key": quote_plus(key), "size": size, "eTag": etag, **version},
    }
    who = {"userIdentity": {"principalId": principal}} if principal else {}
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3, **who}
    return json.dumps({"Records": [record]})
