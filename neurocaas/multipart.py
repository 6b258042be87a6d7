"""Uploads of large files in parts, which go on where an earlier try stopped.

S3 is asked which parts it has (ListParts); each of them is compared with the file as it is now and sent again
only when it differs. So a file that was changed meanwhile costs its changed parts, and a process that is
killed costs what was on its way. What is kept here is the upload's id, and of each part that S3 has confirmed
its ETag and SHA-256: for a group whose rights were given before members might list parts, and for buckets
whose ETags are no MD5s. S3 checks each part against the CRC-32 that goes with it and gives the object the
checksum of the whole (S3 user guide, "Checking object integrity"); the ETag at the end must be that of these
parts.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from neurocaas.bucket import TAKEN, UNCONDITIONAL
from neurocaas.errors import AnalysisError, client_error, code_of, s3_errors
from neurocaas.kept_uploads import KeptUpload, abort, folder
from neurocaas.patience import Patience

PART = 8 << 20
"""Bytes of a part; doubled for a file that would have more than `PARTS_MAX` of them."""

PARTS_MAX = 10_000
"""Most parts of one object (S3 user guide, "Amazon S3 multipart upload limits")."""

MEMORY = 64 << 20
"""Bytes of parts that are in memory at a time; one part at least."""

_GONE = frozenset({"NoSuchUpload", "404", "InvalidPart", "InvalidPartOrder"})
_DENIED = frozenset({"AccessDenied", "403", "NotImplemented", "501"})
_MD5 = re.compile(r"[0-9a-f]{32}")


class UploadGoneError(Exception):
    """The upload has been ended meanwhile (a rule of the bucket, another process): it is begun anew."""


class FileChangedError(AnalysisError):
    """The file was written while it was uploaded."""


def part_size(size: int) -> int:
    part = PART
    while -(-size // part) > PARTS_MAX:
        part *= 2
    return part


@dataclass(frozen=True)
class UploadTarget:
    """Where to. `s3` writes unconditionally, `conditional` never replaces an object."""

    s3: Any
    conditional: Any
    bucket: str
    key: str

    @property
    def place(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key}


class MultipartUpload:
    """One file on its way. `told` gets the bytes that were moved, or need not be; `more` is what S3 is told
    of the object besides (`ContentType`)."""

    def __init__(
        self,
        source: Path,
        target: UploadTarget,
        told: Callable[[int], None],
        patience: Patience,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._more = dict(more or {})
        self._source, self._target, self._told, self._patience = source, target, told, patience
        self._size = source.stat().st_size
        self._part = part_size(self._size)
        self._count = -(-self._size // self._part)
        file = str(source.resolve())
        name = "\0".join((target.s3.meta.endpoint_url, target.bucket, target.key, file))
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self._kept = KeptUpload.of(folder() / f"{digest}.jsonl")

    def send(self) -> bool:
        """True when the object is there; False when another is. Raises UploadGoneError when all has to be
        sent again, FileChangedError when the file was written meanwhile."""
        before = _state(self._source)
        there = self._there()
        with ThreadPoolExecutor(max(1, min(8, MEMORY // self._part))) as pool:
            try:
                sending = [
                    pool.submit(self._one, number, there.get(number)) for number in range(1, self._count + 1)
                ]
                wait(sending, return_when=FIRST_EXCEPTION)
                for failed in (one for one in sending if one.done() and one.exception()):
                    failed.result()
                parts = [one.result() for one in sending]
            except BaseException as error:
                self._patience.end()
                pool.shutdown(wait=False, cancel_futures=True)
                if isinstance(error, UploadGoneError):
                    self._kept.forget()
                raise
        if _state(self._source) != before:
            raise FileChangedError(
                f"{self._source} changed while it was uploaded",
                "a file that nobody writes",
                "submit it again: what has not changed is not sent again",
            )
        return self._complete(parts)

    def forget(self) -> None:
        """What was begun of it is not wanted any more: the object is there."""
        if self._kept.upload_id:
            abort(self._target.s3, self._kept.facts)
            self._kept.forget()

    def _there(self) -> dict[int, str]:
        """The ETags of the parts that S3 has; a new upload where none was begun."""
        if self._kept.upload_id and self._kept.facts["part"] == self._part:
            with contextlib.suppress(UploadGoneError):
                found = self._patience(self._listed)
                self._kept.rewrite()
                return found
        elif self._kept.upload_id:
            abort(self._target.s3, self._kept.facts)
        answer = self._call(
            lambda: self._target.s3.create_multipart_upload(
                **self._target.place, **self._more, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
            )
        )
        begun = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._kept.begin(
            {
                "bucket": self._target.bucket,
                "key": self._target.key,
                "file": str(self._source.resolve()),
                "size": self._size,
                "part": self._part,
                "upload_id": answer["UploadId"],
                "begun": begun,
            }
        )
        return {}

    def _listed(self) -> dict[int, str]:
        ask = {**self._target.place, "UploadId": self._kept.upload_id}
        try:
            with s3_errors(self._target.bucket, self._target.key):
                pages = self._target.s3.get_paginator("list_parts").paginate(**ask)
                parts = [one for page in pages for one in page.get("Parts", [])]
        except client_error() as error:
            if code_of(error) in _GONE:
                raise UploadGoneError from error
            if code_of(error) not in _DENIED:
                raise
        except AnalysisError as error:
            if code_of(error.__cause__) not in _DENIED:
                raise
        else:
            return {int(one["PartNumber"]): str(one["ETag"]).strip('"') for one in parts}
        return {number: etag for number, (etag, _) in self._kept.parts.items()}

    def _one(self, number: int, there: str | None) -> dict[str, Any]:
        """What S3 wants to hear of a part at the end; it was sent if need be."""
        with self._source.open("rb") as file:
            file.seek((number - 1) * self._part)
            body = file.read(self._part)
        sha256 = hashlib.sha256(body).hexdigest()
        checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        part = {"PartNumber": number, "ChecksumCRC32": checksum}
        if there is not None and self._is_same(number, there, body, sha256):
            self._told(len(body))
            return {**part, "ETag": there}
        answer = self._call(
            lambda: self._target.s3.upload_part(
                **self._target.place,
                UploadId=self._kept.upload_id,
                PartNumber=number,
                Body=body,
                ChecksumCRC32=checksum,
            )
        )
        etag = str(answer["ETag"]).strip('"')
        self._kept.add(number, etag, sha256)
        self._told(len(body))
        return {**part, "ETag": etag}

    def _is_same(self, number: int, etag: str, body: bytes, sha256: str) -> bool:
        if (etag, sha256) == self._kept.parts.get(number):
            return True
        return hashlib.md5(body, usedforsecurity=False).hexdigest() == etag

    def _complete(self, parts: list[dict[str, Any]]) -> bool:
        ask = {
            **self._target.place,
            "UploadId": self._kept.upload_id,
            "MultipartUpload": {"Parts": parts},
            "ChecksumType": "FULL_OBJECT",
        }
        try:
            try:
                answer = self._call(lambda: self._target.conditional.complete_multipart_upload(**ask))
            except client_error() as error:
                if code_of(error) not in UNCONDITIONAL:
                    raise
                answer = self._call(lambda: self._target.s3.complete_multipart_upload(**ask))
        except UploadGoneError:  # ended meanwhile, or completed by a call whose answer was lost
            self._kept.forget()
            raise
        except client_error() as error:
            if code_of(error) not in TAKEN:
                raise
            abort(self._target.s3, self._kept.facts)
            self._kept.forget()
            return False
        self._kept.forget()
        found, etags = str(answer["ETag"]).strip('"'), [str(part["ETag"]) for part in parts]
        if all(_MD5.fullmatch(etag) for etag in etags) and "-" in found and found != whole_etag(etags):
            raise AnalysisError(
                f"{self._target.key} is not what was sent",
                "an object of the parts that were sent",
                "remove it, and upload it again",
            )
        return True

    def _call(self, ask: Callable[[], Any]) -> Any:
        """A call that bears with a network that is away. Raises UploadGoneError, and what the client
        raises."""

        def once() -> Any:
            try:
                with s3_errors(self._target.bucket, self._target.key):
                    return ask()
            except client_error() as error:
                if code_of(error) in _GONE:
                    raise UploadGoneError from error
                raise

        return self._patience(once)


def whole_etag(etags: list[str]) -> str:
    """The ETag of an object of parts with these (S3 API reference, "Object")."""
    joined = b"".join(bytes.fromhex(etag) for etag in etags)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
