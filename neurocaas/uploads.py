"""Putting files into a group's folders without replacing what is there: another job may be about to read it.

A file goes to its own name. Where the same content is there already, nothing is sent; where other content is,
the file goes to a folder that is named by its content, `inputs/{first eight digits of its SHA-256}/{name}`,
and that is said. A folder always goes to such a folder: its files are many, and two people who upload folders
of one name would mix them. The dataset has the file's or the folder's name still.

Whether content is the same is said by size and ETag, which a listing tells; members of a group cannot read
inputs back. The ETag is the MD5 of an object that was sent in one piece, else of its pieces' MD5s (S3 API
reference, "Object"), whose size is not told: the usual ones are tried, and content that cannot be recognised
counts as other content.

Two clients that send one name at once are told apart by conditional writes (`If-None-Match: *`). An endpoint
that refuses them (501) is written to without: there the second of two that begin within the same second wins,
as S3 itself had it until 2024.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import boto3.exceptions
import botocore.exceptions

from neurocaas.bucket import TAKEN, UNCONDITIONAL, Bucket
from neurocaas.digests import sha256_of_stream
from neurocaas.errors import AnalysisError, code_of, every, s3_errors
from neurocaas.formats.nwb import content_type
from neurocaas.protocol.ignored import is_ignored
from neurocaas.protocol.names import key_fault
from neurocaas.protocol.problems import shown

_MIB = 1 << 20
_PARTS = tuple(
    size * _MIB for size in (8, 5, 16, 10, 15, 25, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1000, 1024)
)
"""Sizes of the pieces of uploads: of boto3 and the AWS CLI (8 MiB, doubled for very large files), and of
others.
"""

_TRIES = 3
_AT_ONCE = 4
"""So many files of a folder are sent at a time, each in several pieces at a time."""


@dataclass(frozen=True)
class UploadContent:
    """What is to be uploaded: a file on this computer, or bytes."""

    source: Path | bytes

    def open(self) -> io.BytesIO | io.BufferedReader:
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")

    @cached_property
    def size(self) -> int:
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    @cached_property
    def sha256(self) -> str:
        with self.open() as stream:
            return sha256_of_stream(stream)

    def state(self) -> tuple[int, ...]:
        """Changes when the file does."""
        if isinstance(self.source, bytes):
            return ()
        found = self.source.stat()
        return found.st_size, found.st_mtime_ns, found.st_ino

    def is_that_of(self, entry: Mapping[str, Any]) -> bool:
        """Whether an object has this content, by a listing's entry."""
        etag = str(entry["ETag"]).strip('"')
        if int(entry["Size"]) != self.size:
            return False
        digest, dash, count = etag.partition("-")
        if not dash:
            return self._etag(0) == digest
        fitting = [part for part in _PARTS if -(-self.size // part) == int(count)] if count.isdigit() else []
        return any(self._etag(part) == etag for part in fitting)

    def _etag(self, part: int) -> str:
        """The ETag of an upload in pieces of `part` bytes; 0: in one."""
        with self.open() as stream:
            pieces = [_md5(stream, part)]
            while part and stream.tell() < self.size:
                pieces.append(_md5(stream, part))
        return (
            f"{hashlib.md5(b''.join(pieces), usedforsecurity=False).hexdigest()}-{len(pieces)}"
            if part
            else pieces[0].hex()
        )


def _md5(stream: BinaryIO, size: int) -> bytes:
    """Of the next `size` bytes, or of all (0)."""
    digest, left = hashlib.md5(usedforsecurity=False), size or -1
    while left and (chunk := stream.read(_MIB if left < 0 else min(left, _MIB))):
        digest.update(chunk)
        left = left if left < 0 else left - len(chunk)
    return digest.digest()


class Uploads:
    """Uploads of one group. `say` is told where a file went when that is not its own name, and what was not
    sent.
    """

    def __init__(
        self, objects: Bucket, client: Callable[[], Any], group: str, say: Callable[[str], None]
    ) -> None:
        self._objects, self._client, self._group, self._say = objects, client, group, say

    def put(self, content: UploadContent, folder: str, name: str) -> str:
        """Put content into a `folder` of the group, under `name` or by content, and return its key."""
        for number, prefix in enumerate(_prefixes(f"{self._group}/{folder}/", content)):
            key = f"{prefix}{name}"
            sent = self._keep(key, content)
            if sent is None:
                continue
            if number:
                self._say(
                    f"{self._group}/{folder}/{name} has other content: {name} "
                    f"{'is' if sent else 'is already'} at {key}"
                )
            elif not sent:
                self._say(f"{key} is there already, with the same content: not sent again")
            return key
        raise AnalysisError(
            f"{name} could not be given a name of its own in {folder}/",
            "a bucket that others leave alone",
            "try again",
        )

    def folder(self, path: Path, ignore: Sequence[str]) -> str:
        """Put the files of a folder, but for those that `ignore` matches, below a folder that is named by its
        content; return that with a '/' at its end."""
        files = {name: path / name for name in names_below(path, ignore)}
        return self.tree(name_of(path), files, str(path))

    def tree(self, name: str, paths: Mapping[str, Path], what: str) -> str:
        """The same for files that need not lie in one folder: `name` is the folder's, `paths` are by their
        names below it, `what` is what `say` calls it."""
        files = {below: UploadContent(path) for below, path in paths.items()}
        listing = "\n".join(f"{files[name].sha256} {name}" for name in sorted(files))
        for prefix in _hashed(
            f"{self._group}/inputs/", hashlib.sha256(listing.encode("utf-8", "surrogatepass")).hexdigest()
        ):
            target = f"{prefix}{name}/"
            if any(
                str(entry["Key"]).removeprefix(target) not in files for entry in self._objects.list(target)
            ):
                continue  # somebody has put more there
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                waiting = [pool.submit(self._keep, target + one, content) for one, content in files.items()]
                sent = every(one.result for one in waiting)
            if None not in sent:
                there = sum(not one for one in sent)
                self._say(
                    f"{what}: {len(files)} files are at "
                    f"{target}{f', {there} of them already' if there else ''}"
                )
                return target
        raise AnalysisError(
            f"{name} could not be given a name of its own in inputs/",
            "a bucket that others leave alone",
            "try again",
        )

    def _keep(self, key: str, content: UploadContent) -> bool | None:
        """Have an object with this content: True when it was sent, False when it was there, None when other
        content is.
        """
        for _ in range(_TRIES):
            entry = self._objects.entry(key)
            if entry is not None:
                return False if content.is_that_of(entry) else None
            if self._create(key, content):
                return True
        return None

    def _create(self, key: str, content: UploadContent) -> bool:
        """Write what is not there; False when it is by now."""
        if isinstance(content.source, bytes):
            return self._objects.create(key, content.source)
        before, bucket = content.state(), self._objects.name
        with s3_errors(bucket, key):
            try:
                self._conditional.upload_file(str(content.source), bucket, key, ExtraArgs=_kind(content))
            except (botocore.exceptions.ClientError, boto3.exceptions.S3UploadFailedError) as error:
                code = code_of(error) or code_of(error.__context__)
                if code in TAKEN:
                    return False
                if code not in UNCONDITIONAL:
                    raise
                self._objects.s3.upload_file(str(content.source), bucket, key, ExtraArgs=_kind(content))
        if content.state() != before:
            raise AnalysisError(
                f"{content.source} changed while it was uploaded",
                "a file that nobody writes",
                "submit it again",
            )
        return True

    @cached_property
    def _conditional(self) -> Any:
        """A client whose writes never replace an object (boto3's transfers have no argument for it)."""
        s3 = self._client()
        for operation in ("PutObject", "CompleteMultipartUpload"):
            s3.meta.events.register(f"before-parameter-build.s3.{operation}", _if_none_match)
        return s3


def _kind(content: UploadContent) -> dict[str, str]:
    """What S3 is told of the content's media type, where it is known."""
    kind = content_type(content.source) if isinstance(content.source, Path) else ""
    return {"ContentType": kind} if kind else {}


def _if_none_match(params: dict[str, Any], **_: Any) -> None:
    params["IfNoneMatch"] = "*"


def _prefixes(plain: str, content: UploadContent) -> Iterator[str]:
    yield plain
    yield from _hashed(plain, content.sha256)


def _hashed(plain: str, sha256: str) -> Iterator[str]:
    yield f"{plain}{sha256[:8]}/"
    yield f"{plain}{sha256}/"


def name_of(path: str | Path) -> str:
    """A file's or a folder's own name, also where the path is `.`"""
    return Path(os.path.abspath(path)).name


def is_readable(path: Path) -> bool:
    """Whether it is a file that this person may read."""
    return path.is_file() and os.access(path, os.R_OK)


def names_below(path: Path, ignore: Sequence[str]) -> list[str]:
    """The files below a folder that are data, by their paths with '/', sorted. Raises AnalysisError when
    there is none, or for a name that no key can have."""
    found = [
        Path(folder, name).relative_to(path).as_posix()
        for folder, _, names in os.walk(path)
        for name in names
    ]
    names = sorted(name for name in found if not is_ignored(name, ignore))
    wrong = [f"{shown(name)}: {fault}" for name in names if (fault := key_fault(name)) is not None]
    wrong += [
        f"{shown(name)}: it is no file that can be read" for name in names if not is_readable(path / name)
    ]
    if wrong:
        got = f"files in {path} that cannot be uploaded: {'; '.join(wrong[:5])}"
        raise AnalysisError(
            got, "files with names without control characters", "rename them, or take them away"
        )
    if not names:
        left = f", only {len(found)} that operating systems and programs leave behind" if found else ""
        raise AnalysisError(
            f"no data in {path}{left}", "a folder with files in it", "name another, or each of its files"
        )
    return names
