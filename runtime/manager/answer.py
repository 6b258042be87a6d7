"""Answers in S3 for submissions that do not become jobs, and the last words of jobs that could not be launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from runtime.manager.port import Cloud
from runtime.protocol.certificate import CertificateFacts, SetupLog, end_line
from runtime.protocol.documents import iso
from runtime.protocol.job import Job
from runtime.protocol.keys import JobKeys, ResultKeys, SubmissionKey, rejected_keys
from runtime.protocol.notice import notice
from runtime.protocol.problems import Problem
from runtime.protocol.settings import AnalysisSettings


def version_of(settings: AnalysisSettings) -> str:
    """What the certificate calls ANALYSIS VERSION ID: the blueprint's commit, else its digest."""
    return settings.blueprint_commit or settings.blueprint_digest or "unknown"


def reject(cloud: Cloud, settings: AnalysisSettings, key: SubmissionKey, problems: Sequence[Problem], now: datetime) -> None:
    """Answer a submission that has no usable timestamp of its own."""
    refuse(cloud, settings, key.group, key.id, key.key, problems, now)


def refuse(
    cloud: Cloud, settings: AnalysisSettings, group: str, name: str, source: str, problems: Sequence[Problem], now: datetime
) -> None:
    """Answer a file `source` that cannot be about a job, below `results/rejected_{name}/`."""
    log = SetupLog(now, version_of(settings), name or source.rpartition("/")[2])
    log.manager("Detected new job: starting up.", now)
    log.problems("init", problems, now)
    log.step_failed(1, "INPUT", now)
    close(cloud, settings, rejected_keys(group, name), log, "user", source, now, problems=problems)


def close(
    cloud: Cloud,
    settings: AnalysisSettings,
    keys: ResultKeys,
    log: SetupLog,
    exit_class: str,
    submission_key: str,
    now: datetime,
    *,
    problems: Sequence[Problem] = (),
    note: str = "",
    job: Job | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write certificate, certificate.json and `end.txt` of something that ends without a machine. `end.txt` tells the
    first problem, else `note`; who writes it sends the notice, if it is about a job."""
    total = len(job.datasets) if job else 0
    facts = CertificateFacts(
        exit_class=exit_class,
        finished=now,
        group=keys.group,
        job_id=log.job_id,
        submission_key=submission_key,
        analysis=settings.analysis,
        bucket=settings.bucket,
        job=job,
        problems=tuple(problems),
    )
    cloud.put(settings.bucket, keys.certificate, log.render(), metadata=metadata)
    cloud.put(settings.bucket, keys.certificate_json, facts.to_json())
    if problems:
        note = problems[0].text()
    more = f" (and {len(problems) - 1} more, see certificate.txt)" if len(problems) > 1 else ""
    won = cloud.put(settings.bucket, keys.end, end_line(0, total, note + more), if_absent=True)
    if won and settings.topic_arn and isinstance(keys, JobKeys):
        cloud.publish(settings.topic_arn, *notice(facts, iso(log.started), note))
