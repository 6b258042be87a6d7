"""An in-memory AWS for the manager and the monitor: conditional writes, client tokens and capacity as AWS has
them.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from neurocaas.protocol.digest import Digest
from neurocaas.protocol.hold import NO_MONEY, TAKEN, Hold
from neurocaas.protocol.job_index import IndexEntry, segment_key
from neurocaas.protocol.keys import JobId
from neurocaas.protocol.ledger import Claim, Reservation, Waiting
from neurocaas.protocol.limits import JOB_MAX_BYTES
from neurocaas.protocol.members import Roster, roster
from neurocaas.protocol.spending import Figures
from neurocaas.protocol.waiting import Waiter
from neurocaas.protocol.watches import Watch
from runtime.manager.events import ObjectCreated, objects_created
from runtime.manager.port import (
    BucketRefusedError,
    JobGoneError,
    JobMachine,
    LaunchError,
    LaunchRequest,
    ObjectTooLargeError,
    StoredObject,
)
from runtime.manager.port import ReadObject as Read
from runtime.monitor.port import (
    Deployed,
    Heard,
    Instance,
    Move,
    ObjectContent,
    OpenJob,
    Paid,
    Search,
    Written,
)


@functools.lru_cache(maxsize=256)
def _digest(body: bytes) -> str:
    """Bodies of 50 MB are uploaded a hundred times."""
    return hashlib.md5(body).hexdigest()


class KilledError(BaseException):
    """The Lambda container is gone: nothing after this point happens, not even clean-up."""


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class FakeAws:
    """Both ports (`ManagerCloud` and `MonitorCloud`, each in its room's `port`) over dictionaries.

    `failing`: machines whose host fails EC2's check, since when. `marked`: machines tagged as held, until
    when.
    `spot` is what spot costs by type (missing: nobody knows); `immovable` what S3 does not let be moved
    (keys); each write of an object gives it the next version (`version`). `capacity` is how many more
    machines of a type EC2 has (missing: any number); `limit` how many machines the account may have (a call
    for more gets none); `tokens` how many EC2 starts before it makes callers wait, with two more each second
    (None: any number); `refusals` has codes, or errors, by type, or by type, market and zone; `spot_index`:
    spot machines of a call have launch indexes of their own, else 0; `lost` are calls (`run`) whose next
    answer is lost; `closed` are buckets that let nobody in; `bodies` are
    all uploads, by their ETag and by their version; `sizes` are told of objects in place of their own;
    `kill_at` is the number of the call after which the caller is dead (counted from 1, see `revive`).
    """

    clock: Clock = field(default_factory=Clock)
    capacity: dict[str, int] = field(default_factory=dict)
    limit: int | None = None
    tokens: float | None = None
    filled: datetime | None = None
    spot_index: bool = False
    lost: set[str] = field(default_factory=set)
    refusals: dict[str, str | LaunchError] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    kill_at: int | None = None
    objects_: dict[tuple[str, str], tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    bodies: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    items: dict[JobId, dict[str, Any]] = field(default_factory=dict)
    claims: dict[JobId, Claim] = field(default_factory=dict)
    heard_: dict[tuple[str, str], Heard] = field(default_factory=dict)
    searches: dict[str, Search] = field(default_factory=dict)
    deployed: list[Deployed] = field(default_factory=list)
    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    versions: dict[tuple[str, str], str] = field(default_factory=dict)
    uploads: int = 0
    queue: list[tuple[str, str]] = field(default_factory=list)
    watches_: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    caps: dict[str, dict[str, tuple[int, bool]]] = field(default_factory=dict)
    woken: list[Waiting | Waiter] = field(default_factory=list)
    pauses: list[int] = field(default_factory=list)
    times: dict[tuple[str, str], datetime] = field(default_factory=dict)
    spot: dict[str, float] = field(default_factory=dict)
    failing: dict[str, datetime] = field(default_factory=dict)
    holds_: dict[str, Hold] = field(default_factory=dict)
    marked: dict[str, str] = field(default_factory=dict)
    immovable: set[str] = field(default_factory=set)
    budgets: dict[str, tuple[int, int]] = field(default_factory=dict)
    member_budgets: dict[str, tuple[int, int]] = field(default_factory=dict)
    budget_limits: dict[str, int] = field(default_factory=dict)
    alarms: dict[str, set[str]] = field(default_factory=dict)
    parameters_: dict[str, str] = field(default_factory=dict)
    ec2: dict[str, Instance] = field(default_factory=dict)
    reservations: dict[str, tuple[LaunchRequest, list[str]]] = field(default_factory=dict)
    written: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: list[tuple[str, str]] = field(default_factory=list)
    index_: dict[tuple[str, str], dict[str, IndexEntry]] = field(default_factory=dict)
    notices: list[tuple[str, str]] = field(default_factory=list)
    notices_about: list[dict[str, str]] = field(default_factory=list)
    ended_lines: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    telling: dict[tuple[str, str], float] = field(default_factory=dict)
    digest_groups_: set[str] = field(default_factory=set)
    queued: dict[JobId, Waiter] = field(default_factory=dict)
    woken_at: dict[str, float] = field(default_factory=dict)
    measured: list[tuple[tuple[str, str, str], dict[str, float]]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def _call(self, name: str, detail: str = "") -> None:
        if self.kill_at is not None and len(self.calls) >= self.kill_at:
            raise KilledError
        self.calls.append((name, detail))

    def revive(self) -> None:
        self.kill_at = None
        self.calls.clear()

    def count(self, name: str) -> int:
        return sum(call == name for call, _ in self.calls)

    # S3
    # --------------------------------------------------------------------------------------------------------
    def upload(self, bucket: str, key: str, body: bytes | str = b"x") -> None:
        self.objects_[bucket, key] = (body.encode() if isinstance(body, str) else body, {})
        self.times[bucket, key] = self.clock()
        self.uploads += 1
        self.versions[bucket, key] = f"v{self.uploads}"
        for version in (self.etag(bucket, key), self.versions[bucket, key]):
            self.bodies[bucket, key, version] = self.objects_[bucket, key][0]

    def version(self, bucket: str, key: str) -> str:
        """Of the object as it is now."""
        return self.versions[bucket, key]

    def text(self, bucket: str, key: str) -> str:
        return self.objects_[bucket, key][0].decode()

    def put(
        self,
        bucket: str,
        key: str,
        body: str | bytes,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        with self.lock:
            self._call("put", key)
            if if_absent and (bucket, key) in self.objects_:
                return False
            self.objects_[bucket, key] = (
                body.encode() if isinstance(body, str) else body,
                dict(metadata or {}),
            )
            self.written[bucket, key] += 1
            return True

    def head(self, bucket: str, key: str) -> StoredObject | None:
        with self.lock:
            self._call("head", key)
            self._check_open(bucket)
            return self._stored(bucket, key) if (bucket, key) in self.objects_ else None

    def _stored(self, bucket: str, key: str, *, versions: bool = True) -> StoredObject:
        size = self.sizes.get((bucket, key), len(self.objects_[bucket, key][0]))
        return StoredObject(
            key, size, self.etag(bucket, key), self.versions.get((bucket, key)) if versions else None
        )

    def objects(
        self, bucket: str, prefix: str, after: str, limit: int, *, versions: bool = False
    ) -> Iterator[StoredObject]:
        with self.lock:
            self._call("list", prefix)
            self._check_open(bucket)
            names = sorted(
                (k for b, k in self.objects_ if b == bucket and k.startswith(prefix)), key=str.encode
            )
            found = [self._stored(bucket, k, versions=versions) for k in names if k.encode() > after.encode()]
        yield from found[:limit]

    def _check_open(self, bucket: str) -> None:
        if bucket in self.closed:
            raise BucketRefusedError("AccessDenied")

    def hand_over(
        self, bucket: str, keys: Mapping[str, str], to_bucket: str, end: tuple[str, str]
    ) -> str | None:
        with self.lock:
            self._call("hand over", to_bucket)
            if to_bucket in self.closed:
                return "AccessDenied"
            self.objects_.update({(to_bucket, keys[key]): self.objects_[bucket, key] for key in keys})
        self.put(to_bucket, *end)
        return None

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        yield from [item.key for item in self.objects(bucket, prefix, "", 10**9)]

    def set_aside(self, bucket: str, moves: Sequence[Move]) -> Mapping[str, str]:
        refused = {}
        for one in moves:
            with self.lock:
                self._call("set aside", one.key)
                there = (bucket, one.key) in self.objects_
                same = (
                    one.version in (None, self.version(bucket, one.key))
                    and there
                    and one.etag in ("", self.etag(bucket, one.key))
                )
                if same and one.key in self.immovable:
                    refused[one.key] = "AccessDenied"
                elif same:
                    self.objects_[bucket, one.to] = self.objects_.pop((bucket, one.key))
        return refused

    def spot_price(self, instance_type: str, zone: str, when: datetime) -> float | None:
        self._call("spot price", instance_type)
        return self.spot.get(instance_type)

    def delete(self, bucket: str, key: str) -> None:
        with self.lock:
            self._call("delete", key)
            self.objects_.pop((bucket, key), None)

    # EC2
    # --------------------------------------------------------------------------------------------------------
    def run(self, request: LaunchRequest) -> list[JobMachine]:
        with self.lock:
            self._call("run", request.instance_type)
            if request.client_token in self.reservations:
                earlier, ids = self.reservations[request.client_token]
                if earlier != request:
                    raise LaunchError("IdempotentParameterMismatch", "other parameters")
                return [self._machine(self.ec2[name]) for name in ids]
            option = " ".join(filter(None, [request.instance_type, request.market, request.zone]))
            for name in (option, request.instance_type):
                if name in self.refusals:
                    refusal = self.refusals[name]
                    raise refusal if isinstance(refusal, LaunchError) else LaunchError(refusal, "refused")
            self._check_pace(request.count)
            free = self.capacity.get(request.instance_type, request.count)
            if free < 1:
                raise LaunchError("InsufficientInstanceCapacity", "none left")
            number = min(free, request.count)
            if request.instance_type in self.capacity:
                self.capacity[request.instance_type] = free - number
            ids = [f"i-{len(self.ec2) + n:017x}" for n in range(number)]
            for index, name in enumerate(ids):
                spot, tags = request.market == "spot", dict(request.tags)
                self.ec2[name] = Instance(
                    name,
                    request.instance_type,
                    "pending",
                    index if self.spot_index or not spot else 0,
                    self.clock(),
                    spot,
                    image_id="ami-resolved",
                    tags=tags,
                )
            self.reservations[request.client_token] = (request, ids)
            if "run" in self.lost:
                self.lost.remove("run")
                raise TimeoutError
            return [self._machine(self.ec2[name]) for name in ids]

    def _check_pace(self, number: int) -> None:
        """The account's limit, and the bucket from which EC2 gives machines."""
        living = sum(one.state in ("pending", "running") for one in self.ec2.values())
        if self.limit is not None and living + number > self.limit:
            raise LaunchError("VcpuLimitExceeded", "more than the account may have")
        if self.tokens is not None:
            now = self.clock()
            self.tokens = min(1000.0, self.tokens + 2 * (now - (self.filled or now)).total_seconds())
            self.filled = now
            if self.tokens < number:
                raise LaunchError("RequestLimitExceeded", "Request limit exceeded.")
            self.tokens -= number

    def machines(self, job: JobId) -> list[JobMachine]:
        with self.lock:
            self._call("describe")
            wanted = {"bucket": job.bucket, "group": job.group, "job": job.timestamp}
            return [self._machine(i) for i in self.ec2.values() if wanted.items() <= i.tags.items()]

    @staticmethod
    def _machine(instance: Instance) -> JobMachine:
        tags = instance.tags
        return JobMachine(
            instance.instance_id,
            instance.instance_type,
            instance.launch_index,
            int(tags["offset"]),
            int(tags["attempt"]),
            tags["run"],
        )

    def set_state(self, name: str, state: str, **changes: Any) -> Instance:
        self.ec2[name] = replace(self.ec2[name], state=state, **changes)
        return self.ec2[name]

    def instances(self, ids: Sequence[str]) -> list[Instance]:
        with self.lock:
            self._call("describe")
            return [self.ec2[name] for name in ids if name in self.ec2]

    def all_instances(self) -> Iterator[Instance]:
        with self.lock:
            self._call("describe")
            yield from list(self.ec2.values())

    def impaired(self, since: datetime) -> list[str]:
        with self.lock:
            self._call("status checks")
            return [
                name
                for name, when in self.failing.items()
                if when <= since and self.ec2[name].state == "running"
            ]

    def hold(self, hold: Hold, limit: int) -> str | Hold:
        with self.lock:
            self._call("hold", hold.instance)
            if hold.instance in self.holds_:
                return self.holds_[hold.instance]
            committed, spent = self.budgets.get(hold.budget, (0, 0))
            if committed + hold.reserved > limit:
                return NO_MONEY
            self.budgets[hold.budget] = (committed + hold.reserved, spent)
            self.holds_[hold.instance] = hold
            return TAKEN

    def holds(self) -> Iterator[Hold]:
        with self.lock:
            self._call("holds")
            yield from list(self.holds_.values())

    def release_hold(self, hold: Hold, spent: int) -> None:
        with self.lock:
            self._call("release", hold.instance)
            if self.holds_.pop(hold.instance, None):
                committed, earlier = self.budgets[hold.budget]
                self.budgets[hold.budget] = (committed + spent - hold.reserved, earlier + spent)

    def mark_held(self, instance: str, until: str) -> None:
        with self.lock:
            self._call("tag", instance)
            self.marked[instance] = until

    def terminate(self, ids: Sequence[str]) -> None:
        with self.lock:
            self._call("terminate", ",".join(ids))
            for name in ids:
                if name in self.ec2 and self.ec2[name].state != "terminated":
                    self.set_state(
                        name,
                        "shutting-down",
                        reason_code="Client.UserInitiatedShutdown",
                        reason="User initiated shutdown",
                    )

    def switch_off(self, ids: Sequence[str]) -> None:
        with self.lock:
            self._call("switch_off", ",".join(ids))
            for name in ids:
                self.set_state(
                    name,
                    "stopping",
                    reason_code="Client.UserInitiatedShutdown",
                    reason="User initiated shutdown",
                )

    # DynamoDB
    # -------------------------------------------------------------------------------------------------------
    def hear(self, bucket: str, key: str, etag: str) -> None:
        with self.lock:
            self._call("hear", key)
            self.heard_[bucket, key] = Heard(etag)

    def claim(self, job: JobId, claim: Claim, after: Claim | None = None) -> Claim | None:
        with self.lock:
            self._call("claim")
            if after is not None and self.claims[job] == after:
                del self.claims[job]
            return None if self.claims.setdefault(job, claim) is claim else self.claims[job]

    def claimed(self, job: JobId) -> Claim | None:
        with self.lock:
            self._call("get-claim")
            return self.claims.get(job)

    def begin_end(self, job: JobId, now: float, stale: float) -> bool:
        with self.lock:
            self._call("begin-end")
            item = self.items.get(job)
            if item is None or item.get("ending", 0.0) >= stale:
                return False
            item["ending"] = now
            return True

    def analyses(self) -> Iterator[Deployed]:
        yield from self.deployed

    def register(self, watch: Watch) -> None:
        with self.lock:
            self._call("register", watch.name)
            self.watches_[watch.bucket, watch.group, watch.name] = (watch.to_json(), "")

    def watches(self) -> Iterator[tuple[Watch, str]]:
        yield from [(Watch.from_json(text), ended) for text, ended in self.watches_.values()]

    def end_watch(self, bucket: str, group: str, name: str, why: str) -> None:
        with self.lock:
            self._call("end watch", name)
            self.watches_[bucket, group, name] = (self.watches_[bucket, group, name][0], why)

    def take_cap(self, cap: str, timestamp: str, amount: int, limit: int) -> bool:
        with self.lock:
            self._call("take cap", timestamp)
            shares = self.caps.setdefault(cap, {})
            if timestamp in shares:
                return True
            if sum(one for one, _ in shares.values()) + amount > limit:
                return False
            shares[timestamp] = (amount, False)
            return True

    def settle_cap(self, cap: str, timestamp: str, spent: int) -> None:
        with self.lock:
            self._call("settle cap", timestamp)
            if self.caps.get(cap, {}).get(timestamp, (0, True))[1] is False:
                self.caps[cap][timestamp] = (spent, True)

    def committed_of_cap(self, cap: str) -> int:
        return sum(amount for amount, _ in self.caps.get(cap, {}).values())

    def folders(self, bucket: str, prefix: str, after: str, limit: int) -> list[str]:
        self._call("list", prefix)
        names = {
            key[len(prefix) :].partition("/")
            for b, key in self.objects_
            if b == bucket and key.startswith(prefix)
        }
        found = sorted(f"{prefix}{name}/" for name, slash, _ in names if slash)
        return [one for one in found if one > after][:limit]

    def deployed_as(self, stack: str) -> Deployed | None:
        return next((one for one in self.deployed if one.stack == stack), None)

    def submissions(self, bucket: str, prefix: str, after: str, limit: int) -> list[Written]:
        found = list(self.objects(bucket, prefix, after, limit))
        return [
            Written(
                one.key, self.etag(bucket, one.key), self.times.get((bucket, one.key), self.clock()), one.size
            )
            for one in found
        ]

    def etag(self, bucket: str, key: str) -> str:
        return _digest(self.objects_[bucket, key][0])

    def heard(self, bucket: str, keys: Sequence[str]) -> Mapping[str, Heard]:
        self._call("heard", str(len(keys)))
        return {key: self.heard_[bucket, key] for key in keys if (bucket, key) in self.heard_}

    def deliver(self, queue_url: str, bucket: str, written: Written, now: float) -> None:
        with self.lock:
            self._call("deliver", written.key)
            self.queue.append((queue_url, written.key))
            self.heard_[bucket, written.key] = replace(
                self.heard_.get((bucket, written.key), Heard()), sent=written.etag, sent_at=now
            )

    def wait(self, job: JobId, owner: str, waiting: Waiting) -> None:
        with self.lock:
            self._call("wait")
            item = self.items.get(job)
            if item is not None and item.get("owner") == owner:
                item["waiting"] = waiting

    def waiting(self, job: JobId) -> Waiting | None:
        with self.lock:
            self._call("get-item")
            found: Waiting | None = self.items.get(job, {}).get("waiting")
            return found

    def follow(self, job: JobId, follower: JobId) -> None:
        with self.lock:
            self._call("follow")
            if job in self.items:
                self.items[job].setdefault("followers", set()).add(follower)

    def followers(self, job: JobId) -> tuple[JobId, ...]:
        with self.lock:
            self._call("get-item")
            return tuple(sorted(self.items.get(job, {}).get("followers", ())))

    def go_on(self, job: JobId, owner: str, now: float) -> None:
        with self.lock:
            self._call("go on")
            item = self.items.get(job)
            if item is not None and item.get("owner") == owner:
                item.pop("waiting", None)
                item["since"] = now

    def wake(self, waiting: Waiting | Waiter, seconds: int = 0) -> None:
        with self.lock:
            self._call("wake")
            self.woken.append(waiting)
            self.queue += [(waiting.queue, one.key) for one in objects_created(waiting.message)]

    def searched(self, bucket: str) -> Search | None:
        return self.searches.get(bucket)

    def note_search(self, bucket: str, search: Search) -> None:
        self.searches[bucket] = search

    def lease(self, job: JobId, owner: str, now: float, until: float, about: Mapping[str, str]) -> str:
        with self.lock:
            self._call("lease")
            if job in self.claims and self.claims[job].ended:
                return "ended"
            item = self.items.get(job)
            if item is not None and item["state"] == "launched":
                return "launched"
            if item is not None and item.get("lease", 0.0) >= now:
                return "busy"
            self.items[job] = {
                "created": now,
                **(item or {}),
                **about,
                "state": "starting",
                "owner": owner,
                "lease": until,
            }
            return "taken"

    def release(self, job: JobId, owner: str) -> None:
        with self.lock:
            self._call("release")
            item = self.items.get(job)
            if item is not None and item.get("owner") == owner:
                item.pop("lease", None)

    def pause(self, job: JobId, owner: str, started: int, now: float) -> None:
        with self.lock:
            self._call("pause")
            item = self.items.get(job)
            if item is not None and item.get("owner") == owner:
                item.update(started=started, since=now)
                item.pop("lease", None)

    def started(self, job: JobId) -> int:
        with self.lock:
            self._call("get-item")
            return int(self.items.get(job, {}).get("started", 0))

    def come_back(self, queue_url: str, event: ObjectCreated, seconds: int) -> None:
        with self.lock:
            self._call("come back", event.key)
            self.queue.append((queue_url, event.key))
            self.pauses.append(seconds)

    def launched(self, job: JobId, total: int, failed: frozenset[int], now: float) -> None:
        with self.lock:
            self._call("launched")
            item = self.items.get(job)
            if item is not None:
                item.update(state="launched", total=total, since=now)
                item.setdefault("failed", set()).update(failed)
                item.pop("lease", None)

    def living(self, tags: Mapping[str, str]) -> int:
        with self.lock:
            self._call("describe")
            return sum(
                i.state in ("pending", "running") and tags.items() <= i.tags.items()
                for i in self.ec2.values()
            )

    def retries(self, job: JobId) -> frozenset[str] | None:
        with self.lock:
            self._call("get-item")
            item = self.items.get(job)
            if item is None:
                return None
            closed = {str(index) for name in ("succeeded", "failed") for index in item.get(name, ())}
            return frozenset(name for name in item.get("retries", ()) if name.partition(":")[0] not in closed)

    def give_up(self, job: JobId, dataset: int) -> None:
        with self.lock:
            self._call("give-up")
            if job in self.items:
                self.items[job].setdefault("failed", set()).add(dataset)

    def abandon(self, job: JobId, now: float) -> bool:
        with self.lock:
            self._call("abandon")
            item = self.items.get(job)
            if item is None or item["state"] != "starting" or item.get("lease", 0.0) >= now:
                return False
            item["state"] = "launched"
            item.pop("lease", None)
            return True

    def retry_dataset(self, job: JobId, index: int, attempt: int, instance: str) -> OpenJob | None:
        with self.lock:
            self._call("retry")
            item = self.items.get(job)
            if item is None:
                return None
            item.setdefault("retries", set()).add(f"{index}:{attempt}")
            item.setdefault("instances", set()).add(instance)
            return self._open(job, item)

    def _note_stop(self, job: JobId, reason: str, now: float) -> bool:
        with self.lock:
            self._call("stop")
            item = self.items.get(job)
            if item is not None:
                item.setdefault("stop", reason)
                item.setdefault("stopped", now)
            return item is not None

    def open_job(self, job: JobId) -> OpenJob | None:
        with self.lock:
            self._call("get-item")
            item = self.items.get(job)
            return None if item is None else self._open(job, item)

    def open_jobs(self) -> Iterator[OpenJob]:
        with self.lock:
            self._call("query")
            yield from [self._open(job, item) for job, item in self.items.items()]

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
        with self.lock:
            self._call("close")
            item = self.items.get(job)
            if item is None:
                return None
            closed = {*item.get("succeeded", ()), *item.get("failed", ())}
            if paid and index not in closed and item.get("reserved", -1) >= paid.each:
                committed, spent = self.budgets[paid.budget]
                self.budgets[paid.budget] = (committed + paid.cost - paid.each, spent + paid.cost)
                if paid.member is not None:
                    name = f"{paid.budget}/{paid.member}"
                    own, before = self.member_budgets[name]
                    self.member_budgets[name] = (own + paid.cost - paid.each, before + paid.cost)
                item.update(reserved=item["reserved"] - paid.each, settled=item.get("settled", 0) + paid.cost)
            item.setdefault("succeeded" if succeeded else "failed", set()).add(index)
            if instance is not None:
                item.setdefault("instances", set()).add(instance)
            item["closed"] = now
            return self._open(job, item)

    @staticmethod
    def _open(job: JobId, item: Mapping[str, Any]) -> OpenJob:
        return OpenJob(
            job,
            item["state"],
            item["created"],
            item.get("lease"),
            item.get("total"),
            frozenset(item.get("succeeded", ())),
            frozenset(item.get("failed", ())),
            frozenset(item.get("instances", ())),
            item.get("closed"),
            item.get("reserved"),
            item.get("budget"),
            frozenset(item.get("retries", ())),
            item.get("stop"),
            item.get("stopped"),
            item.get("ending"),
            item.get("since"),
            item["submission"],
            item["analysis"],
            item.get("taken", ""),
            item.get("submitter", ""),
            item.get("waiting"),
            tuple(sorted(item.get("followers", ()))),
            item.get("member"),
            item.get("settled", 0),
        )

    def index(self, bucket: str, group: str, entry: IndexEntry) -> None:
        with self.lock:
            self._call("index", entry.folder)
            entries = self.index_.setdefault((bucket, group), {})
            there = entries.get(entry.identity)
            if there is None or there.rank <= entry.rank:
                entries[entry.identity] = entry
            lines = "".join(f"{one.line()}\n" for _, one in sorted(entries.items()))
            self.objects_[bucket, segment_key(group, 0)] = (lines.encode(), {})

    def publish(self, subject: str, text: str, about: Mapping[str, str]) -> None:
        with self.lock:
            self._call("publish")
            self.notices.append((subject, text))
            self.notices_about.append(dict(about))

    def note_ended(self, group: str, day: str, line: str) -> None:
        with self.lock:
            self._call("note_ended")
            self.ended_lines.setdefault((day, group), set()).add(line)

    def digests(self, before: str, most: int) -> list[Digest]:
        self._call("digests")
        found = sorted(key for key in self.ended_lines if key[0] < before)[:most]
        return [Digest(group, day, tuple(sorted(self.ended_lines[day, group]))) for day, group in found]

    def digest_groups(self) -> frozenset[str]:
        return frozenset(self.digest_groups_)

    def take_digest(self, digest: Digest, now: float, stale: float) -> bool:
        with self.lock:
            self._call("take_digest")
            key = digest.day, digest.group
            if key not in self.ended_lines or self.telling.get(key, -1.0) >= stale:
                return False
            self.telling[key] = now
            return True

    def drop_digest(self, digest: Digest) -> None:
        with self.lock:
            self._call("drop_digest")
            self.ended_lines.pop((digest.day, digest.group), None)

    def measure(self, job: JobId, message: str, metrics: Mapping[str, float]) -> None:
        with self.lock:
            self.measured.append((job, dict(metrics)))

    def parameters(self, names: Sequence[str]) -> Mapping[str, str]:
        self._call("parameters", ",".join(names))
        return {name: self.parameters_[name] for name in names if name in self.parameters_}

    def roster(self, group: str) -> Roster:
        self._call("roster", group)
        return roster(group, self.parameters_)

    def account(self, budget: str, member: str | None = None) -> tuple[int, int]:
        self._call("account")
        if member is not None:
            return self.member_budgets.get(f"{budget}/{member}", (0, 0))
        return self.budgets.get(budget, (0, 0))

    def paid(self, job: JobId) -> int | None:
        with self.lock:
            self._call("get-item")
            item = self.items.get(job, {})
            return (item.get("paid") or None) if "reserved" in item else 0

    def waiters(self, bucket: str) -> list[Waiter]:
        with self.lock:
            self._call("waiters")
            return sorted((w for w in self.queued.values() if w.job.bucket == bucket), key=lambda w: w.order)

    def enter_queue(self, waiter: Waiter) -> None:
        with self.lock:
            self._call("enter queue")
            self.queued[waiter.job] = waiter

    def leave_queue(self, job: JobId) -> None:
        with self.lock:
            self._call("leave queue")
            self.queued.pop(job, None)

    def may_wake(self, bucket: str, now: float, stale: float) -> bool:
        with self.lock:
            self._call("may wake")
            if self.woken_at.get(bucket, 0.0) >= stale:
                return False
            self.woken_at[bucket] = now
            return True

    def committed(self, budget: str, member: str | None = None) -> int:
        self._call("committed")
        if member is not None:
            return self.member_budgets.get(f"{budget}/{member}", (0, 0))[0]
        return self.budgets.get(budget, (0, 0))[0]

    def figures(self, budget: str) -> Figures:
        self._call("figures")
        committed, spent = self.budgets.get(budget, (0, 0))
        return Figures(
            committed, spent, self.budget_limits.get(budget, 0), frozenset(self.alarms.get(budget, ()))
        )

    def take_alarm(self, budget: str, mark: str) -> bool:
        with self.lock:
            self._call("take alarm", mark)
            told = self.alarms.setdefault(budget, set())
            if mark in told:
                return False
            told.add(mark)
            return True

    def reserve(self, job: JobId, wanted: Reservation) -> bool:
        with self.lock:
            self._call("reserve")
            budget, amount, limit = wanted.budget, wanted.amount, wanted.limit
            item, (committed, spent) = self.items.get(job), self.budgets.get(budget, (0, 0))
            name = f"{budget}/{wanted.member}"
            own, own_spent = self.member_budgets.get(name, (0, 0))
            if item is None:
                raise JobGoneError
            if item.get("paid", 0) != wanted.before or ("reserved" in item and not wanted.before):
                return True
            most = wanted.member_limit
            if committed + amount > limit or (most is not None and own + amount > most):
                return False
            self.budgets[budget], self.budget_limits[budget] = (committed + amount, spent), limit
            self.member_budgets[name] = (own + amount, own_spent)
            item.update(
                reserved=item.get("reserved", 0) + amount,
                budget=budget,
                member=wanted.member,
                paid=wanted.paid,
            )
            return True

    def _settle(self, job: JobId, spent: int, ended: str) -> bool:
        with self.lock:
            self._call("settle")
            claim = self.claims.get(job)
            if claim is not None and claim.ended:
                return False
            if claim is not None:
                self.claims[job] = replace(claim, ended=ended)
            item = self.items.pop(job, None)
            if item is not None and "reserved" in item:
                committed, earlier = self.budgets[item["budget"]]
                spent = max(0, spent - item.get("settled", 0))
                self.budgets[item["budget"]] = (committed + spent - item["reserved"], earlier + spent)
                name = f"{item['budget']}/{item['member']}"
                own, before = self.member_budgets[name]
                self.member_budgets[name] = (own + spent - item["reserved"], before + spent)
            return True


class ManagerView:
    """The manager's port of a FakeAws (its `get` differs from the monitor's)."""

    def __init__(self, aws: FakeAws) -> None:
        self.aws = aws

    def __getattr__(self, name: str) -> Any:
        return getattr(self.aws, name)

    def read(self, bucket: str, key: str, limit: int, version: str | None = None) -> Read | None:
        with self.aws.lock:
            self.aws._call("get", key)
            self.aws._check_open(bucket)
            found = self.aws.objects_.get((bucket, key))
            if version is not None:
                body = self.aws.bodies.get((bucket, key, version))
                found = None if body is None else (body, {})
        if found is None:
            return None
        if len(found[0]) > limit:
            raise ObjectTooLargeError(len(found[0]))
        return Read(found[0], self.aws.etag(bucket, key), self.aws.versions.get((bucket, key)))

    def get(self, bucket: str, key: str, limit: int, version: str | None = None) -> bytes | None:
        found = self.read(bucket, key, limit, version)
        return None if found is None else found.body

    def abandon(self, job: JobId) -> None:
        with self.aws.lock:
            self.aws._call("abandon")
            item = self.aws.items.get(job)
            if item is not None:
                item.update(state="launched")
                item.pop("lease", None)

    def note_stop(self, job: JobId, reason: str, now: float) -> bool:
        return self.aws._note_stop(job, reason, now)

    def forget(self, job: JobId, ended: str) -> bool:
        return self.aws._settle(job, 0, ended)


class MonitorView:
    """The monitor's port of a FakeAws. What it writes for a group is confined as in AWS."""

    def __init__(self, aws: FakeAws) -> None:
        self.aws = aws
        self.group: tuple[str, str] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.aws, name)

    def acting_for(self, bucket: str, group: str) -> MonitorView:
        confined = MonitorView(self.aws)
        confined.group = (bucket, group)
        return confined

    def put(
        self,
        bucket: str,
        key: str,
        body: str,
        *,
        if_absent: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        self._check_confined(bucket, key)
        return self.aws.put(bucket, key, body, if_absent=if_absent, metadata=metadata)

    def submit(self, queue_url: str, bucket: str, files: Mapping[str, str]) -> str | None:
        if bucket in self.aws.closed:
            return "AccessDenied"
        for key, body in files.items():
            self.put(bucket, key, body)
            self.aws.times[bucket, key] = self.aws.clock()
        self.aws._call("submit", key)
        self.aws.queue.append((queue_url, key))
        return None

    def delete(self, bucket: str, key: str) -> None:
        self._check_confined(bucket, key)
        self.aws.delete(bucket, key)

    def set_aside(self, bucket: str, moves: Sequence[Move]) -> Mapping[str, str]:
        for one in moves:
            self._check_confined(bucket, one.to)
            assert one.key.startswith(f"{self.group and self.group[1]}/results/"), one.key
            assert "/process_results/" in one.key, one.key
        return self.aws.set_aside(bucket, moves)

    def files(self, bucket: str, prefix: str) -> Iterator[Written]:
        for one in self.aws.objects(bucket, prefix, "", 10**9):
            yield Written(one.key, self.aws.etag(bucket, one.key), self.aws.clock(), one.size)

    def _check_confined(self, bucket: str, key: str) -> None:
        """What the session policy of the monitor's writer allows (`runtime.monitor.confined`)."""
        assert self.group is not None, f"{key} was to be written for no group"
        own, group = self.group
        prefixes = (f"{group}/results/", f"jobs/{group}/", f"logs/{group}/", "logs/active/")
        assert bucket == own, f"{bucket} is not {own}"
        assert key.startswith(prefixes), f"{key} is not {group}'s"

    def get(self, bucket: str, key: str, limit: int = JOB_MAX_BYTES) -> ObjectContent | None:
        with self.aws.lock:
            self.aws._call("get", key)
            found = self.aws.objects_.get((bucket, key))
        return None if found is None or len(found[0]) > limit else ObjectContent(found[0], found[1])

    def settle(self, item: OpenJob, spent: int, ended: str) -> None:
        self.aws._settle(item.job, spent, ended)

    def note_stop(self, job: JobId, reason: str, now: float) -> bool:
        return self.aws._note_stop(job, reason, now)
