"""The jobs of a group, from two listings: what was submitted and when, and what was answered. A thousand jobs
cost two requests.

A submission file may have any name: the certificate of a job whose timestamp is not the file's name says in
its metadata which file it answers, and since when.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from neurocaas.bucket import AT_ONCE, Bucket
from neurocaas.errors import AnalysisError
from neurocaas.protocol.certificate import STARTED_METADATA, SUBMISSION_METADATA, digest_of
from neurocaas.protocol.documents import DocumentError, moment
from neurocaas.protocol.job_index import IndexEntry
from neurocaas.protocol.keys import (
    CANCEL_SUFFIX,
    JOBS,
    SUBMISSION_SUFFIX,
    SUBMISSIONS,
    JobKeys,
    SubmissionKey,
    rejected_keys,
)
from neurocaas.protocol.limits import QUEUE_MAX_RECEIVES, QUEUE_VISIBILITY
from neurocaas.typed import command as typed

JUST_SUBMITTED = timedelta(seconds=1.5 * QUEUE_VISIBILITY * QUEUE_MAX_RECEIVES)
"""So long a submission without an answer is listed. By then the manager has given one; where it was deleted
since, the file would be listed for ever."""

LOOKED_AT = 256
"""So many certificates, the latest by name, are asked whose file they answer; more, if a file that has just
come is not among them.
"""

CLOCKS = timedelta(seconds=5)
"""How far the clocks of S3 and of a manager may differ."""

_JOB, _REJECTED = "job_", "rejected_"
_CANCEL = f"_{CANCEL_SUFFIX.removesuffix('.json')}"
_BEGINNING = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class ListedJob:
    """`job` is the job's timestamp; for a submission that became no job (`answer` is "refused"), the
    submission's id. `submitted` is None where it is not known any more. `answer` is "job", "refused", or ""
    while there is none."""

    job: str
    submitted: datetime | None
    answer: str


@dataclass(frozen=True)
class _Sent:
    """A submission file: its digest (`digest_of`), and when it came."""

    digest: str
    time: datetime


class UnknownJobError(AnalysisError):
    """No job and no submission has the name."""


def listing(objects: Bucket, group: str) -> list[ListedJob]:
    """The jobs of a group, the latest submission last; those without a known time come first, by name."""
    with ThreadPoolExecutor(3) as pool:
        came = pool.submit(_submissions, objects, f"{group}/{SUBMISSIONS}/")
        refused = pool.submit(lambda: list(objects.folders(f"{JOBS}/{group}/{_REJECTED}")))
        jobs = set(objects.folders(f"{JOBS}/{group}/{_JOB}"))
        files, folders = came.result(), refused.result()
    named = {rejected_keys(group, name).folder.removeprefix(_REJECTED): name for name in files}
    refusals = {named.get(folder, folder) for folder in folders if not folder.endswith(_CANCEL)}
    latest, answered = datetime.now(timezone.utc) - JUST_SUBMITTED, jobs | refusals
    waiting = {name: sent for name, sent in files.items() if sent.time >= latest and name not in answered}
    claims = _claims(objects, group, jobs - files.keys(), waiting.values())
    times = {name: sent.time for name, sent in (files | claims).items()}
    found = [ListedJob(name, times.get(name), "job") for name in jobs]
    found += [ListedJob(name, times.get(name), "refused") for name in refusals]
    found += [ListedJob(name, sent.time, "") for name, sent in waiting.items() if not _answers(claims, sent)]
    return sorted(found, key=lambda one: (one.submitted or _BEGINNING, one.job))


PAGES_OF_WAITING = 2
"""So many thousand submission files are looked at for those without an answer, beside an index."""


def unanswered(objects: Bucket, group: str, entries: Iterable[IndexEntry]) -> list[ListedJob]:
    """The submissions of the last half hour without an answer, where the answered ones are in the index
    (`entries`, the latest of it at least). Files are listed from those on that have yesterday's date for a
    name, as `neurocaas` gives them; of a group that has more than PAGES_OF_WAITING thousand files with other
    names, those behind them are found when a manager has taken them."""
    prefix = f"{group}/{SUBMISSIONS}/"
    answered, now = {entry.submission for entry in entries}, datetime.now(timezone.utc)
    yesterday = f"{now - timedelta(days=1):%Y-%m-%d}"
    found = []
    for entry in objects.after(prefix, yesterday, 1000 * PAGES_OF_WAITING):
        key, time = str(entry["Key"]), entry["LastModified"]
        if key.endswith(SUBMISSION_SUFFIX) and key not in answered and time >= now - JUST_SUBMITTED:
            found.append(ListedJob(SubmissionKey.parse(key).id, time, ""))
    return sorted(found, key=lambda one: (one.submitted or _BEGINNING, one.job))


def _submissions(objects: Bucket, prefix: str) -> dict[str, _Sent]:
    """The submission files below a prefix, by their ids."""
    entries = ((str(entry["Key"]), entry["LastModified"]) for entry in objects.list(prefix))
    return {
        SubmissionKey.parse(key).id: _Sent(digest_of(key), time)
        for key, time in entries
        if key.endswith(SUBMISSION_SUFFIX)
    }


def _claims(objects: Bucket, group: str, jobs: Iterable[str], files: Collection[_Sent]) -> dict[str, _Sent]:
    """Of jobs, the file that each answers and when it was taken: of the latest by name, and of more while one
    of `files` has no answer.
    """

    def claim(job: str) -> _Sent | None:
        said = objects.metadata(JobKeys.of(group, job).records.certificate)
        try:
            return _Sent(said.get(SUBMISSION_METADATA, ""), moment(said.get(STARTED_METADATA, "")))
        except DocumentError:
            return None

    names, found = sorted(jobs, reverse=True), dict[str, _Sent]()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(0, len(names), LOOKED_AT):
            if start and all(_answers(found, file) for file in files):
                break
            some = names[start : start + LOOKED_AT]
            found |= {
                name: sent for name, sent in zip(some, pool.map(claim, some), strict=True) if sent is not None
            }
    return found


def _answers(claims: Mapping[str, _Sent], file: _Sent) -> list[str]:
    """The jobs that answer a file as it is now, the latest last: it may have been replaced since an earlier
    job.
    """
    ours = [
        (one.time, job)
        for job, one in claims.items()
        if one.digest == file.digest and one.time >= file.time - CLOCKS
    ]
    return [job for _, job in sorted(ours)]


def resolve(objects: Bucket, group: str, name: str) -> str:
    """The job that `name` means: its timestamp, the beginning of only one timestamp, the name of its
    submission file (without `submit.json`), or `last` for the latest submission.

    Raises UnknownJobError, and AnalysisError for a beginning of several.
    """
    if name == "last":
        every = listing(objects, group)
        if not every:
            raise UnknownJobError(
                f"group {group} has no job in bucket {objects.name}",
                "a job that was submitted",
                f"submit one: `{typed('submit')} --help`",
            )
        return every[-1].job
    begins = sorted(f"{name}{rest}" for rest in objects.folders(f"{JOBS}/{group}/{_JOB}{name}"))
    if name in begins:
        return name
    files = _submissions(objects, f"{group}/{SUBMISSIONS}/{name}")
    if name in files:
        jobs = objects.folders(f"{JOBS}/{group}/{_JOB}")
        answers = _answers(_claims(objects, group, jobs, [files[name]]), files[name])
        return answers[-1] if answers else name
    if any(True for _ in objects.list(rejected_keys(group, name).records.prefix)):
        return name
    if len(begins) > 1:
        raise AnalysisError(
            f"{name!r} is the beginning of {len(begins)} jobs",
            _some(begins),
            "write more of the name, or `last` for the latest one",
        )
    if not begins:
        near = difflib.get_close_matches(name, objects.folders(f"{JOBS}/{group}/{_JOB}"), 3, 0.6)
        raise UnknownJobError(
            f"group {group} has no job {name!r} in bucket {objects.name}",
            f"a job of the group{': ' + ', '.join(near) if near else ''}",
            f"`{typed('jobs')}` lists them",
        )
    return begins[0]


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
