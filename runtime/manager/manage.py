"""What the manager does with one submission, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from runtime.manager.answer import close, reject, version_of
from runtime.manager.budget import dollars, limit_of, over_budget, worst_case
from runtime.manager.events import ObjectCreated
from runtime.manager.inputs import find_datasets, read_config
from runtime.manager.launch import LaunchResult, explain, launch
from runtime.manager.plan import plan
from runtime.manager.port import Cloud, ObjectTooLargeError
from runtime.protocol.certificate import CLAIM_METADATA, SetupLog, claim_id, initial_lines
from runtime.protocol.config import DATASET_SIZE, DURATION, JobConfig
from runtime.protocol.documents import iso, moment
from runtime.protocol.job import Job
from runtime.protocol.keys import JobKeys, SubmissionKey
from runtime.protocol.ledger import budget_name
from runtime.protocol.limits import CAPACITY_ATTEMPTS, SUBMISSION_MAX_BYTES
from runtime.protocol.problems import InvalidInput, Problem
from runtime.protocol.settings import AnalysisSettings
from runtime.protocol.status import FAILED, DatasetStatus
from runtime.protocol.submission import InvalidSubmission, Submission, parse_submission, too_large

STARTED_METADATA = "neurocaas-started"
_JOB_MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Outcome:
    """`exit_code` 0 (done) or 99 (refused or failed); `again` asks the queue to deliver the submission once more."""

    exit_code: int
    message: str
    again: bool = False


@dataclass(frozen=True)
class Delivery:
    """One delivery of a submission. `receives` counts deliveries of the message from 1, `owner` names this run of the
    manager, `owner_arn` the function, `until` is when this run is over at the latest."""

    event: ObjectCreated
    receives: int
    owner: str
    owner_arn: str
    until: datetime


def process(cloud: Cloud, settings: AnalysisSettings, clock: Callable[[], datetime], delivery: Delivery) -> Outcome:
    """Answer one submission. What it leaves in S3 is the answer; the outcome is for the log and the queue.

    Errors of AWS that are not about the submission are raised; the next delivery goes on where this one stopped.
    """
    event = delivery.event
    try:
        key = SubmissionKey.parse(event.key)
    except ValueError as error:
        return Outcome(0, f"ignored: {error}")
    if event.bucket != settings.bucket or key.group not in settings.groups:
        return Outcome(0, f"ignored: {event.bucket}/{key.group} is no group of {settings.stack}")
    timestamp, faulty, submission, raw = None, None, None, None
    problems: Sequence[Problem] = ()
    try:
        raw = cloud.get(event.bucket, key.key, SUBMISSION_MAX_BYTES)
    except ObjectTooLargeError as error:
        problems = [too_large(error.size)]
    else:
        if raw is None:
            gone = "nothing: the file was deleted before it was read"
            problems = [Problem("submission file", gone, "a file that stays until its job has begun", "Upload it again")]
    if raw is not None:
        try:
            submission = parse_submission(raw, key.key, settings)
            timestamp = submission.timestamp
        except InvalidSubmission as error:
            faulty, timestamp, problems = error, error.timestamp, error.problems
    if raw is None or timestamp is None:
        reject(cloud, settings, key, problems, clock())
        return Outcome(99, f"refused: {problems[0].text()}")
    run = _Run(cloud, settings, clock, delivery, key, timestamp, hashlib.sha256(raw).hexdigest())
    ended = run.claim()
    if ended is not None:
        return ended
    if submission is None:
        assert faulty is not None
        return run.refuse(faulty)
    return run.start(submission)


@dataclass
class _Run:
    """One submission with a usable timestamp in the hands of one manager."""

    cloud: Cloud
    settings: AnalysisSettings
    clock: Callable[[], datetime]
    delivery: Delivery
    key: SubmissionKey
    timestamp: str
    sha256: str
    redelivered: bool = False
    log: SetupLog = field(init=False)

    def __post_init__(self) -> None:
        self.log = SetupLog(self.clock(), version_of(self.settings), self.timestamp)

    @property
    def keys(self) -> JobKeys:
        return JobKeys.of(self.key.group, self.timestamp)

    @property
    def item(self) -> tuple[str, str, str]:
        return self.settings.bucket, self.key.group, self.timestamp

    @property
    def metadata(self) -> dict[str, str]:
        return {CLAIM_METADATA: claim_id(self.key.key, self.sha256), STARTED_METADATA: iso(self.log.started)}

    def claim(self) -> Outcome | None:
        """Take the timestamp for this submission by writing its certificate; an outcome when there is nothing to do."""
        bucket, now = self.settings.bucket, self.clock()
        self.log.manager("Detected new job: starting up.", now)
        self.log.detail("init", "Initializing job manager.", now)
        if self.cloud.put(bucket, self.keys.certificate, self.log.render(), if_absent=True, metadata=self.metadata):
            return None
        there = self.cloud.head(bucket, self.keys.certificate) or {}
        if there.get(CLAIM_METADATA) != self.metadata[CLAIM_METADATA]:
            used = Problem(
                "timestamp",
                f"{self.timestamp!r}, which another submission of group {self.key.group!r} has used",
                "a timestamp that is used once",
                "Submit again with another timestamp; the earlier job is not touched",
            )
            reject(self.cloud, self.settings, self.key, [used], now)
            return Outcome(99, f"refused: {used.text()}")
        if self.cloud.head(bucket, self.keys.end) is not None:
            return Outcome(0, "delivered again: the job has ended")
        self.redelivered = True
        self.log.started = moment(there[STARTED_METADATA])
        return None

    def refuse(self, faulty: InvalidSubmission) -> Outcome:
        """Answer a submission with wrong fields; what its right fields name is looked up as well."""
        problems, _, _ = self._look_up(faulty.datanames, faulty.configname)
        now = self.clock()
        every = [*faulty.problems, *problems]
        self.log.problems("init", every, now)
        self.log.step_failed(1, "INPUT", now)
        self._close(every, "user")
        return Outcome(99, f"refused: {every[0].text()}")

    def start(self, submission: Submission) -> Outcome:
        """Launch the job, unless another manager is at it or has done it."""
        table, until = self.settings.ledger_table, self.delivery.until
        now = self.clock()
        state = self.cloud.lease(table, self.item, self.delivery.owner, now.timestamp(), until.timestamp(), self.key.key)
        if state == "launched":
            return Outcome(0, "delivered again: the job is launched")
        if state == "busy":
            return Outcome(0, "another manager is working on this job", again=True)
        try:
            return self._work(submission)
        except BaseException:
            self.cloud.release(table, self.item, self.delivery.owner)
            raise

    def _work(self, submission: Submission) -> Outcome:
        self._log_request(submission)
        job = self._earlier_job() if self.redelivered else None
        if job is None:
            problems, sizes, config = self._look_up(submission.datanames, submission.configname)
            if not self.settings.image.ready:
                return self._end(3, [self._no_image(), *problems], "image", "RESOURCE", "setup")
            if problems or config is None:
                return self._end(2, problems, "user", "INPUT", "check_existence")
            job = plan(self.settings, submission, self.key.key, self.sha256, sizes, config, self.log.started)
            unpaid = self._reserve(job)
            if unpaid:
                return self._end(2, unpaid, "quota", "INPUT", "get_costmonitoring")
            self.cloud.put(job.bucket, job.keys.job, job.to_json())
        self._log_config(job)
        known = self.cloud.machines(*self.item) if self.redelivered else []
        now = self.clock()
        self.log.utils(f"Acquiring new {job.instance_type} instances from {job.image.id} ...", now)
        result = launch(self.cloud, job, self.delivery.owner_arn, known, lambda text: self.log.utils(text, self.clock()))
        for machine in result.machines:
            self.log.utils(f"New instance {machine.instance_id} ({machine.instance_type}) created!", self.clock())
        return self._launched(job, result)

    def _reserve(self, job: Job) -> list[Problem]:
        """Reserve what the job may cost at most; the problem when the group cannot pay it."""
        table, now = self.settings.ledger_table, self.clock()
        try:
            limit, own = limit_of(self.cloud, self.settings, job.group)
        except InvalidInput as error:
            return list(error.problems)
        if not own:
            text = f"Customized budget not found. Using default budget value of {dollars(limit)}"
            self.log.detail("get_costmonitoring", text, now)
        budget, cost = budget_name(self.settings.analysis, job.group, self.log.started), worst_case(job)
        committed = self.cloud.committed(table, budget)
        if cost <= limit and self.cloud.reserve(table, self.item, budget, cost, limit):
            text = f"Projected total costs: ${dollars(cost)}. Remaining budget: ${dollars(max(0, limit - committed - cost))}"
            self.log.detail("get_costmonitoring", text, now)
            return []
        text = f"Projected total costs: ${dollars(cost)}. Over budget (${dollars(limit)}), cancelling job. Contact administrator."
        self.log.detail("get_costmonitoring", text, now)
        return [over_budget(cost, limit - committed, limit)]

    def _launched(self, job: Job, result: LaunchResult) -> Outcome:
        total, done, now = len(job.datasets), result.next, self.clock()
        if result.error is None or done >= total:
            self.log.detail("start_instance", f"Created {total} immutable analysis environments.", now)
            self.log.step_done(4, now)
            self._write(job, complete=True)
            self.cloud.launched(self.settings.ledger_table, self.item, total, frozenset())
            return Outcome(0, f"launched {total} machines")
        exit_class, problem, temporary = explain(result, job)
        self.log.problems("acquire_instances", [problem], now, kind="RESOURCE")
        if temporary and self.delivery.receives < CAPACITY_ATTEMPTS:
            attempts = f"attempt {self.delivery.receives} of {CAPACITY_ATTEMPTS}"
            self.log.manager(f"Waiting for {total - done} of {total} environments; {attempts}.", now)
            self._write(job, complete=False)
            self.cloud.release(self.settings.ledger_table, self.item, self.delivery.owner)
            return Outcome(0, f"waiting: {problem.text()}", again=True)
        self.log.step_failed(4, "RESOURCE", now)
        if done == 0:
            self._close([problem], exit_class, job)
            self.cloud.forget(self.settings.ledger_table, self.item)
            return Outcome(99, f"failed: {problem.text()}")
        for dataset in job.datasets[done:]:
            status = DatasetStatus(FAILED, dataset.inputpath, reason=f"No machine was started: {problem.text()}", updated=iso(now))
            self.cloud.put(job.bucket, dataset.status_key, status.to_json())
        self._write(job, complete=True)
        self.cloud.launched(self.settings.ledger_table, self.item, total, frozenset(range(done, total)))
        return Outcome(99, f"launched {done} of {total} machines: {problem.text()}")

    def _look_up(self, datanames: Sequence[str], configname: str) -> tuple[list[Problem], dict[str, int | None], JobConfig | None]:
        sizes, problems = find_datasets(self.cloud, self.settings.bucket, datanames)
        config = None
        if configname:
            try:
                config = read_config(self.cloud, self.settings, configname)
            except InvalidInput as error:
                problems += error.problems
        return problems, sizes, config

    def _earlier_job(self) -> Job | None:
        """What an earlier delivery of this submission has decided already, if it came so far."""
        raw = self.cloud.get(self.settings.bucket, self.keys.job, _JOB_MAX_BYTES)
        job = Job.from_json(raw) if raw is not None else None
        return job if job is not None and job.created == iso(self.log.started) and job.submission_sha256 == self.sha256 else None

    def _no_image(self) -> Problem:
        stack = self.settings.stack
        return Problem("machine image", "no machine image yet", "an image that was baked", f"invoke bake-ami --stack {stack}")

    def _end(self, step: int, problems: Sequence[Problem], exit_class: str, kind: str, part: str) -> Outcome:
        now = self.clock()
        self.log.problems(part, problems, now, kind=kind)
        self.log.step_failed(step, kind, now)
        self._close(problems, exit_class)
        self.cloud.forget(self.settings.ledger_table, self.item)
        return Outcome(99, f"refused: {problems[0].text()}")

    def _close(self, problems: Sequence[Problem], exit_class: str, job: Job | None = None) -> None:
        now = self.clock()
        close(self.cloud, self.settings, self.keys, self.log, problems, exit_class, self.key.key, now, job=job, metadata=self.metadata)

    def _write(self, job: Job, *, complete: bool) -> None:
        text = self.log.render(initial_lines(job, iso(self.clock())), complete=complete)
        self.cloud.put(job.bucket, self.keys.certificate, text, metadata=self.metadata)

    def _log_request(self, submission: Submission) -> None:
        now, data = self.clock(), submission.datanames
        if submission.instance_type is None:
            self.log.detail("init", f"Using default instance type {self.settings.instance_type} from config file.", now)
        shown = ", ".join(data[:10]) + (f" and {len(data) - 10} more" if len(data) > 10 else "")
        self.log.detail("init", f"Analysis request with dataset(s): {shown}, config file {submission.configname}", now)
        if submission.ignored:
            self.log.detail("init", f"Ignored fields: {', '.join(map(repr, submission.ignored))}", now)
        self.log.step_done(1, now)

    def _log_config(self, job: Job) -> None:
        now = self.clock()
        standard = {
            DURATION: "not given, proceeding with standard compute launch",
            DATASET_SIZE: "is not given, proceeding with standard storage",
        }
        for name, otherwise in standard.items():
            text = f"given: {job.config[name]}" if name in job.config else f"{otherwise}."
            self.log.detail("parse_config", f"parameter {name} {text}", now)
        self.log.step_done(2, now)
        self.log.step_done(3, now)
