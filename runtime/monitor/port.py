"""What the monitor needs of AWS, as types: tests put their own in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

ALIVE = frozenset({"pending", "running"})

JobId = tuple[str, str, str]
"""Bucket, group, timestamp."""


@dataclass(frozen=True)
class Content:
    """An object's bytes and its user metadata."""

    body: bytes
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class Instance:
    """What EC2 says of a machine. `reason` is its state reason in words, `transition` the raw transition reason."""

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
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenJob:
    """The item of an open job (see `runtime.protocol.ledger`). Times are epoch seconds, `reserved` in micro-dollars;
    `stop` says why the job is being ended early, since `stopped`."""

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
    submission: str = ""
    analysis: str = ""

    @property
    def closed(self) -> frozenset[int]:
        return self.succeeded | self.failed


class Cloud(Protocol):
    """What the monitor needs of AWS."""

    def get(self, bucket: str, key: str) -> Content | None:
        """The object, None when there is none, or it is larger than any document."""

    def put(self, bucket: str, key: str, body: str, *, if_absent: bool = False, metadata: Mapping[str, str] | None = None) -> bool:
        """Write text. With `if_absent`, False (and nothing written) when the key exists."""

    def hand_over(self, bucket: str, keys: Mapping[str, str], to_bucket: str, end: tuple[str, str]) -> str | None:
        """Copy `keys` of a bucket to their new keys in another, then write `end` (key and text) there. None when that is
        done, else S3's first refusal."""

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object if it is there."""

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """All keys below `prefix`."""

    def instances(self, ids: Sequence[str]) -> list[Instance]:
        """Those of the named machines that EC2 still knows."""

    def all_instances(self) -> Iterator[Instance]:
        """All machines of the service in this account and region (tag PriceTracking=On), ended ones as long as EC2 shows them."""

    def terminate(self, ids: Sequence[str]) -> None:
        """End machines; those that have ended already are no error."""

    def switch_off(self, ids: Sequence[str]) -> None:
        """Switch machines off; their disks stay. Those that are gone are no error."""

    def open_job(self, job: JobId) -> OpenJob | None:
        """The job's item, None when it has ended."""

    def open_jobs(self) -> Iterator[OpenJob]:
        """All jobs that have not ended."""

    def close_dataset(self, job: JobId, index: int, *, succeeded: bool, instance: str | None, now: float) -> OpenJob | None:
        """Note that a dataset is final; the item afterwards, None when the job has ended. Doing it twice changes nothing."""

    def retry_dataset(self, job: JobId, index: int, attempt: int, instance: str) -> OpenJob | None:
        """Note that a dataset needs its `attempt`th machine after `instance`; the item afterwards, None when the job has
        ended. Doing it twice changes nothing."""

    def abandon(self, job: JobId, now: float) -> bool:
        """Take a job from its manager, which has not launched all of it and will not any more; False when one is at it."""

    def note_stop(self, job: JobId, reason: str, now: float) -> bool:
        """Note why and since when an open job is to end; False when there is none. The first note stays."""

    def settle(self, item: OpenJob, spent: int) -> None:
        """The job has ended: its item goes, and in its budget what it spent (micro-dollars) replaces what it had reserved."""

    def publish(self, subject: str, text: str) -> None:
        """Notify the subscribers."""

    def measure(self, job: JobId, message: str, metrics: Mapping[str, float]) -> None:
        """Write a line about a job with metrics (`runtime.protocol.logline`)."""
