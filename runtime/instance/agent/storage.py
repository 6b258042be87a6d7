"""Where objects are: S3, or a folder that stands for it (NEUROCAAS_LOCAL_BUCKET_ROOT, one sub-folder a bucket)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

LOCAL_ROOT = "NEUROCAAS_LOCAL_BUCKET_ROOT"

FILES = 32
"""Files that are under way at a time: small ones wait for S3 most of their time."""

BLOCK = 256 << 10
"""Bytes that are read and written at a time. With 1 MiB the kernel took three times as long: it clears memory that is new."""

UPLOAD_STATE = ".neurocaas-upload"
"""How the files end that are kept beside a file while it is uploaded. They are no results."""


class StorageError(Exception):
    """An object could not be read or written. `missing`: there is none. `permanent`: waiting will not help."""

    def __init__(self, message: str, *, missing: bool = False, permanent: bool = False) -> None:
        super().__init__(message)
        self.missing = missing
        self.permanent = permanent or missing


@dataclass(frozen=True)
class Location:
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def below(self, path: str) -> Location:
        return Location(self.bucket, f"{self.key}/{path}")

    @classmethod
    def parse(cls, path: str, bucket: str) -> Location:
        """`path` as a key of `bucket`, or a whole s3://bucket/key."""
        if path.startswith("s3://"):
            bucket, _, path = path[len("s3://") :].partition("/")
        return cls(bucket, path)


Seen = Callable[[bytes], object]
"""Is given the content of an object, in order, while it goes by."""


class Storage(Protocol):
    """`download` and `upload` tell the version of the object that they have read or made, None in a bucket that keeps none."""

    def read(self, place: Location) -> bytes: ...
    def write(self, place: Location, body: bytes) -> None: ...
    def keys(self, prefix: Location) -> Iterator[tuple[Location, int]]: ...
    def download(self, source: Location, target: Path, seen: Seen, size: int | None = None) -> str | None: ...
    def upload(self, source: Path, target: Location) -> str | None: ...


class FolderStorage:
    """Buckets are the sub-folders of `root`, keys are paths in them."""

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
            raise StorageError(f"{place} does not exist (no file {self.path(place)})", missing=True) from error
        except OSError as error:
            raise StorageError(f"{place}: {error}") from error

    def write(self, place: Location, body: bytes) -> None:
        path = self.path(place)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
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

    def download(self, source: Location, target: Path, seen: Seen, size: int | None = None) -> None:
        path = self.path(source)
        if not path.is_file():
            raise StorageError(f"{source} does not exist (no file {path})", missing=True)
        try:
            with path.open("rb") as reader, target.open("wb") as writer:
                while block := reader.read(BLOCK):
                    writer.write(block)
                    seen(block)
        except OSError as error:
            raise StorageError(f"{source}: {error}", permanent=True) from error

    def upload(self, source: Path, target: Location) -> None:
        path = self.path(target)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{path.name}.{os.getpid()}.part")
            shutil.copyfile(source, part)
            part.replace(path)
        except OSError as error:
            raise StorageError(f"{target}: {error}", permanent=True) from error


def open_storage(environment: Mapping[str, str]) -> Storage:
    """The folder of NEUROCAAS_LOCAL_BUCKET_ROOT (a path or a file:// address) where that is set, else S3."""
    if root := environment.get(LOCAL_ROOT):
        return FolderStorage(Path(unquote(urlsplit(root).path) if root.startswith("file://") else root))
    from .s3 import S3Storage  # botocore takes 0.1 s and 30 MB: only where it is used

    return S3Storage()
