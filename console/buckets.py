"""What buckets hold, and how it goes for good or comes back: objects, their older versions, delete markers,
unfinished uploads.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from typing import Any

BATCH = 1000
"""Keys of one DeleteObjects call (S3 API reference)."""


@dataclass(frozen=True)
class Contents:
    """What a bucket (or a prefix of it) holds. `versions` are older ones, that a listing does not show;
    `size` is of both, in bytes.
    """

    objects: int = 0
    versions: int = 0
    markers: int = 0
    uploads: int = 0
    size: int = 0

    def __add__(self, other: "Contents") -> "Contents":
        return Contents(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

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
        told = ", ".join(
            f"{number:,} {word}{'' if number == 1 else 's'}" for number, word in counts if number
        )
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
    return sum(by_folder(s3, bucket, prefix).values(), Contents())


def by_folder(s3: Any, bucket: str, prefix: str = "", without: Collection[str] = ()) -> dict[str, Contents]:
    """Count by the first segment of the keys ("lab1", "logs"), leaving out the keys in `without`."""
    found: dict[str, Contents] = {}

    def add(key: str, one: Contents) -> None:
        if key not in without:
            folder = key.partition("/")[0]
            found[folder] = found.get(folder, Contents()) + one

    for page in _pages(s3, bucket, prefix):
        for version in page.get("Versions", ()):
            latest = bool(version["IsLatest"])
            add(version["Key"], Contents(objects=int(latest), versions=int(not latest), size=version["Size"]))
        for marker in page.get("DeleteMarkers", ()):
            add(marker["Key"], Contents(markers=1))
    for upload in _uploads(s3, bucket, prefix):
        add(upload["Key"], Contents(uploads=1))
    return found


def empty(s3: Any, bucket: str, prefix: str = "") -> list[str]:
    """Delete all of it; the keys that were refused, each with the reason. What is put meanwhile is deleted or
    stays.
    """
    refused: list[str] = []
    for page in _pages(s3, bucket, prefix):
        keys = [
            {"Key": one["Key"], "VersionId": one["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for one in page.get(kind, ())
        ]
        for start in range(0, len(keys), BATCH):
            answer = s3.delete_objects(
                Bucket=bucket, Delete={"Objects": keys[start : start + BATCH], "Quiet": True}
            )
            refused += [
                f"{one['Key']}: {one.get('Message') or one.get('Code')}" for one in answer.get("Errors", ())
            ]
    for upload in _uploads(s3, bucket, prefix):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    return refused


def deleted(s3: Any, bucket: str, prefix: str = "") -> dict[str, str]:
    """The objects that are deleted and can come back: key, and the id of the delete marker that hides it."""
    hidden: dict[str, str] = {}
    kept: set[str] = set()
    for page in _pages(s3, bucket, prefix):
        hidden |= {one["Key"]: one["VersionId"] for one in page.get("DeleteMarkers", ()) if one["IsLatest"]}
        kept |= {one["Key"] for one in page.get("Versions", ())}
    return {key: marker for key, marker in hidden.items() if key in kept}


def recover(s3: Any, bucket: str, prefix: str = "") -> tuple[list[str], list[str]]:
    """Bring back what is deleted, as it was last. The keys that are back, and those that were refused with
    the reason.
    """
    back: set[str] = set()
    refused: dict[str, str] = {}
    # Again while something is hidden: who deletes twice leaves two markers.
    while found := {key: marker for key, marker in deleted(s3, bucket, prefix).items() if key not in refused}:
        keys = [{"Key": key, "VersionId": marker} for key, marker in found.items()]
        for start in range(0, len(keys), BATCH):
            answer = s3.delete_objects(
                Bucket=bucket, Delete={"Objects": keys[start : start + BATCH], "Quiet": True}
            )
            refused |= {
                one["Key"]: str(one.get("Message") or one.get("Code")) for one in answer.get("Errors", ())
            }
        back |= found.keys()
    return sorted(back - refused.keys()), [f"{key}: {why}" for key, why in sorted(refused.items())]
