"""Three corrections of MiniStack's S3: encryption without a named key, ranged reads of large objects, and of
versions.
"""

from __future__ import annotations

import contextvars
import mmap
from typing import Any

from localcloud.aws import hooks

ALGORITHM = "x-amz-server-side-encryption"
KEY = "x-amz-server-side-encryption-aws-kms-key-id"

_ranged: contextvars.ContextVar[bool] = contextvars.ContextVar("localcloud_ranged", default=False)


def install() -> None:
    """Put the corrections in."""
    resolve_original, get_original, read_original = (
        hooks.s3._resolve_sse_write_headers,
        hooks.s3._get_object,
        hooks.s3._read_body,
    )
    read_version_original = hooks.s3._version_body

    def resolve(headers: dict[str, str], bucket: str) -> Any:
        if headers.get(ALGORITHM) == "aws:kms" and not headers.get(KEY):
            headers = {**headers, KEY: _default_key(bucket)}
        return resolve_original(headers, bucket)

    def get(bucket: str, key: str, headers: dict[str, str], query: Any = None) -> Any:
        asked = headers.get("range")
        token = _ranged.set(bool(asked))
        try:
            if not (asked and (query or {}).get("versionId")):
                return get_original(bucket, key, headers, query)
            # a part has no checksum of its own
            whole = {name: value for name, value in headers.items() if name != "x-amz-checksum-mode"}
            return _cut(get_original(bucket, key, whole, query), asked, bucket, key)
        finally:
            _ranged.reset(token)

    def read(bucket: str, key: str, record: dict[str, Any]) -> Any:
        """A ranged read gets a view of the file, of which only the range is ever loaded (stock: the whole
        file for every range).
        """
        if _ranged.get() and record.get("body") is None and record.get("size"):
            path = hooks.s3._object_disk_path(bucket, key)
            if path is not None:
                view = _view(path)
                if view is not None:
                    return view
        return read_original(bucket, key, record)

    def read_version(buckets: dict[str, Any], bucket: str, key: str, version: dict[str, Any]) -> Any:
        """The same for a version that is not in memory."""
        if _ranged.get() and version.get("data") is None:
            view = _view(hooks.s3._version_disk_path(bucket, key, version["version_id"]))
            if view is not None:
                return view
        return read_version_original(buckets, bucket, key, version)

    hooks.s3._version_body = read_version
    hooks.s3._resolve_sse_write_headers = resolve
    hooks.s3._get_object = get
    hooks.s3._read_body = read


def _view(path: str) -> mmap.mmap | None:
    """A view of a file; None where there is none, or nothing in it."""
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):
        return None


def _cut(answer: Any, asked: str, bucket: str, key: str) -> Any:
    """The part that was asked for of a whole version: stock MiniStack gives the whole for every range."""
    status, headers, body = answer
    if status != 200:
        return answer
    part = hooks.s3._parse_range(asked, len(body))
    if part is None:
        refused = {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}
        return 416, refused, hooks.s3._xml_body(hooks.s3._range_error_xml(bucket, key))
    start, end = part
    piece = bytes(body[start : end + 1])
    return (
        206,
        {**headers, "Content-Length": str(len(piece)), "Content-Range": f"bytes {start}-{end}/{len(body)}"},
        piece,
    )


def _default_key(bucket: str) -> str:
    """The key of a write that says ``aws:kms`` and no key: the bucket's default key, else the account's
    ``aws/s3``.
    """
    default, _ = hooks.s3._resolve_sse_write_headers({}, bucket)
    return str((default or {}).get(KEY) or f"arn:aws:kms:{hooks.region()}:{hooks.account()}:alias/aws/s3")
