"""What is in the output folder and was not uploaded yet."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from .storage import BLOCK, Location
from .transfer import Moved, files_in


@contextmanager
def unsent(folder: Path, place: Location, sent: Collection[Moved], scratch: Path) -> Iterator[Path]:
    """A folder with the files of `folder` that are not among the results `sent`: `folder` itself when none
    is, else one of links, in `scratch`.

    A script may upload a part of the folder, or into another folder of the results than `place`. So a file
    counts as sent when a result has its name and content; each result counts for one file, first for that
    whose place it is.
    """
    files = list(files_in(folder, str))
    known = {(item.key.rpartition("/")[2], item.bytes) for item in sent}
    digests = {
        path: digest
        for path in files
        if (path.name, path.stat().st_size) in known and (digest := _sha256(path))
    }
    open_results = {(item.bucket, item.key): item.sha256 for item in sent}
    there: set[Path] = set()
    for path, digest in digests.items():
        target = (place.bucket, f"{place.key}/{path.relative_to(folder).as_posix()}")
        if open_results.get(target) == digest:
            del open_results[target]
            there.add(path)
    for path, digest in digests.items():
        found = [
            item
            for item, other in open_results.items()
            if other == digest and item[1].rpartition("/")[2] == path.name
        ]
        if path not in there and found:
            del open_results[
                max(found, key=lambda item: _alike(item[1], path.relative_to(folder).as_posix()))
            ]
            there.add(path)
    if not there:
        yield folder
        return
    links = Path(tempfile.mkdtemp(dir=scratch))
    try:
        for path in files:
            if path not in there:
                link = links / path.relative_to(folder)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.resolve())
        yield links
    finally:
        shutil.rmtree(links, ignore_errors=True)


def _alike(key: str, path: str) -> int:
    """How many parts the ends of both have in common."""
    pairs = zip(reversed(key.split("/")), reversed(path.split("/")), strict=False)
    return next((number for number, (one, other) in enumerate(pairs) if one != other), len(path.split("/")))


def _sha256(path: Path) -> str | None:
    """None for a file that cannot be read: the upload names it."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()
