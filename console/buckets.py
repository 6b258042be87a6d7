"""Emptying a bucket for good: every object, every older version of it, every delete marker, every upload that was never finished."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BATCH = 1000
"""Keys of one DeleteObjects call (S3 API reference)."""


@dataclass(frozen=True)
class Contents:
    """What a bucket (or a prefix of it) holds. `versions` are older ones, that a listing does not show; `size` is of both, in bytes."""

    objects: int = 0
    versions: int = 0
    markers: int = 0
    uploads: int = 0
    size: int = 0

    @property
    def empty(self) -> bool:
        return not (self.objects or self.versions or self.markers or self.uploads)

    def text(self) -> str:
        if self.empty:
            return "nothing"
        counts = [
            (self.objects, "object"),
            (self.versions, "older version"),
            (self.markers, "delete marker"),
            (self.uploads, "unfinished upload"),
        ]
        told = ", ".join(f"{number:,} {word}{'' if number == 1 else 's'}" for number, word in counts if number)
        return f"{told} ({_size(self.size)})"


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _pages(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    yield from s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)


def _uploads(s3: Any, bucket: str, prefix: str) -> list[dict[str, Any]]:
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    return [upload for page in pages for upload in page.get("Uploads", ())]


def contents(s3: Any, bucket: str, prefix: str = "") -> Contents:
    """Count. `s3` is a boto3 client; `prefix` "" means the whole bucket."""
    objects = versions = markers = size = 0
    for page in _pages(s3, bucket, prefix):
        found = page.get("Versions", ())
        latest = sum(bool(one["IsLatest"]) for one in found)
        objects += latest
        versions += len(found) - latest
        markers += len(page.get("DeleteMarkers", ()))
        size += sum(one["Size"] for one in found)
    return Contents(objects, versions, markers, len(_uploads(s3, bucket, prefix)), size)


def empty(s3: Any, bucket: str, prefix: str = "") -> list[str]:
    """Delete all of it; the keys that were refused, each with the reason. What is put meanwhile is deleted or stays."""
    refused: list[str] = []
    for page in _pages(s3, bucket, prefix):
        keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for kind in ("Versions", "DeleteMarkers") for one in page.get(kind, ())]
        for start in range(0, len(keys), BATCH):
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys[start : start + BATCH], "Quiet": True})
            refused += [f"{one['Key']}: {one.get('Message') or one.get('Code')}" for one in answer.get("Errors", ())]
    for upload in _uploads(s3, bucket, prefix):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    return refused
