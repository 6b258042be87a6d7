"""The scripts' `download`, `download_folder` and `upload`: whole files, verified, hashed while they go by,
tried again.

An upload tries all of its files, and fails at the end with the names of those that could not be sent. A
download is all or nothing: what cannot become files beside each other is told before anything is fetched.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import re
import stat
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from neurocaas.protocol.addresses import is_address
from neurocaas.protocol.names import bounded, folder_faults, object_fault
from neurocaas.protocol.printable import printable
from neurocaas.protocol.units import duration, rate, size

from .pins import Pins
from .reading import READS
from .storage import FILES, UPLOAD_STATE, Location, Storage, StorageError
from .usage import note_time

if TYPE_CHECKING:
    from .addresses import AddressStorage

INPUT, RESULT = "input", "result"
TRIES = 5

OUTDATED = "outdated"
"""A file beside the record: what is said of the first input that is not there any more as it was
submitted.
"""

_SHOWN = 20
"""So many names are in a message."""

_STATE = re.compile(rf"\..*{re.escape(UPLOAD_STATE)}(\.[0-9]+)?", re.DOTALL)
"""Files that `multipart` keeps beside others. They are no results."""

_NOTHING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What is said of links that lead nowhere."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Moved:
    """One file that went from or to the bucket. `kind` is "input" or "result"; `version_id` is the object's
    version; `changed`: the file was written to while it was read, so the object may be a mixture that never
    was the file."""

    kind: str
    bucket: str
    key: str
    bytes: int
    sha256: str
    version_id: str | None = None
    changed: bool = False


class Transfer:
    """Moves files and writes each into `record` (a file of JSON lines), when there is one, for the job's
    certificate. What is in `pins` is fetched as it was when the job was submitted."""

    def __init__(
        self,
        storage: Storage,
        record: Path | None = None,
        pins: Pins | None = None,
        world: AddressStorage | None = None,
    ) -> None:
        self.storage = storage
        self._world = world
        self.record = record
        self.pins = pins or Pins()
        self._lock = threading.Lock()

    def download(self, source: Location, folder: Path) -> list[Moved]:
        """A file into `folder`, or all of a folder into `folder`/its name. Raises StorageError."""
        name = source.key.rstrip("/").rpartition("/")[2]
        if is_address(source.bucket):
            return self._all([lambda: self._get(source, folder / name)])
        covered = self.pins.cover(source) and self.pins.of(source) is None
        if not covered and not source.key.endswith("/"):
            try:
                return self._all([lambda: self._get(source, folder / name)])
            except StorageError as error:
                if not error.permanent or error.outdated:
                    raise
                # S3 says "denied" for a missing object when the role may list only a part of the bucket: it
                # can still be a folder.
                if not error.missing and not any(
                    True for _ in self.storage.keys(Location(source.bucket, source.key + "/"))
                ):
                    raise
        return self.download_folder(source, folder / name)

    def download_folder(self, source: Location, folder: Path) -> list[Moved]:
        """Everything below `source`, with its sub-folders, into `folder`. Raises StorageError when there is
        nothing, or what cannot be files of one folder."""
        prefix = Location(source.bucket, source.key.rstrip("/") + "/")
        listed = self.pins.below(prefix) if self.pins.cover(prefix) else self.storage.keys(prefix)
        found = [(place, place.key[len(prefix.key) :], size) for place, size in listed]
        if not found:
            message = (
                f"There is neither a file {source} nor anything below {prefix}. Allowed: an object of the "
                "bucket, or a folder of "
                "objects, as they were when the job was submitted. Check the path, and that the file was "
                "uploaded before."
            )
            raise StorageError(message, missing=True)
        if faults := folder_faults(path for _, path, _ in found):
            message = (
                f"{_few(faults)} below {prefix} would be written outside {folder}, or cannot be files there"
            )
            raise StorageError(
                f"{message}. Allowed: names that files of one folder can have. Rename them.", permanent=True
            )
        return self._all(_getter(self, place, folder / path, size) for place, path, size in found)

    def fetch(self, wanted: Iterable[tuple[Location, Path, int]]) -> list[Moved]:
        """Objects to files, each with its size in bytes. Raises StorageError."""
        return self._all(_getter(self, place, path, size) for place, path, size in wanted)

    def upload(
        self, source: Path, target: Location, *, leave_out: str = "", taken: Collection[str] = ()
    ) -> list[Moved]:
        """A file to `target`/its name, or what is in a folder below `target`. Files that end in
        `.{leave_out}` stay here; what would lie at one of the keys `taken`, where the service's own files
        lie, gets another name, and that is said. Raises StorageError when `source` does not exist, and at the
        end for the files that could not be sent; an empty folder is nothing to do."""
        if source.is_dir():
            files = [(path, path.relative_to(source).as_posix()) for path in files_in(source, _left_out)]
        elif source.is_file():
            files = [(source, source.name)]
        else:
            raise StorageError(
                f"There is no file or folder {source} to upload. Allowed: what exists. Check the path.",
                permanent=True,
            )
        ending = f".{leave_out.lstrip('.')}" if leave_out else None
        prefix = target.key.rstrip("/")
        wanted = [
            (path, f"{prefix}/{name}") for path, name in files if not (ending and name.endswith(ending))
        ]
        others = {key for _, key in wanted}
        chosen = [(path, Location(target.bucket, _aside(key, taken, others))) for path, key in wanted]
        return self._each([(path, _putter(self, path, place)) for path, place in chosen])

    def _get(self, source: Location, target: Path, size: int | None = None) -> Moved:
        pin = self.pins.of(source)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            taken = isinstance(error, (FileExistsError, NotADirectoryError))
            what = f"{target.parent} {'is a file' if taken else f'cannot be made ({error.strerror})'}"
            raise StorageError(
                f"{source} -> {target}: {what}. Allowed: a folder. Choose another.", permanent=True
            ) from error
        ending = f".{os.getpid()}-{threading.get_ident()}.part"
        part = target.with_name(bounded(target.name, before=".", ending=ending))

        def once() -> tuple[str, str | None]:
            digest = hashlib.sha256()
            if is_address(source.bucket):
                self._of_the_world().download(str(source), part, digest.update)
                return digest.hexdigest(), None
            version = self.storage.download(source, part, digest.update, size, pin)
            return digest.hexdigest(), version

        try:
            told, seconds = _timed(once)
            part.replace(target)
        except StorageError as error:
            if error.outdated and self.record:
                with suppress(OSError), self.record.with_name(OUTDATED).open("x", encoding="utf-8") as file:
                    file.write(str(error).partition(". Allowed:")[0])
            raise
        finally:
            with suppress(OSError):
                part.unlink()
        return self._moved(
            Moved(INPUT, source.bucket, source.key, target.stat().st_size, *told),
            f"{source} -> {target}",
            seconds,
        )

    def _of_the_world(self) -> AddressStorage:
        from .addresses import AddressStorage  # TLS, which most datasets and not all images need

        return self._world or AddressStorage()

    def _put(self, source: Path, target: Location) -> Moved:
        if fault := object_fault(target.key):
            raise StorageError(f"its key cannot be one of S3: {fault}", permanent=True)
        sent, seconds = _timed(lambda: self.storage.upload(source, target))
        moved = Moved(
            RESULT, target.bucket, target.key, sent.bytes, sent.sha256, sent.version_id, sent.changed
        )
        if sent.changed:
            sys.stderr.write(
                f"{_shown(source)} changed while it was uploaded, {READS} times: what was read "
                "last is in the bucket.\n"
            )
        return self._moved(moved, f"{source} -> {target}", seconds)

    def _moved(self, moved: Moved, what: str, seconds: float) -> Moved:
        fast = f" ({speed})" if (speed := rate(moved.bytes, seconds)) else ""
        line = (
            f"{_shown(what)}: {size(moved.bytes)} in {duration(seconds, tenths=True)}{fast}, sha256 "
            f"{moved.sha256}\n"
        )
        with self._lock:
            sys.stdout.write(line)
            sys.stdout.flush()
            if self.record:
                note(self.record, moved)
                now = time.monotonic()
                note_time(self.record, moved.kind, moved.bytes, now - seconds, now)
        return moved

    def _all(self, tasks: Iterable[Callable[[], Moved]]) -> list[Moved]:
        """The results of all, or the first error, after which no more are begun."""
        with ThreadPoolExecutor(FILES) as pool:
            futures = [pool.submit(task) for task in tasks]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _each(self, tasks: Sequence[tuple[Path, Callable[[], Moved]]]) -> list[Moved]:
        """The results of all. Raises StorageError with the names of those that failed when all were tried; or
        when S3 is away, which is what many failures say of the kind that passes, with no success between
        them."""
        done, failed, away = list[Moved](), list[tuple[Path, StorageError]](), 0
        with ThreadPoolExecutor(FILES) as pool:
            futures: list[Future[Moved]] = [pool.submit(task) for _, task in tasks]
            for (path, _), future in zip(tasks, futures, strict=True):
                try:
                    done.append(future.result())
                    away = 0
                except StorageError as error:
                    failed.append((path, error))
                    away += not error.permanent
                if away >= FILES:
                    pool.shutdown(cancel_futures=True)
                    break
        if not failed:
            return done
        reasons = _few([f"{_shown(path)} ({_reason(error)})" for path, error in failed])
        untried = len(tasks) - len(done) - len(failed)
        rest = f"; {untried} more were left, as S3 does not answer" if untried else ""
        raise StorageError(
            f"{len(failed)} of {len(tasks)} files were not uploaded: {reasons}{rest}. Allowed: files that "
            "can be read, with names in UTF-8 "
            "of at most 1024 bytes with their folders. Correct them, and upload them again.",
            permanent=all(error.permanent for _, error in failed),
        )


def note(record: Path, moved: Moved) -> None:
    """Write down what was moved."""
    with record.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(moved)) + "\n")


def read_record(record: Path) -> Iterator[Moved]:
    """What was moved so far, the last of each object only. A missing file is an empty record."""
    last: dict[tuple[str, str, str], Moved] = {}
    if record.is_file():
        for line in record.read_text(encoding="utf-8").splitlines():
            moved = Moved(**json.loads(line))
            last[moved.kind, moved.bucket, moved.key] = moved
    yield from last.values()


def outdated_input(record: Path) -> str:
    """What is said of an input that was not fetched because it is not there any more as it was submitted; ""
    when there is none.
    """
    with suppress(OSError):
        return record.with_name(OUTDATED).read_text(encoding="utf-8")
    return ""


def _getter(transfer: Transfer, source: Location, target: Path, size: int) -> Callable[[], Moved]:
    return lambda: transfer._get(source, target, size)


def _putter(transfer: Transfer, source: Path, target: Location) -> Callable[[], Moved]:
    return lambda: transfer._put(source, target)


def files_in(
    folder: Path, left_out: Callable[[Path], object], inside: tuple[Path, ...] = ()
) -> Iterator[Path]:
    """The files below `folder`, also through links, but not round in circles: a link to a folder that it lies
    in is passed over.
    `left_out` hears of what is neither file nor folder. What cannot be looked at or into is among the files:
    whoever reads it hears why."""
    real = folder.resolve()
    if real in inside:
        return
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:  # the script is still at work
        return
    except OSError:
        yield folder
        return
    for path in entries:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            if error.errno not in _NOTHING:
                yield path
            else:
                left_out(path)
            continue
        if stat.S_ISDIR(mode):
            yield from files_in(path, left_out, (*inside, real))
        elif not stat.S_ISREG(mode):
            left_out(path)
        elif not _STATE.fullmatch(path.name):
            yield path


def _aside(key: str, taken: Collection[str], others: set[str]) -> str:
    """The key of a result: another one where the service has a file of its own, or the result would lie below
    one. None of `others`, the keys of all results, to which it is added."""
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


def _shown(what: object) -> str:
    """A name or a path as it may stand in a line of the log."""
    return printable(str(what), keep="")


def _few(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return "; ".join([*texts[:_SHOWN], *([f"{more} more"] if more > 0 else [])])


def _reason(error: StorageError) -> str:
    """Why a file was not sent: of a fault of the file, only what the fault is."""
    fault = error.__cause__
    return fault.strerror if isinstance(fault, OSError) and fault.strerror else str(error)


def _timed(once: Callable[[], _T]) -> tuple[_T, float]:
    """The result of `once`, tried again after 1, 3, 9, 27 s where waiting can help, and the seconds of the
    good try.
    """
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
