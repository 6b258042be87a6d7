"""A client of S3 in memory, with versions: what a transfer asks of it, and nothing more. Quick enough for
hundreds of examples.
"""

from __future__ import annotations

import hashlib
import io
from itertools import count
from typing import Any

from botocore.exceptions import ClientError


class Body(io.BytesIO):
    def iter_chunks(self, size: int) -> Any:
        return iter(lambda: self.read(size), b"")


class FakeS3:
    """`denied`: operations, or parameters, that its caller has no right to. `before`: is told the name of
    each call before it is served.
    """

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str], list[bytes]] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self._numbers = count()  # of uploads: two that run at once are two
        self.denied: set[str] = set()
        self.calls: list[str] = []
        self.before: Any = lambda name: None

    def _called(self, name: str, arguments: dict[str, Any]) -> None:
        self.calls.append(name)
        self.before(name)
        if self.denied & {name, *arguments}:
            raise error("AccessDenied")

    def put(self, bucket: str, key: str, body: bytes) -> dict[str, str]:
        every = self.versions.setdefault((bucket, key), [])
        every.append(body)
        return {"ETag": etag(body), "VersionId": str(len(every))}

    def content(self, bucket: str, key: str) -> bytes:
        return self.versions[bucket, key][-1]

    def put_object(self, **asked: Any) -> dict[str, str]:
        self._called("put_object", asked)
        return self.put(asked["Bucket"], asked["Key"], asked["Body"])

    def head_object(self, **asked: Any) -> dict[str, Any]:
        self._called("head_object", asked)
        answer = self._found(asked, "404", "412")
        return {name: value for name, value in answer.items() if name != "Body"}

    def get_object(self, **asked: Any) -> dict[str, Any]:
        self._called("get_object", asked)
        return self._found(asked, "NoSuchKey", "PreconditionFailed")

    def _found(self, asked: dict[str, Any], gone: str, other: str) -> dict[str, Any]:
        every = self.versions.get((asked["Bucket"], asked["Key"]), [])
        number = int(asked.get("VersionId", len(every)))
        if not 0 < number <= len(every):
            raise error("NoSuchVersion" if "VersionId" in asked and gone != "404" else gone)
        body = every[number - 1]
        if asked.get("IfMatch", etag(body)) != etag(body):
            raise error(other)
        if "Range" in asked:
            first, last = asked["Range"].removeprefix("bytes=").split("-")
            part = body[int(first) : int(last) + 1]
        else:
            part = body
        return {"Body": Body(part), "ContentLength": len(part), "ETag": etag(body), "VersionId": str(number)}

    def create_multipart_upload(self, **asked: Any) -> dict[str, str]:
        self._called("create_multipart_upload", asked)
        name = f"upload-{next(self._numbers)}"
        self.uploads[name] = {}
        return {"UploadId": name}

    def upload_part(self, **asked: Any) -> dict[str, str]:
        self._called("upload_part", asked)
        self.uploads[asked["UploadId"]][asked["PartNumber"]] = asked["Body"]
        return {"ETag": etag(asked["Body"])}

    def complete_multipart_upload(self, **asked: Any) -> dict[str, str]:
        self._called("complete_multipart_upload", asked)
        parts = self.uploads.pop(asked["UploadId"])
        named = asked["MultipartUpload"]["Parts"]
        assert all(etag(parts[one["PartNumber"]]) == one["ETag"] for one in named)
        whole = b"".join(parts[one["PartNumber"]] for one in named)
        return self.put(asked["Bucket"], asked["Key"], whole)

    def get_paginator(self, name: str) -> Any:
        class Pages:
            def paginate(_, Bucket: str, Prefix: str) -> Any:  # noqa: N803, N805
                self._called(name, {})
                found = sorted(
                    key for bucket, key in self.versions if bucket == Bucket and key.startswith(Prefix)
                )
                yield {"Contents": [{"Key": key, "Size": len(self.content(Bucket, key))} for key in found]}

        return Pages()


def etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "Call")
