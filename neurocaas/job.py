"""One job as its submitter sees it in S3: state per dataset, certificate, end, results."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from neurocaas import given
from neurocaas.bucket import Bucket
from neurocaas.downloads import ChangedError, WantedObject
from neurocaas.errors import AnalysisError, Patient, s3_errors
from neurocaas.futures import of_datasets, of_job
from neurocaas.layout import cell
from neurocaas.notebook import NotebookView, in_notebook
from neurocaas.notebook_html import facts
from neurocaas.notes import note
from neurocaas.progress import SILENT, Progress
from neurocaas.protocol.documents import DocumentError, loads, moment
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import (
    CANCEL_SUFFIX,
    SUBMISSIONS,
    JobId,
    JobKeys,
    ResultKeys,
    SubmissionKey,
    rejected_keys,
)
from neurocaas.protocol.limits import RECORD_MAX_BYTES, STATUS_MAX_BYTES
from neurocaas.protocol.problems import Problem
from neurocaas.protocol.resources import RESOURCES_MAX_BYTES
from neurocaas.protocol.status import DatasetStatus
from neurocaas.protocol.waiting import WAITING, WaitNote
from neurocaas.reading import (
    LIMIT,
    TABLES,
    ResultFile,
    ResultImage,
    ResultList,
    content,
    frame,
    image,
    value,
)
from neurocaas.resources import ResourceList, read_course, resources_key
from neurocaas.results import Fetching, FileChoice, fetch, own_folder, placed, wanted
from neurocaas.results_folder import FetchedFile
from neurocaas.states import DatasetState, JobState, dataset_state
from neurocaas.typed import command as typed

RECORD_SUFFIX = "_files.json"
"""How the record of a machine's transfers ends, below the job's logs."""

LISTINGS = 3
"""How often `fetch` lists the results anew when one of them has changed since it was listed."""


@dataclass
class _Seen:
    """What a handle has read already, so that a tick fetches only what changed."""

    job: Job | None = None
    listed: dict[str, str] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, DatasetStatus] = field(default_factory=dict)
    state: JobState | None = None


class JobHandle:
    """A job by its timestamp. Cheap to make: nothing is read until a method is called."""

    def __init__(
        self, s3: Any, bucket: str, group: str, timestamp: str, submission_key: str | None = None
    ) -> None:
        self.s3, self.bucket, self.group, self.timestamp = s3, bucket, group, timestamp
        self.objects = Bucket(s3, bucket)
        self.submission_key = submission_key
        self.keys = JobKeys.of(group, timestamp)
        self._seen = _Seen()
        self._refused = False

    def __repr__(self) -> str:
        """What is known here; nothing is asked for it."""
        known = self._seen.state.summary() if self._seen.state else "not looked at yet: status(), follow()"
        return f"<job {cell(self.timestamp)} of {cell(self.group)} in {cell(self.bucket)}  {known}>"

    def _repr_html_(self) -> str:
        if self._seen.state is not None:
            return self._seen.state._repr_html_()
        rows = [("job", self.timestamp), ("group", self.group), ("bucket", self.bucket)]
        return facts(rows, note="not looked at yet: status() asks for its state, follow() shows it")

    def status(self) -> JobState:
        """The job now. Two LISTs, one GET for each status file and verdict that changed since the last call,
        and one GET for `end.txt` once it is there, or while no dataset is known.

        What counts (the job's record, how datasets ended, the end) is read where only the service writes;
        only what the machines print comes from the job's own folder.
        """
        self._seen.state = state = self._status()
        return state

    def _status(self) -> JobState:
        with ThreadPoolExecutor(2) as pool:
            both = pool.map(
                lambda prefix: list(self.objects.list(prefix)),
                (self.keys.logs_prefix, self.keys.records.prefix),
            )
            listed = {entry["Key"]: entry["ETag"] for entries in both for entry in entries}
        self._seen.listed = listed
        if self._seen.job is None and self.keys.job in listed:
            self._seen.job = self._read_job()
        if self._not_ours():
            return self._rejected()
        known = self._seen.job.datasets if self._seen.job else ()
        self._read_statuses(
            [key for dataset in known for key in (dataset.status_key, self.keys.verdict(dataset.index))],
            listed,
        )
        now, statuses = datetime.now(timezone.utc), self._seen.statuses
        datasets = tuple(
            dataset_state(
                dataset, statuses.get(dataset.status_key), now, statuses.get(self.keys.verdict(dataset.index))
            )
            for dataset in known
        )
        end = self.objects.get(self.keys.records.end) if self.keys.records.end in listed else None
        if end is not None:
            return JobState(
                self.timestamp,
                "DONE" if datasets else "REJECTED",
                datasets,
                end.decode("utf-8", "replace").strip(),
            )
        if not datasets and self.keys.records.certificate not in listed and self._is_refused():
            self._refused = True
            return self._rejected()
        waits = self._waits() if self.keys.waiting in listed else ""
        return JobState(self.timestamp, "RUNNING" if datasets else "SUBMITTED", datasets, waits=waits)

    def _waits(self) -> str:
        """What the service says that the job waits for; "" once it goes on."""
        raw = self.objects.get(self.keys.waiting)
        with contextlib.suppress(DocumentError):
            told = WaitNote.from_json(raw) if raw is not None else None
            return told.text if told is not None and told.state == WAITING else ""
        return ""

    def follow(
        self,
        callback: Callable[[JobState], None] | None = None,
        *,
        interval: float = 1.0,
        timeout: float | None = None,
        clock: Any = time,
    ) -> JobState:
        """Call `callback` with the job's state every `interval` seconds until the job is finished, and return
        the last state. Without one, show the job: as a table in a notebook and on a terminal, as a line for
        each change elsewhere. Interrupted then, it says that the job goes on.

        S3 sends a user no events, so this asks; see `status` for what one question costs. A network that is
        away for some minutes (`neurocaas.errors.PATIENCE`) is waited for. `timeout` in seconds (None: no
        limit) raises AnalysisError.
        """
        if callback is None or callback is print:
            try:
                with _shown(self.timestamp) as show:
                    return self.follow(show, interval=interval, timeout=timeout, clock=clock)
            except KeyboardInterrupt:
                note(f"job {self.timestamp} goes on: follow() shows it again, cancel() ends it")
                raise
        begun, ask, phase = clock.monotonic(), Patient(self.status, clock), "out of reach"
        while True:
            state = ask()
            if state is not None:
                phase = state.phase
                callback(state)
                if state.finished:
                    return state
            if timeout is not None and clock.monotonic() - begun >= timeout:
                raise AnalysisError(
                    f"job {self.timestamp} is still {phase} after {timeout:.0f} s",
                    "a job that ends within the time limit",
                    f"look at its certificate (`{typed('status', self.timestamp, '--certificate')}`), or "
                    "follow it again: the job goes on",
                )
            clock.sleep(interval)

    def statuses(self) -> Mapping[str, DatasetStatus]:
        """The status files by key, as far as `status` has read them."""
        return {
            key: status
            for key, status in self._seen.statuses.items()
            if key.startswith(self.keys.logs_prefix)
        }

    def listed(self) -> Mapping[str, str]:
        """The keys below the job's logs and the service's records of it with their ETags, as the last
        `status` has listed them.
        """
        return self._seen.listed

    def end(self) -> str:
        """The line of end.txt; "" while the job is open."""
        return self.objects.text(self.keys.records.end).strip()

    def certificate(self) -> str:
        """The job's human-readable log. Where the submission was refused for a used timestamp, the text of
        that refusal.

        Raises AnalysisError when there is none yet.
        """
        self.status()
        text = self.answer()
        if text:
            return text
        raise AnalysisError(
            f"job {self.timestamp} has no certificate yet",
            "a job that the manager has answered",
            "wait a few seconds and ask again",
        )

    def answer(self) -> str:
        """The certificate of the job or of its refusal, as far as `status` knows; "" when there is none."""
        return self.objects.text(self.answer_keys().records.certificate)

    def answer_keys(self) -> ResultKeys:
        """Where the answer to the submission is: in the job's folder, or in that of its refusal."""
        return self._rejection if self._not_ours() or self._refused else self.keys

    def age(self, now: datetime) -> float | None:
        """Seconds since the manager took the job; None when it has no record."""
        job = self._seen.job
        return None if job is None else max(0.0, (now - moment(job.created)).total_seconds())

    def fetch(
        self,
        target: str | os.PathLike[str] | None = None,
        *,
        logs: bool = True,
        only: Sequence[str] = (),
        without: Sequence[str] = (),
        datasets: Sequence[str] = (),
        overwrite: bool = False,
        progress: Progress = SILENT,
        say: Callable[[str], None] = note,
    ) -> list[FetchedFile]:
        """Copy the results (and `logs`) below the folder `target` (`results/JOB` when left out), and return
        them with their SHA-256, sorted by path.

        The paths are those below the job's folder: `process_results/…` (in the outside bucket, where the
        submission had a `resultpath`) and `logs/…`; `only` and `without` are patterns of them (`*.csv`), and
        `datasets` are names of datasets whose files alone are wanted. A second call completes what was
        interrupted and fetches what has changed. Every file is checked, see `neurocaas.results`;
        AnalysisError when one is wrong, when the folder belongs to another job, or for files that were edited
        here, unless `overwrite`.
        """
        folder = own_folder(self.timestamp) if target is None else Path(target)
        chosen = FileChoice(tuple(only), tuple(without), None, logs)
        how = Fetching(JobId(self.bucket, self.group, self.timestamp), chosen, overwrite, progress, say)
        for _ in range(LISTINGS - 1):
            # two monitors may write the same end of a job, one a moment after the other
            with contextlib.suppress(ChangedError):
                return self._fetch(folder, how, datasets)
        return self._fetch(folder, how, datasets)

    def results(self) -> ResultList:
        """What results there are now, with the datasets that have written them. Nothing is downloaded."""
        certified = self._certified()
        files, writers = self._results(certified), self._writers(certified)
        prefix = self.results_place()[1].process_prefix.removeprefix(self.results_place()[1].prefix)
        found = [
            ResultFile(
                one.path.removeprefix(prefix),
                one.bucket,
                one.key,
                one.size,
                tuple(writers.get(one.key, ())),
                one.sha256,
            )
            for one in files
        ]
        return ResultList(sorted(found, key=lambda one: one.path))

    def resources(self) -> ResourceList:
        """What the machines of the datasets have used over time, as far as they have told it: processor,
        memory, GPU, disk, network. One GET for each dataset, eight at once."""
        state = self.status()
        names = [
            one.name
            for one in state.datasets
            if resources_key(self.keys.logs_prefix, one.name) in self._seen.listed
        ]
        read = partial(self.objects.get, limit=RESOURCES_MAX_BYTES)
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(
                lambda name: read_course(read(resources_key(self.keys.logs_prefix, name))), names
            )
            courses = {
                name: replace(one, dataset=name) for name, one in zip(names, found, strict=True) if one
            }
        return ResourceList(courses)

    def result(self, name: str, *, dataset: str = "", kind: str = "", limit: int = LIMIT) -> Any:
        """What a result says: a JSON file as Python has it, a text, or bytes, by the end of its name (or by
        `kind`). `name` is its path below the results, or the end of only one's; `dataset` whose it is.

        Checked by its digest like `fetch`. Raises AnalysisError for one that is not there, with the nearest
        name, and for one of more than `limit` bytes.
        """
        file = self.results().one(name, dataset)
        return value(file.path, content(self.s3, file, limit), kind)

    def dataframe(self, name: str, *, dataset: str = "", limit: int = LIMIT, **options: Any) -> Any:
        """A `.csv`, `.tsv` or `.parquet` among the results as a pandas data frame; `options` are those of
        pandas's reader. See `result`."""
        file = self.results().one(name, dataset, TABLES)
        return frame(file.path, content(self.s3, file, limit), **options)

    def image(self, name: str, *, dataset: str = "", limit: int = LIMIT) -> ResultImage:
        """A PNG, JPEG, GIF, WebP or SVG among the results, which a notebook shows. See `result`."""
        file = self.results().one(name, dataset)
        return image(file.path, content(self.s3, file, limit))

    def _results(self, certified: Sequence[Any] | None) -> list[WantedObject]:
        """The results that count, as they are listed now."""
        bucket, keys = self.results_place()
        known, source = self._digests("results", certified)
        listed = list(Bucket(self.s3, bucket).list(keys.process_prefix))
        earlier = self._superseded(bucket, {str(entry["Key"]) for entry in listed}, certified or ())
        return wanted(
            bucket,
            [entry for entry in listed if str(entry["Key"]) not in earlier],
            keys.prefix,
            known,
            source,
        )

    def _writers(self, certified: Sequence[Any] | None) -> Mapping[str, list[str]]:
        """The names of the datasets that have written each key: as the service has certified it, or, before
        the job's end, as the machines say."""
        writers: dict[str, list[str]] = {}

        def take(name: str, files: Sequence[Mapping[str, Any]]) -> None:
            for moved in files:
                writers.setdefault(str(moved["key"]), []).append(name)

        if certified is not None:
            with contextlib.suppress(LookupError, TypeError):
                for dataset in certified:
                    take(str(dataset["name"]), dataset["results"])
                return writers
        for entry in self.objects.list(self.keys.logs_prefix):
            name = str(entry["Key"]).removeprefix(self.keys.logs_prefix)
            if not name.endswith(RECORD_SUFFIX):
                continue
            with contextlib.suppress(DocumentError, LookupError, TypeError):
                record = loads(self.objects.get(entry["Key"], RECORD_MAX_BYTES) or b"", "record")
                take(name.removesuffix(RECORD_SUFFIX), record["results"])
        return writers

    def _fetch(self, target: Path, how: Fetching, datasets: Sequence[str]) -> list[FetchedFile]:
        certified = self._certified()
        files = self._results(certified)
        known, source = self._digests("results", certified)
        files += wanted(
            self.bucket, list(self.objects.list(self.keys.logs_prefix)), self.keys.prefix, known, source
        )
        if datasets:
            chosen = self._of_datasets(datasets, certified, [file.key for file in files])
            how = replace(how, choice=replace(how.choice, keys=chosen))
        return fetch(self.s3, placed(self._as_recorded(files)), target, how)

    def _of_datasets(
        self, names: Sequence[str], certified: Sequence[Any] | None, keys: Sequence[str]
    ) -> frozenset[str]:
        """The keys of what these datasets have written, and of their logs."""
        there = [one.name for one in self.job().datasets]
        if unknown := [name for name in names if name not in there]:
            raise AnalysisError(
                f"no dataset {', '.join(unknown)} in job {self.timestamp}",
                ", ".join(there[:10]) + (f" and {len(there) - 10} more" if len(there) > 10 else ""),
                f"`{typed('status', self.timestamp)}` lists them",
            )
        found = set[str]()
        for name in names:
            own = (self.keys.status(name), self.keys.record(name))
            found |= {key for key in keys if key in own or key.startswith(f"{self.keys.logs_prefix}{name}/")}
            facts: Any = None
            with contextlib.suppress(LookupError, TypeError):
                facts = next((one for one in certified or () if one["name"] == name), None)
            if facts is None:
                with contextlib.suppress(DocumentError):
                    facts = loads(self.objects.get(self.keys.record(name), RECORD_MAX_BYTES) or b"", "record")
            with contextlib.suppress(LookupError, TypeError):
                found |= {str(moved["key"]) for moved in facts["results"]}
        return frozenset(found)

    def _as_recorded(self, files: Sequence[WantedObject]) -> list[WantedObject]:
        """Those files that are copies of the service's records, in place of which the records are fetched."""
        names = ("certificate", "certificate_json", "end")
        records = {getattr(self.keys, name): getattr(self.keys.records, name) for name in names}
        there = {str(entry["Key"]): entry for entry in self.objects.list(self.keys.records.prefix)}
        return [
            replace(file, key=key, size=int(there[key]["Size"]), etag=str(there[key]["ETag"]), sha256=())
            if file.bucket == self.bucket and (key := records.get(file.key, "")) in there
            else file
            for file in files
        ]

    def results_place(self) -> tuple[str, ResultKeys]:
        """The bucket that the results are in, and their keys there."""
        job = self._seen.job or self._read_job()
        return (self.bucket, self.keys) if job is None else job.results

    def digests(self, kind: str = "results") -> dict[str, str]:
        """The SHA-256 of the `results` or `inputs` that the machines have moved, by key: as the service has
        certified it, or, before the job's end, as they say themselves (`logs/{dataset}_files.json`)."""
        return {key: several[-1] for key, several in self._digests(kind, self._certified())[0].items()}

    def _digests(self, kind: str, certified: Sequence[Any] | None) -> tuple[dict[str, tuple[str, ...]], str]:
        """The same, all of each key (datasets may replace each other's results), and whether that is of the
        `certificate` (whose datasets are `certified`) or of a `record` that any machine of the group could
        have written."""
        known: dict[str, tuple[str, ...]] = {}

        def take(files: Sequence[Mapping[str, Any]]) -> None:
            for moved in files:
                known[str(moved["key"])] = (*known.get(str(moved["key"]), ()), str(moved["sha256"]))

        if certified is not None:
            with contextlib.suppress(LookupError, TypeError):
                take([moved for dataset in certified for moved in dataset[kind]])
                return known, "certificate"
        for entry in self.objects.list(self.keys.logs_prefix):
            if not str(entry["Key"]).endswith(RECORD_SUFFIX):
                continue
            with contextlib.suppress(DocumentError, LookupError, TypeError):
                take(loads(self.objects.get(entry["Key"], RECORD_MAX_BYTES) or b"", "record")[kind])
        return known, "record"

    def _certified(self) -> list[Any] | None:
        """The datasets of the service's certificate.json; None while there is none that can be read."""
        with contextlib.suppress(DocumentError, LookupError):
            datasets = loads(self.objects.get(self.keys.records.certificate_json) or b"", "certificate.json")[
                "datasets"
            ]
            return datasets if isinstance(datasets, list) else None
        return None

    def _superseded(self, bucket: str, keys: Collection[str], certified: Sequence[Any]) -> frozenset[str]:
        """Those of `keys` that only an attempt before a dataset's last has written, and that the service
        could not set aside: what lies there is still the version that the certificate names (where a bucket
        keeps none, what it names)."""
        earlier, final = dict[str, str | None](), set[str]()
        with contextlib.suppress(LookupError, TypeError):
            for dataset in certified:
                final |= {str(moved["key"]) for moved in dataset["results"]}
                earlier |= {
                    str(moved["key"]): moved["version_id"]
                    for machine in dataset["machines"][:-1]
                    for moved in machine["results"]
                }
        found = set()
        for key in (earlier.keys() - final) & set(keys):
            with s3_errors(bucket, key):
                version = self.s3.head_object(Bucket=bucket, Key=key).get("VersionId")
            if earlier[key] in (None, version):
                found.add(key)
        return frozenset(found)

    def cancel(self) -> str:
        """Ask for the job to be ended; partial results are kept. Returns the key of the request. The job ends
        within seconds to minutes; a request that can have no effect is answered below
        `results/rejected_…`."""
        stem = SubmissionKey.parse(self.submission_key).id if self.submission_key else self.timestamp
        key = f"{self.group}/{SUBMISSIONS}/{stem}_{CANCEL_SUFFIX}"
        self.objects.put(key, json.dumps({"timestamp": self.timestamp}).encode())
        return key

    def future(self, *, interval: float = 1.0) -> "Future[JobState]":
        """The job's last state, when it has one, as a future for `concurrent.futures.wait` and the like. Of a
        job that has failed or was refused it raises `neurocaas.JobFailedError`, with the reason. A thread of
        its own asks every `interval` seconds. Cancelling the future does not end the job."""
        return of_job(self, interval)

    def futures(self, inputs: Sequence[str], *, interval: float = 1.0) -> "list[Future[DatasetState]]":
        """A future for each of `inputs`, the datasets as they were submitted, in that order. Its result is
        the dataset's last state as soon as that one is final; `neurocaas.futures.DatasetFailedError` is the
        exception of one that has failed."""
        return of_datasets(self, given.keys(inputs), interval)

    def reason(self, state: JobState) -> str:
        """Why a job in its last `state` has failed or was refused, in a line for each fault."""
        if state.phase == "DONE":
            return state.end
        with contextlib.suppress(DocumentError, LookupError, TypeError):
            raw = self.objects.get(self.answer_keys().records.certificate_json) or b""
            problems = [Problem(**one).text() for one in loads(raw, "certificate.json")["problems"]]
            if problems:
                return "\n".join(problems)
        return state.why or "the submission was refused"

    def job(self) -> Job:
        """The manager's record of the job (job.json). Raises AnalysisError when there is none (not answered
        yet, or refused).
        """
        if self._seen.job is None:
            self._seen.job = self._read_job()
        if self._seen.job is None:
            raise AnalysisError(
                f"job {self.timestamp} has no record",
                "a job that the manager accepted",
                "read its certificate for the reason",
            )
        return self._seen.job

    def _read_job(self) -> Job | None:
        raw = self.objects.get(self.keys.job)
        try:
            return None if raw is None else Job.from_json(raw)
        except DocumentError as error:
            raise AnalysisError(
                f"the record of job {self.timestamp} cannot be read ({error})",
                "a job of the same version of the service as this client",
                "use the client of the version that ran the job",
            ) from error

    def _read_statuses(self, keys: Sequence[str], listed: Mapping[str, str]) -> None:
        """Read the status files that have changed, eight at once."""
        changed = [key for key in keys if key in listed and self._seen.etags.get(key) != listed[key]]
        if not changed:
            return
        with ThreadPoolExecutor(min(8, len(changed))) as pool:
            for key, raw in zip(changed, pool.map(self._read_status, changed), strict=True):
                if raw is None:
                    continue  # gone again, or larger than any status
                self._seen.etags[key] = listed[key]
                # a script may have spoilt its own status file: what was known before stands
                with contextlib.suppress(DocumentError):
                    self._seen.statuses[key] = DatasetStatus.from_json(raw)

    def _read_status(self, key: str) -> bytes | None:
        """How a dataset ended is the service's word; the status of its machine has a limit."""
        return self.objects.get(key, None if key.startswith(self.keys.records.prefix) else STATUS_MAX_BYTES)

    def _is_refused(self) -> bool:
        return self.objects.get(self._rejection.records.certificate) is not None

    def _rejected(self) -> JobState:
        return JobState(
            self.timestamp, "REJECTED", end=self.objects.text(self._rejection.records.end).strip()
        )

    def _not_ours(self) -> bool:
        job = self._seen.job
        return (
            job is not None and self.submission_key is not None and job.submission_key != self.submission_key
        )

    @property
    def _rejection(self) -> ResultKeys:
        """Where a refusal of this submission would be. A handle that does not know its submission takes its
        name for the id.
        """
        return rejected_keys(
            self.group, SubmissionKey.parse(self.submission_key).id if self.submission_key else self.timestamp
        )


@contextlib.contextmanager
def _shown(title: str) -> Iterator[Callable[[JobState], None]]:
    """What shows a job where this runs: in a notebook, on a terminal, or as lines."""
    if in_notebook():
        yield NotebookView().show
        return
    from neurocaas.view import board

    with board() as shown:
        yield lambda state: shown.show(title, state)
