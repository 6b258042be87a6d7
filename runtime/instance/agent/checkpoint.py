"""Saves a script's checkpoint folder while it works, so that the next attempt can go on from it, and fetches
it there.

What is saved is the folder as it was at one moment: its files are linked beside it, and the set counts when
none has changed, come or gone until all were linked, and none was written to until all were sent. Scripts
write a new file and rename it; what they write in place may make a set that is not complete, and then the one
before counts. See `neurocaas.protocol.checkpoint` for what lies in the bucket.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from neurocaas.protocol.checkpoint import (
    FILES_MAX,
    SETS,
    CheckpointManifest,
    SavedFile,
    complete_ones,
    read_manifest,
)
from neurocaas.protocol.documents import iso
from neurocaas.protocol.names import folder_faults
from neurocaas.protocol.runs import CHECKPOINT_GIB
from neurocaas.protocol.units import size

from .storage import Location, Storage, StorageError
from .transfer import Transfer, files_in

_TRIES = 3
"""How often the folder is looked at until it keeps still."""

_AT_ONCE = 8
"""Files that are sent at a time."""

_WRITTEN_TO = "{} was written to meanwhile (write a new file and rename it)"

_Mark = tuple[int, int, int]
"""Size, time of the last change, inode."""


class Checkpoint:
    """The files of `folder`, kept below `place`: two sets in turn, of which only what changed since it was
    last in that set is sent. More than `most` bytes are not saved. `time` is that of the last complete one
    (ISO 8601), `fault` why the last try made none."""

    def __init__(
        self,
        storage: Storage,
        folder: Path | None,
        place: Location,
        attempt: int = 1,
        most: int = CHECKPOINT_GIB << 30,
    ) -> None:
        self._storage, self._transfer = storage, Transfer(storage)
        self._folder, self._place = folder, place
        self._attempt, self._most = attempt, most
        self._number: int | None = None
        self._set = SETS[0]
        self._sent: dict[str, dict[str, tuple[_Mark, SavedFile]]] = {name: {} for name in SETS}
        self._last: dict[str, _Mark] = {}
        self._busy = threading.Lock()
        self.time: str | None = None
        self.fault: str | None = None

    def begin(self) -> bool:
        """Save in the background, unless that is under way; whether it was begun."""
        if self._busy.locked():
            return False
        threading.Thread(target=self.save, name="checkpoint", daemon=True).start()
        return True

    def save(self) -> str | None:
        """Save what is new. The reason when there is no complete set of it, else None."""
        with self._busy:
            self.fault = self._save()
            return self.fault

    def _save(self) -> str | None:
        folder = self._folder
        if folder is None or not folder.is_dir():
            return None
        try:
            with _frozen(folder) as (frozen, marks):
                if not marks or marks == self._last:
                    return None
                total = sum(mark[0] for mark in marks.values())
                if total > self._most or len(marks) > FILES_MAX:
                    return (
                        f"it has {size(total)} in {len(marks)} files; allowed: {size(self._most)} in "
                        f"{FILES_MAX} files"
                    )
                return self._send(frozen, marks)
        except (StorageError, OSError) as error:
            return str(error)

    def _send(self, frozen: Path, marks: dict[str, _Mark]) -> str | None:
        self._look_up()
        assert self._number is not None
        name, number = self._set, self._number + 1
        sent, place, time = self._sent[name], self._place.below(name), _now()
        # from here on what lies there is none of the earlier set
        self._declare(name, CheckpointManifest(number, attempt=self._attempt))
        fresh = [path for path, mark in marks.items() if sent.get(path, (None,))[0] != mark]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            faults = [
                one for one in pool.map(lambda path: self._arrived(frozen, place, path, sent), fresh) if one
            ]
        # also those that were sent before: all of the set are as they were at one moment
        faults += [_WRITTEN_TO.format(path) for path, mark in marks.items() if _mark(frozen / path) != mark]
        if faults:
            return "; ".join(list(dict.fromkeys(faults))[:3])
        files = tuple(sent[path][1] for path in marks)
        self._declare(name, CheckpointManifest(number, True, time, self._attempt, files))
        self._number, self._set = number, next(one for one in SETS if one != name)
        self._last, self.time = marks, time
        return None

    def _arrived(
        self, frozen: Path, place: Location, path: str, sent: dict[str, tuple[_Mark, SavedFile]]
    ) -> str | None:
        """Send one file, and note it in `sent`; the reason when it is not there as it was."""
        sent.pop(path, None)
        folder = path.rpartition("/")[0]
        try:
            mark = _mark(frozen / path)
            (moved,) = self._transfer.upload(frozen / path, place.below(folder) if folder else place)
        except (StorageError, OSError) as error:
            return str(error)
        if moved.changed:
            return _WRITTEN_TO.format(path)
        sent[path] = mark, SavedFile(path, moved.bytes, moved.sha256)
        return None

    def _look_up(self) -> None:
        """What earlier machines have left: the set that is not their newest complete one is written next."""
        if self._number is not None:
            return
        found = _manifests(self._storage, self._place)
        complete = complete_ones(found.values())
        if complete:
            newest = next(name for name, one in found.items() if one == complete[0])
            self._set = next(name for name in SETS if name != newest)
        self._number = max((one.number for one in found.values() if one), default=0)

    def _declare(self, name: str, manifest: CheckpointManifest) -> None:
        self._storage.write(self._place.below(f"{name}.json"), manifest.to_json().encode())


def restore(storage: Storage, place: Location, folder: Path) -> CheckpointManifest | None:
    """Fetch the newest complete set of `place` into `folder`; None when there is none. A set whose files are
    not those that it names (any more) is passed over. Raises StorageError when the service is away."""
    found = _manifests(storage, place)
    for manifest in complete_ones(found.values()):
        name = next(name for name, one in found.items() if one == manifest)
        if folder_faults(file.path for file in manifest.files):
            continue
        fetched = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            if _fetched(storage, place.below(name), manifest, fetched):
                shutil.copytree(fetched, folder, dirs_exist_ok=True, copy_function=os.replace)
                return manifest
        except StorageError as error:
            if not error.permanent:
                raise
            sys.stderr.write(f"The checkpoint of {manifest.time} cannot be read: {error}\n")
        finally:
            shutil.rmtree(fetched, ignore_errors=True)
    return None


def _fetched(storage: Storage, place: Location, manifest: CheckpointManifest, folder: Path) -> bool:
    wanted = [(place.below(file.path), folder / file.path, file.bytes) for file in manifest.files]
    moved = {(one.key, one.sha256) for one in Transfer(storage).fetch(wanted)}
    return all((place.below(file.path).key, file.sha256) in moved for file in manifest.files)


def _manifests(storage: Storage, place: Location) -> dict[str, CheckpointManifest | None]:
    found = dict[str, CheckpointManifest | None]()
    for name in SETS:
        found[name] = None
        try:
            found[name] = read_manifest(storage.read(place.below(f"{name}.json")))
        except StorageError as error:
            # S3 says "denied" of what is not there to who may not list it
            if not error.permanent:
                raise
    return found


@contextmanager
def _frozen(folder: Path) -> Iterator[tuple[Path, dict[str, _Mark]]]:
    """A folder of links to the files of `folder` as they are at one moment, and what each of them is then.
    Raises StorageError when it does not keep still."""
    for _ in range(_TRIES):
        links = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            marks = _linked(folder, links)
            if marks is not None:
                yield links, marks
                return
        finally:
            shutil.rmtree(links, ignore_errors=True)
    raise StorageError("its files change all the time")


def _linked(folder: Path, links: Path) -> dict[str, _Mark] | None:
    """What was linked; None when something changed meanwhile."""
    before = _marks(folder)
    try:
        for path in before:
            target = links / path
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(folder / path, target)
    except FileNotFoundError:
        return None
    return before if _marks(folder) == before else None


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target, follow_symlinks=True)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links, or another one
        target.symlink_to(path.resolve())


def _marks(folder: Path) -> dict[str, _Mark]:
    found = dict[str, _Mark]()
    for path in files_in(folder, str):
        with suppress(FileNotFoundError):
            found[path.relative_to(folder).as_posix()] = _mark(path)
    return found


def _mark(path: Path) -> _Mark:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _now() -> str:
    return iso(datetime.now(timezone.utc))
