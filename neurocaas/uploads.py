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

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from neurocaas.bucket import Bucket
from neurocaas.data_folders import files_below, summary
from neurocaas.digests import sha256_of_stream
from neurocaas.errors import AnalysisError, every
from neurocaas.formats.nwb import content_type
from neurocaas.multipart import PART, FileChangedError, MultipartUpload, UploadGoneError, UploadTarget
from neurocaas.patience import Patience
from neurocaas.progress import SILENT, Progress

P = TypeVar("P")
T = TypeVar("T")

_MIB = 1 << 20
_PARTS = tuple(
    size * _MIB for size in (8, 5, 16, 10, 15, 25, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1000, 1024)
)
"""Sizes of the pieces of uploads: of boto3 and the AWS CLI (8 MiB, doubled for very large files), and of
others.
"""

_TRIES = 3
_AT_ONCE = 8
"""So many small files of a folder are sent at a time."""


@dataclass(frozen=True)
class UploadedFolder:
    """`key` is the folder's, with a '/' at its end; `names` are its files below it."""

    key: str
    names: tuple[str, ...]

    @property
    def files(self) -> list[str]:
        """The key of each file."""
        return [self.key + name for name in self.names]


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

    @property
    def large(self) -> bool:
        """Whether it is sent in parts."""
        return isinstance(self.source, Path) and self.size > PART

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
        self,
        objects: Bucket,
        client: Callable[[], Any],
        group: str,
        say: Callable[[str], None],
        progress: Progress = SILENT,
    ) -> None:
        self._objects, self._client, self._group, self._say = objects, client, group, say
        self._progress, self._patience = progress, Patience(say)

    def put(self, content: UploadContent, folder: str, name: str) -> str:
        """Put content into a `folder` of the group, under `name` or by content, and return its key."""
        for number, prefix in enumerate(_prefixes(f"{self._group}/{folder}/", content)):
            key = f"{prefix}{name}"
            sent = self._keep(key, content, name)
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
        raise _no_name(name, folder)

    def files(self, paths: Sequence[Path]) -> list[str]:
        """`put` each file into inputs/, under its own name; small ones several at a time."""
        contents = {path: UploadContent(path) for path in paths}
        self._progress.expect(len(paths), sum(content.size for content in contents.values()))
        keys = self._each(contents, lambda path, content: self.put(content, "inputs", name_of(path)))
        return [keys[path] for path in paths]

    def folder(self, path: Path, ignore: Sequence[str], *, each: bool = False) -> UploadedFolder:
        """Put the files of a folder, but for those that `ignore` matches, below a folder that is named by its
        content. `each`: whether each of them will be a dataset, for what is said."""
        found = files_below(path, ignore)
        key = self.tree(name_of(path), {name: path / name for name in found.names}, str(path))
        self._say(f"{path}: {'each file is a dataset' if each else 'the folder is one dataset'}")
        if found.left_out:
            self._say(f"{path}: left out {summary(found.left_out)}")
        return UploadedFolder(key, found.names)

    def tree(self, name: str, paths: Mapping[str, Path], what: str) -> str:
        """Put files, by their paths below it, into a folder that is called `name`, below one that is named by
        their content; return that with a '/' at its end. `what` is what people call them."""
        files = {below: UploadContent(path) for below, path in paths.items()}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            digests = dict(zip(files, pool.map(lambda one: one.sha256, files.values()), strict=True))
        listing = "\n".join(f"{digests[below]} {below}" for below in sorted(files))
        for prefix in _hashed(
            f"{self._group}/inputs/", hashlib.sha256(listing.encode("utf-8", "surrogatepass")).hexdigest()
        ):
            target = f"{prefix}{name}/"
            there = {str(entry["Key"]).removeprefix(target): entry for entry in self._objects.list(target)}
            if there.keys() - files.keys():
                continue  # somebody has put more there
            sent = self._all(target, files, there)
            if None not in sent:
                kept = sum(not one for one in sent)
                more = f", {kept} of them already" if kept else ""
                self._say(f"{what}: {len(files)} files are at {target}{more}")
                return target
        raise _no_name(name, "inputs")

    def _all(
        self, target: str, files: Mapping[str, UploadContent], there: Mapping[str, Mapping[str, Any]]
    ) -> list[bool | None]:
        """`_keep` of each."""
        self._progress.expect(len(files), sum(content.size for content in files.values()))
        sent = self._each(
            files, lambda name, content: self._keep(target + name, content, name, there.get(name, {}))
        )
        return [*sent.values()]

    def _each(self, contents: Mapping[P, UploadContent], put: Callable[[P, UploadContent], T]) -> dict[P, T]:
        """What `put` gives for each. Small files several at a time; then the large ones one by one, each in
        parts."""
        done = dict[P, T]()
        for large, workers in ((False, _AT_ONCE), (True, 1)):
            some = {one: content for one, content in contents.items() if content.large is large}
            with ThreadPoolExecutor(workers) as pool:
                waiting = [pool.submit(put, one, content) for one, content in some.items()]
                try:
                    results = every(future.result for future in waiting)
                except BaseException:
                    self._patience.end()
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
                done.update(zip(some, results, strict=True))
        return done

    def _keep(
        self, key: str, content: UploadContent, name: str, listed: Mapping[str, Any] | None = None
    ) -> bool | None:
        """Have an object with this content: True when it was sent, False when it was there, None when other
        content is. `listed`: what a listing has said of it just now, {} for nothing.
        """
        for number in range(_TRIES):
            entry = listed if listed is not None and number == 0 else self._entry(key)
            if entry:
                same = content.is_that_of(entry)
                if same:
                    self._progress.begin(name, content.size)
                    self._progress.end(name, "is there already")
                if same and content.large:
                    self._in_parts(key, content, name).forget()
                return False if same else None
            self._progress.begin(name, content.size)
            with contextlib.suppress(UploadGoneError):
                if self._create(key, content, name):
                    self._progress.end(name)
                    return True
        return None

    def _entry(self, key: str) -> dict[str, Any] | None:
        """What is there. A service that is away before anything has come through is told at once."""
        if self._patience.begun:
            return self._patience(lambda: self._objects.entry(key))
        entry = self._objects.entry(key)
        self._patience.moved()
        return entry

    def _create(self, key: str, content: UploadContent, name: str) -> bool:
        """Write what is not there; False when it is by now."""
        if content.large:
            return self._in_parts(key, content, name).send()
        before = content.state()
        with content.open() as stream:
            body = stream.read()
        if content.state() != before or len(body) != content.size:
            raise FileChangedError(
                f"{content.source!s} changed while it was uploaded",
                "a file that nobody writes",
                "submit it again",
            )
        created = self._patience(lambda: self._objects.create(key, body, **_kind(content)))
        self._progress.advance(name, len(body))
        return created

    def _in_parts(self, key: str, content: UploadContent, name: str) -> MultipartUpload:
        target = UploadTarget(self._objects.s3, self._conditional, self._objects.name, key)
        assert isinstance(content.source, Path)
        return MultipartUpload(
            content.source,
            target,
            lambda count: self._progress.advance(name, count),
            self._patience,
            _kind(content),
        )

    @cached_property
    def _conditional(self) -> Any:
        """A client whose completed uploads never replace an object."""
        s3 = self._client()
        s3.meta.events.register("before-parameter-build.s3.CompleteMultipartUpload", _if_none_match)
        return s3


def _kind(content: UploadContent) -> dict[str, str]:
    """What S3 is told of the content's media type, where it is known."""
    kind = content_type(content.source) if isinstance(content.source, Path) else ""
    return {"ContentType": kind} if kind else {}


def _no_name(name: str, folder: str) -> AnalysisError:
    return AnalysisError(
        f"{name} could not be given a name of its own in {folder}/",
        "a bucket that others leave alone",
        "try again",
    )


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
