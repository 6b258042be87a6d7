"""What the manager needs of AWS, as types: tests put their own in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from neurocaas.protocol.job_index import IndexEntry
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.ledger import Claim, Reservation, Waiting
from neurocaas.protocol.members import Roster
from neurocaas.protocol.settings import ON_DEMAND, ROOT_DEVICE
from neurocaas.protocol.spending import Figures
from neurocaas.protocol.waiting import Waiter
from neurocaas.protocol.watches import Watch
from runtime.manager.events import ObjectCreated


class ObjectTooLargeError(Exception):
    """An object has more bytes than the caller allows; `size` says how many."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


class BucketRefusedError(Exception):
    """S3 does not let the manager read a bucket (that is outside of what the stack owns, or not there), or
    one object in it (encrypted with a key that the manager has not, or archived); the text is S3's code."""


class JobGoneError(Exception):
    """Another has ended the job that this manager works on: the next delivery finds its end."""


class LaunchError(Exception):
    """RunInstances was refused; `code` is the EC2 error code, `text` what EC2 said."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True)
class StoredObject:
    """Size in bytes, ETag without quotes, and the version where it was asked for and the bucket has
    versions.
    """

    key: str
    size: int
    etag: str
    version_id: str | None = None


@dataclass(frozen=True)
class ReadObject:
    """An object in one read: its bytes, and which object that was."""

    body: bytes
    etag: str
    version_id: str | None = None


@dataclass(frozen=True)
class JobMachine:
    """An instance of a job: the dataset's index is `offset + launch_index`, and it is the `attempt`th machine
    of it; `run` is when its job was created."""

    instance_id: str
    instance_type: str
    launch_index: int
    offset: int
    attempt: int = 1
    run: str = ""

    @property
    def dataset(self) -> int:
        return self.offset + self.launch_index


@dataclass(frozen=True)
class LaunchRequest:
    """One RunInstances call for up to `count` machines. `volume_gib` (of the `root_device`) is None to keep
    the launch template's; `zone` and `subnet` None to let AWS choose; `market` is "on-demand" or "spot"."""

    template_id: str
    template_version: str
    instance_type: str
    count: int
    user_data: str
    client_token: str
    tags: Mapping[str, str]
    volume_gib: int | None
    market: str = ON_DEMAND
    zone: str | None = None
    subnet: str | None = None
    root_device: str = ROOT_DEVICE


class ManagerCloud(Protocol):
    """What the manager needs of AWS; the service's table and topic are known to it. Reading raises
    BucketRefusedError.
    """

    def get(self, bucket: str, key: str, limit: int, version: str | None = None) -> bytes | None:
        """The object's content (of a version that it had), None when there is none. Raises
        ObjectTooLargeError.
        """

    def read(self, bucket: str, key: str, limit: int, version: str | None = None) -> ReadObject | None:
        """The same, and which object it is."""

    def put(
        self,
        bucket: str,
        key: str,
        body: str | bytes,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Write text, or bytes. With `if_absent`, False (and nothing written) when the key exists."""

    def head(self, bucket: str, key: str) -> StoredObject | None:
        """What object is there, with its version; None when there is none."""

    def objects(
        self, bucket: str, prefix: str, after: str, limit: int, *, versions: bool = False
    ) -> Iterator[StoredObject]:
        """Up to `limit` objects below `prefix` in key order, behind key `after`; with their `versions`, where
        that is asked for.
        """

    def hear(self, bucket: str, key: str, etag: str) -> None:
        """Note that a manager has taken this file from the queue."""

    def claim(self, job: JobId, claim: Claim, after: Claim | None = None) -> Claim | None:
        """Claim a timestamp (in place of the claim `after`); None when that was done, else the claim that was
        there before.
        """

    def claimed(self, job: JobId) -> Claim | None:
        """The claim of a timestamp, None when it is free."""

    def lease(
        self,
        job: JobId,
        owner: str,
        now: float,
        until: float,
        about: Mapping[str, str],
    ) -> str:
        """Take the job for this manager, noting `about` in its item: "taken", "busy" (another has it),
        "launched" or "ended".
        """

    def release(self, job: JobId, owner: str) -> None:
        """Give the job back, to be taken by the next delivery."""

    def pause(self, job: JobId, owner: str, started: int, now: float) -> None:
        """The same, noting that the first `started` datasets have their machines."""

    def started(self, job: JobId) -> int:
        """How many of its first datasets have had their machines when its launch was paused."""

    def come_back(self, queue_url: str, event: ObjectCreated, seconds: int) -> None:
        """Have the queue deliver a message once more, as a new one, after up to 900 seconds."""

    def wait(self, job: JobId, owner: str, waiting: Waiting) -> None:
        """Note in the item of a job what it waits for; this manager keeps it."""

    def waiting(self, job: JobId) -> Waiting | None:
        """What an open job waits for; None for nothing, and for a job that is not open."""

    def follow(self, job: JobId, follower: JobId) -> None:
        """Note in the item of an open job who waits for it."""

    def followers(self, job: JobId) -> tuple[JobId, ...]:
        """The jobs that wait for this one."""

    def go_on(self, job: JobId, owner: str, now: float) -> None:
        """Note that a job waits no more."""

    def wake(self, waiting: Waiting | Waiter) -> None:
        """Have a manager look at a job that waits; only one of the own analysis."""

    def register(self, watch: Watch) -> None:
        """Note in the table what is watched; the sweep looks after it."""

    def end_watch(self, bucket: str, group: str, name: str, why: str) -> None:
        """End a watch for a reason, until somebody turns it on again."""

    def take_cap(self, cap: str, timestamp: str, amount: int, limit: int) -> bool:
        """Count a job in a month of its watch, once; False when that has not enough left."""

    def settle_cap(self, cap: str, timestamp: str, spent: int) -> None:
        """What it spent takes the place of what it had reserved there, once."""

    def launched(self, job: JobId, total: int, failed: frozenset[int], now: float) -> None:
        """All machines that will ever be there are there; `failed` are the datasets that got none."""

    def abandon(self, job: JobId) -> None:
        """No manager will work on the job any more; the sweep ends it when the machines that it has have
        ended.
        """

    def note_stop(self, job: JobId, reason: str, now: float) -> bool:
        """Note in an open job's item why and since when it is to end; False when there is no such item. The
        first note stays.
        """

    def retries(self, job: JobId) -> frozenset[str] | None:
        """The further attempts that the monitor has asked for and whose dataset is still open, None when the
        job has ended.
        """

    def give_up(self, job: JobId, dataset: int) -> None:
        """No further machine will be there for a dataset of an open job."""

    def forget(self, job: JobId, ended: str) -> bool:
        """The job has ended (ISO 8601) without a machine: its item goes, its reservation is released, its
        claim says so. False when another has ended it."""

    def parameters(self, names: Sequence[str]) -> Mapping[str, str]:
        """The values of those SSM parameters (up to 10) that there are."""

    def roster(self, group: str) -> Roster:
        """Who is in a group; empty for a group that is in no groups.yaml."""

    def account(self, budget: str, member: str | None = None) -> tuple[int, int]:
        """Micro-dollars that are spent or reserved so far of a budget, or of it by this member of the group,
        and those of them that are spent."""

    def committed(self, budget: str, member: str | None = None) -> int:
        """The first of these."""

    def reserve(self, job: JobId, wanted: Reservation) -> bool:
        """Reserve micro-dollars for a job, once; False when the budget, or the member's, has not enough left.
        Raises JobGoneError.
        """

    def paid(self, job: JobId) -> int | None:
        """For how many of its first datasets is reserved; 0: for none, None: for all (of jobs of before
        this was counted).
        """

    def waiters(self, bucket: str) -> list[Waiter]:
        """The jobs of an analysis that wait for room, capacity or budget, in order."""

    def enter_queue(self, waiter: Waiter) -> None:
        """Put a job among them, or what is new of it."""

    def leave_queue(self, job: JobId) -> None:
        """Take it out."""

    def figures(self, budget: str) -> Figures:
        """The budget of that sort key, as it is now."""

    def take_alarm(self, budget: str, mark: str) -> bool:
        """Note that an alarm of a budget is sent now; False when another has done so."""

    def index(self, bucket: str, group: str, entry: IndexEntry) -> None:
        """Put a job into the index of its group's jobs, or what is new of it."""

    def publish(self, subject: str, text: str, about: Mapping[str, str]) -> None:
        """Notify the subscribers of the service's topic; `about`: see `neurocaas.protocol.notice`."""

    def note_ended(self, group: str, day: str, line: str) -> None:
        """File the line of a job that has ended for the digest of its group (`neurocaas.protocol.digest`)."""

    def run(self, request: LaunchRequest) -> list[JobMachine]:
        """Launch at least one machine. Raises LaunchError."""

    def living(self, tags: Mapping[str, str]) -> int:
        """How many machines with these tags are pending or running."""

    def machines(self, job: JobId) -> list[JobMachine]:
        """The job's machines, ended ones included as long as EC2 shows them."""
