"""Uploads of large files in parallel parts, which go on where an earlier try stopped.

A part is read, hashed and sent from memory. What has been sent is kept in a small file beside the file
(`.NAME.neurocaas-upload`): the upload's id, and of each part that S3 has confirmed the SHA-256 of the file up
to its end. A part is not sent again where the file up to there is the same as then. S3 checks each part
against the CRC-32 that goes with it, and gives the object the checksum of the whole (S3 user guide, "Checking
object integrity").
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
from threading import Event, Lock
from typing import Any

from botocore.exceptions import ClientError

from neurocaas.protocol.names import bounded

from .reading import BufferRoom, FileReading
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
    """What is kept beside the file. Another place or part size makes it worthless. A part is what S3 wants to
    hear of it, and
    `upto`: where it begins, and the SHA-256 of the file up to its end."""

    path: Path
    mark: list[Any]
    upload_id: str = ""
    parts: dict[int, dict[str, Any]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, source: Path, target: Location, part: int) -> _State:
        mark = [target.bucket, target.key, part]
        state = cls(
            source.with_name(bounded(source.name, _STATE_BYTES, before=".", ending=UPLOAD_STATE)), mark
        )
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(state.path.read_text(encoding="utf-8"))
            if kept["mark"] == mark:
                parts = {
                    int(number): {name: str(one[name]) for name in _PART}
                    for number, one in kept["parts"].items()
                }
                state.upload_id, state.parts = str(kept["upload_id"]), parts
        return state

    def has(self, number: int, upto: str) -> bool:
        return number in self.parts and self.parts[number]["upto"] == upto

    def done(self, number: int, part: dict[str, Any]) -> None:
        with self.lock:
            self.parts[number] = part
            self.save()

    def save(self) -> None:
        with suppress(OSError):  # where nothing can be kept, a later try begins anew
            fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            fresh.write_text(
                json.dumps({"mark": self.mark, "upload_id": self.upload_id, "parts": self.parts}),
                encoding="utf-8",
            )
            fresh.replace(self.path)

    def forget(self) -> None:
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


_PART = ("ETag", "ChecksumCRC32", "upto")
_STATE_BYTES = 240
"""Longest name of such a file: what is written before it takes its place has the number of a process at its
end.
"""


def upload(
    client: Any, pool: ThreadPoolExecutor, room: BufferRoom, reading: FileReading, target: Location, part: int
) -> dict[str, Any] | None:
    """Send what is read in parts of at least `part` bytes (5 MiB or more), and give S3's answer to the last
    call; None when the file has to be read again first: what was sent stays there, as it does when this
    raises what the client raises."""
    part = max(part, -(-reading.size // PARTS_MAX))
    state = _State.of(reading.path, target, part)
    try:
        numbers = _send(client, pool, room, reading, target, state)
        if reading.again:
            return None
        if not numbers:  # the file was emptied meanwhile
            return dict(client.put_object(Bucket=target.bucket, Key=target.key, Body=b""))
        parts = [
            {"PartNumber": number, **{name: state.parts[number][name] for name in _PART[:2]}}
            for number in numbers
        ]
        whole = {
            "MultipartUpload": {"Parts": parts},
            "ChecksumType": "FULL_OBJECT",
            "UploadId": state.upload_id,
        }
        completed: dict[str, Any] = client.complete_multipart_upload(
            Bucket=target.bucket, Key=target.key, **whole
        )
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _GONE:
            # it was ended meanwhile, by a lifecycle rule for instance: the next try begins anew
            state.forget()
        raise
    state.forget()
    return completed


def _send(
    client: Any,
    pool: ThreadPoolExecutor,
    room: BufferRoom,
    reading: FileReading,
    target: Location,
    state: _State,
) -> range:
    """Read the file to its end and send what is not there yet; the numbers of its parts."""
    place, part = {"Bucket": target.bucket, "Key": target.key}, int(state.mark[2])
    if not state.upload_id:
        answer = client.create_multipart_upload(
            **place, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
        )
        state.upload_id = answer["UploadId"]
        state.save()

    def send(number: int, body: bytes, upto: str) -> None:
        checksum = encoded(zlib.crc32(body))
        answer = client.upload_part(
            **place, UploadId=state.upload_id, PartNumber=number, Body=body, ChecksumCRC32=checksum
        )
        state.done(number, {"ETag": answer["ETag"], "ChecksumCRC32": checksum, "upto": upto})

    def over(future: Future[None]) -> None:
        room.give(part)
        if future.cancelled() or future.exception():
            failed.set()

    number, futures, failed = 0, list[Future[None]](), Event()
    with settled(futures):
        while not failed.is_set():
            room.take(part)
            # a file that is cut while it is read has parts of other lengths than in the next read
            begin = reading.bytes
            body = reading.read(part)
            upto = f"{begin} {reading.sha256}"
            if body and not state.has(number + 1, upto):
                futures.append(pool.submit(send, number + 1, body, upto))
                futures[-1].add_done_callback(over)
            else:
                room.give(part)
            if not body:
                break
            number += 1
        for future in futures:
            future.result()
    return range(1, number + 1)
