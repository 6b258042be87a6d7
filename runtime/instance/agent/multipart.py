"""Uploads of large files in parallel parts, which go on where an earlier try stopped.

What has been sent is kept in a small file beside the file (`.NAME.neurocaas-upload`): the upload's id and the parts that S3 has
confirmed. S3 checks each part against the CRC-32 that goes with it, and gives the object the checksum of the whole (S3 user guide,
"Checking object integrity").
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

from .storage import UPLOAD_STATE, Location

PARTS_MAX = 10_000
"""Most parts of one object (S3 user guide, "Amazon S3 multipart upload limits")."""

_GONE = frozenset({"NoSuchUpload", "404", "InvalidPart", "InvalidPartOrder"})


def encoded(crc: int) -> str:
    """A CRC-32 as S3 writes it: four bytes, big-endian, base64."""
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


@contextmanager
def settled(futures: Sequence[Future[Any]]) -> Iterator[None]:
    """After the body, however it ends, none of `futures` is under way."""
    try:
        yield
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


@dataclass
class _State:
    """What is kept beside the file. Another size, time, place or part size makes it worthless."""

    path: Path
    mark: list[Any]
    upload_id: str = ""
    parts: dict[int, dict[str, Any]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, source: Path, target: Location, part: int) -> _State:
        stat = source.stat()
        mark = [target.bucket, target.key, stat.st_size, stat.st_mtime_ns, part]
        state = cls(source.with_name(f".{source.name[:200]}{UPLOAD_STATE}"), mark)
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(state.path.read_text(encoding="utf-8"))
            if kept["mark"] == mark:
                state.upload_id, state.parts = str(kept["upload_id"]), {int(number): dict(one) for number, one in kept["parts"].items()}
        return state

    def done(self, number: int, part: dict[str, Any]) -> None:
        with self.lock:
            self.parts[number] = part
            self.save()

    def save(self) -> None:
        with suppress(OSError):  # where nothing can be kept, a later try begins anew
            fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            fresh.write_text(json.dumps({"mark": self.mark, "upload_id": self.upload_id, "parts": self.parts}), encoding="utf-8")
            fresh.replace(self.path)

    def forget(self) -> None:
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def upload(client: Any, pool: ThreadPoolExecutor, source: Path, target: Location, part: int) -> dict[str, Any]:
    """Send `source` in parts of at least `part` bytes (5 MiB or more), and give S3's answer to the last call. Raises what the
    client raises; then what was sent stays there for the next try."""
    size = source.stat().st_size
    part = max(part, -(-size // PARTS_MAX))
    state = _State.of(source, target, part)
    try:
        return _send(client, pool, source, target, state)
    except ClientError as error:
        if not state.upload_id or error.response.get("Error", {}).get("Code") not in _GONE:
            raise
        state.upload_id, state.parts = "", {}  # it was ended meanwhile, by a lifecycle rule for instance
        return _send(client, pool, source, target, state)


def _send(client: Any, pool: ThreadPoolExecutor, source: Path, target: Location, state: _State) -> dict[str, Any]:
    place = {"Bucket": target.bucket, "Key": target.key}
    size, part = state.mark[2], state.mark[4]
    if not state.upload_id:
        answer = client.create_multipart_upload(**place, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
        state.upload_id = answer["UploadId"]
        state.save()
    with source.open("rb") as file:

        def send(number: int) -> None:
            body = os.pread(file.fileno(), part, (number - 1) * part)
            checksum = encoded(zlib.crc32(body))
            answer = client.upload_part(**place, UploadId=state.upload_id, PartNumber=number, Body=body, ChecksumCRC32=checksum)
            state.done(number, {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": checksum})

        missing = [number for number in range(1, -(-size // part) + 1) if number not in state.parts]
        futures = [pool.submit(send, number) for number in missing]
        with settled(futures):  # they use the file
            for future in futures:
                future.result()
    parts = [state.parts[number] for number in sorted(state.parts)]
    whole = {"MultipartUpload": {"Parts": parts}, "ChecksumType": "FULL_OBJECT"}
    completed: dict[str, Any] = client.complete_multipart_upload(**place, UploadId=state.upload_id, **whole)
    state.forget()
    return completed
