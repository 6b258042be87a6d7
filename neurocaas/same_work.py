"""Whether a submission would do what a job of the group has done already, as far as that can be seen from
here before anything is uploaded: `neurocaas.protocol.work` says what the same work is, and the service notes
which job has done it.

Files of this computer count where the bucket has them already, under the name that an upload would give
them. What cannot be seen from here (folders, data of other buckets) is told by the service, in the job's
certificate.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from neurocaas.bucket import Bucket
from neurocaas.protocol.addresses import is_address, parse_address
from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.keys import INPUTS, JobKeys
from neurocaas.protocol.outside import place_of
from neurocaas.protocol.pins import Pin
from neurocaas.protocol.plan import own_config, planned_runs
from neurocaas.protocol.work import WORK_MAX_BYTES, DoneWork, content_of, has_succeeded, work_key, work_of
from neurocaas.uploads import UploadContent, name_of

if TYPE_CHECKING:
    from neurocaas.steps import SubmissionPlan, Submitter


def same_as(analysis: Submitter, plan: SubmissionPlan) -> str:
    """The last job of the group that has done the same with success, and whose results are there; "" where
    there is none, or none can be known."""
    work = _work(analysis, plan)
    if not work:
        return ""
    objects, key = analysis.objects, work_key(analysis.group, work)
    if objects.entry(key) is None:  # a group may ask for what is not there by a listing alone
        return ""
    with contextlib.suppress(DocumentError):
        job = DoneWork.from_json(objects.get(key, WORK_MAX_BYTES) or b"").job
        keys = JobKeys.of(analysis.group, job)
        ended = objects.entry(keys.records.end) is not None and has_succeeded(objects.get(keys.records.end))
        if ended and next(objects.list(keys.process_prefix), None) is not None:
            return job
    return ""


def _work(analysis: Submitter, plan: SubmissionPlan) -> str:
    about, config = analysis.about(), plan.checked.config
    if not about.script or config is None or plan.wish.trees or plan.wish.after or plan.wish.manifest:
        return ""
    pins = list(_pins(analysis.objects, analysis.group, plan))
    if None in pins:
        return ""
    found = {pin.path: content_of(pin.path, [pin]) for pin in pins if pin is not None}
    runs = [
        (
            run.name,
            own_config(
                config.values, None if run.parameters else run.number, run.parameters, swept=bool(run.folder)
            ),
            found[run.path],
        )
        for run in planned_runs(found, config)
    ]
    return work_of(about.code_sha256, about.image_id, about.script, runs)


def _pins(objects: Bucket, group: str, plan: SubmissionPlan) -> Iterator[Pin | None]:
    """The datasets in the order of the submission; None for one that cannot be known."""
    for key in plan.wish.keys:
        yield _stored(objects, key)
    for path in plan.wish.files:
        yield _local(objects, group, Path(path))


def _stored(objects: Bucket, path: str) -> Pin | None:
    if is_address(path):
        address = parse_address(path)
        return Pin(path, address.size, f"sha256:{address.sha256}")
    bucket, key = place_of(path, objects.name)
    if bucket != objects.name or key.endswith("/"):
        return None
    entry = objects.entry(key)
    return None if entry is None else Pin(key, int(entry["Size"]), str(entry["ETag"]).strip('"'))


def _local(objects: Bucket, group: str, path: Path) -> Pin | None:
    """A file that is in the bucket already, by its content. It is read only where its size is that of what is
    there."""
    if not path.is_file():
        return None
    content, name = UploadContent(path), name_of(str(path))
    entry = objects.entry(f"{group}/{INPUTS}/{name}")
    if entry is None:
        return None
    if not content.is_that_of(entry):
        entry = objects.entry(f"{group}/{INPUTS}/{content.sha256[:8]}/{name}")
    if entry is None or not content.is_that_of(entry):
        return None
    return Pin(str(entry["Key"]), content.size, str(entry["ETag"]).strip('"'))
