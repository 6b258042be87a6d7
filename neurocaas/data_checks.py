"""The data of a submission, looked at before any of it is uploaded: what is on this computer, and what is in
the bucket already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from neurocaas.bucket import AT_ONCE, Bucket
from neurocaas.data_folders import files_below, is_readable
from neurocaas.errors import AnalysisError, SeveralErrors
from neurocaas.formats import nwb
from neurocaas.formats.file_tree import FileTree
from neurocaas.nearest import did_you_mean
from neurocaas.protocol.addresses import is_address, parse_address
from neurocaas.protocol.ignored import is_ignored
from neurocaas.protocol.keys import INPUTS
from neurocaas.protocol.limits import FOLDER_MAX_OBJECTS, FOLDERS_MAX_OBJECTS, KEY_MAX_BYTES
from neurocaas.protocol.names import key_fault
from neurocaas.protocol.outside import place_of
from neurocaas.protocol.problems import shown
from neurocaas.protocol.published_settings import About
from neurocaas.uploads import name_of

_TOLD = 5
"""So many of many names are told."""

_LISTED = 1000
"""So many names are looked through for one that may have been meant."""


@dataclass(frozen=True)
class Data:
    """One file or folder here, or one name in a bucket. `sizes`: bytes of each dataset that it is (a folder
    may be several); None where they cannot be known. `files`: how many objects."""

    name: str
    sizes: tuple[int | None, ...]
    files: int = 1

    @property
    def size(self) -> int:
        return sum(size or 0 for size in self.sizes)


def names(paths: Sequence[str]) -> list[AnalysisError]:
    """What is wrong with files and folders that are to be uploaded under their own names."""
    errors = [_missing(path) for path in paths if not (Path(path).is_file() or Path(path).is_dir())]
    closed = [path for path in paths if Path(path).is_file() and not is_readable(Path(path))]
    if closed:
        errors.append(
            AnalysisError(
                f"files that cannot be read: {', '.join(closed)}",
                "files that you may read",
                "change their mode",
            )
        )
    own = [name_of(path) for path in paths]
    wrong = [f"{shown(name)}: {fault}" for name in own if (fault := key_fault(name)) is not None]
    if wrong:
        got = f"names that S3 cannot have: {'; '.join(wrong[:_TOLD])}"
        errors.append(AnalysisError(got, "names without control characters", "rename them"))
    return errors + _several(paths, own)


def _several(paths: Sequence[str], own: Sequence[str]) -> list[AnalysisError]:
    """The same file twice, or several of one name."""
    places: dict[str, list[str]] = {}
    for path in paths:
        places.setdefault(os.path.realpath(path), []).append(path)
    again = {real: given for real, given in places.items() if len(given) > 1}
    errors = [
        AnalysisError(f"the same data twice: {' and '.join(given)}", "each dataset once", "leave one out")
        for given in list(again.values())[:_TOLD]
    ]
    inside = [
        (given[0], places[str(parent)][0])
        for real, given in places.items()
        for parent in Path(real).parents
        if str(parent) in places
    ]
    errors += [
        AnalysisError(
            f"the same data twice: {path} is in {folder}", "each dataset once", "leave one of them out"
        )
        for path, folder in inside[:_TOLD]
    ]
    once = [name_of(given[0]) for given in places.values()]
    twice = sorted({name for name in once if once.count(name) > 1}) if len(set(once)) < len(once) else []
    if twice:
        got = f"several files are called {', '.join(twice[:_TOLD])}"
        errors.append(AnalysisError(got, "one file of a name", "rename them, or upload them in turn"))
    return errors


def _missing(path: str) -> AnalysisError:
    got = f"no such file: {path}"
    if Path(path).exists():
        got = f"{path} is neither a file nor a folder"
    beside: list[str] = []
    folder = Path(path).parent
    try:
        beside = [entry.name for entry, _ in zip(os.scandir(folder), range(_LISTED), strict=False)]
    except OSError:
        pass  # the folder itself is what is not there
    do = did_you_mean(Path(path).name, beside, "check the paths", at=folder)
    return AnalysisError(got, "files and folders on this computer", do)


def local(
    paths: Sequence[str], about: About, group: str, errors: list[AnalysisError], *, each: bool = False
) -> list[Data]:
    """What files and folders on this computer are; `errors` gets what is wrong with what is in them. `each`:
    every file of a folder is a dataset, whatever the analysis does with folders."""
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            found.append(_folder(path, about, group, errors, each or about.folder == "each"))
        elif path.is_file():
            size = path.stat().st_size
            found.append(Data(str(path), (size,)))
            if not size:
                errors.append(
                    AnalysisError(
                        f"{path} is empty", "files with data in them", "leave it out, or make it anew"
                    )
                )
            elif nwb.is_named_so(path) and is_readable(path):
                errors += _no_nwb(path)
        else:
            found.append(Data(str(path), (0,)))
    if sum(one.files for one in found if Path(one.name).is_dir()) > FOLDERS_MAX_OBJECTS:
        errors.append(_too_many("folders", FOLDERS_MAX_OBJECTS, "in the folders of one submission"))
    return found


def _no_nwb(path: Path) -> list[AnalysisError]:
    """What is wrong with a file that is called NWB."""
    try:
        nwb.checked(path)
    except AnalysisError as error:
        return [error]
    return []


def _folder(path: Path, about: About, group: str, errors: list[AnalysisError], each: bool) -> Data:
    try:
        below = files_below(path, about.ignore).names
    except AnalysisError as error:
        errors += error.errors if isinstance(error, SeveralErrors) else [error]
        return Data(str(path), (0,))
    _fits(str(path), name_of(path), below, group, errors)
    sizes = [(path / name).stat().st_size for name in below]
    if not any(sizes):
        errors.append(
            AnalysisError(f"all files in {path} are empty", "a folder with data in it", "name another")
        )
    return Data(str(path), tuple(sizes) if each else (sum(sizes),), len(below))


def _fits(what: str, name: str, below: Sequence[str], group: str, errors: list[AnalysisError]) -> None:
    """Whether files can lie below the folder `name` in the bucket."""
    longest = max((len(f"{group}/{INPUTS}/{'0' * 64}/{name}/{one}".encode()) for one in below), default=0)
    if longest > KEY_MAX_BYTES:
        over = longest - KEY_MAX_BYTES
        errors.append(
            AnalysisError(
                f"files in {what} whose path is too long by {over} bytes",
                f"keys of up to {KEY_MAX_BYTES} bytes",
                "shorten the names of its folders",
            )
        )
    if len(below) > FOLDER_MAX_OBJECTS:
        errors.append(_too_many(what, FOLDER_MAX_OBJECTS, "in a folder"))


def trees(chosen: Sequence[FileTree], about: About, group: str, errors: list[AnalysisError]) -> list[Data]:
    """What datasets of several files are that are chosen out of larger folders here."""
    if chosen and about.folder == "each":
        errors.append(
            AnalysisError(
                f"{chosen[0].name}, a dataset of several files",
                f"single files: {about.analysis} takes each file of a folder as a dataset",
                "choose an analysis that takes folders",
            )
        )
    found = []
    for tree in chosen:
        _fits(tree.name, tree.name, list(tree.files), group, errors)
        found.append(Data(tree.name, (tree.size,), len(tree.files)))
    if sum(one.files for one in found) > FOLDERS_MAX_OBJECTS:
        errors.append(_too_many("folders", FOLDERS_MAX_OBJECTS, "in the folders of one submission"))
    return found


def _too_many(what: str, limit: int, where: str) -> AnalysisError:
    return AnalysisError(
        f"{what} with more than {limit:,} files",
        f"up to {limit:,} files {where}",
        "put them into archives (tar, zip), which are read faster as well",
    )


def stored(keys: Sequence[str], about: About, objects: Bucket) -> list[Data | None]:
    """What names in the bucket, or in an outside one, are; None for what is not in the bucket. Sizes in
    outside buckets are None where these credentials may not look: the machines may."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda key: _stored(key, about, objects), keys))


def _stored(path: str, about: About, objects: Bucket) -> Data | None:
    if is_address(path):
        return Data(path, (stated_size(path),))
    bucket, key = place_of(path, objects.name)
    own = bucket == objects.name
    where = objects if own else Bucket(objects.s3, bucket)
    try:
        if not key.endswith("/"):
            entry = where.entry(key)
            if entry is None:
                return None if own else Data(path, (None,))
            return Data(path, (int(entry["Size"]),))
        sizes = _sizes_below(key, about, where)
    except AnalysisError:
        if own:
            raise
        return Data(path, (None,))
    if not sizes:
        return None if own else Data(path, (None,))
    return Data(path, tuple(sizes) if about.folder == "each" else (sum(sizes),), len(sizes))


def stated_size(path: str) -> int | None:
    """The size that an address in the world brings with it; what is wrong with one is told elsewhere."""
    try:
        return parse_address(path).size
    except ValueError:
        return None


def _sizes_below(prefix: str, about: About, where: Bucket) -> list[int]:
    limit = about.max_datasets + 1 if about.folder == "each" else FOLDER_MAX_OBJECTS + 1
    entries: Iterator[int] = (
        int(one["Size"])
        for one in where.list(prefix)
        if not one["Key"].endswith("/") and not is_ignored(one["Key"][len(prefix) :], about.ignore)
    )
    return [size for size, _ in zip(entries, range(limit), strict=False)]


def not_there(key: str, what: str, places: str, objects: Bucket, group: str) -> AnalysisError:
    """For a name at which nothing is, with the one that may have been meant."""
    folder = f"{group}/{key.split('/')[1]}/"
    known = [str(entry["Key"]) for entry, _ in zip(objects.list(folder), range(_LISTED), strict=False)]
    do = did_you_mean(key, known, "upload it first, or check the name")
    return AnalysisError(f"no {what} {key!r} in bucket {objects.name}", places, do)
