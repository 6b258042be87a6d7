"""A sweep that changes nothing: it reads what there is and tells what it would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from neurocaas.protocol.digest import Digest
from neurocaas.protocol.hold import TAKEN, Hold
from neurocaas.protocol.job_index import IndexEntry
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.ledger import Waiting
from neurocaas.protocol.limits import JOB_MAX_BYTES
from neurocaas.protocol.spending import Figures
from neurocaas.protocol.waiting import Waiter
from neurocaas.protocol.watches import Watch
from runtime.monitor.port import (
    Deployed,
    Heard,
    Instance,
    MonitorCloud,
    Move,
    ObjectContent,
    OpenJob,
    Paid,
    Search,
    Written,
)


class Rehearsal:
    """A `MonitorCloud` over another. Reads go through; `tell` gets a line for each change, which is not
    made.
    """

    def __init__(self, cloud: MonitorCloud, tell: Callable[[str], None]) -> None:
        self._cloud, self._tell = cloud, tell

    def acting_for(self, bucket: str, group: str) -> Rehearsal:
        return self

    def get(self, bucket: str, key: str, limit: int = JOB_MAX_BYTES) -> ObjectContent | None:
        return self._cloud.get(bucket, key, limit)

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        return self._cloud.keys(bucket, prefix)

    def files(self, bucket: str, prefix: str) -> Iterator[Written]:
        return self._cloud.files(bucket, prefix)

    def instances(self, ids: Sequence[str]) -> list[Instance]:
        return self._cloud.instances(ids)

    def all_instances(self) -> Iterator[Instance]:
        return self._cloud.all_instances()

    def open_job(self, job: JobId) -> OpenJob | None:
        return self._cloud.open_job(job)

    def open_jobs(self) -> Iterator[OpenJob]:
        return self._cloud.open_jobs()

    def analyses(self) -> Iterator[Deployed]:
        return self._cloud.analyses()

    def deployed_as(self, stack: str) -> Deployed | None:
        return self._cloud.deployed_as(stack)

    def submit(self, queue_url: str, bucket: str, files: Mapping[str, str]) -> str | None:
        self._tell(f"submit s3://{bucket}/{list(files)[-1]}")
        return None

    def folders(self, bucket: str, prefix: str, after: str, limit: int) -> list[str]:
        return self._cloud.folders(bucket, prefix, after, limit)

    def watches(self) -> Iterator[tuple[Watch, str]]:
        return self._cloud.watches()

    def end_watch(self, bucket: str, group: str, name: str, why: str) -> None:
        self._tell(f"end watch {name} of {group} in {bucket}: {why}")

    def committed_of_cap(self, cap: str) -> int:
        return self._cloud.committed_of_cap(cap)

    def settle_cap(self, cap: str, timestamp: str, spent: int) -> None:
        """Told when the job is ended."""

    def submissions(self, bucket: str, prefix: str, after: str, limit: int) -> list[Written]:
        return self._cloud.submissions(bucket, prefix, after, limit)

    def heard(self, bucket: str, keys: Sequence[str]) -> Mapping[str, Heard]:
        return self._cloud.heard(bucket, keys)

    def searched(self, bucket: str) -> Search | None:
        return self._cloud.searched(bucket)

    def note_search(self, bucket: str, search: Search) -> None:
        """Where the search goes on is nobody's business."""

    def deliver(self, queue_url: str, bucket: str, written: Written, now: float) -> None:
        self._tell(f"deliver s3://{bucket}/{written.key} again")

    def wake(self, waiting: Waiting | Waiter, seconds: int = 0) -> None:
        what = f"job {'/'.join(waiting.for_)}" if isinstance(waiting, Waiting) else waiting.kind
        self._tell(f"wake what waits for {what}")

    def put(
        self,
        bucket: str,
        key: str,
        body: str,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        if "/watching/" not in key:  # where a watch goes on is nobody's business
            self._tell(f"write s3://{bucket}/{key}")
        return True

    def hand_over(
        self, bucket: str, keys: Mapping[str, str], to_bucket: str, end: tuple[str, str]
    ) -> str | None:
        self._tell(f"copy {len(keys)} logs to s3://{to_bucket}/")
        return None

    def spot_price(self, instance_type: str, zone: str, when: datetime) -> float | None:
        return self._cloud.spot_price(instance_type, zone, when)

    def impaired(self, since: datetime) -> list[str]:
        return self._cloud.impaired(since)

    def set_aside(self, bucket: str, moves: Sequence[Move]) -> Mapping[str, str]:
        self._tell(f"set {len(moves)} results of earlier attempts aside in s3://{bucket}/")
        return {}

    def delete(self, bucket: str, key: str) -> None:
        self._tell(f"delete s3://{bucket}/{key}")

    def terminate(self, ids: Sequence[str]) -> None:
        self._tell(f"terminate {', '.join(ids)}")

    def switch_off(self, ids: Sequence[str]) -> None:
        self._tell(f"stop {', '.join(ids)}")

    def waiters(self, bucket: str) -> list[Waiter]:
        return self._cloud.waiters(bucket)

    def may_wake(self, bucket: str, now: float, stale: float) -> bool:
        return True

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
        self._tell(f"close dataset {index} of {'/'.join(job)} as {'succeeded' if succeeded else 'failed'}")
        return None

    def retry_dataset(self, job: JobId, index: int, attempt: int, instance: str) -> OpenJob | None:
        self._tell(f"start attempt {attempt} of dataset {index} of {'/'.join(job)}")
        return None

    def abandon(self, job: JobId, now: float) -> bool:
        self._tell(f"take {'/'.join(job)} from its manager")
        return True

    def note_stop(self, job: JobId, reason: str, now: float) -> bool:
        self._tell(f"stop {'/'.join(job)}: {reason}")
        return True

    def begin_end(self, job: JobId, now: float, stale: float) -> bool:
        return True

    def hold(self, hold: Hold, limit: int) -> str:
        self._tell(f"hold {hold.instance} until {hold.until}")
        return TAKEN

    def holds(self) -> Iterator[Hold]:
        return self._cloud.holds()

    def release_hold(self, hold: Hold, spent: int) -> None:
        self._tell(f"settle the hold of {hold.instance} for ${spent / 1e6:.4f}")

    def mark_held(self, instance: str, until: str) -> None:
        self._tell(f"tag {instance} as held")

    def settle(self, item: OpenJob, spent: int, ended: str) -> None:
        self._tell(f"end {'/'.join(item.job)} for ${spent / 1e6:.4f}")

    def index(self, bucket: str, group: str, entry: IndexEntry) -> None:
        self._tell(f"note in the index of {group}: {entry.folder} {entry.state}")

    def figures(self, budget: str) -> Figures:
        return self._cloud.figures(budget)

    def take_alarm(self, budget: str, mark: str) -> bool:
        return True

    def publish(self, subject: str, text: str, about: Mapping[str, str]) -> None:
        self._tell(f"send a notice: {subject}")

    def note_ended(self, group: str, day: str, line: str) -> None:
        """What is filed for a digest is told with the digest."""

    def digests(self, before: str, most: int) -> Sequence[Digest]:
        return self._cloud.digests(before, most)

    def digest_groups(self) -> frozenset[str]:
        return self._cloud.digest_groups()

    def take_digest(self, digest: Digest, now: float, stale: float) -> bool:
        return True

    def drop_digest(self, digest: Digest) -> None:
        """It stays."""

    def measure(self, job: JobId, message: str, metrics: Mapping[str, float]) -> None:
        """Nothing has happened, so nothing is counted."""
