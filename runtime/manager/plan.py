"""From a checked submission to the job document: everything that is decided, in one place and once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from runtime.protocol.config import MEMBER, JobConfig
from runtime.protocol.documents import dumps, iso
from runtime.protocol.job import Dataset, Job
from runtime.protocol.names import dataset_names
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
    others = () if submission.instance_type else settings.fallback_types
    types = (chosen, *(name for name in others if name != chosen))
    return Job(
        analysis=settings.analysis,
        stage=settings.stage,
        bucket=settings.bucket,
        region=settings.region,
        group=submission.group,
        timestamp=submission.timestamp,
        submission_key=submission_key,
        submission_sha256=submission_sha256,
        resultdir=submission.resultdir,
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
        datasets=_datasets(submission, sizes, config),
        market=settings.market,
        zones=settings.zones,
        max_attempts=settings.max_attempts,
        blueprint_digest=settings.blueprint_digest,
        blueprint_commit=settings.blueprint_commit,
    )


def _datasets(submission: Submission, sizes: Mapping[str, int | None], config: JobConfig) -> tuple[Dataset, ...]:
    keys, configname = submission.keys, submission.configname.rpartition("/")[2]
    names = display_names(sizes, config)
    if config.members is None:
        return tuple(
            Dataset(index, name, path, keys.status(name), sizes[path]) for index, (name, path) in enumerate(zip(names, sizes, strict=True))
        )
    (path,) = sizes
    return tuple(
        Dataset(index, name, path, keys.status(name), sizes[path], keys.member_config(index + 1, configname), index + 1)
        for index, name in enumerate(names)
    )


def display_names(paths: Iterable[str], config: JobConfig) -> list[str]:
    """The names of the job's datasets: of each path, or of each member of an ensemble over the only path."""
    names = dataset_names(list(paths))
    return names if config.members is None else [f"{names[0]}_inst{number}" for number in range(1, config.members + 1)]


def member_configs(job: Job) -> dict[str, str]:
    """Key and text of the configuration of each member of an ensemble (JSON, which is YAML too)."""
    return {dataset.configpath: dumps({**job.config, MEMBER: dataset.jobnb}) for dataset in job.datasets if dataset.configpath is not None}
