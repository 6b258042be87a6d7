"""The end of a job: certificate, `end.txt`, notice."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from runtime.monitor.aws import Cloud, OpenJob
from runtime.monitor.machine import read_status
from runtime.protocol.certificate import CertificateFacts, DatasetOutcome, SetupLog, end_line, final_line, one_line, with_outcome
from runtime.protocol.documents import DocumentError, iso, moment
from runtime.protocol.job import Dataset, Job
from runtime.protocol.keys import report_key
from runtime.protocol.ledger import micro_dollars
from runtime.protocol.report import ComputeReport
from runtime.protocol.status import FAILED, NONE, SUCCESS, DatasetStatus
from runtime.protocol.stop import outcome_of


def finish(cloud: Cloud, job: Job, item: OpenJob, now: datetime, *, repair: bool = False) -> bool:
    """Write the end of a job whose datasets are all final, exactly once; True if this call did it.

    Two monitors may come here at once: both write the same certificate, the conditional write of `end.txt` decides who
    notifies. With `repair` a job whose `end.txt` is there but which is still open is notified and closed as well.
    """
    reports = last_reports(cloud, item)
    outcomes = [_outcome(cloud, job, dataset, item, reports.get(dataset.index)) for dataset in job.datasets]
    exit_class, reason = _exit(outcomes, reports)
    facts = CertificateFacts(
        exit_class=exit_class,
        finished=now,
        group=job.group,
        job_id=job.timestamp,
        submission_key=job.submission_key,
        analysis=job.analysis,
        bucket=job.bucket,
        job=job,
        datasets=tuple(outcomes),
    )
    _write_certificate(cloud, job, facts, now)
    cloud.put(job.bucket, job.keys.certificate_json, facts.to_json())
    line = end_line(facts.succeeded, len(outcomes), reason if exit_class != "success" else "")
    won = cloud.put(job.bucket, job.keys.end, line, if_absent=True)
    if won or repair:
        cloud.publish(*notice(facts, job, reason))
        cloud.settle(item, micro_dollars(facts.cost))
    return won


def notice(facts: CertificateFacts, job: Job, reason: str) -> tuple[str, str]:
    """Subject (at most 100 ASCII characters, the limit of SNS) and text of the message about a job."""
    outcome = end_line(facts.succeeded, len(facts.datasets)).strip()
    subject = f"NeuroCAAS {job.analysis}: job {job.timestamp} of {job.group}: {outcome}"[:100]
    elapsed = facts.finished - moment(job.created)
    text = [
        f"{outcome} datasets of job {job.timestamp} (group {job.group}, analysis {job.analysis}).",
        f"Time: {timedelta(seconds=round(elapsed.total_seconds()))}. Cost: ${facts.cost:.4f}.",
        *([f"First failure: {reason}"] if reason else []),
        f"Results: s3://{job.bucket}/{job.keys.prefix}",
    ]
    return subject, "\n".join(text)


def filed_reports(cloud: Cloud, item: OpenJob) -> list[ComputeReport]:
    """The reports of the machines that the item names."""
    bucket, group, _ = item.job
    found = []
    for instance in sorted(item.instances):
        content = cloud.get(bucket, report_key(group, instance))
        if content is not None:
            with suppress(DocumentError):
                found.append(ComputeReport.from_json(content.body))
    return found


def last_reports(cloud: Cloud, item: OpenJob) -> dict[int, ComputeReport]:
    """The last report of each dataset."""
    return {report.dataset: report for report in sorted(filed_reports(cloud, item), key=lambda report: moment(report.start))}


def _outcome(cloud: Cloud, job: Job, dataset: Dataset, item: OpenJob, report: ComputeReport | None) -> DatasetOutcome:
    state = SUCCESS if dataset.index in item.succeeded and dataset.index not in item.failed else FAILED
    if report is None:
        content = cloud.get(job.bucket, dataset.status_key)
        status: DatasetStatus = read_status(content.body if content else None)
        reason = None if status.reason == NONE else status.reason
        return DatasetOutcome(dataset.name, dataset.inputpath, state, reason, status.exit_code, None, None, None, None, 0.0, 0.0)
    return DatasetOutcome(
        dataset.name,
        dataset.inputpath,
        state,
        report.reason,
        report.exit_code,
        report.instance_id,
        report.instance_type,
        report.start,
        report.end,
        report.seconds,
        report.cost,
    )


def _exit(outcomes: Sequence[DatasetOutcome], reports: dict[int, ComputeReport]) -> tuple[str, str]:
    """The job's exit class and the reason of the first dataset that failed."""
    for index, outcome in enumerate(outcomes):
        if outcome.status != SUCCESS:
            report = reports.get(index)
            exit_class = report.exit_class or "platform" if report else outcome_of(outcome.reason) or "capacity"
            return exit_class, one_line(f"{outcome.name}: {_why(outcome)}")
    return "success", ""


def _why(outcome: DatasetOutcome) -> str | None:
    """Why a dataset failed, in words; None for one that did not."""
    if outcome.status == SUCCESS:
        return None
    failed = "the analysis failed" if outcome.exit_code is None else f"the analysis script ended with exit code {outcome.exit_code}"
    return outcome.reason or failed


def _write_certificate(cloud: Cloud, job: Job, facts: CertificateFacts, now: datetime) -> None:
    time = iso(now)
    lines = [final_line(outcome.inputpath, outcome.status, outcome.end or time, _why(outcome)) for outcome in facts.datasets]
    seconds = sum(outcome.seconds for outcome in facts.datasets)
    closing = [
        f"JOB RESULT: {end_line(facts.succeeded, len(facts.datasets)).strip()}",
        f"JOB FINISHED: {time} (exit class: {facts.exit_class})",
        f"JOB COST: ${facts.cost:.4f} for {seconds / 3600:.4f} machine hours",
    ]
    old = cloud.get(job.bucket, job.keys.certificate)
    text = with_outcome(old.body.decode("utf-8", "replace"), lines, closing) if old else None
    if text is None:  # the certificate was deleted or edited: say at least what is known
        log = SetupLog(moment(job.created), job.blueprint_commit or job.blueprint_digest or "unknown", job.timestamp)
        text = with_outcome(log.render(lines), lines, closing)
        assert text is not None
    cloud.put(job.bucket, job.keys.certificate, text, metadata=old.metadata if old else None)
