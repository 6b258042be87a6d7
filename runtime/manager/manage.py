"""What the manager does with one submission, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from runtime.manager.answer import (
    SERVICE_FAILED,
    certify,
    end_without_machine,
    fail_dataset,
    reject,
    version_of,
)
from runtime.manager.budget import reserve
from runtime.manager.cancel import read_order
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.earlier import as_then
from runtime.manager.early import early_order
from runtime.manager.inputs import look_up
from runtime.manager.launch import LaunchResult, explain, launch, next_dataset, own_machines, room_for
from runtime.manager.port import BucketRefusedError, Cloud, Machine, ObjectTooLargeError
from runtime.manager.wording import log_config, log_request, log_started
from runtime.protocol.certificate import SetupLog, claim_id, claim_metadata, initial_lines
from runtime.protocol.documents import DocumentError, iso, moment
from runtime.protocol.job import Job
from runtime.protocol.keys import JobId, JobKeys, SubmissionKey
from runtime.protocol.ledger import Claim
from runtime.protocol.limits import CAPACITY_ATTEMPTS, JOB_MAX_BYTES, SUBMISSION_MAX_BYTES
from runtime.protocol.plan import plan, records
from runtime.protocol.problems import InvalidInput, Problem
from runtime.protocol.settings import AnalysisSettings
from runtime.protocol.stop import StopOrder
from runtime.protocol.submission import InvalidSubmission, Submission, parse_submission, too_large


def submit(
    cloud: Cloud, settings: AnalysisSettings, clock: Callable[[], datetime], delivery: Delivery
) -> Outcome:
    """Answer one submission of a group of the analysis."""
    event = delivery.event
    key = SubmissionKey.parse(event.key)
    submission, faulty, exit_class, raw = None, None, "user", b""
    try:
        raw = _read(cloud, delivery, key)
        submission = parse_submission(raw, key.key, settings)
    except InvalidSubmission as error:
        faulty = error
    except Exception:
        if not delivery.last:
            raise
        faulty, exit_class = InvalidSubmission([SERVICE_FAILED], None), "platform"
    timestamp = submission.timestamp if submission else faulty.timestamp if faulty else None
    delivery.notes.timestamp = timestamp
    if timestamp is None:
        assert faulty is not None
        reject(
            cloud,
            settings,
            key,
            faulty.problems,
            clock(),
            exit_class,
            event.etag if delivery.notes.replaced else "",
        )
        return Outcome(99, f"refused: {faulty.problems[0].text()}")
    run = _Run(cloud, settings, clock, delivery, key, timestamp, hashlib.sha256(raw).hexdigest())
    ended = run.claim()
    if ended is not None:
        return ended
    if submission is None:
        assert faulty is not None
        return run.refuse(faulty)
    return run.start(submission)


def _read(cloud: Cloud, delivery: Delivery, key: SubmissionKey) -> bytes:
    """The submission file that was written then: another of the same name may have taken its place at once,
    and has an answer of its own.
    Raises InvalidSubmission when there is none that the manager may read."""
    event = delivery.event
    try:
        replaced = False
        try:
            raw = cloud.get(event.bucket, key.key, SUBMISSION_MAX_BYTES)
            replaced = raw is not None and hashlib.md5(raw, usedforsecurity=False).hexdigest() != event.etag
        except (ObjectTooLargeError, BucketRefusedError):
            if not event.version_id:
                raise
            replaced = True
        if replaced and event.version_id:
            delivery.notes.replaced = True
            raw = cloud.get(event.bucket, key.key, SUBMISSION_MAX_BYTES, event.version_id)
    except ObjectTooLargeError as error:
        raise InvalidSubmission([too_large(error.size)], None) from error
    except BucketRefusedError as error:
        got = f"a file that S3 does not let the manager read ({error})"
        do = "Upload it again, without a key of your own"
        raise InvalidSubmission(
            [Problem("submission file", got, "a file encrypted as the bucket does it", do)], None
        ) from error
    if raw is None:
        gone = "nothing: the file was deleted before it was read"
        raise InvalidSubmission(
            [
                Problem(
                    "submission file", gone, "a file that stays until its job has begun", "Upload it again"
                )
            ],
            None,
        )
    return raw


_ENDED = Outcome(0, "delivered again: the job has ended")


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
    def item(self) -> JobId:
        return JobId(self.settings.bucket, self.key.group, self.timestamp)

    def claim(self) -> Outcome | None:
        """Take the timestamp for this submission, and begin its certificate; an outcome when there is nothing
        to do.
        """
        now = self.clock()
        self.log.manager("Detected new job: starting up.", now)
        self.log.detail("init", "Initializing job manager.", now)
        claim = Claim(claim_id(self.key.key, self.sha256), self.key.key, iso(self.log.started))
        there = self.cloud.claim(self.settings.ledger_table, self.item, claim)
        if (
            there is not None
            and there.ended
            and self.cloud.head(self.settings.bucket, self.keys.records.certificate) is None
        ):
            # that job was deleted
            there = self.cloud.claim(self.settings.ledger_table, self.item, claim, there)
        if there is None:
            self._certify(self.log.render())
            return None
        if there.claim != claim.claim:
            used = Problem(
                "timestamp",
                f"{self.timestamp!r}, which another submission of group {self.key.group!r} has used",
                "a timestamp that is used once",
                "Submit again with another timestamp; the earlier job is not touched",
            )
            replaced = self.delivery.event.etag if self.delivery.notes.replaced else ""
            reject(self.cloud, self.settings, self.key, [used], now, replaced=replaced)
            return Outcome(99, f"refused: {used.text()}")
        if there.ended:
            return _ENDED
        self.redelivered = True
        self.log.started = moment(there.started)
        return None

    def refuse(self, faulty: InvalidSubmission) -> Outcome:
        """Answer a submission with wrong fields; what its right fields name is looked up as well."""
        problems = list[Problem]()
        if not self.settings.image.ready:
            problems.append(self._no_image())
        if not self.delivery.last:  # else looking up may be what has failed so far
            problems += look_up(
                self.cloud, self.settings, self.keys, faulty.datanames, faulty.configname
            ).problems
        now = self.clock()
        every = [*faulty.problems, *problems]
        self.log.problems("init", every, now)
        self.log.step_failed(1, "INPUT", now)
        self._close("user", every)
        return Outcome(99, f"refused: {every[0].text()}")

    def start(self, submission: Submission) -> Outcome:
        """Launch the job, unless another manager is at it or has done it."""
        table, until = self.settings.ledger_table, self.delivery.until
        now = self.clock()
        about = {"submission": self.key.key, "analysis": self.settings.analysis}
        state = self.cloud.lease(
            table, self.item, self.delivery.owner, now.timestamp(), until.timestamp(), about
        )
        if state == "launched":
            return Outcome(0, "delivered again: the job is launched")
        if state == "ended":
            return _ENDED
        if state == "busy":
            return Outcome(0, "another manager is working on this job", again=True)
        try:
            return self._give_up() if self.delivery.last else self._work(submission)
        except BaseException:
            self.cloud.release(table, self.item, self.delivery.owner)
            raise

    def _work(self, submission: Submission) -> Outcome:
        log_request(self.log, self.settings, submission, self.clock())
        job, known = None, list[Machine]()
        if self.redelivered:
            job, known = self._earlier_job(), self.cloud.machines(self.item)
            order = read_order(self.cloud, self.settings.bucket, self.keys)
            if order is not None:
                return self._stopped(order, job, known)
        if job is None:
            early = early_order(
                self.cloud, self.settings.bucket, self.keys, self.key.key, self.sha256, self.clock()
            )
            if early is not None:
                return self._stopped(early, None, known)
            found = look_up(
                self.cloud,
                self.settings,
                self.keys,
                submission.datanames,
                submission.configname,
                submission.resultpath,
            )
            problems, settings = found.problems, self.settings
            if submission.rerun_of is not None:
                try:
                    settings = as_then(self.cloud, settings, self.key.group, submission.rerun_of)
                except InvalidInput as error:
                    problems += error.problems
            if not settings.image.ready:
                self.log.problems("check_existence", problems, self.clock())
                return self._end(3, [self._no_image()], "image", "RESOURCE", "setup", told=problems)
            if problems or found.config is None:
                missing = all(problem.field == "dataname" for problem in problems)
                return self._end(2, problems, "data" if missing else "user", "INPUT", "check_existence")
            job = plan(settings, submission, self.key.key, self.sha256, found, self.log.started)
            unpaid = reserve(self.cloud, self.settings, self.log, job, self.clock(), self.delivery.notes)
            if unpaid:
                return self._end(2, unpaid, "quota", "INPUT", "get_costmonitoring")
            for key, content in records(job, found):
                self.cloud.put(job.bucket, key, content)
            self.cloud.put(job.bucket, job.keys.job, job.to_json())
        log_config(self.log, job, self.clock())
        now = self.clock()
        self.log.utils(f"Acquiring new {job.instance_type} instances from {job.image.id} ...", now)
        room = room_for(self.cloud, self.settings)
        result = launch(
            self.cloud,
            job,
            self.delivery.owner_arn,
            known,
            lambda text: self.log.utils(text, self.clock()),
            room,
        )
        for machine in result.machines:
            self.log.utils(
                f"New instance {machine.instance_id} ({machine.instance_type}) created!", self.clock()
            )
        return self._launched(job, result)

    def _give_up(self) -> Outcome:
        """Every delivery so far has ended in an error of the service: tell so, while there is one left to do
        it.
        """
        job, known = self._earlier_job(), self.cloud.machines(self.item)
        order = read_order(self.cloud, self.settings.bucket, self.keys)
        if order is not None:
            return self._stopped(order, job, known)
        if own_machines(job, known) if job else known:
            self.cloud.abandon(self.settings.ledger_table, self.item)
            return Outcome(99, "failed: the machines that were started work on, and the sweep ends the job")
        return self._end(4, [SERVICE_FAILED], "platform", "INTERNAL", "init", job)

    def _launched(self, job: Job, result: LaunchResult) -> Outcome:
        total, done, now = len(job.datasets), result.next, self.clock()
        if done >= total:
            log_started(self.log, job.datasets, now)
            self.log.step_done(4, now)
            self._write(job, complete=True)
            self.cloud.launched(self.settings.ledger_table, self.item, total, frozenset(), now.timestamp())
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
            self._close(exit_class, [problem], job=job)
            return Outcome(99, f"failed: {problem.text()}")
        self._leave_out(job, done, f"No machine was started: {problem.text()}")
        return Outcome(99, f"launched {done} of {total} machines: {problem.text()}")

    def _stopped(self, order: StopOrder, job: Job | None, known: Sequence[Machine]) -> Outcome:
        """The job was cancelled before it was launched, or before all of it was."""
        done = next_dataset(own_machines(job, known)) if job else 0
        self.log.manager(f"Job {order.text}.", self.clock())
        if job is None or done == 0:
            self.log.manager("Shutting down job.", self.clock())
            self._close(order.outcome, note=order.text, job=job)
        else:
            self._leave_out(job, done, order.text)
        return Outcome(0, order.text)

    def _leave_out(self, job: Job, done: int, reason: str) -> None:
        """Go on with the machines of the first `done` datasets; the others have failed for `reason`."""
        total, now = len(job.datasets), self.clock()
        log_started(self.log, job.datasets[:done], now)
        for dataset in job.datasets[done:]:
            fail_dataset(self.cloud, job, dataset.index, reason, now)
        self._write(job, complete=True)
        self.cloud.launched(
            self.settings.ledger_table, self.item, total, frozenset(range(done, total)), now.timestamp()
        )

    def _earlier_job(self) -> Job | None:
        """What an earlier delivery of this submission has decided already, if it came so far."""
        raw = self.cloud.get(self.settings.bucket, self.keys.job, JOB_MAX_BYTES)
        job = None
        with suppress(DocumentError):
            job = Job.from_json(raw) if raw is not None else None
        return (
            job
            if job is not None
            and job.created == iso(self.log.started)
            and job.submission_sha256 == self.sha256
            else None
        )

    def _no_image(self) -> Problem:
        """What the manager sees is what was deployed: an image that was baked since is in the blueprint
        only.
        """
        stack = self.settings.stack
        do = (
            f"invoke bake-ami --stack {stack}, then invoke deploy {stack}; when it is baked already, only "
            "the deploy is missing"
        )
        return Problem(
            "machine image",
            "no machine image yet in what is deployed",
            "an image that was baked and deployed",
            do,
        )

    def _end(
        self,
        step: int,
        problems: Sequence[Problem],
        exit_class: str,
        kind: str,
        part: str,
        job: Job | None = None,
        told: Sequence[Problem] = (),
    ) -> Outcome:
        """End the job for `problems`; `told` are further ones that the log has already."""
        now = self.clock()
        self.log.problems(part, problems, now, kind=kind)
        self.log.step_failed(step, kind, now)
        self._close(exit_class, [*problems, *told], job=job)
        return Outcome(99, f"refused: {problems[0].text()}")

    def _close(
        self, exit_class: str, problems: Sequence[Problem] = (), note: str = "", job: Job | None = None
    ) -> None:
        """End the job without a machine."""
        now = self.clock()
        end_without_machine(
            self.cloud,
            self.settings,
            self.keys,
            self.log,
            exit_class,
            self.key.key,
            now,
            problems=problems,
            note=note,
            job=job,
        )

    def _write(self, job: Job, *, complete: bool) -> None:
        self._certify(self.log.render(initial_lines(job, iso(self.clock())), complete=complete))

    def _certify(self, text: str) -> None:
        certify(
            self.cloud, self.settings.bucket, self.keys, text, claim_metadata(self.key.key, self.log.started)
        )
