"""Objects in S3, through botocore. Large objects go in parallel parts, by the AWS Common Runtime where that is possible."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from . import crt
from .multipart import encoded, settled, upload
from .storage import BLOCK, FILES, Location, Seen, StorageError

PART = 16 << 20
"""Bytes of one part of a parallel transfer, and twice that is where parallel transfers begin. Parts in flight are in memory."""

WORKERS = 8
"""Parts that are under way at a time."""

_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
_PERMANENT = frozenset({"403", "AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "400", "InvalidRequest"})


def _error(place: Location, error: Exception) -> StorageError:
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _MISSING:
            return StorageError(f"{place} does not exist", missing=True)
        return StorageError(f"{place}: {error}", permanent=code in _PERMANENT)
    lasting = type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError", "ParamValidationError", "NoRegionError")
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT)
    return StorageError(f"{place}: {error}", permanent=lasting or full)


class S3Storage:
    """S3 with the default credentials. The client is made at first use, once, and may be shared by threads."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._without_runtime = False

    @cached_property
    def _session(self) -> Any:
        return botocore.session.get_session()

    @cached_property
    def _client(self) -> Any:
        override = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        config = Config(
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=WORKERS + FILES,
            retries={"mode": "standard", "total_max_attempts": 5},
            # A bucket of another endpoint has no host name of its own.
            s3={"addressing_style": "path"} if override else {},
        )
        region = self._session.get_config_variable("region") or "us-east-1"
        return self._session.create_client("s3", config=config, region_name=region)

    @cached_property
    def _runtime(self) -> crt.Runtime | None:
        def keys() -> tuple[str, str, str | None]:
            frozen = self._session.get_credentials().get_frozen_credentials()
            return frozen.access_key, frozen.secret_key, frozen.token

        meta = self.client.meta
        return crt.opened(meta.endpoint_url, meta.region_name, keys, os.environ)

    @contextmanager
    def _by_runtime(self, place: Location) -> Iterator[crt.Runtime | None]:
        """The AWS Common Runtime for a large object, None for the plain way. Once it has failed, it is not taken again."""
        with self._lock:
            client = None if self._without_runtime else self._runtime
        try:
            yield client if client and client.takes(place) else None
        except StorageError:
            self._without_runtime = True
            raise

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """For the parts of all transfers of this process: what is in memory stays bounded."""
        return ThreadPoolExecutor(WORKERS)

    @property
    def client(self) -> Any:
        with self._lock:
            return self._client

    def read(self, place: Location) -> bytes:
        try:
            return bytes(self.client.get_object(Bucket=place.bucket, Key=place.key)["Body"].read())
        except (ClientError, BotoCoreError, OSError) as error:
            raise _error(place, error) from error

    def write(self, place: Location, body: bytes) -> None:
        kind = "application/json" if place.key.endswith((".json", "_STATUS.txt")) else "text/plain; charset=utf-8"
        try:
            self.client.put_object(Bucket=place.bucket, Key=place.key, Body=body, ContentType=kind)
        except (ClientError, BotoCoreError, OSError) as error:
            raise _error(place, error) from error

    def keys(self, prefix: Location) -> Iterator[tuple[Location, int]]:
        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
            for page in pages:
                for item in page.get("Contents", ()):
                    if not item["Key"].endswith("/"):
                        yield Location(prefix.bucket, item["Key"]), int(item["Size"])
        except (ClientError, BotoCoreError, OSError) as error:
            raise _error(prefix, error) from error

    def download(self, source: Location, target: Path, seen: Seen, size: int | None = None) -> str | None:
        """The object into the file `target`; `seen` gets its content in order. The object must not change meanwhile. With a `size`, small
        objects take one request."""
        place = {"Bucket": source.bucket, "Key": source.key, "ChecksumMode": "ENABLED"}
        try:
            if size is None or size >= 2 * PART:
                head = self.client.head_object(**place)
                if head["ContentLength"] >= 2 * PART:
                    return self._large(source, target, seen, head)
            answer = self.client.get_object(**place)
            checked = _Checked(seen, answer)
            with target.open("wb") as file:
                for block in answer["Body"].iter_chunks(BLOCK):
                    file.write(block)
                    checked(block)
            return _whole(source, target, checked, answer)
        except (ClientError, BotoCoreError, OSError) as error:
            raise _error(source, error) from error

    def _large(self, source: Location, target: Path, seen: Seen, head: Mapping[str, Any]) -> str | None:
        checked = _Checked(seen, head)
        with target.open("w+b") as file, self._by_runtime(source) as runtime:
            if runtime:
                runtime.download(source, target, checked)
            else:
                self._parts(source, head["ETag"], head["ContentLength"], file.fileno(), checked)
        return _whole(source, target, checked, head)

    def _parts(self, source: Location, etag: str, size: int, file: int, seen: Seen) -> None:
        os.posix_fallocate(file, 0, size)

        def fetch(start: int) -> int:
            end = min(start + PART, size)
            span = f"bytes={start}-{end - 1}"
            answer = self.client.get_object(Bucket=source.bucket, Key=source.key, Range=span, IfMatch=etag)
            position = start
            for block in answer["Body"].iter_chunks(BLOCK):
                position += os.pwrite(file, block, position)
            if position != end:
                raise StorageError(f"{source}: got {position - start} of {end - start} bytes of a part")
            return end

        parts = [self._pool.submit(fetch, start) for start in range(0, size, PART)]
        with settled(parts):  # they use the file
            position = 0
            for part in parts:  # parts arrive in any order; `seen` follows as far as there is no gap
                end = part.result()
                while position < end:
                    block = os.pread(file, min(BLOCK, end - position), position)
                    seen(block)
                    position += len(block)

    def upload(self, source: Path, target: Location) -> str | None:
        try:
            if source.stat().st_size < 2 * PART:
                with source.open("rb") as file:  # botocore adds the CRC-32 that S3 checks
                    return _version(self.client.put_object(Bucket=target.bucket, Key=target.key, Body=file))
            with self._by_runtime(target) as runtime:
                if not runtime:
                    return _version(upload(self.client, self._pool, source, target, PART))
                runtime.upload(source, target)
            return _version(self.client.head_object(Bucket=target.bucket, Key=target.key))
        except (ClientError, BotoCoreError, OSError) as error:
            raise _error(target, error) from error


def _whole(source: Location, target: Path, checked: _Checked, answer: Mapping[str, Any]) -> str | None:
    """The version of the object that has arrived in `target`. Raises StorageError unless it is all of it."""
    checked.check(source)
    size, expected = target.stat().st_size, answer["ContentLength"]
    if size != expected:
        raise StorageError(f"{source}: got {size} of {expected} bytes")
    return _version(answer)


def _version(answer: Mapping[str, Any]) -> str | None:
    """None where the bucket keeps no versions: then all that were there are called "null"."""
    version = str(answer.get("VersionId", "null"))
    return None if version == "null" else version


class _Checked:
    """Passes content on to `seen`, and knows in the end whether it was what S3 has the checksum of."""

    def __init__(self, seen: Seen, answer: Mapping[str, Any]) -> None:
        self._seen = seen
        self._expected = answer.get("ChecksumCRC32") if answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT" else None
        self._crc = 0

    def __call__(self, block: bytes) -> None:
        if self._expected:
            self._crc = zlib.crc32(block, self._crc)
        self._seen(block)

    def check(self, source: Location) -> None:
        """Raises StorageError when the content is another. Objects without a checksum of the whole (old ones) are not checked."""
        if self._expected and "-" not in self._expected and encoded(self._crc) != self._expected:
            raise StorageError(f"{source}: the content that arrived has another checksum than the object")
