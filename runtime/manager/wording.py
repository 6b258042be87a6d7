"""Lines of the set-up log about what a job is: its request, its configuration, its datasets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from neurocaas.protocol.certificate import SetupLog
from neurocaas.protocol.config import DATASET_SIZE, DURATION, is_service_key
from neurocaas.protocol.job import PASSED_OVER, Dataset, Job
from neurocaas.protocol.outside import place_of
from neurocaas.protocol.problems import shown
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.submission import Submission


def log_request(log: SetupLog, settings: AnalysisSettings, submission: Submission, now: datetime) -> None:
    data = submission.datanames
    if submission.instance_type is None:
        chosen, need = settings.instance.type, settings.instance.need
        log.detail("init", f"Using default instance type {chosen} from config file.", now)
        if need is not None:
            log.detail("init", f"{chosen} is the cheapest type in {settings.region} with {need}.", now)
    named = ", ".join(data[:10]) + (f" and {len(data) - 10} more" if len(data) > 10 else "")
    if submission.manifest:
        named = f"of the manifest {submission.manifest}"
    source, _ = place_of(submission.configname, settings.bucket)
    if source != settings.bucket:
        log.detail("init", f"Storage Bypass initiated from bucket: s3://{source}", now)
    if submission.resultpath is not None:
        target, _ = place_of(submission.resultpath, settings.bucket)
        log.detail("init", f"Storage Bypass initiated to bucket: s3://{target}", now)
    log.detail("init", f"Analysis request with dataset(s): {named}, config file {submission.configname}", now)
    if submission.repeated:
        several = f" and {len(submission.repeated) - 10} more" if len(submission.repeated) > 10 else ""
        log.detail(
            "init",
            f"NOTE: named more than once, analysed once: {', '.join(submission.repeated[:10])}{several}",
            now,
        )
    if submission.ignored:
        log.detail("init", f"Ignored fields: {', '.join(map(repr, submission.ignored))}", now)
    if submission.asked is not None:
        whose = f", in the name of {submission.asked.submitter}" if submission.asked.submitter else ""
        log.detail("init", f"Submitted by the service for {submission.asked.by}{whose}.", now)
    log.step_done(1, now)


def log_config(log: SetupLog, job: Job, now: datetime) -> None:
    standard = {
        DURATION: "not given, proceeding with standard compute launch",
        DATASET_SIZE: "is not given, proceeding with standard storage",
    }
    for name, otherwise in standard.items():
        text = f"given: {job.config[name]}" if name in job.config else f"{otherwise}."
        log.detail("parse_config", f"parameter {name} {text}", now)
    for name in job.config:
        if is_service_key(name) and name not in standard:
            log.detail(
                "parse_config",
                f"parameter {name!r} is none of the service's "
                f"({', '.join(standard)}), and means nothing to it",
                now,
            )
    if job.dataset_size_gib > (job.config.get(DATASET_SIZE) or 0):
        largest = max(job.datasets, key=lambda dataset: dataset.size or 0)
        text = (
            f"{job.volume_gib} GiB, {job.dataset_size_gib} of them for data: the largest dataset, "
            f"{largest.name}, has"
        )
        log.detail(
            "parse_config",
            f"volume of each machine enlarged to {text} {(largest.size or 0) / (1 << 30):.1f} GiB",
            now,
        )
    if job.passed_over:
        more = " and perhaps more" if len(job.passed_over) >= PASSED_OVER else ""
        names = ", ".join(map(shown, job.passed_over)) + more
        log.detail(
            "check_existence",
            f"what operating systems and programs leave behind is no dataset, and was passed over: {names}",
            now,
        )
    for note in job.notes:
        log.detail("parse_config", f"NOTE: {note}", now)
    if job.datasets[0].jobnb is not None:
        log.detail(
            "parse_config", f"ensemble of {len(job.datasets)} members over {job.datasets[0].inputpath}", now
        )
    if job.same_as:
        image = (
            " (its image is the latest of a name, which may be another by now)" if ":" in job.image.id else ""
        )
        log.detail(
            "parse_config",
            f"NOTE: job {job.same_as} has done the same work: the same code, image, configuration and inputs"
            f"{image}. Its results: `neurocaas results {job.same_as}`",
            now,
        )
    if job.manifest:
        own = f", with {', '.join(map(shown, job.swept))} of each" if job.swept else ""
        log.detail("check_existence", f"datasets of the manifest {shown(job.manifest)}{own}", now)
    elif job.swept:
        combinations = len({dataset.folder for dataset in job.datasets})
        log.detail(
            "parse_config",
            f"sweep over {', '.join(map(shown, job.swept))}: {combinations} combinations, "
            f"{len(job.datasets)} runs",
            now,
        )
    log.step_done(2, now)
    log.step_done(3, now)


def log_started(log: SetupLog, datasets: Sequence[Dataset], now: datetime) -> None:
    log.detail("start_instance", f"Created {len(datasets)} immutable analysis environments.", now)
    for dataset in datasets:
        log.detail(
            "process_inputs", f"Starting analysis {dataset.index + 1} with parameter set {dataset.name}", now
        )
