"""The manager's calls to S3. Permissions: see `runtime.manager.aws`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from neurocaas.protocol.objects import MISSING, code_of, put
from runtime.aws.clients import Clients
from runtime.manager.port import BucketRefusedError, ObjectTooLargeError, ReadObject, StoredObject

_REFUSED = frozenset(
    {
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "NoSuchBucket",
        "301",
        "PermanentRedirect",
        "InvalidBucketName",
        # One object: encrypted with a customer's key (HEAD: 400), or in an archive (S3 API reference, "Error
        # responses").
        "400",
        "InvalidRequest",
        "InvalidObjectState",
        "KMS.DisabledException",
        "KMS.InvalidStateException",
        "KMS.NotFoundException",
    }
)


class Objects:
    """The part of `ManagerCloud` that is about objects."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients

    def get(self, bucket: str, key: str, limit: int, version: str | None = None) -> bytes | None:
        found = self.read(bucket, key, limit, version)
        return None if found is None else found.body

    def read(self, bucket: str, key: str, limit: int, version: str | None = None) -> ReadObject | None:
        answer = self._ask(
            "get_object", Bucket=bucket, Key=key, **({"VersionId": version} if version else {})
        )
        if answer is None:
            return None
        with answer["Body"] as body:
            if answer["ContentLength"] > limit:
                raise ObjectTooLargeError(answer["ContentLength"])
            return ReadObject(bytes(body.read()), _etag(answer), _version(answer))

    def put(
        self,
        bucket: str,
        key: str,
        body: str | bytes,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        return put(self.clients.s3, bucket, key, body, if_absent=if_absent, metadata=metadata)

    def head(self, bucket: str, key: str) -> StoredObject | None:
        answer = self._ask("head_object", Bucket=bucket, Key=key)
        return (
            None
            if answer is None
            else StoredObject(key, answer["ContentLength"], _etag(answer), _version(answer))
        )

    def objects(
        self, bucket: str, prefix: str, after: str, limit: int, *, versions: bool = False
    ) -> Iterator[StoredObject]:
        found = (
            self._versions(bucket, prefix, after) if versions else self._objects(bucket, prefix, after, limit)
        )
        yield from itertools.islice(found, limit)

    def _objects(self, bucket: str, prefix: str, after: str, limit: int) -> Iterator[StoredObject]:
        start = {"StartAfter": after} if after else {}
        while True:
            answer = self._ask(
                "list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=min(limit, 1000), **start
            )
            for item in answer.get("Contents", []):
                yield StoredObject(item["Key"], item["Size"], _etag(item))
            if not answer["IsTruncated"]:
                return
            start = {"ContinuationToken": answer["NextContinuationToken"]}

    def _versions(self, bucket: str, prefix: str, after: str) -> Iterator[StoredObject]:
        start = {"KeyMarker": after} if after else {}
        while True:
            answer = self._ask("list_object_versions", Bucket=bucket, Prefix=prefix, MaxKeys=1000, **start)
            for item in answer.get("Versions", []):
                if item["IsLatest"]:
                    yield StoredObject(item["Key"], item["Size"], _etag(item), _version(item))
            if not answer["IsTruncated"]:
                return
            start = {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer["NextVersionIdMarker"]}

    def _ask(self, operation: str, **arguments: Any) -> Any:
        """The answer of an S3 call, None when there is no such object."""
        try:
            return getattr(self.clients.s3, operation)(**arguments)
        except ClientError as error:
            if code_of(error) in MISSING:
                return None
            if code_of(error) in _REFUSED:
                raise BucketRefusedError(code_of(error)) from error
            raise


def _etag(answer: Mapping[str, Any]) -> str:
    return str(answer["ETag"]).strip('"')


def _version(answer: Mapping[str, Any]) -> str | None:
    """The version of an object; "null" is what a bucket without versions has (S3 user guide, "Working with
    objects in a versioning-suspended bucket"): the next write replaces it."""
    version = answer.get("VersionId")
    return None if version in (None, "null") else str(version)
