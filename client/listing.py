"""The jobs of a group, from two listings: what was submitted and when, and what was answered. A thousand jobs cost two requests."""

import difflib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from client.bucket import Bucket
from client.errors import AnalysisError
from runtime.protocol.keys import CANCEL_SUFFIX, RESULTS, SUBMISSION_SUFFIX, SUBMISSIONS, SubmissionKey, rejected_keys

JUST_SUBMITTED = timedelta(minutes=15)
"""So long a submission without an answer is listed: a file whose name is not its job's would be listed for ever."""

_JOB, _REJECTED = "job_", "rejected_"
_CANCEL = f"_{CANCEL_SUFFIX.removesuffix('.json')}"


@dataclass(frozen=True)
class ListedJob:
    """`job` is the job's timestamp; for a submission that became no job (`answer` is "refused"), the submission's id. `submitted`
    is None where the submission file is gone or has another name. `answer` is "job", "refused", or "" while there is none."""

    job: str
    submitted: datetime | None
    answer: str


class UnknownJobError(AnalysisError):
    """No job and no submission has the name."""


def listing(objects: Bucket, group: str) -> list[ListedJob]:
    """The jobs of a group, the latest submission last; those without a known time come first, by name."""
    with ThreadPoolExecutor(3) as pool:
        came = pool.submit(_submissions, objects, group)
        refused = pool.submit(lambda: list(objects.folders(f"{group}/{RESULTS}/{_REJECTED}")))
        jobs = set(objects.folders(f"{group}/{RESULTS}/{_JOB}"))
        times, answers = came.result(), refused.result()
    named = {rejected_keys(group, name).folder.removeprefix(_REJECTED): name for name in times}
    found = [ListedJob(name, times.get(name), "job") for name in jobs]
    for folder in answers:
        name = named.get(folder, folder)
        if not folder.endswith(_CANCEL):
            found.append(ListedJob(name, times.get(name), "refused"))
    known = {one.job for one in found}
    latest = datetime.now(UTC) - JUST_SUBMITTED
    found += [ListedJob(name, time, "") for name, time in times.items() if name not in known and time >= latest]
    beginning = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda one: (one.submitted or beginning, one.job))


def _submissions(objects: Bucket, group: str) -> dict[str, datetime]:
    """The ids of the submission files with the times at which they came."""
    prefix = f"{group}/{SUBMISSIONS}/"
    entries = ((str(entry["Key"]), entry["LastModified"]) for entry in objects.list(prefix))
    return {SubmissionKey(group, key.removeprefix(prefix)).id: time for key, time in entries if key.endswith(SUBMISSION_SUFFIX)}


def resolve(objects: Bucket, group: str, name: str) -> str:
    """The job that `name` means: its timestamp, the beginning of only one timestamp, or `last` for the latest submission.

    Raises UnknownJobError, and AnalysisError for a beginning of several.
    """
    if name == "last":
        every = listing(objects, group)
        if not every:
            raise UnknownJobError(
                f"group {group} has no job in bucket {objects.name}", "a job that was submitted", "submit one: `invoke submit --help`"
            )
        return every[-1].job
    begins = sorted(f"{name}{rest}" for rest in objects.folders(f"{group}/{RESULTS}/{_JOB}{name}"))
    if name in begins or _is_submitted(objects, group, name):
        return name
    if len(begins) > 1:
        raise AnalysisError(
            f"{name!r} is the beginning of {len(begins)} jobs", _some(begins), "write more of the name, or `last` for the latest one"
        )
    if not begins:
        near = difflib.get_close_matches(name, objects.folders(f"{group}/{RESULTS}/{_JOB}"), 3, 0.6)
        raise UnknownJobError(
            f"group {group} has no job {name!r} in bucket {objects.name}",
            f"a job of the group{': ' + ', '.join(near) if near else ''}",
            "`invoke jobs` lists them",
        )
    return begins[0]


def _is_submitted(objects: Bucket, group: str, name: str) -> bool:
    """Whether there is a submission of that name, or the refusal of one."""
    places: Iterator[str] = iter([f"{group}/{SUBMISSIONS}/{name}_{SUBMISSION_SUFFIX}", rejected_keys(group, name).logs_prefix])
    return any(True for place in places for _ in objects.list(place))


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
