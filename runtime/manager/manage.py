"""What the manager does with one submission, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from neurocaas.protocol.certificate import SetupLog, claim_id
from neurocaas.protocol.chain import waits_line
from neurocaas.protocol.documents import DocumentError, iso, moment
from neurocaas.protocol.events import SUBMITTED, tell
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import JobId, SubmissionKey
from neurocaas.protocol.ledger import Claim
from neurocaas.protocol.limits import JOB_MAX_BYTES, LAUNCH_PAUSE, LAUNCH_SECONDS
from neurocaas.protocol.plan import plan, records
from neurocaas.protocol.problems import InvalidInput, Problem
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.spending import dollars
from neurocaas.protocol.stop import StopOrder
from neurocaas.protocol.submission import InvalidSubmission, Submission, parse_submission
from neurocaas.protocol.waiting import BUDGET as KIND_BUDGET
from neurocaas.protocol.waiting import CAPACITY, ROOM, Waiter
from neurocaas.protocol.watches import cap_name
from runtime.manager.answer import (
    BUDGET,
    GIVEN_UP,
    IMAGE,
    LOOKED_UP,
    READ,
    READ_FAILED,
    SERVICE_FAILED,
    JobAnswer,
    no_image,
    rejection,
    version_of,
)
from runtime.manager.budget import Reserved, hold_limit, lines_of, reserve, worst_case
from runtime.manager.cancel import read_order
from runtime.manager.delivery import Delivery, Outcome
from runtime.manager.earlier import as_then
from runtime.manager.early import early_order
from runtime.manager.following import followed, results
from runtime.manager.inputs import look_up, read_manifest
from runtime.manager.launch import Launcher, fair_room, next_dataset, own_machines
from runtime.manager.port import JobMachine, ManagerCloud
from runtime.manager.queue import JobQueue
from runtime.manager.reading import read_submission
from runtime.manager.same_work import same_as
from runtime.manager.shortfall import NextStep, shortfall, unpaid
from runtime.manager.submitter import SubmittedBy, submitter_of
from runtime.manager.wording import log_config, log_request


def submit(
    cloud: ManagerCloud, settings: AnalysisSettings, clock: Callable[[], datetime], delivery: Delivery
) -> Outcome:
    """Answer one submission of a group of the analysis."""
    event = delivery.event
    key = SubmissionKey.parse(event.key)
    submission, faulty, raw = None, None, b""
    stage, exit_class = READ, "user"
    try:
        raw = read_submission(cloud, delivery, key)
        submission = parse_submission(raw, key.key, settings)
    except InvalidSubmission as error:
        faulty = error
    except Exception:
        if not delivery.last:
            raise
        faulty = InvalidSubmission([SERVICE_FAILED], None)
        stage, exit_class = READ_FAILED, "platform"
    timestamp = submission.timestamp if submission else faulty.timestamp if faulty else None
    delivery.notes.timestamp = timestamp
    asked = submission.asked if submission is not None else None
    who = submitter_of(cloud, key.group, delivery, asked.submitter if asked is not None else None)
    if timestamp is None:
        assert faulty is not None
        answer = rejection(cloud, settings, clock, key, delivery.replaced, who.name)
        return answer.refuse(faulty.problems, stage, exit_class)
    run = _Run(cloud, settings, clock, delivery, key, timestamp, hashlib.sha256(raw).hexdigest(), who)
    ended = run.claim()
    if ended is not None:
        return ended
    if submission is None:
        assert faulty is not None
        return run.refuse(faulty)
    return run.start(submission)


_ENDED = Outcome(0, "delivered again: the job has ended")


@dataclass
class _Run:
    """One submission with a usable timestamp in the hands of one manager."""

    cloud: ManagerCloud
    settings: AnalysisSettings
    clock: Callable[[], datetime]
    delivery: Delivery
    key: SubmissionKey
    timestamp: str
    sha256: str
    who: SubmittedBy
    redelivered: bool = False
    reserved: Reserved | None = None
    log: SetupLog = field(init=False)
    answer: JobAnswer = field(init=False)

    def __post_init__(self) -> None:
        self.item = JobId(self.settings.bucket, self.key.group, self.timestamp)
        self.keys = self.item.keys
        self.log = SetupLog(self.clock(), version_of(self.settings), self.timestamp, self.who.name)
        self.answer = JobAnswer(
            self.cloud, self.settings, self.clock, self.keys, self.log, self.key.key, self.who.name
        )

    def claim(self) -> Outcome | None:
        """Take the timestamp for this submission, and begin its certificate; an outcome when there is nothing
        to do.
        """
        now = self.clock()
        self.log.manager("Detected new job: starting up.", now)
        self.log.detail("init", "Initializing job manager.", now)
        claim = Claim(claim_id(self.key.key, self.sha256), self.key.key, iso(self.log.started))
        there = self.cloud.claim(self.item, claim)
        if (
            there is not None
            and there.ended
            and self.cloud.head(self.settings.bucket, self.keys.records.certificate) is None
        ):
            # that job was deleted
            there = self.cloud.claim(self.item, claim, there)
        if there is None:
            self.answer.certify(self.log.render())
            self._tell_submitted()
            return None
        if there.claim != claim.claim:
            used = Problem(
                "timestamp",
                f"{self.timestamp!r}, which another submission of group {self.key.group!r} has used",
                "a timestamp that is used once",
                "Submit again with another timestamp; the earlier job is not touched",
            )
            replaced, who = self.delivery.replaced, self.who.name
            answer = rejection(self.cloud, self.settings, self.clock, self.key, replaced, who)
            return answer.refuse([used])
        if there.ended:
            return _ENDED
        self.redelivered = True
        self.log.started = moment(there.started)
        self._tell_submitted()
        return None

    def _tell_submitted(self) -> None:
        facts = {"submitter": self.who.name} if self.who.name else {}
        text = f"submitted{f' by {self.who.name}' if self.who.name else ''}"
        tell(self.cloud, self.item, SUBMITTED, text, now=self.log.started, once="1", **facts)

    def refuse(self, faulty: InvalidSubmission) -> Outcome:
        """Answer a submission with wrong fields; what its right fields name is looked up as well."""
        problems = list[Problem]()
        if not self.settings.image.ready:
            problems.append(no_image(self.settings.stack))
        if not self.delivery.last:  # else looking up may be what has failed so far
            problems += look_up(
                self.cloud, self.settings, self.keys, faulty.datanames, faulty.configname
            ).problems
        return self.answer.refuse([*faulty.problems, *problems])

    def start(self, submission: Submission) -> Outcome:
        """Launch the job, unless another manager is at it or has done it."""
        now, owner = self.clock().timestamp(), self.delivery.owner
        if submission.asked is not None and submission.asked.watch:
            names = (self.settings.bucket, self.key.group, submission.asked.watch)
            self.answer.cap = cap_name(*names, self.log.started)
        about = {
            "submission": self.key.key,
            "analysis": self.settings.analysis,
            "taken": iso(self.log.started),
            "submitter": self.who.name,
        }
        state = self.cloud.lease(self.item, owner, now, self.delivery.until.timestamp(), about)
        if state == "launched":
            return Outcome(0, "delivered again: the job is launched")
        if state == "ended":
            return _ENDED
        if state == "busy":
            return Outcome(0, "another manager is working on this job", again=True)
        try:
            return self._give_up() if self.delivery.last else self._work(submission)
        except BaseException:
            self.cloud.release(self.item, owner)
            raise

    def _work(self, submission: Submission) -> Outcome:
        log_request(self.log, self.settings, submission, self.clock())
        job, known, started = None, list[JobMachine](), 0
        if self.redelivered:
            job, known, started = self._so_far()
            order = read_order(self.cloud, self.settings.bucket, self.keys)
            if order is not None:
                return self._stop(order, job, started)
        if job is None:
            early = early_order(
                self.cloud, self.settings.bucket, self.keys, self.key.key, self.sha256, self.clock()
            )
            if early is not None:
                return self.answer.stop(early)
            waits = self._follow(submission)
            if waits is not None:
                return waits
            decided = self._decide(submission)
            if isinstance(decided, Outcome):
                return decided
            job = decided
        return self._launch(job, known, started)

    def _follow(self, submission: Submission) -> Outcome | None:
        """An outcome while the submission waits for an earlier job, or where it is refused; None otherwise.
        What can be refused already is refused before it waits."""
        earlier, now = submission.after, self.clock()
        if earlier is None:
            return None
        if self.settings.image.ready and self.cloud.waiting(self.item) is None:
            faulty = look_up(self.cloud, self.settings, self.keys, (), submission.configname).problems
            if faulty:
                return self.answer.refuse(faulty, LOOKED_UP)
        try:
            waits = followed(self.cloud, self.settings, submission, self.delivery, self.log.started, now)
        except InvalidInput as error:
            return self.answer.refuse(error.problems, LOOKED_UP)
        if waits is not None and not waits.again:
            self.log.manager(waits_line(earlier.name), now)
            self.answer.certify(self.log.render())
            self.answer.waits()
            tell(
                self.cloud,
                self.item,
                "waiting",
                f"waits for job {earlier.name} to end",
                now=now,
                once=earlier.name,
                after=earlier.name,
            )
        return waits

    def _decide(self, submission: Submission) -> Job | Outcome:
        """The job, planned, paid and written down; or why there is none."""
        if self.who.refused is not None:
            if submission.asked is not None and submission.asked.watch:
                names = (self.settings.bucket, self.key.group, submission.asked.watch)
                self.cloud.end_watch(*names, f"{self.who.name} is not in the group any more")
            return self.answer.refuse([self.who.refused])
        manifest = None
        if submission.manifest:
            try:
                submission, manifest = read_manifest(self.cloud, self.settings, submission)
            except InvalidInput as error:
                return self.answer.refuse(error.problems, LOOKED_UP)
        try:
            taken = results(self.cloud, submission)
        except InvalidInput as error:
            return self.answer.refuse(error.problems, LOOKED_UP, "data")
        found = look_up(
            self.cloud,
            self.settings,
            self.keys,
            submission.datanames,
            submission.configname,
            submission.resultpath,
            taken,
            manifest,
        )
        problems, settings = found.problems, self.settings
        if submission.rerun_of is not None:
            try:
                settings = as_then(self.cloud, settings, self.key.group, submission.rerun_of)
            except InvalidInput as error:
                problems += error.problems
        if not settings.image.ready:
            self.log.problems("check_existence", problems, self.clock())
            return self.answer.refuse([no_image(self.settings.stack)], IMAGE, "image", told=problems)
        if problems or found.config is None:
            missing = all(problem.field == "dataname" for problem in problems)
            return self.answer.refuse(problems, LOOKED_UP, "data" if missing else "user")
        job = plan(
            settings,
            submission,
            self.key.key,
            self.sha256,
            found,
            self.log.started,
            self.who.name,
            began=iso(self.clock()) if submission.after else "",
            cap=self.answer.cap,
        )
        if submission.rerun_of is None:  # which is wanted to be the same
            job = replace(job, same_as=same_as(self.cloud, job))
        if job.runs.hold_minutes:
            job = replace(job, hold_limit=hold_limit(self.cloud, self.settings))
        over = self._over_cap(submission, job)
        if over is not None:
            return self.answer.refuse([over], BUDGET, "quota")
        self.reserved = reserved = self._pay(job)
        if not reserved.paid and (reserved.hopeless or not job.waits_for_budget):
            return self.answer.refuse(reserved.problems, BUDGET, "quota")
        for key, content in records(job, found):
            self.cloud.put(job.bucket, key, content)
        self.cloud.put(job.bucket, job.keys.job, job.to_json())
        return job

    def _over_cap(self, submission: Submission, job: Job) -> Problem | None:
        """Count a job of a watched folder in the month of its watch; the problem when its cap leaves no
        room."""
        asked = submission.asked
        if asked is None or not job.cap:
            return None
        cost = worst_case(job)
        if self.cloud.take_cap(job.cap, job.timestamp, cost, asked.cap):
            return None
        got = f"up to {dollars(cost)} more than its cap of {dollars(asked.cap)} a month leaves"
        do = "Submit it by hand, or raise cap_usd of the watch"
        return Problem(f"watch {asked.watch}", got, "jobs within the cap", do)

    def _launch(self, job: Job, known: Sequence[JobMachine], started: int) -> Outcome:
        log_config(self.log, job, self.clock())

        def say(text: str) -> None:
            self.log.utils(text, self.clock())

        say(f"Acquiring new {job.instance_type} instances from {job.image.id} ...")
        reserved = self.reserved or self._pay(job)
        queue = JobQueue(self.cloud, job, self.delivery, self.settings.queue_url)
        lacks = max(0, reserved.paid - started)
        me = queue.me(ROOM, lacks, self.clock())
        room = fair_room(self.cloud, self.settings, me, me.seen) if lacks else None
        launcher = Launcher(
            self.cloud, job, self.delivery.owner_arn, say, lambda: self.delivery.ending(self.clock())
        )
        result = launcher.launch(known, started, room, reserved.paid)
        for machine in result.machines:
            say(f"New instance {machine.instance_id} ({machine.instance_type}) created!")
        total, done, now = len(job.datasets), result.next, self.clock()
        if done >= total:
            outcome = self.answer.launched(job)
            self._leave(queue)
            return outcome
        if done >= reserved.paid:
            kind, short = KIND_BUDGET, unpaid(reserved)
        else:
            kind, short = ROOM if result.full else CAPACITY, shortfall(result, job)
        age = (now - moment(job.waits_since)).total_seconds()
        if short.then is NextStep.GO_ON and age < max(LAUNCH_SECONDS, job.wait_seconds):
            return self._go_on(job, done, 0 if result.late else LAUNCH_PAUSE)
        self.log.problems("acquire_instances", [short.problem], now, kind="RESOURCE")
        if short.then is not NextStep.WAIT or queue.left(now) <= 0:
            outcome = self.answer.short(job, done, short)
            self._leave(queue)
            return outcome
        return self._wait(job, queue.me(kind, total - done, now, reserved.line), queue, done, short.problem)

    def _pay(self, job: Job) -> Reserved:
        """Reserve for those datasets of the job for which nothing is reserved yet, if it is its turn."""
        total, before = len(job.datasets), self.cloud.paid(self.item) if self.redelivered else 0
        if before is None or before >= total:
            return Reserved(total)
        now = self.clock()
        queue = JobQueue(self.cloud, job, self.delivery, self.settings.queue_url)
        turn = not job.waits_for_budget or queue.first(lines_of(job), now)
        return reserve(self.cloud, self.settings, self.log, job, now, self.delivery.notes, before, turn=turn)

    def _wait(self, job: Job, me: Waiter, queue: JobQueue, done: int, problem: Problem) -> Outcome:
        """Look again later; how long a job waits is its own affair, not the queue's."""
        now, total = self.clock(), len(job.datasets)
        told, pause = queue.enter(me, problem.text(), done, now)
        self.log.manager(f"Waiting for {total - done} of {total} environments: {told.where}.", now)
        self.answer.write(job, complete=False, waits=f"waits: {told.text}", started=done)
        self.cloud.pause(self.item, self.delivery.owner, done, now.timestamp())
        if pause is not None:
            self.cloud.come_back(self.settings.queue_url, self.delivery.event, pause)
        return Outcome(0, f"waiting: {problem.text()}", waiting=True)

    def _go_on(self, job: Job, done: int, seconds: int) -> Outcome:
        """Launch the rest in another delivery: a launch that AWS only slows down is not out of capacity, so
        this is none of the attempts that the queue counts."""
        total, now = len(job.datasets), self.clock()
        text = f"{done} of {total} environments started; AWS starts machines one after another, and the rest"
        self.log.manager(f"{text} follows.", now)
        self.answer.write(job, complete=False)
        self.cloud.pause(self.item, self.delivery.owner, done, now.timestamp())
        self.cloud.come_back(self.settings.queue_url, self.delivery.event, seconds)
        return Outcome(0, f"{text} follows in {seconds} s")

    def _give_up(self) -> Outcome:
        """Every delivery so far has ended in an error of the service: tell so, while there is one left to do
        it.
        """
        job, known, started = self._so_far()
        order = read_order(self.cloud, self.settings.bucket, self.keys)
        if order is not None:
            return self._stop(order, job, started)
        if started or (known and job is None):
            self.cloud.abandon(self.item)
            return Outcome(99, "failed: the machines that were started work on, and the sweep ends the job")
        return self.answer.refuse([SERVICE_FAILED], GIVEN_UP, "platform", job=job)

    def _stop(self, order: StopOrder, job: Job | None, started: int) -> Outcome:
        outcome = self.answer.stop(order, job, started)
        if job is not None:
            self._leave(JobQueue(self.cloud, job, self.delivery, self.settings.queue_url))
        return outcome

    def _leave(self, queue: JobQueue) -> None:
        if self.redelivered:  # else it has not waited
            queue.leave(self.clock())

    def _so_far(self) -> tuple[Job | None, list[JobMachine], int]:
        """What earlier deliveries have come to: the job, the machines of its name that EC2 shows, and how
        many of its first datasets have had theirs."""
        job, known = self._earlier_job(), self.cloud.machines(self.item)
        if job is None:
            return None, known, 0
        return job, known, max(self.cloud.started(self.item), next_dataset(own_machines(job, known)))

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
