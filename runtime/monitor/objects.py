"""The monitor's calls to S3. Permissions: see `runtime.monitor.aws`."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from neurocaas.protocol.limits import JOB_MAX_BYTES
from neurocaas.protocol.objects import LOST_RACE, MISSING, code_of, put
from runtime.aws.clients import Clients
from runtime.monitor.confined import Writers
from runtime.monitor.port import ComeAgainError, Move, ObjectContent, Written

_Self = TypeVar(
    "_Self", bound="ConfinedObjects"
)  # typing.Self is newer than the oldest Python that runs this
_MISSING = MISSING | {"NoSuchBucket"}
_COPIES = 16
"""Objects that are copied at a time."""

_MOVING = 40.0
"""Seconds for which one call moves objects: the function has MONITOR_TIMEOUT for all that it does."""

_COPY_MAX = 5 << 30
"""The largest object that one CopyObject copies (Amazon S3 API reference, "CopyObject")."""


class ConfinedObjects:
    """The part of `MonitorCloud` that is about objects: what is written is confined to one group."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self._group: tuple[str, str] | None = None
        self._writers = Writers(clients.session, clients.config)

    def acting_for(self: _Self, bucket: str, group: str) -> _Self:
        confined = copy.copy(self)
        confined._group = (bucket, group)
        return confined

    def _writer(self, outside: str | None = None) -> Any:
        """The S3 client that writes what is the group's. Raises PermissionError for whoever acts for no
        group.
        """
        if self._group is None:
            raise PermissionError("nothing is written but for a group: see acting_for")
        return self._writers.s3(*self._group, (outside,) if outside else ())

    def get(self, bucket: str, key: str, limit: int = JOB_MAX_BYTES) -> ObjectContent | None:
        try:
            answer = self.clients.s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if code_of(error) in _MISSING:
                return None
            raise
        with answer["Body"] as body:
            if answer["ContentLength"] > limit:
                return None
            return ObjectContent(bytes(body.read()), answer["Metadata"])

    def put(
        self,
        bucket: str,
        key: str,
        body: str,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        return put(self._writer(), bucket, key, body, if_absent=if_absent, metadata=metadata)

    def hand_over(
        self, bucket: str, keys: Mapping[str, str], to_bucket: str, end: tuple[str, str]
    ) -> str | None:
        s3 = self._writer(to_bucket)

        def hand(key: str) -> None:
            s3.copy_object(CopySource={"Bucket": bucket, "Key": key}, Bucket=to_bucket, Key=keys[key])

        try:
            with ThreadPoolExecutor(_COPIES) as pool:
                list(pool.map(hand, keys))
            put(s3, to_bucket, *end)
        except ClientError as error:
            return code_of(error)
        return None

    def set_aside(self, bucket: str, moves: Sequence[Move]) -> Mapping[str, str]:
        if not moves:
            return {}
        if self._group is None:
            raise PermissionError("nothing is moved but for a group: see acting_for")
        writer, until = self._writers.s3(*self._group, moving=True), time.monotonic() + _MOVING
        refused, left = dict[str, str](), list[str]()

        def move(one: Move) -> None:
            if time.monotonic() > until:
                left.append(one.key)
                return
            try:
                there = self.clients.s3.head_object(Bucket=bucket, Key=one.key)
                etag = str(there["ETag"])
                if one.version not in (None, there.get("VersionId")) or one.etag not in ("", etag.strip('"')):
                    return
                if there["ContentLength"] <= _COPY_MAX:
                    source = {"Bucket": bucket, "Key": one.key}
                    writer.copy_object(CopySource=source, CopySourceIfMatch=etag, Bucket=bucket, Key=one.to)
                writer.delete_object(Bucket=bucket, Key=one.key, IfMatch=etag)
            except ClientError as error:
                if code_of(error) in _MISSING | LOST_RACE:  # gone, or another one, by now
                    return
                if not is_refusal(error):
                    raise
                refused[one.key] = code_of(error)

        with ThreadPoolExecutor(_COPIES) as pool:
            list(pool.map(move, moves))
        if left:
            raise ComeAgainError(
                f"{len(left)} of {len(moves)} results of an earlier attempt are still to be moved"
            )
        return refused

    def delete(self, bucket: str, key: str) -> None:
        self._writer().delete_object(Bucket=bucket, Key=key)

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        for one in self.files(bucket, prefix):
            yield one.key

    def files(self, bucket: str, prefix: str) -> Iterator[Written]:
        for page in self.clients.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from map(_written, page.get("Contents", []))

    def folders(self, bucket: str, prefix: str, after: str, limit: int) -> list[str]:
        # A start behind all that is in the last folder: '0' is the character after '/'.
        start = {"StartAfter": f"{after[:-1]}0"} if after else {}
        answer = self.clients.s3.list_objects_v2(
            Bucket=bucket, Prefix=prefix, Delimiter="/", MaxKeys=limit, **start
        )
        found, last = list(map(_folder, answer.get("CommonPrefixes", []))), answer
        while last["IsTruncated"]:  # pages of files between the folders
            last = self.clients.s3.list_objects_v2(
                Bucket=bucket,
                Prefix=prefix,
                Delimiter="/",
                MaxKeys=limit,
                ContinuationToken=last["NextContinuationToken"],
            )
            found += map(_folder, last.get("CommonPrefixes", []))
            if len(found) >= limit:
                break
        return found[:limit]

    def submissions(self, bucket: str, prefix: str, after: str, limit: int) -> list[Written]:
        answer = self.clients.s3.list_objects_v2(
            Bucket=bucket, Prefix=prefix, StartAfter=after, MaxKeys=limit
        )
        return list(map(_written, answer.get("Contents", [])))


def _folder(prefix: Mapping[str, Any]) -> str:
    return str(prefix["Prefix"])


def is_refusal(error: ClientError) -> bool:
    """Whether S3 would answer the same to the next try."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return (
        400 <= status < 500
        and "Throttl" not in code_of(error)
        and code_of(error) not in ("SlowDown", "RequestTimeout", "ExpiredToken")
    )


def _written(one: Mapping[str, Any]) -> Written:
    return Written(one["Key"], one["ETag"].strip('"'), one["LastModified"], one["Size"])
