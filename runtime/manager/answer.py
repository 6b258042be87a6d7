"""Answers in S3 for submissions that do not become jobs, and the last words of jobs that could not be
launched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from runtime.manager.port import Cloud
from runtime.protocol.certificate import CertificateFacts, SetupLog, claim_metadata, end_line
from runtime.protocol.documents import iso
from runtime.protocol.job import Job
from runtime.protocol.keys import JobId, JobKeys, ResultKeys, SubmissionKey, rejected_keys
from runtime.protocol.limits import QUEUE_MAX_RECEIVES
from runtime.protocol.notice import notice
from runtime.protocol.problems import Problem
from runtime.protocol.settings import AnalysisSettings
from runtime.protocol.status import FAILED, DatasetStatus

SERVICE_FAILED = Problem(
    "submission",
    f"an error of the service itself, each of {QUEUE_MAX_RECEIVES - 1} times that it was tried",
    "a submission that the service can process",
    "Submit again with another timestamp; if it stays so, tell the administrator, who finds the error in "
    "the manager's log",
)


def version_of(settings: AnalysisSettings) -> str:
    """What the certificate calls ANALYSIS VERSION ID: the blueprint's commit, else its digest."""
    return settings.blueprint_commit or settings.blueprint_digest or "unknown"


def reject(
    cloud: Cloud,
    settings: AnalysisSettings,
    key: SubmissionKey,
    problems: Sequence[Problem],
    now: datetime,
    exit_class: str = "user",
    replaced: str = "",
) -> None:
    """Answer a submission that has no usable timestamp of its own. `replaced`: the ETag of one whose file
    another has replaced; the plain name is that of the other's answer."""
    name = f"{key.id}-{replaced[:8]}" if replaced else key.id
    refuse(cloud, settings, key.group, name, key.key, problems, now, exit_class)


def refuse(
    cloud: Cloud,
    settings: AnalysisSettings,
    group: str,
    name: str,
    source: str,
    problems: Sequence[Problem],
    now: datetime,
    exit_class: str = "user",
) -> None:
    """Answer a file `source` that cannot be about a job, below `results/rejected_{name}/`."""
    log = SetupLog(now, version_of(settings), name or source.rpartition("/")[2])
    log.manager("Detected new job: starting up.", now)
    log.problems("init", problems, now, "INPUT" if exit_class == "user" else "INTERNAL")
    log.step_failed(1, "INPUT" if exit_class == "user" else "INTERNAL", now)
    close(cloud, settings, rejected_keys(group, name), log, exit_class, source, now, problems=problems)


def certify(
    cloud: Cloud, bucket: str, keys: ResultKeys, text: str, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a certificate: the service's own, which has `metadata`, and the copy for people."""
    cloud.put(bucket, keys.records.certificate, text, metadata=metadata)
    cloud.put(bucket, keys.certificate, text)


def fail_dataset(cloud: Cloud, job: Job, index: int, reason: str, now: datetime) -> None:
    """Say how a dataset ended for which no machine was started: the verdict that counts, and the status that
    people see.
    """
    dataset = job.datasets[index]
    text = DatasetStatus(FAILED, dataset.inputpath, reason=reason, updated=iso(now)).to_json()
    cloud.put(job.bucket, job.keys.verdict(index), text)
    cloud.put(job.bucket, dataset.status_key, text)


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
) -> tuple[CertificateFacts, str]:
    """Write certificate, certificate.json and `end.txt` of something that ends without a machine; the facts,
    and what `end.txt`
    tells: the first problem, else `note`."""
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
    if problems:
        note = problems[0].text()
    more = f" (and {len(problems) - 1} more, see certificate.txt)" if len(problems) > 1 else ""
    certify(cloud, settings.bucket, keys, log.render(), metadata)
    for place in (keys, keys.records):
        cloud.put(settings.bucket, place.certificate_json, facts.to_json())
        cloud.put(settings.bucket, place.end, end_line(0, total, note + more))
    return facts, note


def end_without_machine(
    cloud: Cloud,
    settings: AnalysisSettings,
    keys: JobKeys,
    log: SetupLog,
    exit_class: str,
    submission_key: str,
    now: datetime,
    *,
    problems: Sequence[Problem] = (),
    note: str = "",
    job: Job | None = None,
) -> None:
    """End a job without a machine: write its end, send the notice, and release what was reserved for it.
    Whoever dies in between leaves the job open, and the next one tells it twice rather than never."""
    metadata = claim_metadata(submission_key, log.started)
    facts, told = close(
        cloud,
        settings,
        keys,
        log,
        exit_class,
        submission_key,
        now,
        problems=problems,
        note=note,
        job=job,
        metadata=metadata,
    )
    item = JobId(settings.bucket, keys.group, keys.timestamp)
    claim = cloud.claimed(settings.ledger_table, item)
    if settings.topic_arn and not (claim and claim.ended):
        cloud.publish(settings.topic_arn, *notice(facts, iso(log.started), told))
    cloud.forget(settings.ledger_table, item, iso(now))
