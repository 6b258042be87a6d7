"""Objects in S3, through botocore. Large objects go in parallel parts, by the AWS Common Runtime where that
is possible.

A download is one version of an object, whatever happens to the object meanwhile: of the parts of a large one,
each is asked for with the ETag of the whole. An upload is one read of its file (`reading`).
"""

from __future__ import annotations

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

from neurocaas.protocol.owner import VARIABLE, expect_owner

from . import crt, skew
from .multipart import encoded, settled, upload
from .reading import BufferRoom, FileReading, readings
from .storage import BLOCK, FILES, Location, ObjectPin, Seen, Sent, StorageError, lasting, outdated

PART = 16 << 20
"""Bytes of one part of a parallel transfer, and twice that is where parallel transfers begin. Parts in flight
are in memory.
"""

WORKERS = 8
"""Parts that are under way at a time."""

_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
_OTHER = frozenset({*_MISSING, "412", "PreconditionFailed", "NoSuchVersion", "405", "MethodNotAllowed"})
"""What S3 answers where a version is gone, deleted, or another than the ETag says."""

_DENIED = frozenset({"403", "AccessDenied"})
_PERMANENT = frozenset(
    {
        "403",
        "AccessDenied",
        "NoSuchBucket",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "400",
        "InvalidRequest",
    }
)


def _error(place: Location, error: Exception) -> StorageError:
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _MISSING:
            return StorageError(f"{place} does not exist", missing=True)
        return StorageError(f"{place}: {error}", permanent=code in _PERMANENT)
    hopeless = type(error).__name__ in (
        "NoCredentialsError",
        "PartialCredentialsError",
        "ParamValidationError",
        "NoRegionError",
    )
    return StorageError(f"{place}: {error}", permanent=hopeless or lasting(error))


def ours(bucket: str) -> bool:
    """Whether it is the bucket of the job's analysis: others that a job names are outside ones, which may be
    anybody's."""
    return bucket == os.environ.get("bucketname")  # noqa: SIM112  (as scripts know it)


class S3Storage:
    """S3 with the default credentials. The client is made at first use, once, and may be shared by
    threads.
    """

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
        client = self._session.create_client("s3", config=config, region_name=region)
        skew.follow(client)
        return expect_owner(client, os.environ.get(VARIABLE, ""), ours)

    @cached_property
    def _runtime(self) -> crt.Runtime | None:
        def keys() -> tuple[str, str, str | None]:
            frozen = self._session.get_credentials().get_frozen_credentials()
            return frozen.access_key, frozen.secret_key, frozen.token

        meta = self.client.meta
        account = os.environ.get(VARIABLE, "")
        return crt.opened(
            meta.endpoint_url, meta.region_name, keys, os.environ, lambda one: account if ours(one) else ""
        )

    @contextmanager
    def _by_runtime(self, place: Location) -> Iterator[crt.Runtime | None]:
        """The AWS Common Runtime for a large object, None for the plain way. Once it has failed, it is not
        taken again.
        """
        with self._lock:
            client = None if self._without_runtime else self._runtime
        try:
            yield client if client and client.takes(place) else None
        except StorageError:
            self._without_runtime = True
            raise

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """For the parts of all transfers of this process."""
        return ThreadPoolExecutor(WORKERS)

    @cached_property
    def _room(self) -> BufferRoom:
        """For what all uploads of this process have read and not yet sent."""
        return BufferRoom((WORKERS + 1) * PART)

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
        kind = (
            "application/json"
            if place.key.endswith((".json", "_STATUS.txt"))
            else "text/plain; charset=utf-8"
        )
        try:
            self.client.put_object(Bucket=place.bucket, Key=place.key, Body=body, ContentType=kind)
        except (ClientError, BotoCoreError, OSError) as error:
            raise _error(place, error) from error

    def keys(self, prefix: Location) -> Iterator[tuple[Location, int]]:
        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=prefix.bucket, Prefix=prefix.key
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    if not item["Key"].endswith("/"):
                        yield Location(prefix.bucket, item["Key"]), int(item["Size"])
        except (ClientError, BotoCoreError, OSError) as error:
            raise _error(prefix, error) from error

    def download(
        self,
        source: Location,
        target: Path,
        seen: Seen,
        size: int | None = None,
        pin: ObjectPin | None = None,
    ) -> str | None:
        """The object into the file `target`; `seen` gets its content in order. With a `size`, small objects
        take one request.
        """
        place = {"Bucket": source.bucket, "Key": source.key, "ChecksumMode": "ENABLED"}
        if pin is None:
            return self._download(source, target, seen, size, place)
        place |= {"IfMatch": f'"{pin.etag}"'}
        if pin.version_id:
            try:
                return self._download(source, target, seen, pin.size, {**place, "VersionId": pin.version_id})
            except StorageError as error:
                if _is(error, _OTHER):
                    raise outdated(source) from error
                if not _is(error, _DENIED):
                    raise
                # These credentials may read objects, but not versions: it will do if it is the latest one.
        try:
            return self._download(source, target, seen, pin.size, place)
        except StorageError as error:
            if _is(error, _OTHER) or (_is(error, _DENIED) and not self._listed(source)):
                raise outdated(source) from error
            raise

    def _listed(self, place: Location) -> bool:
        """Whether there is such an object: without the right to list all of a bucket S3 says "denied" for
        those that are gone.
        """
        try:
            return any(found.key == place.key for found, _ in self.keys(place))
        except StorageError:
            return True

    def _download(
        self, source: Location, target: Path, seen: Seen, size: int | None, place: Mapping[str, str]
    ) -> str | None:
        try:
            if size is None or size >= 2 * PART:
                head = self.client.head_object(**place)
                if head["ContentLength"] >= 2 * PART:
                    return self._large(source, target, seen, {**place, "IfMatch": head["ETag"]}, head)
            answer = self.client.get_object(**place)
            checked = _Checked(seen, answer)
            with target.open("wb") as file:
                for block in answer["Body"].iter_chunks(BLOCK):
                    file.write(block)
                    checked(block)
            return _whole(source, target, checked, answer)
        except (ClientError, BotoCoreError, OSError) as error:
            raise _error(source, error) from error

    def _large(
        self, source: Location, target: Path, seen: Seen, place: Mapping[str, str], head: Mapping[str, Any]
    ) -> str | None:
        checked = _Checked(seen, head)
        with target.open("w+b") as file, self._by_runtime(source) as runtime:
            if runtime:
                runtime.download(source, target, checked, place["IfMatch"], place.get("VersionId"))
            else:
                one = {name: value for name, value in place.items() if name != "ChecksumMode"}
                self._parts(source, one, head["ContentLength"], file.fileno(), checked)
        return _whole(source, target, checked, head)

    def _parts(self, source: Location, place: Mapping[str, str], size: int, file: int, seen: Seen) -> None:
        os.posix_fallocate(file, 0, size)

        def fetch(start: int) -> int:
            end = min(start + PART, size)
            span = f"bytes={start}-{end - 1}"
            answer = self.client.get_object(**place, Range=span)
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

    def upload(self, source: Path, target: Location) -> Sent:
        try:
            for reading in readings(source):
                sent = (
                    self._small(reading, target)
                    if reading.size < 2 * PART
                    else self._in_parts(reading, target)
                )
                if sent:
                    return sent
        except (ClientError, BotoCoreError, OSError) as error:
            raise _error(target, error) from error
        raise AssertionError("unreachable")

    def _small(self, reading: FileReading, target: Location) -> Sent | None:
        with self._room.taken(reading.size):
            body = reading.read(reading.size)
            if reading.again:
                return None
            changed = reading.changed
            # botocore adds the CRC-32 that S3 checks
            answer = self.client.put_object(Bucket=target.bucket, Key=target.key, Body=body)
        return Sent(reading.bytes, reading.sha256, _version(answer), changed)

    def _in_parts(self, reading: FileReading, target: Location) -> Sent | None:
        with self._by_runtime(target) as runtime:
            answer = (
                runtime.upload(reading, target)
                if runtime
                else upload(self.client, self._pool, self._room, reading, target, PART)
            )
        if answer is None:
            return None
        if runtime and "VersionId" not in answer:
            answer = self.client.head_object(Bucket=target.bucket, Key=target.key)
        return Sent(reading.bytes, reading.sha256, _version(answer), reading.changed)


def _is(error: StorageError, codes: frozenset[str]) -> bool:
    """Whether it comes from an answer of S3 with one of these codes."""
    cause = error.__cause__
    return isinstance(cause, ClientError) and str(cause.response.get("Error", {}).get("Code", "")) in codes


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
        self._expected = (
            answer.get("ChecksumCRC32")
            if answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
            else None
        )
        self._crc = 0

    def __call__(self, block: bytes) -> None:
        if self._expected:
            self._crc = zlib.crc32(block, self._crc)
        self._seen(block)

    def check(self, source: Location) -> None:
        """Raises StorageError when the content is another. Objects without a checksum of the whole (old ones)
        are not checked.
        """
        if self._expected and "-" not in self._expected and encoded(self._crc) != self._expected:
            raise StorageError(f"{source}: the content that arrived has another checksum than the object")
