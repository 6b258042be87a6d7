"""A folder that results were fetched to: whose they are, and what was fetched as it was then.

A folder belongs to one job. Its `manifest.json` says which, and of each file its key, size and SHA-256: a
file that is other now was edited here, and stays. While files come, each is noted in a journal beside the
manifest, so that a process that is killed forgets none; the journal goes into the manifest at the end, or
when the folder is next opened.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import IO, Any

from neurocaas.errors import AnalysisError
from neurocaas.protocol.keys import JobId

MANIFEST = "manifest.json"
"""The list of what was fetched, in the folder that it was fetched to."""

JOURNAL = f".{MANIFEST}.journal"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class FetchedFile:
    """A result on this computer; `path` is relative to the folder that was asked for. `checked` says against
    what: `certificate`, `record`, `s3-sha256`, `md5` or `size`. `kept`: it was there already, complete.
    `renamed`: the path is not that of its key, which cannot be had here."""

    path: str
    key: str
    size: int
    sha256: str
    checked: str = "size"
    kept: bool = False
    renamed: bool = False


@dataclass
class ResultsFolder:
    """`known`: what was fetched before, by path: the fields of FetchedFile and the `etag`."""

    folder: Path
    job: JobId | None
    known: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _journal: IO[str] | None = None
    _lock: Any = field(default_factory=Lock)

    def noted(self, file: FetchedFile, etag: str) -> None:
        """It has come, or is there. Safe to call from several threads."""
        facts = {name: value for name, value in asdict(file).items() if name != "kept"} | {"etag": etag}
        with self._lock:
            if self.known.get(file.path) == facts:
                return
            self.known[file.path] = facts
            if self._journal is not None:
                self._journal.write(json.dumps(facts) + "\n")
                self._journal.flush()

    def _save(self) -> None:
        document = {
            "schema_version": SCHEMA_VERSION,
            **({"job": self.job._asdict()} if self.job else {}),
            "files": [self.known[path] for path in sorted(self.known)],
        }
        partial = self.folder / f".{MANIFEST}.{os.getpid()}"
        partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        partial.replace(self.folder / MANIFEST)


@contextlib.contextmanager
def opened(folder: Path, job: JobId | None) -> Iterator[ResultsFolder]:
    """The folder, made where it is missing, for the time of a `with`. Raises AnalysisError for one that
    belongs to another job."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        got = f"{folder}, which is no folder that files can be written to ({error.strerror})"
        raise AnalysisError(got, "a folder with room for them", "fetch into another folder: --to") from error
    owner, known = _read(folder)
    if job is not None and owner not in (None, job):
        raise AnalysisError(
            f"{folder} has the results of {_told(owner, job)}",
            "a folder of its own for each job",
            "name another (--to FOLDER), or remove this one",
        )
    if job is not None and owner is None and (other := _strange(known, job)):
        raise AnalysisError(
            f"{folder} has results of another job ({other})",
            "a folder of its own for each job",
            "name another (--to FOLDER), or remove this one",
        )
    place = ResultsFolder(folder, job, known)
    place._save()
    journal = folder / JOURNAL
    place._journal = journal.open("w", encoding="utf-8")
    try:
        yield place
    finally:
        place._journal.close()
        place._save()
        with contextlib.suppress(OSError):
            journal.unlink(missing_ok=True)


def belongs_to(folder: Path) -> JobId | None:
    """The job whose results a folder has; None where none has said so."""
    return _read(folder)[0]


def _read(folder: Path) -> tuple[JobId | None, dict[str, Mapping[str, Any]]]:
    """What the manifest and the journal say; nothing where they cannot be read."""
    owner, known = None, dict[str, Mapping[str, Any]]()
    with contextlib.suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
        document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        known = {str(file["path"]): file for file in document["files"]}
        if "job" in document:
            said = document["job"]
            owner = JobId(str(said["bucket"]), str(said["group"]), str(said["timestamp"]))
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in (folder / JOURNAL).read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError, TypeError, LookupError):  # the last may be half a line
                file = json.loads(line)
                known[str(file["path"])] = file
    return owner, known


def _strange(known: Mapping[str, Mapping[str, Any]], job: JobId) -> str:
    """A key of a file that is not of this job; manifests of earlier versions name none."""
    inside = f"/{job.keys.folder}/"
    return next((str(one.get("key")) for one in known.values() if inside not in str(one.get("key"))), "")


def _told(owner: JobId | None, job: JobId) -> str:
    if owner is None:
        return "another job"
    where = [] if owner.bucket == job.bucket else [f"in bucket {owner.bucket}"]
    where += [] if owner.group == job.group else [f"of group {owner.group}"]
    return " ".join([f"job {owner.timestamp}", *where])
