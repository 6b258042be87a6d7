"""What a submission takes of an earlier job (`--after`), as far as that is known before its end."""

from __future__ import annotations

from collections.abc import Sequence

from neurocaas.bucket import Bucket
from neurocaas.data_checks import Data
from neurocaas.errors import AnalysisError
from neurocaas.protocol.chain import PROCESS, Earlier, Source, is_pattern, parse_after
from neurocaas.protocol.keys import SUBMISSIONS, JobId, JobKeys
from neurocaas.protocol.required import fits


def earlier_job(after: str, sources: Sequence[Source], bucket: str, group: str) -> Earlier | None:
    """The job that `after` means; None where it means none (the manager's rules say so)."""
    found = parse_after(after)
    if found is None:
        return None
    analysis, timestamp = found
    if not analysis:
        return Earlier(JobId(bucket, group, timestamp))
    source = next((one for one in sources if one.analysis == analysis), None)
    return Earlier(JobId(source.bucket, group, timestamp), analysis, source.stack) if source else None


def taken(earlier: Earlier, names: Sequence[str], objects: Bucket, errors: list[AnalysisError]) -> list[Data]:
    """What the names `process_results/…` are: of a job that has ended all that is there, else one dataset
    each, whose size nobody knows yet. `errors` gets what is wrong."""
    where = objects if earlier.job.bucket == objects.name else Bucket(objects.s3, earlier.job.bucket)
    if where.get(earlier.keys.records.end) is None:
        if where is objects and not _known(earlier, where):
            do = "check the name: `neurocaas jobs` lists them"
            errors.append(AnalysisError(f"no job {earlier.name!r}", "a job of the group", do))
        return [Data(name, (None,)) for name in names]
    own = {earlier.keys.end, earlier.keys.update}
    there = {
        one["Key"].removeprefix(earlier.keys.process_prefix): int(one["Size"])
        for one in where.list(earlier.keys.process_prefix)
        if one["Key"] not in own
    }
    found = []
    for name in names:
        path = name.removeprefix(PROCESS)
        if is_pattern(path):
            sizes = [size for key, size in there.items() if fits(path, key)]
        elif path == "" or path.endswith("/"):
            inside = [size for key, size in there.items() if key.startswith(path)]
            sizes = [sum(inside)] if inside else []
        else:
            sizes = [there[path]] if path in there else []
        if not sizes:
            some = ", ".join(list(there)[:5]) or "it has none"
            errors.append(
                AnalysisError(
                    f"no result {path!r} of job {earlier.name}", f"its results: {some}", "correct it"
                )
            )
        found.append(Data(name, tuple(sizes) or (None,)))
    return found


def _known(earlier: Earlier, objects: Bucket) -> bool:
    """Whether the job was submitted: its answer is there, or the file that asks for it."""
    keys = JobKeys.of(earlier.job.group, earlier.job.timestamp)
    asked = f"{earlier.job.group}/{SUBMISSIONS}/{earlier.job.timestamp}_submit.json"
    return objects.entry(asked) is not None or any(objects.list(keys.records.prefix))
