"""The image and the code of an earlier job, for a rerun of it.

Only two things are taken from its document, and each can only name what was deployed for this group once: the version of the group's
launch template, and the digest of a code archive.
"""

from __future__ import annotations

import re
from dataclasses import replace

from runtime.manager.port import Cloud
from runtime.protocol.documents import DocumentError
from runtime.protocol.job import Job
from runtime.protocol.keys import JobKeys
from runtime.protocol.limits import JOB_MAX_BYTES
from runtime.protocol.problems import InvalidInput, Problem, shown
from runtime.protocol.settings import AnalysisSettings, Code

_ALLOWED = "the timestamp of a job of your group, launched from the launch template that it has now"
_DO = "Correct it, or leave it out: the job then runs on what is deployed now"


def as_then(cloud: Cloud, settings: AnalysisSettings, group: str, timestamp: str) -> AnalysisSettings:
    """The settings with the image and the code that the job `timestamp` had. Raises InvalidInput."""
    raw = cloud.get(settings.bucket, JobKeys.of(group, timestamp).job, JOB_MAX_BYTES)
    try:
        job = Job.from_json(raw) if raw is not None else None
    except DocumentError:
        job = None
    now = settings.groups[group]
    if job is None or job.launch_template.launch_template_id != now.launch_template_id:
        got = f"{shown(timestamp)}, {'which is no job that can be read' if job is None else 'whose launch template is gone'}"
        raise InvalidInput([Problem("rerun_of", got, _ALLOWED, _DO)])
    version, digest = job.launch_template.launch_template_version, job.code.sha256
    if not re.fullmatch("[0-9]{1,9}", version) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise InvalidInput([Problem("rerun_of", f"{shown(timestamp)}, whose document was changed", _ALLOWED, _DO)])
    code = Code(settings.code.bucket, settings.code.key.replace(settings.code.sha256, digest), digest)
    groups = {**settings.groups, group: replace(now, launch_template_version=version)}
    return replace(settings, groups=groups, code=code, image=replace(job.image, ready=True))
