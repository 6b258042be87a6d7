"""The image and the code of an earlier job, for a rerun of it.

Only two things are taken from its document, and each can only name what was deployed for this group once: the
version of the group's launch template, and the digest of a code archive. An image of then can be started by a
version of the launch template that the group has now. Where that is another one (the group was removed, and
came back), the image of now does when it is the same.
"""

from __future__ import annotations

import re
from dataclasses import replace

from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.limits import JOB_MAX_BYTES
from neurocaas.protocol.problems import InvalidInput, Problem, shown
from neurocaas.protocol.settings import AnalysisSettings, Code
from runtime.manager.port import ManagerCloud

_ALLOWED = "the timestamp of a job of your group, whose image can still be started"
_DO = "Correct it, or leave it out: the job then runs on what is deployed now"


def as_then(cloud: ManagerCloud, settings: AnalysisSettings, group: str, timestamp: str) -> AnalysisSettings:
    """The settings with the image and the code that the job `timestamp` had. Raises InvalidInput."""
    raw = cloud.get(settings.bucket, JobKeys.of(group, timestamp).job, JOB_MAX_BYTES)
    try:
        job = Job.from_json(raw) if raw is not None else None
    except DocumentError:
        job = None
    if job is None:
        raise _refused(timestamp, "which is no job that can be read")
    version, digest, now = (
        job.launch_template.launch_template_version,
        job.code.sha256,
        settings.groups[group],
    )
    if not re.fullmatch("[0-9]{1,9}", version) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise _refused(timestamp, "whose document was changed")
    if job.launch_template.launch_template_id == now.launch_template_id:
        settings = replace(
            settings,
            groups={**settings.groups, group: replace(now, launch_template_version=version)},
            image=replace(job.image, ready=True),
        )
    elif job.image.id != settings.image.id:
        raise _refused(
            timestamp,
            f"whose launch template is gone, and with it the image {job.image.id}; "
            f"now it is {settings.image.id}",
        )
    code = Code(settings.code.bucket, settings.code.key.replace(settings.code.sha256, digest), digest)
    return replace(settings, code=code)


def _refused(timestamp: str, why: str) -> InvalidInput:
    return InvalidInput([Problem("rerun_of", f"{shown(timestamp)}, {why}", _ALLOWED, _DO)])
