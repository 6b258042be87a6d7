"""One job as its submitter sees it in S3: state per dataset, certificate, end, results."""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import botocore.exceptions

from client.errors import AnalysisError, code_of, s3_errors
from runtime.protocol.documents import DocumentError, moment
from runtime.protocol.job import Dataset, Job
from runtime.protocol.keys import JobKeys, SubmissionKey, rejected_certificate_key
from runtime.protocol.status import FINAL, INITIALIZING, NONE, SUCCESS, DatasetStatus

CHUNK = 1 << 20


@dataclass(frozen=True)
class DatasetState:
    """One dataset of a job. `seconds` runs from the start of the analysis script, and stands still once the dataset is final."""

    name: str
    input: str
    state: str
    seconds: float | None = None
    last_line: str = ""
    reason: str = ""
    instance: str = ""
    exit_code: int | None = None

    @property
    def final(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True)
class JobState:
    """A job at one moment. `phase` is SUBMITTED (no answer yet), RUNNING, DONE or REJECTED; `end` is the line of end.txt."""

    timestamp: str
    phase: str
    datasets: tuple[DatasetState, ...] = ()
    end: str = ""

    @property
    def finished(self) -> bool:
        return self.phase in ("DONE", "REJECTED")

    @property
    def succeeded(self) -> bool:
        return self.phase == "DONE" and bool(self.datasets) and all(d.state == SUCCESS for d in self.datasets)


@dataclass(frozen=True)
class FetchedFile:
    """A result on this computer; `path` is relative to the folder that was asked for."""

    path: str
    key: str
    size: int
    sha256: str


@dataclass
class _Seen:
    """What a handle has read already, so that a tick fetches only what changed."""

    job: Job | None = None
    etags: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, DatasetStatus] = field(default_factory=dict)


class JobHandle:
    """A job by its timestamp. Cheap to make: nothing is read until a method is called."""

    def __init__(self, s3: Any, bucket: str, group: str, timestamp: str, submission_key: str | None = None) -> None:
        self.s3, self.bucket, self.group, self.timestamp = s3, bucket, group, timestamp
        self.submission_key = submission_key
        self.keys = JobKeys.of(group, timestamp)
        self._seen = _Seen()

    def status(self) -> JobState:
        """The job now. One LIST, one GET for each status file that changed since the last call, and one GET for `end.txt`
        once every dataset is final or while no dataset is known."""
        listed = {entry["Key"]: entry["ETag"] for entry in self._list(self.keys.logs_prefix)}
        if self._seen.job is None and self.keys.job in listed:
            self._seen.job = self._read_job()
        if self._not_ours():
            return JobState(self.timestamp, "REJECTED")
        known = self._seen.job.datasets if self._seen.job else ()
        for dataset in known:
            self._read_status(dataset.status_key, listed)
        now = datetime.now(UTC)
        datasets = tuple(dataset_state(dataset, self._seen.statuses.get(dataset.status_key), now) for dataset in known)
        if datasets and not all(dataset.final for dataset in datasets):
            return JobState(self.timestamp, "RUNNING", datasets)
        end = self._get(self.keys.end)
        if end is not None:
            return JobState(self.timestamp, "DONE" if datasets else "REJECTED", datasets, end.decode("utf-8", "replace").strip())
        if not datasets and self._get(self._rejection_key()) is not None:
            return JobState(self.timestamp, "REJECTED")
        return JobState(self.timestamp, "RUNNING" if datasets else "SUBMITTED", datasets)

    def follow(
        self, callback: Callable[[JobState], None], *, interval: float = 1.0, timeout: float | None = None, clock: Any = time
    ) -> JobState:
        """Call `callback` with the job's state every `interval` seconds until the job is finished, and return the last state.

        S3 sends a user no events, so this asks; see `status` for what one question costs.
        `timeout` in seconds (None: no limit) raises AnalysisError.
        """
        begun = clock.monotonic()
        while True:
            state = self.status()
            callback(state)
            if state.finished:
                return state
            if timeout is not None and clock.monotonic() - begun >= timeout:
                raise AnalysisError(
                    f"job {self.timestamp} is still {state.phase} after {timeout:.0f} s",
                    "a job that ends within the time limit",
                    f"look at its certificate (`invoke job-status --bucket {self.bucket} --group {self.group} --job {self.timestamp}`),"
                    " or follow it again: the job goes on",
                )
            clock.sleep(interval)

    def certificate(self) -> str:
        """The job's human-readable log. Where the submission was refused for a used timestamp, the text of that refusal.

        Raises AnalysisError when there is none yet.
        """
        self.status()
        keys = [self._rejection_key()] if self._not_ours() else [self.keys.certificate, self._rejection_key()]
        for key in keys:
            text = self._get(key) if key else None
            if text is not None:
                return text.decode("utf-8", "replace")
        raise AnalysisError(
            f"job {self.timestamp} has no certificate yet", "a job that the manager has answered", "wait a few seconds and ask again"
        )

    def fetch(self, target: str | os.PathLike[str], *, logs: bool = True) -> list[FetchedFile]:
        """Copy the results (and `logs`) below the folder `target`, and return them with their SHA-256, sorted by path.

        The paths are those below the job's own folder: `process_results/…` and `logs/…`. Existing files are replaced.
        """
        folder = Path(target)
        prefixes = [self.keys.process_prefix] + ([self.keys.logs_prefix] if logs else [])
        fetched = []
        for prefix in prefixes:
            for entry in self._list(prefix):
                relative = entry["Key"].removeprefix(self.keys.prefix)
                if entry["Key"].endswith("/"):
                    continue
                parts = PurePosixPath(relative).parts
                if ".." in parts or relative.startswith("/"):
                    raise AnalysisError(
                        f"the result {entry['Key']!r} would be written outside {folder}", "keys without '..'", "fetch that object by hand"
                    )
                fetched.append(self._download(entry["Key"], folder.joinpath(*parts), relative))
        return sorted(fetched, key=lambda one: one.path)

    def job(self) -> Job:
        """The manager's record of the job (job.json). Raises AnalysisError when there is none (not answered yet, or refused)."""
        if self._seen.job is None:
            self._seen.job = self._read_job()
        if self._seen.job is None:
            raise AnalysisError(
                f"job {self.timestamp} has no record", "a job that the manager accepted", "read its certificate for the reason"
            )
        return self._seen.job

    def _read_job(self) -> Job | None:
        raw = self._get(self.keys.job)
        return None if raw is None else Job.from_json(raw)

    def _read_status(self, key: str, listed: dict[str, str]) -> None:
        if key not in listed or self._seen.etags.get(key) == listed[key]:
            return
        raw = self._get(key)
        if raw is None:
            return
        self._seen.etags[key] = listed[key]
        with contextlib.suppress(DocumentError):  # a script may have spoilt its own status file: what was known before stands
            self._seen.statuses[key] = DatasetStatus.from_json(raw)

    def _not_ours(self) -> bool:
        job = self._seen.job
        return job is not None and self.submission_key is not None and job.submission_key != self.submission_key

    def _rejection_key(self) -> str:
        """Where a refusal of this submission would be; "" when the handle does not know its submission."""
        if self.submission_key is None:
            return ""
        return rejected_certificate_key(self.group, SubmissionKey.parse(self.submission_key).id)

    def _list(self, prefix: str) -> Iterator[dict[str, Any]]:
        with s3_errors(self.bucket, prefix):
            for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                yield from page.get("Contents", [])

    def _get(self, key: str) -> bytes | None:
        if not key:
            return None
        with s3_errors(self.bucket, key):
            try:
                return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
            except botocore.exceptions.ClientError as error:
                if code_of(error) in ("NoSuchKey", "404"):
                    return None
                raise

    def _download(self, key: str, path: Path, relative: str) -> FetchedFile:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.part")
        digest, size = hashlib.sha256(), 0
        with s3_errors(self.bucket, key):
            body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
        with partial.open("wb") as out:
            for chunk in body.iter_chunks(CHUNK):
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        partial.replace(path)
        return FetchedFile(relative, key, size, digest.hexdigest())


def dataset_state(dataset: Dataset, status: DatasetStatus | None, now: datetime) -> DatasetState:
    """A dataset as its status file tells it; `status` None (no file yet) means that its machine is not up."""
    if status is None:
        return DatasetState(dataset.name, dataset.inputpath, INITIALIZING)
    started, finished = _moment(status.job_start), _moment(status.job_finish)
    until = finished or (None if status.final else now)
    return DatasetState(
        name=dataset.name,
        input=dataset.inputpath,
        state=status.status,
        seconds=max(0.0, (until - started).total_seconds()) if started and until else None,
        last_line=_last_line(status.stdout) or _last_line(status.stderr),
        reason=_known(status.reason),
        instance=_known(status.instance),
        exit_code=status.exit_code,
    )


def _known(text: str) -> str:
    return "" if text == NONE else text


def _last_line(lines: Mapping[str, str]) -> str:
    """The last line that is not blank of a status file's `{"0": line, …}`."""
    numbered = sorted((int(number), line) for number, line in lines.items() if number.isdigit())
    return next((line.rstrip() for _, line in reversed(numbered) if line.strip()), "")


def _moment(text: str) -> datetime | None:
    try:
        return moment(text)
    except (ValueError, DocumentError):
        return None
