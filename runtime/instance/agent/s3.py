"""Objects in S3, through botocore. Large objects go in parallel parts."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .storage import Location, Seen, StorageError

PART = 32 << 20
"""Bytes of one part of a parallel transfer, and twice that is where parallel transfers begin."""

WORKERS = 8
_BLOCK = 1 << 20
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
        self._lock = Lock()

    @cached_property
    def _client(self) -> Any:
        override = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        config = Config(
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=2 * WORKERS,
            retries={"mode": "standard", "total_max_attempts": 5},
            # A bucket of another endpoint has no host name of its own.
            s3={"addressing_style": "path"} if override else {},
        )
        session = botocore.session.get_session()
        return session.create_client("s3", config=config, region_name=session.get_config_variable("region") or "us-east-1")

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

    def copy(self, source: Location, target: Location) -> None:
        """By way of this machine: a copy inside S3 would need more rights when the buckets differ, and configs are small."""
        self.write(target, self.read(source))

    def keys(self, prefix: Location) -> Iterator[Location]:
        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
            for page in pages:
                for item in page.get("Contents", ()):
                    if not item["Key"].endswith("/"):
                        yield Location(prefix.bucket, item["Key"])
        except (ClientError, BotoCoreError, OSError) as error:
            raise _error(prefix, error) from error

    def download(self, source: Location, target: Path, seen: Seen) -> None:
        """The object into the file `target`; `seen` gets its content in order. The object must not change meanwhile."""
        try:
            answer = self.client.get_object(Bucket=source.bucket, Key=source.key)
            size = int(answer["ContentLength"])
            with target.open("wb") as file:
                if size < 2 * PART:
                    for block in answer["Body"].iter_chunks(_BLOCK):
                        file.write(block)
                        seen(block)
                else:
                    answer["Body"].close()
                    self._parts(source, answer["ETag"], size, file.fileno(), seen)
            if target.stat().st_size != size:
                raise StorageError(f"{source}: got {target.stat().st_size} of {size} bytes")
        except (ClientError, BotoCoreError, OSError) as error:
            raise _error(source, error) from error

    def _parts(self, source: Location, etag: str, size: int, file: int, seen: Seen) -> None:
        os.posix_fallocate(file, 0, size)

        def fetch(start: int) -> int:
            end = min(start + PART, size)
            span = f"bytes={start}-{end - 1}"
            answer = self.client.get_object(Bucket=source.bucket, Key=source.key, Range=span, IfMatch=etag)
            position = start
            for block in answer["Body"].iter_chunks(_BLOCK):
                position += os.pwrite(file, block, position)
            if position != end:
                raise StorageError(f"{source}: got {position - start} of {end - start} bytes of a part")
            return end

        with ThreadPoolExecutor(WORKERS) as pool:
            parts: list[Future[int]] = [pool.submit(fetch, start) for start in range(0, size, PART)]
            try:
                position = 0
                for part in parts:  # parts arrive in any order; `seen` follows as far as there is no gap
                    end = part.result()
                    while position < end:
                        block = os.pread(file, min(_BLOCK, end - position), position)
                        seen(block)
                        position += len(block)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def upload(self, source: Path, target: Location) -> None:
        # Loads multiprocessing: not for those who only download or report.
        from s3transfer.exceptions import S3UploadFailedError
        from s3transfer.manager import TransferConfig, TransferManager

        config = TransferConfig(multipart_threshold=2 * PART, multipart_chunksize=PART, max_request_concurrency=WORKERS)
        try:
            with TransferManager(self.client, config) as manager:
                manager.upload(str(source), target.bucket, target.key).result()
        except (ClientError, BotoCoreError, S3UploadFailedError, OSError) as error:
            raise _error(target, error) from error
