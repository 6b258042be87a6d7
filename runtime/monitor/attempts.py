"""What attempts of a dataset have written that were not its last: only the last one's results are results.

They are moved from `process_results/` to `attempts/{n}/process_results/` twice: before the next machine is
asked for, so that it begins with nothing of another's there, and once more at the job's end, for what came
late. What an attempt has written is known by its machine's own record (`files.json`), which can name nothing
but results of its own job; an object is moved only while it is the very version that the record names, so
what another machine has written in its place stays. In a job of one dataset, all that lies there before its
next machine is asked for is the last one's, recorded or not.

Where results go to an outside bucket, nothing is moved: the service may write there, and neither read nor
remove.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from neurocaas.protocol.attempt import CAPACITY, HOST, MEMORY, AttemptRequest
from neurocaas.protocol.certificate import MovedFile
from neurocaas.protocol.job import Job
from runtime.monitor.evidence import Records
from runtime.monitor.machine import INTERRUPTED
from runtime.monitor.port import MonitorCloud, Move


def service_files(job: Job, index: int) -> frozenset[str]:
    """Keys in `process_results/` that the service, or the frame of each machine, writes itself."""
    name, combination = job.configpath_of(index).rpartition("/")[2], job.datasets[index].folder
    place = job.keys.process_prefix + (f"{combination}/" if combination else "")
    return frozenset({job.keys.end, job.keys.update, f"{place}update.txt", f"{place}{name}"})


def results_of(cloud: MonitorCloud, job: Job, index: int, recorded: Sequence[MovedFile]) -> Iterator[str]:
    """Paths of the results of a dataset below `process_results/`, or below the folder of its combination
    there: those `recorded` by its machine, and in a job of one dataset all that lies there, however it came.
    Whoever takes only some of them, lists no more."""
    bucket, keys = job.results
    prefix = job.results_prefix(index)
    yield from (
        file.key.removeprefix(prefix if file.key.startswith(prefix) else keys.process_prefix)
        for file in recorded
        if file.key.startswith(keys.process_prefix)
    )
    if bucket == job.bucket and len(job.datasets) == 1:
        own = service_files(job, index)
        yield from (
            key.removeprefix(prefix if key.startswith(prefix) else keys.process_prefix)
            for key in cloud.keys(bucket, keys.process_prefix)
            if key not in own
        )


def being_started(asked: AttemptRequest, before: str, attempt: int, attempts: int) -> str:
    """Why a dataset waits for the machine of its next attempt, after one of the type `before`."""
    if asked.because == MEMORY:
        return (
            f"its machine ({before}) ran out of memory; attempt {attempt} is being started on "
            f"{asked.instance_type}"
        )
    what = f"{INTERRUPTED} AWS has taken the spot machine back"
    if asked.because == CAPACITY:
        what = "EC2 has ended the machine before it ran"
    if asked.because == HOST:
        what = f"{INTERRUPTED} the machine has failed by AWS's fault"
    return f"{what}; attempt {attempt} of {attempts + asked.grown} is being started"


def before_next(cloud: MonitorCloud, job: Job, index: int, attempt: int, instance: str) -> list[Move]:
    """What is to be moved before another machine is asked for, after the one of this attempt."""
    if job.results[0] != job.bucket:
        return []
    if len(job.datasets) > 1:
        return _recorded(job, index, attempt, Records(cloud, job).of(index, instance).get("results", ()))
    own = service_files(job, index)
    found = (one for one in cloud.files(job.bucket, job.keys.process_prefix) if one.key not in own)
    return [Move(one.key, job.keys.apart(attempt, one.key), etag=one.etag) for one in found]


def late(
    job: Job, index: int, attempt: int, recorded: Sequence[MovedFile], final: Collection[str]
) -> list[Move]:
    """What is to be moved at the job's end of what the machine of an earlier attempt has `recorded`: nothing
    that is among the `final` results (keys)."""
    return (
        []
        if job.results[0] != job.bucket
        else [one for one in _recorded(job, index, attempt, recorded) if one.key not in final]
    )


def _recorded(job: Job, index: int, attempt: int, recorded: Sequence[MovedFile]) -> list[Move]:
    own = service_files(job, index)
    return [
        Move(file.key, job.keys.apart(attempt, file.key), file.version_id)
        for file in recorded
        if file.version_id is not None
        and file.key.startswith(job.keys.process_prefix)
        and file.key not in own
    ]


class Apart:
    """What lies in `attempts/` at a job's end. `refused`: keys that could not be moved."""

    def __init__(self, cloud: MonitorCloud, job: Job, refused: Collection[str]) -> None:
        self._job, self._refused = job, refused
        self._outside = job.results[0] != job.bucket
        self._there = set[str]() if self._outside else set(cloud.keys(job.bucket, job.keys.attempts_prefix))

    def files(self, attempt: int, recorded: Sequence[MovedFile]) -> tuple[MovedFile, ...]:
        """The results that the machine of an attempt has `recorded`, where they lie now."""
        found = []
        for file in recorded:
            if file.key.startswith(self._job.results[1].process_prefix):
                to = self._job.keys.apart(attempt, file.key)
                found.append(replace(file, key=to, version_id=None) if to in self._there else file)
        return tuple(found)

    def told(self, attempt: int, files: Sequence[MovedFile], *, recorded: bool) -> str:
        """Where the results of an attempt are, in words. `files` as above; `recorded`: its machine has left a
        record.
        """
        prefix = self._job.keys.apart(attempt, self._job.keys.process_prefix)
        left = [file.key for file in files if not file.key.startswith(prefix)]
        outside = len(left) if self._outside else 0
        stuck = sum(key in self._refused for key in left)
        lost = len(left) - outside - stuck
        # What its machine has not recorded can be told from that of other datasets only where there is none.
        kept = (
            sum(key.startswith(prefix) for key in self._there)
            if len(self._job.datasets) == 1
            else len(files) - len(left)
        )
        said = {
            f"{kept} kept apart in {prefix.removeprefix(self._job.keys.prefix)}": kept,
            f"{outside} where they were, in an outside bucket": outside,
            f"{stuck} where they were, as S3 has refused to move them": stuck,
            f"{lost} not kept apart (replaced since, over 5 GB, or recorded without a version)": lost,
            "its machine left no record of what it wrote": not recorded,
        }
        return ", ".join(text for text, true in said.items() if true) or "none"
