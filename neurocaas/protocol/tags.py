"""Names of tags: of whatever a stack makes, and of a job's machines and volumes. `PriceTracking` to `job` are
the names that other tools and policies rely on.
"""

from __future__ import annotations

from neurocaas.protocol.job import Job

PROJECT_TAG, STACK_TAG, ANALYSIS_TAG = "neurocaas:project", "neurocaas:stack", "neurocaas:analysis"
"""Whose resource it is: the program's, which stack's, which analysis's."""
PRICE_TRACKING = "PriceTracking"
TIMEOUT = "Timeout"
OWNER = "OwnerArn"
GROUP = "group"
ANALYSIS = "analysis"
JOB = "job"
BUCKET = "bucket"
OFFSET = "offset"
"""Index of the first dataset of the launch call; a machine's dataset is this plus its launch index."""
ATTEMPT = "attempt"
"""Which machine of its dataset it is, from 1: AWS may take a spot machine back, then the dataset gets
another.
"""
RUN = "run"
"""`created` of the job's document: an earlier job of the same name, whose records were deleted, has other
machines.
"""
SUBMITTER = "submitter"
"""The person who submitted the job; absent where nobody can say."""
EXEMPT = "neurocaas-exempt"
"""A machine with this tag (value `On`) is left alone by the sweep; its job, if it has one, is not."""
NAME = "Name"


def job_tags(job: Job, owner_arn: str, offset: int, attempt: int = 1) -> dict[str, str]:
    """All machines of one launch call have the same tags. The `Timeout` is in minutes."""
    return {
        PRICE_TRACKING: "On",
        TIMEOUT: str(job.duration_minutes),
        OWNER: owner_arn,
        GROUP: job.group,
        ANALYSIS: job.analysis,
        JOB: job.timestamp,
        BUCKET: job.bucket,
        OFFSET: str(offset),
        ATTEMPT: str(attempt),
        RUN: job.created,
        NAME: f"{job.analysis}/{job.group}/{job.timestamp}"[:255],
        **({SUBMITTER: job.submitter} if job.submitter else {}),
    }
