"""Fetching the files of a job: interrupted copies go on where they stopped, and every file is checked against
a digest.

What a file is checked against, best first: the SHA-256 that the job's certificate.json names for it, or,
before the job's end, what its machines have noted; a SHA-256 that S3 holds; the ETag where it is an MD5
(objects that were sent in one piece). A copy of several parts that S3 holds without a SHA-256 has nothing to
be checked against but its size; `FetchedFile.checked` says which it was. What does not have the digest that
it should have is kept all the same, as `NAME.unverified`: the call fails, and no file is lost by it.

Keys in a bucket may be any text; what cannot be a file here, or not beside the others, is fetched under
another name (`neurocaas.local_names`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from neurocaas import results_folder
from neurocaas.downloads import ChangedError, CheckedCopy, Download, WantedObject, is_same, sha256_of
from neurocaas.errors import AnalysisError, UnreachableError, raise_all
from neurocaas.local_names import key_of, local_name, local_paths, openable
from neurocaas.notes import note
from neurocaas.patience import Patience
from neurocaas.progress import SILENT, Progress
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.names import bounded
from neurocaas.results_folder import FetchedFile, ResultsFolder

WORKERS = 8
UNVERIFIED = ".unverified"
"""How the name of a file ends that does not have the digest that it should have."""

_TOLD = 10
"""So many files are named in a message."""


def wanted(
    bucket: str,
    entries: Sequence[Mapping[str, Any]],
    prefix: str,
    known: Mapping[str, tuple[str, ...]],
    source: str = "certificate",
) -> list[WantedObject]:
    """What a listing of `bucket` below the job's `prefix` means as files; `known` are SHA-256 by key, as
    `source` says them.
    """
    entries = [entry for entry in entries if not str(entry["Key"]).endswith("/")]
    return [
        WantedObject(
            bucket,
            key,
            key.removeprefix(prefix),
            int(entry["Size"]),
            str(entry["ETag"]),
            known.get(key, ()),
            source,
        )
        for entry in entries
        for key in [str(entry["Key"])]
    ]


def placed(files: Sequence[WantedObject]) -> list[WantedObject]:
    """`files` with paths that can lie beside each other in one folder on any system, and nowhere else, sorted
    by them (`local_names`)."""
    paths = local_paths(file.path for file in files)
    made = [replace(file, path=paths[file.path], renamed=paths[file.path] != file.path) for file in files]
    return sorted(made, key=lambda file: file.path)


def own_folder(timestamp: str) -> Path:
    """Where the results of a job go when nobody says another place: `results/JOB`, on every system."""
    return Path("results") / local_name(timestamp)


@dataclass(frozen=True)
class FileChoice:
    """Which files of a job are wanted: of paths that match one of `only` (all, without any) and none of
    `without`. A pattern with a '/' is of the path below the job's folder or below process_results/, else of
    the file's name. `keys`: of these objects alone."""

    only: Sequence[str] = ()
    without: Sequence[str] = ()
    keys: Collection[str] | None = None
    logs: bool = True

    def takes(self, file: WantedObject) -> bool:
        if not self.logs and file.path.startswith("logs/"):
            return False
        if self.keys is not None and file.key not in self.keys:
            return False
        path = key_of(file.path)  # patterns are of what things are called in the bucket
        chosen = not self.only or any(_matches(path, pattern) for pattern in self.only)
        return chosen and not any(_matches(path, pattern) for pattern in self.without)


def _matches(path: str, pattern: str) -> bool:
    if "/" not in pattern:
        return fnmatchcase(path.rpartition("/")[2], pattern)
    return fnmatchcase(path, pattern) or fnmatchcase(path.partition("/")[2], pattern)


@dataclass(frozen=True)
class Fetching:
    """How files are fetched. `overwrite`: also those that were edited here, or are somebody's own. `say` is
    told what is left here that the job has no more, and that a network is waited for."""

    job: JobId | None = None
    choice: FileChoice = field(default_factory=FileChoice)
    overwrite: bool = False
    progress: Progress = SILENT
    say: Callable[[str], None] = note


def fetch(s3: Any, files: Sequence[WantedObject], folder: Path, how: Fetching) -> list[FetchedFile]:
    """Copy those of `files` that are chosen below `folder`, which belongs to the job then. Files that are
    there, unchanged, are kept; half a file is completed; a file that was edited here stays.

    Raises AnalysisError for what could not be fetched, or does not have the digest that it should have, after
    all others were fetched.
    """
    chosen = [file for file in files if how.choice.takes(file)]
    if files and not chosen:
        some = _few([file.path for file in files])
        raise AnalysisError("no file of the job is chosen", some, "change --only, --without or --dataset")
    with results_folder.opened(folder, how.job) as place:
        left = sorted(place.known.keys() - {file.path for file in files})
        gone = [path for path in left if folder.joinpath(*PurePosixPath(path).parts).is_file()]
        found = _Found()
        how.progress.expect(len(chosen), sum(file.size for file in chosen))
        _Fetcher(s3, place, how, Patience(how.say)).run(chosen, found)
    if gone:
        how.say(f"not in the job any more: {_files(gone)} in {folder}: {_few(gone)}")
    found.raise_all(folder)
    return found.fetched


@dataclass
class _Found:
    """What became of the files."""

    fetched: list[FetchedFile] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    errors: list[AnalysisError] = field(default_factory=list)

    def take(self, file: WantedObject, future: "Future[FetchedFile]") -> None:
        try:
            self.fetched.append(future.result())
        except _WrongDigestError as error:
            self.faults.append(str(error))
        except _NoPlaceError as error:
            self.stuck.append(str(error))
        except _OwnFileError:
            self.own.append(file.path)
        except AnalysisError as error:
            self.errors.append(error)

    def raise_all(self, folder: Path) -> None:
        passing = [error for error in self.errors if isinstance(error, (ChangedError, UnreachableError))]
        raise_all(passing[:1])  # for whoever asks again
        errors = self.errors[:_TOLD]
        if self.own:
            got = f"not as fetched: {_files(self.own)} in {folder}: {_few(self.own)}"
            allowed = "files that nobody has edited here; these stay as they are"
            errors.append(AnalysisError(got, allowed, "move them away, or give them up: --overwrite"))
        if self.stuck:
            got = f"files that cannot be written: {_few(self.stuck)}"
            errors.append(
                AnalysisError(got, "a folder with room for them", "fetch into another folder: --to")
            )
        if self.faults:
            allowed = "files as the certificate or S3 describe them"
            do = (
                "fetch again; if it stays so, they were replaced after the job had recorded them: look at "
                f"what was kept ({UNVERIFIED}), and tell the administrator"
            )
            errors.append(AnalysisError(f"wrong content: {_few(self.faults)}", allowed, do))
        raise_all(errors)


def _files(names: Sequence[str]) -> str:
    return f"{len(names)} file{'' if len(names) == 1 else 's'}"


def _few(texts: Sequence[str]) -> str:
    more = len(texts) - _TOLD
    return "; ".join([*texts[:_TOLD], *([f"{more} more"] if more > 0 else [])])


class _NoPlaceError(Exception):
    """Something else is here where a file, or the folder that it lies in, should be."""


class _OwnFileError(Exception):
    """A file is here that somebody has edited, or that was never fetched."""


class _WrongDigestError(Exception):
    """A file has come, but not with the content that it should have."""


@dataclass(frozen=True)
class _Fetcher:
    s3: Any
    place: ResultsFolder
    how: Fetching
    patience: Patience

    def run(self, files: Sequence[WantedObject], found: _Found) -> None:
        """Small files eight at a time; then the large ones one by one, each in ranges."""
        earlier = dict(self.place.known)
        for large, workers in ((False, WORKERS), (True, 1)):
            with ThreadPoolExecutor(workers) as pool:
                some = [file for file in files if file.large is large]
                try:
                    for file, future in [(file, pool.submit(self.one, file, earlier)) for file in some]:
                        found.take(file, future)
                except BaseException:  # interrupted: what is under way ends
                    self.patience.end()
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise

    def one(self, file: WantedObject, earlier: Mapping[str, Mapping[str, Any]]) -> FetchedFile:
        folder = openable(self.place.folder)
        path = folder.joinpath(*PurePosixPath(file.path).parts)
        try:
            checked = self._there(file, path, earlier.get(file.path))
            if checked is not None:
                return self._done(file, checked, kept=True)
            # fetched as a file while nothing lay below it: its name is another now
            for above in PurePosixPath(file.path).parents:
                if str(above) in earlier and folder.joinpath(above).is_file():
                    folder.joinpath(above).unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise _NoPlaceError(f"{file.path} (Is a directory)")
            return self._done(file, self._fetched(file, path))
        except OSError as error:
            raise _NoPlaceError(f"{file.path} ({error.strerror or error})") from error

    def _there(self, file: WantedObject, path: Path, before: Mapping[str, Any] | None) -> CheckedCopy | None:
        """How a file that is here was checked; None when it is to be fetched. Raises _OwnFileError."""
        if not path.is_file():
            return None
        if before is None:
            same = is_same(path, file)
            if same is None and not self.how.overwrite:
                raise _OwnFileError
            return same
        digest = sha256_of(path)
        if digest != before.get("sha256") and not self.how.overwrite:
            if (same := is_same(path, file)) is not None:
                return same
            raise _OwnFileError
        if before.get("etag") != file.etag or digest != before.get("sha256"):
            return None
        if file.sha256 and digest not in file.sha256:
            return None
        return CheckedCopy(str(before.get("checked", "size")), digest)

    def _fetched(self, file: WantedObject, path: Path) -> CheckedCopy:
        progress = self.how.progress
        progress.begin(file.path, file.size)
        checked, partial = Download(
            self.s3, file, lambda count: progress.advance(file.path, count), self.patience
        ).into(path)
        unverified = path.with_name(bounded(path.name, ending=UNVERIFIED))
        if checked.fault:
            partial.replace(unverified)
            progress.end(file.path, f"{checked.fault}, kept as {unverified.name}")
            raise _WrongDigestError(f"{file.path} {checked.fault}, kept as {unverified.name}")
        partial.replace(path)
        unverified.unlink(missing_ok=True)
        progress.end(file.path)
        return checked

    def _done(self, file: WantedObject, checked: CheckedCopy, *, kept: bool = False) -> FetchedFile:
        done = FetchedFile(
            file.path, file.key, file.size, checked.sha256, checked.against, kept, file.renamed
        )
        self.place.noted(done, file.etag)
        if kept:
            self.how.progress.begin(file.path, file.size)
            self.how.progress.end(file.path, "was there")
        return done
