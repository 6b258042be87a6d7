"""From a checked submission to the job document: everything that is decided, in one place and once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from runtime.protocol.config import JobConfig
from runtime.protocol.documents import iso
from runtime.protocol.job import Dataset, Job
from runtime.protocol.settings import AnalysisSettings
from runtime.protocol.submission import Submission


def plan(
    settings: AnalysisSettings,
    submission: Submission,
    submission_key: str,
    submission_sha256: str,
    sizes: Mapping[str, int | None],
    config: JobConfig,
    created: datetime,
) -> Job:
    """The job of `submission`. `sizes` has the bytes of each dataset, None for folders. Pure."""
    chosen = submission.instance_type or settings.instance_type
    # A type that the analyst chose is kept; the analysis's own may be replaced by its alternatives.
    others = [] if submission.instance_type else [name for name in settings.instance_types if name != chosen]
    types = (chosen, *others)
    return Job(
        analysis=settings.analysis,
        stage=settings.stage,
        bucket=settings.bucket,
        region=settings.region,
        group=submission.group,
        timestamp=submission.timestamp,
        submission_key=submission_key,
        submission_sha256=submission_sha256,
        resultdir=submission.keys.resultdir,
        configpath=submission.configname,
        configname=submission.configname.rpartition("/")[2],
        config=config.values,
        script=settings.script,
        code=settings.code,
        instance_type=chosen,
        instance_types=types,
        prices={name: settings.prices[name] for name in types},
        duration_minutes=config.duration_minutes,
        volume_gib=settings.volume_gib + config.dataset_size_gib,
        dataset_size_gib=config.dataset_size_gib,
        image=settings.image,
        launch_template=settings.groups[submission.group],
        price_per_hour=settings.prices[chosen],
        created=iso(created),
        datasets=tuple(
            Dataset(index, name, path, submission.keys.status(name), sizes[path])
            for index, (name, path) in enumerate(zip(submission.names, submission.datanames, strict=True))
        ),
        blueprint_digest=settings.blueprint_digest,
        blueprint_commit=settings.blueprint_commit,
    )
