"""Saves a script's checkpoint folder, so that the next attempt can go on from it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from .storage import Location, Storage, StorageError
from .transfer import Transfer, files_in


class Checkpoint:
    """The files of `folder`, kept below `place`. Only what changed since the last `save` is sent."""

    def __init__(self, storage: Storage, folder: Path | None, place: Location) -> None:
        self._transfer = Transfer(storage)
        self._folder = folder
        self._place = place
        self._saved: dict[Path, tuple[int, int]] = {}

    def save(self) -> str | None:
        """Send new and changed files. The reason when not all could be sent, else None."""
        if self._folder is None or not self._folder.is_dir():
            return None
        failed = []
        for path in files_in(self._folder, str):
            try:
                with suppress(FileNotFoundError):  # the script is still at work
                    self._send(path, path.parent.relative_to(self._folder).as_posix())
            except (StorageError, OSError) as error:
                failed.append(str(error))
        return "; ".join(failed[:3]) or None

    def _send(self, path: Path, below: str) -> None:
        stat = path.stat()
        mark = (stat.st_size, stat.st_mtime_ns)
        if self._saved.get(path) != mark:
            self._transfer.upload(path, self._place if below == "." else self._place.below(below))
            self._saved[path] = mark
