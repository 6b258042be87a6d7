"""The calls of an upload in parts, beside those of AWS's own library (`s3transfer`) for an object with one
checksum over all of it: what our code asks of S3 is what AWS's code asks of it.
"""

from __future__ import annotations

import base64
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from s3transfer.manager import TransferConfig, TransferManager

from runtime.instance.agent import reading
from runtime.instance.agent.multipart import upload
from runtime.instance.agent.reading import BufferRoom, FileReading
from runtime.instance.agent.storage import Location

PART = 5 << 20


class Raw:
    """The body of an answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object) -> Any:
        yield self._body


class Recorder:
    """Answers as S3 does, and keeps of each call its headers about checksums and the names in its XML."""

    def __init__(self) -> None:
        session = botocore.session.get_session()
        session.set_credentials("AKIDEXAMPLE", "secret")
        self.client = session.create_client("s3", region_name="us-east-1")
        self.calls: dict[str, list[tuple[dict[str, str], list[str]]]] = {}
        self.parts: dict[int, bytes] = {}
        self.client.meta.events.register("before-send.s3", self._answer)

    def _answer(self, request: Any, **_: object) -> Any:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        number = re.search(r"partNumber=(\d+)", request.url)
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        if number:
            name, answer = "part", b""
        elif "uploads" in request.url:
            name, answer = "create", b"<R><UploadId>id</UploadId></R>"
        else:
            name, answer = "complete", b"<R><ETag>e</ETag></R>"
        about = {key: value for key, value in headers.items() if key.startswith("x-amz-checksum-")}
        names = re.findall(r"<(\w+)", body.decode()) if name == "complete" else []
        self.calls.setdefault(name, []).append((about, names))
        given = HTTPHeaders.from_dict({"ETag": '"e"'})
        if number:
            self.parts[int(number[1])] = body
            given["x-amz-checksum-crc32"] = about.get("x-amz-checksum-crc32", "AAAAAA==")
        return AWSResponse(request.url, 200, given, Raw(answer))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reading, "_TICK", 0)
    made = tmp_path / "file"
    made.write_bytes(b"x" * (2 * PART) + b"y")
    return made


def crc(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def ours(file: Path) -> Recorder:
    made = Recorder()
    with ThreadPoolExecutor(1) as pool, FileReading(file) as read:
        upload(made.client, pool, BufferRoom(4 * PART), read, Location("lab", "key"), PART)
    return made


def awss(file: Path) -> Recorder:
    made = Recorder()
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    with TransferManager(made.client, config) as manager:
        extra = {"ChecksumCRC32": crc(file.read_bytes())}
        manager.upload(str(file), "lab", "key", extra_args=extra).result()
    return made


def test_an_upload_asks_for_one_checksum_over_the_whole_as_awss_own_library_does(file: Path) -> None:
    mine, theirs = ours(file), awss(file)
    assert mine.calls["create"] == theirs.calls["create"]
    assert mine.calls["create"][0][0] == {
        "x-amz-checksum-algorithm": "CRC32",
        "x-amz-checksum-type": "FULL_OBJECT",
    }
    assert len(mine.calls["part"]) == len(theirs.calls["part"]) == 3
    ((mine_about, mine_names),), ((their_about, their_names),) = (
        mine.calls["complete"],
        theirs.calls["complete"],
    )
    # theirs also sends the checksum of the whole, which its caller has to know before: S3 makes it of ours
    assert their_about.pop("x-amz-checksum-crc32") == crc(file.read_bytes())
    assert mine_about == their_about == {"x-amz-checksum-type": "FULL_OBJECT"}
    assert sorted(mine_names) == sorted(their_names)


def test_each_part_goes_with_its_own_checksum(file: Path) -> None:
    made = ours(file)
    sent = sorted(about["x-amz-checksum-crc32"] for about, _ in made.calls["part"])
    assert sent == sorted(crc(body) for body in made.parts.values())
    assert b"".join(made.parts[number] for number in sorted(made.parts)) == file.read_bytes()
