"""The end of a job: certificate, `end.txt`, notice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice

from neurocaas.protocol import digest, logline
from neurocaas.protocol.attempt import RECLAIM, AttemptRequest
from neurocaas.protocol.certificate import (
    LINE,
    CertificateFacts,
    DatasetOutcome,
    MachineOutcome,
    MovedFile,
    SetupLog,
    attempt_lines,
    claim_metadata,
    closing_lines,
    datanames,
    end_line,
    final_line,
    with_closing,
    with_outcome,
)
from neurocaas.protocol.cost import micro_dollars
from neurocaas.protocol.documents import DocumentError, iso, moment
from neurocaas.protocol.job import Dataset, Job
from neurocaas.protocol.job_index import IndexEntry, brief, entry_of
from neurocaas.protocol.keys import JobKeys, report_key
from neurocaas.protocol.limits import ENDING_GRACE, LOGS_MAX_COPIES
from neurocaas.protocol.notice import JOB_FAILED, notice
from neurocaas.protocol.outcomes import sweep_table, table_csv, table_json
from neurocaas.protocol.printable import one_line
from neurocaas.protocol.problems import Problem
from neurocaas.protocol.report import ComputeReport
from neurocaas.protocol.settings import ON_DEMAND, SPOT
from neurocaas.protocol.spending import tell_nearly_used
from neurocaas.protocol.status import FAILED, NONE, SUCCESS, DatasetStatus
from neurocaas.protocol.stop import CANCELLED, outcome_of
from neurocaas.protocol.work import DoneWork, work_key
from runtime.monitor.attempts import Apart, late, results_of
from runtime.monitor.chain import next_step, of_step, submit_next, wake_followers
from runtime.monitor.evidence import Records, read_status, status_of
from runtime.monitor.history import job_ended, of_reports, write_history
from runtime.monitor.machine import HOST_FAILED
from runtime.monitor.port import MonitorCloud, OpenJob
from runtime.monitor.shared import with_shared
from runtime.monitor.sizes import learn_sizes
from runtime.monitor.waking import wake


def finish(cloud: MonitorCloud, job: Job, item: OpenJob, now: datetime) -> bool:
    """Write the end of a job whose datasets are all final; True if this call did it.

    Two monitors may come here at once: the first to note in the job's item that it has begun goes on alone.
    When it dies on the way, the next one, or the sweep, does it all once more: the end is written in the same
    words, and told twice rather than never. So its time is that at which the last machine ended, which all of
    them read in the same reports.
    """
    if not _begin(cloud, item, now):
        return False
    reports: dict[int, list[ComputeReport]] = defaultdict(list)
    filed = filed_reports(cloud, item)
    for report in sorted(filed, key=lambda report: (report.attempt, moment(report.start))):
        reports[report.dataset].append(report)
    records = Records(cloud, job)
    outcomes = [
        _outcome(cloud, job, dataset, item, reports[dataset.index], records) for dataset in job.datasets
    ]
    outcomes = with_shared(_with_machines(cloud, job, reports, outcomes, records))
    exit_class, reason = _exit(outcomes)
    facts = CertificateFacts(
        exit_class=exit_class,
        finished=max((moment(report.end) for report in filed if report.end), default=now),
        group=job.group,
        job_id=job.timestamp,
        submission_key=job.submission_key,
        analysis=job.analysis,
        bucket=job.bucket,
        job=job,
        datasets=tuple(outcomes),
    )
    step = next_step(cloud, job, exit_class, succeeded=facts.succeeded == len(outcomes))
    facts = replace(facts, next=step.told if step else None)
    line = end_line(facts.succeeded, len(outcomes), reason if exit_class != "success" else "")
    over = job_ended(job.id, facts.finished, line, exit_class, facts.cost)
    known = [*of_reports(job, reports, outcomes, over), *of_step(job, step, facts.finished)]
    write_history(cloud, job.id, known)
    refused = _write_end(
        cloud,
        job.bucket,
        job.keys,
        facts,
        _certificate(cloud, job, facts),
        line,
        job.submission_key,
        job.created,
        lambda: _tell_outside(cloud, job, line),
    )
    learn_sizes(cloud, job, reports)
    cloud.note_ended(job.group, digest.day_of(now), digest.line_of(facts))
    cloud.publish(*notice(facts, job.created, reason, refused, _last_error(cloud, job, outcomes)))
    wake_followers(cloud, item.job)
    submit_next(cloud, job, step, facts.finished)
    if job.cap:
        cloud.settle_cap(job.cap, job.timestamp, micro_dollars(facts.cost))
    spent, good = micro_dollars(facts.cost), facts.succeeded
    entry = entry_of(
        job,
        state=SUCCESS if good == len(outcomes) else FAILED,
        done=len(outcomes),
        failed=len(outcomes) - good,
        ended=iso(facts.finished),
        cost=spent,
        seconds=sum(outcome.seconds for outcome in outcomes),
        why=reason,
    )
    if job.work and good == len(outcomes):
        cloud.put(job.bucket, work_key(job.group, job.work), DoneWork(job.timestamp).to_json())
    # Before the job is closed: who is killed in between comes again.
    cloud.index(job.bucket, job.group, entry)
    _settle(cloud, item, spent, iso(now))
    wake(cloud, job.bucket, now.timestamp())
    metrics = {"success": {logline.SUCCEEDED: 1}, CANCELLED: {}}.get(exit_class, {logline.FAILED: 1})
    cloud.measure(item.job, f"job ended: {line.strip()}", metrics)
    return True


def _settle(cloud: MonitorCloud, item: OpenJob, spent: int, ended: str) -> None:
    cloud.settle(item, spent, ended)
    if item.budget is not None:
        tell_nearly_used(cloud, item.budget)


def _begin(cloud: MonitorCloud, item: OpenJob, now: datetime) -> bool:
    return cloud.begin_end(item.job, now.timestamp(), now.timestamp() - ENDING_GRACE)


def _last_error(cloud: MonitorCloud, job: Job, outcomes: Sequence[DatasetOutcome]) -> str:
    """What the script of the first dataset that failed said last on its stderr; "" when the reason says
    it.
    """
    for outcome in outcomes:
        if outcome.status != SUCCESS:
            said = status_of(cloud, job, outcome.instance).stderr.values() if outcome.instance else ()
            lines = [line.strip() for line in said if line.strip()]
            return one_line(lines[-1], LINE) if lines and lines[-1] not in (outcome.reason or "") else ""
    return ""


def _write_end(
    cloud: MonitorCloud,
    bucket: str,
    keys: JobKeys,
    facts: CertificateFacts,
    certificate: str,
    line: str,
    submission_key: str,
    created: str,
    tell_outside: Callable[[], str | None] = lambda: None,
) -> str | None:
    """The end of a job; what an outside bucket answered to its copies. Clients take the service's own
    `end.txt` for the end, so it comes last: who sees it finds every copy, in the outside bucket too.
    """
    cloud.put(
        bucket,
        keys.records.certificate,
        certificate,
        metadata=claim_metadata(submission_key, moment(created)),
    )
    cloud.put(bucket, keys.certificate, certificate)
    for place in (keys.records, keys):
        cloud.put(bucket, place.certificate_json, facts.to_json())
    if facts.job is not None and facts.job.swept:
        table = sweep_table(facts.job, facts.datasets)
        for ending, text in (("json", table_json(table)), ("csv", table_csv(table))):
            for place in (keys.records, keys):
                cloud.put(bucket, place.sweep(ending), text)
    cloud.put(bucket, keys.end, line)
    refused = tell_outside()
    cloud.put(bucket, keys.records.end, line)
    return refused


def _tell_outside(cloud: MonitorCloud, job: Job, line: str) -> str | None:
    """Where results went to an outside bucket: copy the job's logs beside them, then write `end.txt`; S3's
    refusal, or None.
    A bucket that refuses does not keep the job open: everything is in the analysis bucket as well."""
    bucket, there = job.results
    if bucket == job.bucket:
        return None
    own = job.keys.logs_prefix
    # The group's machines can write any number of files there: those that the service writes come first, and
    # of all others some.
    first = [
        job.keys.certificate,
        job.keys.certificate_json,
        *([job.keys.sweep("csv"), job.keys.sweep("json")] if job.swept else []),
        *(dataset.status_key for dataset in job.datasets),
    ]
    keys = dict.fromkeys([*first, *islice(cloud.keys(job.bucket, own), LOGS_MAX_COPIES)])
    logs = {
        key: there.logs_prefix + key.removeprefix(own)
        for key in islice(keys, max(LOGS_MAX_COPIES, len(first)))
    }
    return cloud.hand_over(job.bucket, logs, bucket, (there.end, line))


def finish_without_document(cloud: MonitorCloud, item: OpenJob, now: datetime) -> None:
    """Write the end of a job whose document is missing: all that can be said is that it is over, and what its
    machines cost.
    """
    bucket, group, timestamp = item.job
    keys = JobKeys.of(group, timestamp)
    told = Problem(
        "job",
        "a job whose document job.json is missing",
        "a job that can be followed",
        "Submit again with another timestamp",
    )
    facts = CertificateFacts(
        "platform", now, group, timestamp, item.submission, item.analysis, bucket, problems=(told,)
    )
    if not _begin(cloud, item, now):
        return
    reports = filed_reports(cloud, item)
    cost, created = (
        sum(report.cost for report in reports),
        iso(datetime.fromtimestamp(item.created, timezone.utc)),
    )
    line = end_line(0, 0, told.text())
    closing = closing_lines(line, now, facts.exit_class, cost, sum(report.seconds for report in reports))
    certificate = with_closing(_log_so_far(cloud, bucket, keys), closing)
    write_history(cloud, item.job, [job_ended(item.job, now, line, facts.exit_class, cost)])
    _write_end(cloud, bucket, keys, facts, certificate, line, item.submission, created)
    cloud.note_ended(group, digest.day_of(now), digest.line_of(facts))
    cloud.publish(*notice(facts, created, told.text(), event=JOB_FAILED))
    entry = IndexEntry(
        keys.folder,
        item.taken or created,
        FAILED,
        item.analysis,
        item.submitter,
        item.submission,
        iso(now),
        cost=micro_dollars(cost),
        seconds=round(sum(report.seconds for report in reports), 3),
        why=brief(told.text()),
    )
    cloud.index(bucket, group, entry)
    wake_followers(cloud, item.job)
    _settle(cloud, item, micro_dollars(cost), iso(now))
    cloud.measure(item.job, f"job ended: {line.strip()}", {logline.FAILED: 1})


def filed_reports(cloud: MonitorCloud, item: OpenJob) -> list[ComputeReport]:
    """The reports of the machines that the item names."""
    bucket, group, _ = item.job
    found = []
    for instance in sorted(item.instances):
        content = cloud.get(bucket, report_key(group, instance))
        if content is not None:
            with suppress(DocumentError):
                found.append(ComputeReport.from_json(content.body))
    return found


def _outcome(
    cloud: MonitorCloud,
    job: Job,
    dataset: Dataset,
    item: OpenJob,
    reports: Sequence[ComputeReport],
    records: Records,
) -> DatasetOutcome:
    """How a dataset ended, from the reports of its machines, the last of which decides."""
    state = SUCCESS if dataset.index in item.succeeded and dataset.index not in item.failed else FAILED
    last = reports[-1] if reports else None
    status = DatasetStatus()
    if last is None or state == FAILED:
        content = cloud.get(job.bucket, job.keys.verdict(dataset.index))
        status = read_status(content.body if content else None)
    # Without such a report the manager, or the monitor, has said why.
    if last is None or (state == FAILED and (_went_on(last) or last.out_of_memory)):
        reason, exit_code = None if status.reason == NONE else status.reason, status.exit_code
    else:
        reason, exit_code = last.reason, last.exit_code
    moved = records.of(dataset.index, last.instance_id) if last else {}
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
        inputs=moved.get("inputs", ()),
        results=moved.get("results", ()),
        note=_note(cloud, job, dataset, last, moved.get("results", ())) if state == SUCCESS else None,
        error=None if state == SUCCESS or status.error == NONE else status.error,
        advice=None if state == SUCCESS or status.advice == NONE else status.advice,
    )


def _went_on(report: ComputeReport) -> bool:
    """Whether the dataset of this machine was to have another."""
    return report.exit_class == RECLAIM or (
        report.exit_class == "platform" and (report.reason or "").startswith(HOST_FAILED)
    )


def _note(
    cloud: MonitorCloud, job: Job, dataset: Dataset, last: ComputeReport | None, results: Sequence[MovedFile]
) -> str | None:
    """What is to be said of a dataset that has succeeded: that nothing came of it."""
    if results or last is None or status_of(cloud, job, last.instance_id).uploaded:
        return None
    if next(results_of(cloud, job, dataset.index, ()), None) is not None:
        return None
    return "no result was uploaded" if len(job.datasets) == 1 else "its machine has recorded no result"


def _with_machines(
    cloud: MonitorCloud,
    job: Job,
    reports: Mapping[int, Sequence[ComputeReport]],
    outcomes: Sequence[DatasetOutcome],
    records: Records,
) -> list[DatasetOutcome]:
    """The outcomes with each of their machines. What earlier attempts have written late is set aside; where
    each dataset had one machine, as most have, nothing is looked up for that."""
    earlier = [(index, report) for index, some in sorted(reports.items()) for report in some[:-1]]
    final = {file.key for outcome in outcomes for file in outcome.results}
    written = {report.instance_id: records.of(index, report.instance_id) for index, report in earlier}
    moves = [
        move
        for index, report in earlier
        for move in late(job, index, report.attempt, written[report.instance_id].get("results", ()), final)
    ]
    apart = Apart(cloud, job, cloud.set_aside(job.bucket, moves)) if earlier else None
    done = []
    for index, outcome in enumerate(outcomes):
        machines = []
        for number, report in enumerate(reports[index]):
            machine, recorded = _machine(report), written.get(report.instance_id)
            if apart is not None and recorded is not None:
                files, known = (
                    apart.files(report.attempt, recorded.get("results", ())),
                    any(recorded.values()),
                )
                told = apart.told(report.attempt, files, recorded=known)
                machine = replace(machine, recorded=known, results_are=told, results=files)
            if number:
                request = cloud.get(job.bucket, job.keys.retry(index, report.attempt))
                asked = AttemptRequest.from_json(request.body if request else None)
                machine = replace(
                    machine, resumed=asked.checkpoint, resumed_from=asked.checkpoint_time or None
                )
            machines.append(machine)
        done.append(replace(outcome, machines=tuple(machines)))
    return done


def _machine(report: ComputeReport) -> MachineOutcome:
    """What the report of a machine says of it: all that there is to say of the only one of a dataset."""
    return MachineOutcome(
        attempt=report.attempt,
        instance=report.instance_id,
        instance_type=report.instance_type,
        market=SPOT if report.spot else ON_DEMAND,
        price=report.price,
        besides_price=report.besides_price,
        spot_price=report.spot_price,
        start=report.start,
        end=report.end or report.start,
        seconds=report.seconds,
        cost=report.cost,
        status=report.status or FAILED,
        reason=report.reason,
        exit_class=report.exit_class or "platform",
        out_of_memory=report.out_of_memory,
        first_command_seconds=report.first_command,
    )


def _exit_class(last: ComputeReport | None, reason: str | None) -> str:
    return outcome_of(reason) or (last.exit_class or "platform" if last else "capacity")


def _exit(outcomes: Sequence[DatasetOutcome]) -> tuple[str, str]:
    """The job's exit class and the reason: those of the first dataset that failed."""
    for outcome in outcomes:
        if outcome.status != SUCCESS:
            return outcome.exit_class, one_line(f"{outcome.name}: {_why(outcome)}", LINE)
    return "success", ""


def _why(outcome: DatasetOutcome) -> str | None:
    """Why a dataset failed, in words; None for one that did not."""
    if outcome.status == SUCCESS:
        return None
    failed = (
        "the analysis failed"
        if outcome.exit_code is None
        else f"the analysis script ended with exit code {outcome.exit_code}"
    )
    return outcome.reason or failed


def _certificate(cloud: MonitorCloud, job: Job, facts: CertificateFacts) -> str:
    """The certificate with the job's end in it."""
    time, names = iso(facts.finished), datanames(job.datasets)
    lines = [
        final_line(
            name,
            outcome.status,
            outcome.end or time,
            _why(outcome),
            outcome.note,
            outcome.error,
            outcome.advice,
        )
        for name, outcome in zip(names, facts.datasets, strict=True)
    ]
    seconds, end = (
        sum(outcome.seconds for outcome in facts.datasets),
        end_line(facts.succeeded, len(facts.datasets)),
    )
    closing = closing_lines(
        end, facts.finished, facts.exit_class, facts.cost, seconds, attempt_lines(names, facts.datasets)
    )
    if facts.next is not None:
        closing.append(facts.next.line)
    text = with_outcome(_log_so_far(cloud, job.bucket, job.keys), lines, closing)
    if text is None:  # it was deleted, or the launch did not come to its end: say at least what is known
        log = SetupLog(
            moment(job.created), job.blueprint_commit or job.blueprint_digest or "unknown", job.timestamp
        )
        text = with_outcome(log.render(lines), lines, closing)
        assert text is not None
    return text


def _log_so_far(cloud: MonitorCloud, bucket: str, keys: JobKeys) -> str:
    """What the manager has written of the job."""
    old = cloud.get(bucket, keys.records.certificate)
    return old.body.decode("utf-8", "replace") if old else ""
