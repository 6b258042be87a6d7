"""Whether an earlier job of the group has done the very work of a new one: told, and nothing more. What it is
found by is the service's own note of jobs that have succeeded (`neurocaas.protocol.work`).
"""

from __future__ import annotations

from contextlib import suppress

from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.limits import STATUS_MAX_BYTES
from neurocaas.protocol.work import WORK_MAX_BYTES, DoneWork, has_succeeded, work_key
from runtime.manager.port import ManagerCloud, ObjectTooLargeError


def same_as(cloud: ManagerCloud, job: Job) -> str:
    """The last job of the group that has done the same with success, and whose results are there; "" for
    none. Two or three requests to S3; one where there is none."""
    with suppress(DocumentError, ObjectTooLargeError):
        raw = cloud.get(job.bucket, work_key(job.group, job.work), WORK_MAX_BYTES)
        if raw is None:
            return ""
        earlier = DoneWork.from_json(raw).job
        keys = JobKeys.of(job.group, earlier)
        if earlier != job.timestamp and has_succeeded(
            cloud.get(job.bucket, keys.records.end, STATUS_MAX_BYTES)
        ):
            # results in an outside bucket are not looked for
            there = any(True for _ in cloud.objects(job.bucket, keys.process_prefix, "", 1))
            return earlier if there else ""
    return ""
