"""Two corrections of MiniStack's S3: encryption without a named key, and ranged reads of large objects."""

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
    resolve_original, get_original, read_original = hooks.s3._resolve_sse_write_headers, hooks.s3._get_object, hooks.s3._read_body

    def resolve(headers: dict[str, str], bucket: str) -> Any:
        if headers.get(ALGORITHM) == "aws:kms" and not headers.get(KEY):
            headers = {**headers, KEY: _default_key(bucket)}
        return resolve_original(headers, bucket)

    def get(bucket: str, key: str, headers: dict[str, str], query: Any = None) -> Any:
        token = _ranged.set(bool(headers.get("range")))
        try:
            return get_original(bucket, key, headers, query)
        finally:
            _ranged.reset(token)

    def read(bucket: str, key: str, record: dict[str, Any]) -> Any:
        """A ranged read gets a view of the file, of which only the range is ever loaded (stock: the whole file for every range)."""
        if _ranged.get() and record.get("body") is None and record.get("size"):
            path = hooks.s3._object_disk_path(bucket, key)
            if path is not None:
                try:
                    with open(path, "rb") as file:
                        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                except (OSError, ValueError):
                    return read_original(bucket, key, record)
        return read_original(bucket, key, record)

    hooks.s3._resolve_sse_write_headers = resolve
    hooks.s3._get_object = get
    hooks.s3._read_body = read


def _default_key(bucket: str) -> str:
    """The key of a write that says ``aws:kms`` and no key: the bucket's default key, else the account's ``aws/s3``."""
    default, _ = hooks.s3._resolve_sse_write_headers({}, bucket)
    return str((default or {}).get(KEY) or f"arn:aws:kms:{hooks.region()}:{hooks.account()}:alias/aws/s3")
