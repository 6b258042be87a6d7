"""Where objects are: S3, or a folder that stands for it (NEUROCAAS_LOCAL_BUCKET_ROOT, one sub-folder a
bucket).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import Protocol

from neurocaas.protocol.addresses import is_address
from neurocaas.protocol.names import bounded
from neurocaas.protocol.outside import place_of
from neurocaas.protocol.printable import printable
from neurocaas.protocol.status import DATA_CHANGED

from .reading import readings

LOCAL_ROOT = "NEUROCAAS_LOCAL_BUCKET_ROOT"

FILES = 32
"""Files that are under way at a time: small ones wait for S3 most of their time."""

BLOCK = 256 << 10
"""Bytes that are read and written at a time. With 1 MiB the kernel took three times as long: it clears memory
that is new.
"""

UPLOAD_STATE = ".neurocaas-upload"
"""How the files end that are kept beside a file while it is uploaded."""


_PASSING = frozenset(
    {
        errno.EINTR,
        errno.EAGAIN,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
"""Faults of a file or its disk that may be over in a moment. Names that are too long, rights and full disks
are not.
"""


class StorageError(Exception):
    """An object could not be read or written. `missing`: there is none. `permanent`: waiting will not help.
    `outdated`: it is not the one that was submitted."""

    def __init__(
        self, message: str, *, missing: bool = False, permanent: bool = False, outdated: bool = False
    ) -> None:
        super().__init__(message)
        self.missing = missing
        self.permanent = permanent or missing or outdated
        self.outdated = outdated


def lasting(error: Exception) -> bool:
    """Whether a fault of a file stays, however long one waits. That of a network passes."""
    return (
        isinstance(error, OSError)
        and not isinstance(error, (ConnectionError, TimeoutError))
        and error.errno not in (None, *_PASSING)
    )


@dataclass(frozen=True)
class Location:
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}" if is_address(self.bucket) else f"s3://{self.bucket}/{self.key}"

    def below(self, path: str) -> Location:
        return Location(self.bucket, f"{self.key}/{path}")

    @classmethod
    def parse(cls, path: str, bucket: str) -> Location:
        """`path` as a key of `bucket`, a whole s3://bucket/key, or an address in the world."""
        if is_address(path):
            return cls(*place_of(path, bucket))
        if path.startswith("s3://"):
            bucket, _, path = path[len("s3://") :].partition("/")
        return cls(bucket, path)


@dataclass(frozen=True)
class ObjectPin:
    """The version of an object that counts: its ETag (without quotes), its version where its bucket keeps
    them, its size in bytes.
    """

    etag: str
    version_id: str | None
    size: int


@dataclass(frozen=True)
class Sent:
    """What has arrived of a file: so many bytes of this SHA-256, as this version. `changed`: the file was
    written to meanwhile, so these bytes may never have been together in it."""

    bytes: int
    sha256: str
    version_id: str | None = None
    changed: bool = False


Seen = Callable[[bytes], object]
"""Is given the content of an object, in order, while it goes by."""


class Storage(Protocol):
    """`download` tells the version of the object that it has read, None in a bucket that keeps none; with a
    `pin` it reads that version or raises an `outdated` StorageError. `size` in bytes, where it is known."""

    def read(self, place: Location) -> bytes: ...
    def write(self, place: Location, body: bytes) -> None: ...
    def keys(self, prefix: Location) -> Iterator[tuple[Location, int]]: ...
    def download(
        self,
        source: Location,
        target: Path,
        seen: Seen,
        size: int | None = None,
        pin: ObjectPin | None = None,
    ) -> str | None: ...
    def upload(self, source: Path, target: Location) -> Sent: ...


def outdated(source: Location) -> StorageError:
    """What is said where an object is not there any more as the manager saw it."""
    name = printable(source.key, keep="")
    allowed = "Allowed: the object as it was then. Submit a new job for the data of now."
    return StorageError(f"{DATA_CHANGED}: {name}. {allowed}", outdated=True)


class FolderStorage:
    """Buckets are the sub-folders of `root`, keys are paths in them. It keeps no versions, so there is
    nothing to pin.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, place: Location) -> Path:
        """Raises StorageError for a key that would leave its bucket."""
        base = (self.root / place.bucket).resolve()
        path = Path(os.path.normpath(base / place.key))
        if not path.is_relative_to(base) or base.parent != self.root.resolve():
            raise StorageError(f"{place} is outside its bucket", permanent=True)
        return path

    def read(self, place: Location) -> bytes:
        try:
            return self.path(place).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise StorageError(
                f"{place} does not exist (no file {self.path(place)})", missing=True
            ) from error
        except OSError as error:
            raise StorageError(f"{place}: {error}", permanent=lasting(error)) from error

    def write(self, place: Location, body: bytes) -> None:
        path = self.path(place)
        part = _part(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(body)
            part.replace(path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise StorageError(f"{place}: {error}", permanent=True) from error

    def keys(self, prefix: Location) -> Iterator[tuple[Location, int]]:
        bucket = self.path(Location(prefix.bucket, ""))
        folder = self.path(Location(prefix.bucket, prefix.key.rpartition("/")[0]))
        for path in sorted(folder.rglob("*")):
            key = path.relative_to(bucket).as_posix()
            if path.is_file() and key.startswith(prefix.key):
                yield Location(prefix.bucket, key), path.stat().st_size

    def download(
        self,
        source: Location,
        target: Path,
        seen: Seen,
        size: int | None = None,
        pin: ObjectPin | None = None,
    ) -> None:
        path = self.path(source)
        try:
            if not path.is_file():
                raise StorageError(f"{source} does not exist (no file {path})", missing=True)
            with path.open("rb") as reader, target.open("wb") as writer:
                while block := reader.read(BLOCK):
                    writer.write(block)
                    seen(block)
        except OSError as error:
            raise StorageError(f"{source}: {error}", permanent=True) from error

    def upload(self, source: Path, target: Location) -> Sent:
        path = self.path(target)
        part = _part(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for reading in readings(source):
                with part.open("wb") as writer:
                    while block := reading.read(BLOCK):
                        writer.write(block)
                if reading.again:
                    continue
                part.replace(path)
                return Sent(reading.bytes, reading.sha256, changed=reading.changed)
        except OSError as error:
            raise StorageError(f"{target}: {error}", permanent=True) from error
        finally:
            with suppress(OSError):
                part.unlink()
        raise AssertionError("unreachable")


def _part(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(bounded(path.name, before=".", ending=f".{os.getpid()}-{get_ident()}.part"))
