"""The scripts' `download`, `download_folder` and `upload`: whole files, verified, hashed while they go by, tried again."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from .storage import BLOCK, FILES, UPLOAD_STATE, Location, Storage, StorageError

INPUT, RESULT = "input", "result"
TRIES = 5

KEY_BYTES = 1024
"""The longest key of S3 (S3 user guide, "Naming Amazon S3 objects")."""

SMALL = 1 << 20
"""Files below this are hashed and sent one after the other: another thread costs more than it gains."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Moved:
    """One file that went from or to the bucket. `kind` is "input" or "result"; `version_id` is the object's version."""

    kind: str
    bucket: str
    key: str
    bytes: int
    sha256: str
    version_id: str | None = None


class Transfer:
    """Moves files and writes each into `record` (a file of JSON lines), when there is one, for the job's certificate."""

    def __init__(self, storage: Storage, record: Path | None = None) -> None:
        self.storage = storage
        self.record = record
        self._lock = threading.Lock()

    def download(self, source: Location, folder: Path) -> list[Moved]:
        """A file into `folder`, or all of a folder into `folder`/its name. Raises StorageError."""
        name = source.key.rstrip("/").rpartition("/")[2]
        if not source.key.endswith("/"):
            try:
                return self._many([lambda: self._get(source, folder / name)])
            except StorageError as error:
                if not error.permanent:
                    raise
                # S3 says "denied" for a missing object when the role may list only a part of the bucket: it can still be a folder.
                if not error.missing and not any(True for _ in self.storage.keys(Location(source.bucket, source.key + "/"))):
                    raise
        return self.download_folder(source, folder / name)

    def download_folder(self, source: Location, folder: Path) -> list[Moved]:
        """Everything below `source`, with its sub-folders, into `folder`. Raises StorageError when there is nothing."""
        prefix = Location(source.bucket, source.key.rstrip("/") + "/")
        found = [(place, folder / place.key[len(prefix.key) :], size) for place, size in self.storage.keys(prefix)]
        if not found:
            message = (
                f"There is neither a file {source} nor anything below {prefix}. Allowed: an object of the bucket, or a folder of "
                "objects. Check the path, and that the file was uploaded."
            )
            raise StorageError(message, missing=True)
        root = folder.resolve()
        for place, target, _ in found:
            if not Path(os.path.normpath(root / target.relative_to(folder))).is_relative_to(root):
                raise StorageError(f"{place} would be written outside {folder}", permanent=True)
        return self._many(_getter(self, place, target, size) for place, target, size in found)

    def upload(self, source: Path, target: Location, *, leave_out: str = "", taken: Collection[str] = ()) -> list[Moved]:
        """A file to `target`/its name, or what is in a folder below `target`. Files that end in `.{leave_out}` stay here; what would lie at
        one of the keys `taken`, where the service's own files lie, gets another name, and that is said. Raises StorageError when `source`
        does not exist, and at the end for names that S3 cannot bear; an empty folder is nothing to do."""
        if source.is_dir():
            files = [(path, path.relative_to(source).as_posix()) for path in files_in(source, _left_out)]
        elif source.is_file():
            files = [(source, source.name)]
        else:
            raise StorageError(f"There is no file or folder {source} to upload. Allowed: what exists. Check the path.", permanent=True)
        ending = f".{leave_out.lstrip('.')}" if leave_out else None
        prefix = target.key.rstrip("/")
        wanted = [(path, f"{prefix}/{name}") for path, name in files if not (ending and name.endswith(ending))]
        others = {key for _, key in wanted}
        chosen = [(path, _aside(key, taken, others)) for path, key in wanted]
        done = self._many(_putter(self, path, Location(target.bucket, key)) for path, key in chosen if _is_key(key))
        if wrong := [path for path, key in chosen if not _is_key(key)]:
            got = ", ".join(map(_shown, wrong))
            raise StorageError(
                f"Not uploaded: {got}. Allowed: names in UTF-8, of 1024 bytes with their folders. Rename them.", permanent=True
            )
        return done

    def _get(self, source: Location, target: Path, size: int | None = None) -> Moved:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise StorageError(
                f"{source} -> {target}: {target.parent} is a file. Allowed: a folder. Choose another.", permanent=True
            ) from error
        part = target.with_name(f".{target.name[:200]}.{os.getpid()}-{threading.get_ident()}.part")

        def once() -> tuple[str, str | None]:
            digest = hashlib.sha256()
            version = self.storage.download(source, part, digest.update, size)
            return digest.hexdigest(), version

        try:
            told, seconds = _timed(once)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return self._moved(Moved(INPUT, source.bucket, source.key, target.stat().st_size, *told), f"{source} -> {target}", seconds)

    def _put(self, source: Path, target: Location) -> Moved:
        def once() -> tuple[str, str | None]:
            if source.stat().st_size < SMALL:
                return _sha256(source), self.storage.upload(source, target)
            with ThreadPoolExecutor(1) as pool:  # hashing reads what the upload reads: the second reader finds it in memory
                digest = pool.submit(_sha256, source)
                version = self.storage.upload(source, target)
                return digest.result(), version

        told, seconds = _timed(once)
        return self._moved(Moved(RESULT, target.bucket, target.key, source.stat().st_size, *told), f"{source} -> {target}", seconds)

    def _moved(self, moved: Moved, what: str, seconds: float) -> Moved:
        speed = moved.bytes * 8 / 1e9 / max(seconds, 1e-6)
        line = f"{what}: {moved.bytes / 1e9:.6f} GB in {seconds:.2f} s ({speed:.2f} Gb/s), sha256 {moved.sha256}\n"
        with self._lock:
            sys.stdout.write(line)
            sys.stdout.flush()
            if self.record:
                with self.record.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(moved)) + "\n")
        return moved

    def _many(self, tasks: Iterable[Callable[[], Moved]]) -> list[Moved]:
        with ThreadPoolExecutor(FILES) as pool:
            futures = [pool.submit(task) for task in tasks]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def read_record(record: Path) -> Iterator[Moved]:
    """What was moved so far, the last of each object only. A missing file is an empty record."""
    last: dict[tuple[str, str, str], Moved] = {}
    if record.is_file():
        for line in record.read_text(encoding="utf-8").splitlines():
            moved = Moved(**json.loads(line))
            last[moved.kind, moved.bucket, moved.key] = moved
    yield from last.values()


def _getter(transfer: Transfer, source: Location, target: Path, size: int) -> Callable[[], Moved]:
    return lambda: transfer._get(source, target, size)


def _putter(transfer: Transfer, source: Path, target: Location) -> Callable[[], Moved]:
    return lambda: transfer._put(source, target)


def files_in(folder: Path, left_out: Callable[[Path], object], inside: tuple[Path, ...] = ()) -> Iterator[Path]:
    """The files below `folder`, also through links, but not round in circles: a link to a folder that it lies in is passed over.
    `left_out` hears of what is neither file nor folder."""
    real = folder.resolve()
    if real in inside:
        return
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:  # the script is still at work
        return
    for path in entries:
        if path.is_dir():
            yield from files_in(path, left_out, (*inside, real))
        elif not path.is_file():
            left_out(path)
        elif UPLOAD_STATE not in path.name:
            yield path


def _aside(key: str, taken: Collection[str], others: set[str]) -> str:
    """The key of a result: another one where the service has a file of its own, or the result would lie below one. None of `others`,
    the keys of all results, to which it is added."""
    for own in taken:
        if key == own or key.startswith(f"{own}/"):
            folder, _, name = own.rpartition("/")
            stem, dot, ending = name.rpartition(".")
            stem, ending = (stem, dot + ending) if stem else (name, "")
            for number in itertools.count(1):
                moved = f"{folder}/{stem}.result{f'-{number}' if number > 1 else ''}{ending}{key[len(own) :]}"
                if moved not in others:
                    break
            others.add(moved)
            sys.stderr.write(f"{key} is the name of a file of the service: the result is {moved}\n")
            return moved
    return key


def _left_out(path: Path) -> None:
    what = "a link to nothing" if path.is_symlink() else "no file"
    sys.stderr.write(f"Not uploaded: {_shown(path)} is {what}.\n")


def _shown(path: Path) -> str:
    return str(path).encode(errors="backslashreplace").decode()


def _is_key(key: str) -> bool:
    try:
        return len(key.encode()) <= KEY_BYTES
    except UnicodeEncodeError:
        return False


def _timed(once: Callable[[], _T]) -> tuple[_T, float]:
    """The result of `once`, tried again after 1, 3, 9, 27 s where waiting can help, and the seconds of the good try."""
    for attempt in range(TRIES):
        begin = time.monotonic()
        try:
            return once(), time.monotonic() - begin
        except StorageError as error:
            if error.permanent or attempt == TRIES - 1:
                raise
            sys.stderr.write(f"{error}; trying again\n")
        time.sleep(3**attempt)
    raise AssertionError("unreachable")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
