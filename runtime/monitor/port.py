"""What the monitor needs of AWS, as types: tests put their own in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from neurocaas.protocol.chain import Source
from neurocaas.protocol.digest import Digest
from neurocaas.protocol.hold import Hold
from neurocaas.protocol.job_index import IndexEntry
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.ledger import Waiting
from neurocaas.protocol.limits import JOB_MAX_BYTES
from neurocaas.protocol.spending import Figures
from neurocaas.protocol.waiting import Waiter
from neurocaas.protocol.watches import Watch

ALIVE = frozenset({"pending", "running"})


@dataclass(frozen=True)
class ObjectContent:
    """An object's bytes and its user metadata."""

    body: bytes
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Instance:
    """What EC2 says of a machine. `reason` is its state reason in words, `transition` the raw transition
    reason.
    """

    instance_id: str
    instance_type: str
    state: str
    launch_index: int
    launched: datetime
    spot: bool = False
    reason_code: str = ""
    reason: str = ""
    transition: str = ""
    image_id: str | None = None
    zone: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenJob:
    """The item of an open job (see `neurocaas.protocol.ledger`). Times are epoch seconds, `reserved` in
    micro-dollars, `settled` what is spent of it already; `stop` says why the job is being ended early, since
    `stopped`; `ending` since when a monitor is writing its end; `since` when its manager has
    launched all of it, or last has paused the launch; `taken` (ISO 8601) when a manager first took it,
    `submitter` who submitted, both "" of what is older than they are; `waiting`: what it waits for before
    anything is launched; `followers` wait for it; `member`: in whose figures, beside the group's, the
    reservation is, None for nobody's."""

    job: JobId
    state: str
    created: float
    lease: float | None = None
    total: int | None = None
    succeeded: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()
    instances: frozenset[str] = frozenset()
    closed_at: float | None = None
    reserved: int | None = None
    budget: str | None = None
    retries: frozenset[str] = frozenset()
    stop: str | None = None
    stopped: float | None = None
    ending: float | None = None
    since: float | None = None
    submission: str = ""
    analysis: str = ""
    taken: str = ""
    submitter: str = ""
    waiting: Waiting | None = None
    followers: tuple[JobId, ...] = ()
    member: str | None = None
    settled: int = 0

    @property
    def closed(self) -> frozenset[int]:
        return self.succeeded | self.failed


@dataclass(frozen=True)
class Paid:
    """Micro-dollars of a dataset that has ended: what was reserved in `budget`, and in what
    `member` has of it (None: in nobody's), and what it has cost."""

    budget: str
    each: int
    cost: int
    member: str | None = None


@dataclass(frozen=True)
class Deployed:
    """What the monitor needs to know of a deployed analysis. `sources`: other analyses whose results its
    jobs may take."""

    bucket: str
    groups: tuple[str, ...]
    queue_url: str
    stack: str = ""
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Written:
    """An object of a listing; `etag` without quotes."""

    key: str
    etag: str
    modified: datetime
    size: int


@dataclass(frozen=True)
class Heard:
    """The ETag of what a manager has taken from the queue, and of what the sweep has told the queue of, since
    when (epoch seconds).
    """

    etag: str = ""
    sent: str = ""
    sent_at: float = 0.0


@dataclass(frozen=True)
class Search:
    """`after`: the last key that was listed in this round, which began at `begun`; `through`: when the last
    whole round began.
    Epoch seconds."""

    after: str
    begun: float
    through: float


class ComeAgainError(Exception):
    """What was begun must be gone on with later: a job's machines have all ended, but its manager still works
    on it, or another monitor has begun to write its end and may have died since, or there are more files to
    move than one call has the time for."""


@dataclass(frozen=True)
class Move:
    """An object that is to go from `key` to `to` as long as it is the very one that was meant: of this
    version (None: a bucket without versions, or it was not told), and with this ETag ("": any)."""

    key: str
    to: str
    version: str | None = None
    etag: str = ""


class MonitorCloud(Protocol):
    """What the monitor needs of AWS."""

    def acting_for(self, bucket: str, group: str) -> MonitorCloud:
        """The same, but what it writes to S3 is confined to what is this group's in this bucket."""

    def get(self, bucket: str, key: str, limit: int = JOB_MAX_BYTES) -> ObjectContent | None:
        """The object, None when there is none, or when it has more bytes than `limit`."""

    def put(
        self,
        bucket: str,
        key: str,
        body: str,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Write text. With `if_absent`, False (and nothing written) when the key exists."""

    def hand_over(
        self, bucket: str, keys: Mapping[str, str], to_bucket: str, end: tuple[str, str]
    ) -> str | None:
        """Copy `keys` of a bucket to their new keys in another, then write `end` (key and text) there. None
        when that is done, else S3's first refusal."""

    def set_aside(self, bucket: str, moves: Sequence[Move]) -> Mapping[str, str]:
        """Move objects within a bucket; S3's refusals by key. What is gone by now, or another object, is left
        alone. What is larger than one copy may be is removed only. Raises ComeAgainError when there are more
        than one call has the time for: those that have been moved are gone, so it goes on where it was."""

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object if it is there."""

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """All keys below `prefix`."""

    def files(self, bucket: str, prefix: str) -> Iterator[Written]:
        """All objects below `prefix`."""

    def spot_price(self, instance_type: str, zone: str, when: datetime) -> float | None:
        """What a machine of this type costs in this zone's spot market at a time, in USD an hour; None when
        that cannot be known.
        """

    def instances(self, ids: Sequence[str]) -> list[Instance]:
        """Those of the named machines that EC2 still knows."""

    def all_instances(self) -> Iterator[Instance]:
        """All machines of the service in this account and region (tag PriceTracking=On), ended ones as long
        as EC2 shows them.
        """

    def impaired(self, since: datetime) -> list[str]:
        """Running machines of the account whose host fails EC2's check, without a break from before `since`
        on."""

    def terminate(self, ids: Sequence[str]) -> None:
        """End machines; those that have ended already are no error."""

    def switch_off(self, ids: Sequence[str]) -> None:
        """Switch machines off; their disks stay. Those that are gone are no error."""

    def open_job(self, job: JobId) -> OpenJob | None:
        """The job's item, None when it has ended."""

    def open_jobs(self) -> Iterator[OpenJob]:
        """All jobs that have not ended."""

    def close_dataset(
        self,
        job: JobId,
        index: int,
        *,
        succeeded: bool,
        instance: str | None,
        now: float,
        paid: Paid | None = None,
    ) -> OpenJob | None:
        """Note that a dataset is final; the item afterwards, None when the job has ended. Doing it twice
        changes nothing. With `paid`, what it has cost takes the place of what was reserved for it.
        """

    def waiters(self, bucket: str) -> list[Waiter]:
        """The jobs of an analysis that wait for room, capacity or budget, in order."""

    def may_wake(self, bucket: str, now: float, stale: float) -> bool:
        """Take it on to tell them of room; False when another has done that after `stale`, or none waits."""

    def retry_dataset(self, job: JobId, index: int, attempt: int, instance: str) -> OpenJob | None:
        """Note that a dataset needs its `attempt`th machine after `instance`; the item afterwards, None when
        the job has ended. Doing it twice changes nothing."""

    def abandon(self, job: JobId, now: float) -> bool:
        """Take a job from its manager, which has not launched all of it and will not any more; False when one
        is at it.
        """

    def note_stop(self, job: JobId, reason: str, now: float) -> bool:
        """Note why and since when an open job is to end; False when there is none. The first note stays."""

    def begin_end(self, job: JobId, now: float, stale: float) -> bool:
        """Take it on to write the end of an open job. False when there is none, or when another monitor has
        begun after `stale`.
        """

    def hold(self, hold: Hold, limit: int) -> str | Hold:
        """Reserve a hold in its budget, which may have `limit` micro-dollars, and note it: TAKEN, NO_MONEY,
        or the hold that there is already."""

    def holds(self) -> Iterator[Hold]:
        """The machines that are held, or whose hold is not settled yet."""

    def release_hold(self, hold: Hold, spent: int) -> None:
        """A hold is over: what it cost (micro-dollars) replaces what was reserved. Doing it twice changes
        nothing."""

    def mark_held(self, instance: str, until: str) -> None:
        """Tag a machine as held until then (ISO 8601). One that is gone is no error."""

    def settle(self, item: OpenJob, spent: int, ended: str) -> None:
        """The job has ended (ISO 8601): its item goes, its claim says so, and in its budget what it spent
        (micro-dollars) replaces what it had reserved."""

    def figures(self, budget: str) -> Figures:
        """The budget of that sort key, as it is now."""

    def take_alarm(self, budget: str, mark: str) -> bool:
        """Note that an alarm of a budget is sent now; False when another has done so."""

    def analyses(self) -> Iterator[Deployed]:
        """The analyses that are deployed."""

    def deployed_as(self, stack: str) -> Deployed | None:
        """The analysis that this stack has deployed; None for none."""

    def submit(self, queue_url: str, bucket: str, files: Mapping[str, str]) -> str | None:
        """Write files (text by key), and tell the managers' queue of the last one, a submission of the
        service's own. None when that is done, else how AWS refuses it: trying again would be in vain."""

    def folders(self, bucket: str, prefix: str, after: str, limit: int) -> list[str]:
        """Up to `limit` folders directly below `prefix` (ending in '/'), in key order, behind `after`."""

    def watches(self) -> Iterator[tuple[Watch, str]]:
        """What is watched, and why the service has ended it ("": it has not)."""

    def end_watch(self, bucket: str, group: str, name: str, why: str) -> None:
        """End a watch for a reason, until somebody turns it on again."""

    def committed_of_cap(self, cap: str) -> int:
        """Micro-dollars that the jobs of a watch have spent or reserved in a month."""

    def settle_cap(self, cap: str, timestamp: str, spent: int) -> None:
        """What a job of a watch spent takes the place of what it had reserved there, once."""

    def submissions(self, bucket: str, prefix: str, after: str, limit: int) -> list[Written]:
        """Up to `limit` objects below `prefix` in key order, behind key `after`."""

    def heard(self, bucket: str, keys: Sequence[str]) -> Mapping[str, Heard]:
        """What the table knows of submissions and cancellations."""

    def deliver(self, queue_url: str, bucket: str, written: Written, now: float) -> None:
        """Tell the managers' queue of a file as S3 would, and note that in the table."""

    def wake(self, waiting: Waiting | Waiter, seconds: int = 0) -> None:
        """Have a manager look at a job that waits, after up to 900 seconds."""

    def searched(self, bucket: str) -> Search | None:
        """Where the search of a bucket stands."""

    def note_search(self, bucket: str, search: Search) -> None:
        """Where it goes on."""

    def index(self, bucket: str, group: str, entry: IndexEntry) -> None:
        """Put a job into the index of its group's jobs, or what is new of it."""

    def publish(self, subject: str, text: str, about: Mapping[str, str]) -> None:
        """Notify the subscribers; `about`: see `neurocaas.protocol.notice`."""

    def note_ended(self, group: str, day: str, line: str) -> None:
        """File the line of a job that has ended for the digest of its group (`neurocaas.protocol.digest`)."""

    def digests(self, before: str, most: int) -> Sequence[Digest]:
        """Up to `most` digests of days before `before` that nobody has told."""

    def digest_groups(self) -> frozenset[str]:
        """The groups that want digests."""

    def take_digest(self, digest: Digest, now: float, stale: float) -> bool:
        """Begin to tell it; False when another has begun after `stale`, or has told it."""

    def drop_digest(self, digest: Digest) -> None:
        """Note that it was told."""

    def measure(self, job: JobId, message: str, metrics: Mapping[str, float]) -> None:
        """Write a line about a job with metrics (`neurocaas.protocol.logline`)."""
