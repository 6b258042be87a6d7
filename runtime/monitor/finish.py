"""The end of a job: certificate, `end.txt`, notice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone

from runtime.monitor.machine import RECLAIM, read_status
from runtime.monitor.port import Cloud, OpenJob
from runtime.protocol import logline
from runtime.protocol.certificate import CertificateFacts, DatasetOutcome, MovedFile, SetupLog, end_line, final_line, one_line, with_outcome
from runtime.protocol.documents import DocumentError, iso, loads, moment, take, take_optional
from runtime.protocol.job import Dataset, Job
from runtime.protocol.keys import JobKeys, report_key
from runtime.protocol.ledger import micro_dollars
from runtime.protocol.notice import notice
from runtime.protocol.problems import Problem
from runtime.protocol.report import ComputeReport
from runtime.protocol.status import FAILED, NONE, SUCCESS, DatasetStatus
from runtime.protocol.stop import CANCELLED, outcome_of


def finish(cloud: Cloud, job: Job, item: OpenJob, now: datetime, *, repair: bool = False) -> bool:
    """Write the end of a job whose datasets are all final, exactly once; True if this call did it.

    Two monitors may come here at once: both write the same certificate, the conditional write of `end.txt` decides who
    notifies. With `repair` a job whose `end.txt` is there but which is still open is notified and closed as well.
    """
    reports: dict[int, list[ComputeReport]] = defaultdict(list)
    for report in sorted(filed_reports(cloud, item), key=lambda report: moment(report.start)):
        reports[report.dataset].append(report)
    outcomes = [_outcome(cloud, job, dataset, item, reports[dataset.index]) for dataset in job.datasets]
    exit_class, reason = _exit(outcomes)
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
    refused = _tell_outside(cloud, job, line)
    won = cloud.put(job.bucket, job.keys.end, line, if_absent=True)
    if won or repair:
        cloud.publish(*notice(facts, job.created, reason, refused, _last_error(cloud, job, outcomes)))
        cloud.settle(item, micro_dollars(facts.cost))
        metrics = {"success": {logline.SUCCEEDED: 1}, CANCELLED: {}}.get(exit_class, {logline.FAILED: 1})
        cloud.measure(item.job, f"job ended: {line.strip()}", metrics)
    return won


def _last_error(cloud: Cloud, job: Job, outcomes: Sequence[DatasetOutcome]) -> str:
    """What the script of the first dataset that failed said last on its stderr."""
    for dataset, outcome in zip(job.datasets, outcomes, strict=True):
        if outcome.status != SUCCESS:
            content = cloud.get(job.bucket, dataset.status_key)
            lines = [line for line in read_status(content.body if content else None).stderr.values() if line.strip()]
            return one_line(lines[-1]) if lines else ""
    return ""


def _tell_outside(cloud: Cloud, job: Job, line: str) -> str | None:
    """Where results went to an outside bucket: copy the job's logs beside them, then write `end.txt`. S3's refusal, or None.
    A bucket that refuses does not keep the job open: everything is in the analysis bucket as well."""
    bucket, there = job.results
    if bucket == job.bucket:
        return None
    own = job.keys.logs_prefix
    logs = {key: there.logs_prefix + key.removeprefix(own) for key in cloud.keys(job.bucket, own)}
    return cloud.hand_over(job.bucket, logs, bucket, (there.end, line))


def finish_without_document(cloud: Cloud, item: OpenJob, now: datetime) -> None:
    """Write the end of a job whose document is missing: all that can be said is that it is over, and what its machines cost."""
    bucket, group, timestamp = item.job
    keys = JobKeys.of(group, timestamp)
    told = Problem("job", "a job whose document job.json is missing", "a job that can be followed", "Submit again with another timestamp")
    facts = CertificateFacts("platform", now, group, timestamp, item.submission, item.analysis, bucket, problems=(told,))
    cost = micro_dollars(sum(report.cost for report in filed_reports(cloud, item)))
    line = end_line(0, 0, told.text())
    old = cloud.get(bucket, keys.certificate)
    closing = f"JOB RESULT: {line}JOB FINISHED: {iso(now)} (exit class: {facts.exit_class})\nJOB COST: ${cost / 1e6:.4f}\n"
    text = old.body.decode("utf-8", "replace") if old else ""
    cloud.put(bucket, keys.certificate, text + closing, metadata=old.metadata if old else None)
    cloud.put(bucket, keys.certificate_json, facts.to_json())
    cloud.put(bucket, keys.end, line, if_absent=True)
    cloud.publish(*notice(facts, iso(datetime.fromtimestamp(item.created, timezone.utc)), told.text()))
    cloud.settle(item, cost)
    cloud.measure(item.job, f"job ended: {line.strip()}", {logline.FAILED: 1})


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


def _outcome(cloud: Cloud, job: Job, dataset: Dataset, item: OpenJob, reports: Sequence[ComputeReport]) -> DatasetOutcome:
    """How a dataset ended, from the reports of its machines, the last of which decides."""
    state = SUCCESS if dataset.index in item.succeeded and dataset.index not in item.failed else FAILED
    last = reports[-1] if reports else None
    if last is None or (state == FAILED and last.exit_class == RECLAIM):  # then the manager, or the monitor, has said why
        content = cloud.get(job.bucket, dataset.status_key)
        status: DatasetStatus = read_status(content.body if content else None)
        reason, exit_code = None if status.reason == NONE else status.reason, status.exit_code
    else:
        reason, exit_code = last.reason, last.exit_code
    return DatasetOutcome(
        name=dataset.name,
        inputpath=dataset.inputpath,
        status=state,
        reason=reason,
        exit_code=exit_code,
        exit_class="success" if state == SUCCESS else _exit_class(last, reason),
        instance=last.instance_id if last else None,
        instance_type=last.instance_type if last else None,
        image_id=last.image_id if last else None,
        start=reports[0].start if reports else None,
        end=last.end if last else None,
        attempts=len(reports),
        seconds=sum(report.seconds for report in reports),
        cost=sum(report.cost for report in reports),
        configpath=job.configpath_of(dataset.index),
        **_moved(cloud, job, dataset),
    )


def _moved(cloud: Cloud, job: Job, dataset: Dataset) -> dict[str, tuple[MovedFile, ...]]:
    """What the dataset's machine has recorded of the files it moved; analysis scripts can reach the record, so it may be
    anything."""
    content = cloud.get(job.bucket, job.keys.record(dataset.name))
    with suppress(DocumentError):
        record = loads(content.body if content else b"{}", "record")
        return {kind: tuple(map(_moved_file, take_optional(record, kind, list, "record") or ())) for kind in ("inputs", "results")}
    return {}


def _moved_file(entry: object) -> MovedFile:
    if not isinstance(entry, dict):
        raise DocumentError("record: a file is not an object")
    return MovedFile(
        bucket=take(entry, "bucket", str, "record"),
        key=take(entry, "key", str, "record"),
        bytes=take(entry, "bytes", int, "record"),
        sha256=take(entry, "sha256", str, "record"),
        version_id=take_optional(entry, "version_id", str, "record"),
    )


def _exit_class(last: ComputeReport | None, reason: str | None) -> str:
    return outcome_of(reason) or (last.exit_class or "platform" if last else "capacity")


def _exit(outcomes: Sequence[DatasetOutcome]) -> tuple[str, str]:
    """The job's exit class and the reason: those of the first dataset that failed."""
    for outcome in outcomes:
        if outcome.status != SUCCESS:
            return outcome.exit_class, one_line(f"{outcome.name}: {_why(outcome)}")
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
