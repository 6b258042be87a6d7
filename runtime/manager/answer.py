"""What people are told of a file that they have put into the bucket: a certificate, and how it ends.

`Answer` is that of a file that can be about no job, `JobAnswer` that of a submission, which has a timestamp.
All ends of a submission in the hands of the manager are here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from neurocaas.protocol import digest
from neurocaas.protocol.certificate import (
    CertificateFacts,
    SetupLog,
    claim_metadata,
    end_line,
    initial_lines,
)
from neurocaas.protocol.documents import iso
from neurocaas.protocol.events import (
    ENDED,
    EVENT_MAX_BYTES,
    STARTED,
    Fact,
    Told,
    event,
    history,
    in_order,
    read_told,
    tell,
)
from neurocaas.protocol.job import Job
from neurocaas.protocol.job_index import REJECTED, RUNNING, SUBMITTED, IndexEntry, brief, entry_of
from neurocaas.protocol.keys import (
    CANCEL_SUFFIX,
    CancelKey,
    JobId,
    JobKeys,
    ResultKeys,
    SubmissionKey,
    WatchKey,
    rejected_keys,
)
from neurocaas.protocol.limits import QUEUE_MAX_RECEIVES
from neurocaas.protocol.notice import REFUSED, event_of, notice
from neurocaas.protocol.problems import Problem
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.status import FAILED, DatasetStatus
from neurocaas.protocol.stop import QUOTA, StopOrder
from neurocaas.protocol.waiting import AS_BUDGET_ALLOWS
from runtime.manager.delivery import Outcome
from runtime.manager.following import wake_followers
from runtime.manager.port import ManagerCloud
from runtime.manager.shortfall import Shortfall
from runtime.manager.wording import log_started

_EVENTS = 1_000
"""Events of a job that ends without a machine: it has waited, at most."""

SERVICE_FAILED = Problem(
    "submission",
    f"an error of the service itself, each of {QUEUE_MAX_RECEIVES - 1} times that it was tried",
    "a submission that the service can process",
    "Submit again with another timestamp; if it stays so, tell the administrator, who finds the error in "
    "the manager's log",
)


def no_image(stack: str) -> Problem:
    """What the manager sees is what was deployed: an image that was baked since is in the blueprint only."""
    do = (
        f"invoke bake-ami --stack {stack}, then invoke deploy {stack}; when it is baked already, only the "
        "deploy is missing"
    )
    got = "no machine image yet in what is deployed"
    return Problem("machine image", got, "an image that was baked and deployed", do)


class RefusedAt(NamedTuple):
    """Where a submission was refused, as the log names it: one of the four steps, the part of the work, and
    the kind of error.
    """

    step: int
    part: str
    kind: str


READ = RefusedAt(1, "init", "INPUT")
READ_FAILED = RefusedAt(1, "init", "INTERNAL")
LOOKED_UP = RefusedAt(2, "check_existence", "INPUT")
BUDGET = RefusedAt(2, "get_costmonitoring", "INPUT")
IMAGE = RefusedAt(3, "setup", "RESOURCE")
GIVEN_UP = RefusedAt(4, "init", "INTERNAL")


def version_of(settings: AnalysisSettings) -> str:
    """What the certificate calls ANALYSIS VERSION ID: the blueprint's commit, else its digest."""
    return settings.blueprint_commit or settings.blueprint_digest or "unknown"


@dataclass
class Answer:
    """The answer to a file with the key `source`, below `keys`; `log` is its certificate while it grows.
    `submitter` and `cap` as in `job.json`."""

    cloud: ManagerCloud
    settings: AnalysisSettings
    clock: Callable[[], datetime]
    keys: ResultKeys
    log: SetupLog
    source: str
    submitter: str = ""
    cap: str = ""

    @property
    def metadata(self) -> Mapping[str, str] | None:
        """Of the service's own certificate."""
        return None

    def refuse(
        self,
        problems: Sequence[Problem],
        stage: RefusedAt = READ,
        exit_class: str = "user",
        *,
        told: Sequence[Problem] = (),
        job: Job | None = None,
    ) -> Outcome:
        """End it for `problems`; `told` are further ones that the log has already."""
        now = self.clock()
        self.log.problems(stage.part, problems, now, stage.kind)
        self.log.step_failed(stage.step, stage.kind, now)
        self.end(exit_class, [*problems, *told], job=job)
        return Outcome(99, f"refused: {problems[0].text()}")

    def end(
        self, exit_class: str, problems: Sequence[Problem] = (), note: str = "", job: Job | None = None
    ) -> None:
        """Write the end of what ends without a machine, and tell those of its group who want to know."""
        facts, told = self._close(exit_class, problems, note, job, self.clock())
        self.tell(facts, told)

    def tell(self, facts: CertificateFacts, told: str) -> None:
        """Send the notice."""
        if self.settings.topic_arn:
            self.cloud.publish(*notice(facts, iso(self.log.started), told))

    def _close(
        self, exit_class: str, problems: Sequence[Problem], note: str, job: Job | None, now: datetime
    ) -> tuple[CertificateFacts, str]:
        """Write certificate, certificate.json and `end.txt`; the facts, and what `end.txt` tells: the first
        problem, else `note`."""
        facts = CertificateFacts(
            exit_class=exit_class,
            finished=now,
            group=self.keys.group,
            job_id=self.log.job_id,
            submission_key=self.source,
            analysis=self.settings.analysis,
            bucket=self.settings.bucket,
            job=job,
            problems=tuple(problems),
            submitter=self.log.submitter,
        )
        if problems:
            note = problems[0].text()
        more = f" (and {len(problems) - 1} more, see certificate.txt)" if len(problems) > 1 else ""
        self.certify(self.log.render())
        for place in (self.keys, self.keys.records):
            self.cloud.put(self.settings.bucket, place.certificate_json, facts.to_json())
            total = len(job.datasets) if job else 0
            self.cloud.put(self.settings.bucket, place.end, end_line(0, total, note + more))
        if not self.source.endswith(CANCEL_SUFFIX):
            self.cloud.index(self.settings.bucket, self.keys.group, self._ended(job, note, now))
        return facts, note

    def _ended(self, job: Job | None, why: str, now: datetime) -> IndexEntry:
        """What the index says of what has ended without a machine."""
        if job is not None:
            total = len(job.datasets)
            return entry_of(job, state=FAILED, done=total, failed=total, ended=iso(now), why=why)
        return IndexEntry(
            self.keys.folder,
            iso(self.log.started),
            REJECTED,
            self.settings.analysis,
            self.submitter,
            self.source,
            iso(now),
            why=brief(why),
        )

    def certify(self, text: str) -> None:
        """Write a certificate: the service's own, which has `metadata`, and the copy for people."""
        self.cloud.put(self.settings.bucket, self.keys.records.certificate, text, metadata=self.metadata)
        self.cloud.put(self.settings.bucket, self.keys.certificate, text)


def rejection(
    cloud: ManagerCloud,
    settings: AnalysisSettings,
    clock: Callable[[], datetime],
    key: SubmissionKey | CancelKey | WatchKey,
    replaced: str = "",
    submitter: str = "",
) -> Answer:
    """The answer to a file that can be about no job, below `results/rejected_{id}/`. `replaced`: the ETag of
    one whose file another has replaced; the plain name is that of the other's answer. `submitter`: who
    has written it."""
    name = f"{key.id}-{replaced[:8]}" if replaced else key.id
    now = clock()
    log = SetupLog(now, version_of(settings), name or key.key.rpartition("/")[2], submitter)
    log.manager("Detected new job: starting up.", now)
    return Answer(cloud, settings, clock, rejected_keys(key.group, name), log, key.key, submitter)


@dataclass
class JobAnswer(Answer):
    """The answer to a submission with a usable timestamp: what its job was, or how it began."""

    keys: JobKeys

    @property
    def job_id(self) -> JobId:
        return JobId(self.settings.bucket, self.keys.group, self.keys.timestamp)

    @property
    def metadata(self) -> Mapping[str, str]:
        return claim_metadata(self.source, self.log.started)

    def happened(self, name: str, text: str, once: str = "1", **facts: Fact) -> None:
        """Tell an event of the job (`neurocaas.protocol.events`)."""
        tell(self.cloud, self.job_id, name, text, now=self.clock(), once=once, **facts)

    def _write_history(self, over: Told) -> None:
        """The events of a job that no monitor ends."""
        told = {over.key: over}
        for one in self.cloud.objects(self.settings.bucket, self.keys.events_prefix, "", _EVENTS):
            raw = self.cloud.get(self.settings.bucket, one.key, EVENT_MAX_BYTES)
            found = read_told(one.key, raw) if raw is not None else None
            if found is not None:
                told.setdefault(one.key, found)
        self.cloud.put(self.settings.bucket, self.keys.events, history(in_order(told.values())))

    def end(
        self, exit_class: str, problems: Sequence[Problem] = (), note: str = "", job: Job | None = None
    ) -> None:
        """End the job without a machine: write its end, send the notice, and release what was reserved for
        it. Whoever dies in between leaves the job open, and the next one tells it twice rather than never.
        """
        now = self.clock()
        why = problems[0].text() if problems else note
        total = len(job.datasets) if job else 0
        line = end_line(0, total, why).strip()
        self._write_history(event(self.job_id, ENDED, line, now, "1", exit_class=exit_class, cost_usd=0.0))
        facts, told = self._close(exit_class, problems, note, job, now)
        wake_followers(self.cloud, self.settings.queue_url, self.job_id)
        if self.cap:
            self.cloud.settle_cap(self.cap, self.keys.timestamp, 0)
        claim = self.cloud.claimed(self.job_id)
        if not (claim and claim.ended):
            if event_of(facts) != REFUSED:
                self.cloud.note_ended(self.keys.group, digest.day_of(now), digest.line_of(facts))
            self.tell(facts, told)
        self.cloud.forget(self.job_id, iso(now))

    def stop(self, order: StopOrder, job: Job | None = None, done: int = 0) -> Outcome:
        """The job was cancelled before it was launched, or when `done` of its datasets had machines."""
        self.log.manager(f"Job {order.text}.", self.clock())
        if job is None or done == 0:
            self.log.manager("Shutting down job.", self.clock())
            self.end(order.outcome, note=order.text, job=job)
        else:
            self.part(job, done, order.text)
        return Outcome(0, order.text)

    def waits(self) -> None:
        """Show the submission among the group's jobs while it waits before anything is planned."""
        entry = IndexEntry(
            self.keys.folder,
            iso(self.log.started),
            SUBMITTED,
            self.settings.analysis,
            self.submitter,
            self.source,
        )
        self.cloud.index(self.settings.bucket, self.keys.group, entry)

    def launched(self, job: Job) -> Outcome:
        """All machines of the job are there."""
        total, now = len(job.datasets), self.clock()
        log_started(self.log, job.datasets, now)
        self.log.step_done(4, now)
        self.happened(STARTED, f"all {total} machines are started", machines=total)
        self.write(job)
        self.cloud.launched(self.job_id, total, frozenset(), now.timestamp())
        return Outcome(0, f"launched {total} machines")

    def short(self, job: Job, done: int, short: Shortfall) -> Outcome:
        """No more than the machines of the first `done` datasets were to be had."""
        problem = short.problem
        self.log.step_failed(4, "RESOURCE", self.clock())
        if done == 0:
            self.end(short.exit_class, [problem], job=job)
            return Outcome(99, f"failed: {problem.text()}")
        reason = f"No machine was started: {problem.text()}"
        self.part(job, done, f"{QUOTA}: {reason}" if short.exit_class == QUOTA else reason)
        return Outcome(99, f"launched {done} of {len(job.datasets)} machines: {problem.text()}")

    def part(self, job: Job, done: int, reason: str) -> None:
        """Go on with the machines of the first `done` datasets; the others have failed for `reason`."""
        total, now = len(job.datasets), self.clock()
        log_started(self.log, job.datasets[:done], now)
        for dataset in job.datasets[done:]:
            fail_dataset(self.cloud, job, dataset.index, reason, now)
        self.write(job)
        self.happened(STARTED, f"{done} of {total} machines are started: {reason}", machines=done)
        self.cloud.launched(self.job_id, total, frozenset(range(done, total)), now.timestamp())

    def write(self, job: Job, *, complete: bool = True, waits: str = "", started: int = 0) -> None:
        """Write the certificate of a job that has machines, or gets some: `started` of them so far, where it
        waits for others."""
        self.certify(self.log.render(initial_lines(job, iso(self.clock())), complete=complete))
        # Before the table says that it is launched: who is killed in between comes again.
        paid = self.cloud.paid(self.job_id) if job.run == AS_BUDGET_ALLOWS else len(job.datasets)
        state = SUBMITTED if waits and not started else RUNNING
        entry = entry_of(job, state=state, reserved=(paid or 0) * job.at_most_each, why=brief(waits))
        self.cloud.index(job.bucket, job.group, entry)


def fail_dataset(cloud: ManagerCloud, job: Job, index: int, reason: str, now: datetime) -> None:
    """Say how a dataset ended for which no machine was started: the verdict that counts, and the status that
    people see.
    """
    dataset = job.datasets[index]
    text = DatasetStatus(FAILED, dataset.inputpath, reason=reason, updated=iso(now)).to_json()
    cloud.put(job.bucket, job.keys.verdict(index), text)
    cloud.put(job.bucket, dataset.status_key, text)
