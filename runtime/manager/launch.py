"""Launching the machines of a job: chunks, partial answers, other types, markets and zones when AWS has no
capacity.

Every RunInstances call has a ClientToken of all that it asks for, so a call that is repeated after a crash is
the same call, and one that asks for something else is another. A manager that takes over a job looks first at
what is there already.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import NamedTuple

from neurocaas.protocol.job import Job
from neurocaas.protocol.limits import LAUNCH_CHUNK, LAUNCH_OPTIONS, SPOT_CHUNK
from neurocaas.protocol.settings import MARKETS, SPOT, AnalysisSettings
from neurocaas.protocol.tags import ANALYSIS, GROUP, PRICE_TRACKING, job_tags
from neurocaas.protocol.userdata import UserDataPayload, user_data
from neurocaas.protocol.waiting import ROOM, Waiter, shares
from runtime.manager import refusals
from runtime.manager.port import JobMachine, LaunchError, LaunchRequest, ManagerCloud


class Option(NamedTuple):
    """One way to get a machine: where it is bought, its type, its zone and subnet (None: AWS chooses)."""

    market: str
    instance_type: str
    zone: str | None
    subnet: str | None = None

    def __str__(self) -> str:
        words = [
            self.instance_type,
            *(["spot"] if self.market == SPOT else []),
            *([self.zone] if self.zone else []),
            *([self.subnet] if self.subnet else []),
        ]
        return " ".join(words)


def options(job: Job, first: str | None = None) -> list[Option]:
    """The ways to get the machines of a job, best first. `first` is the one of its `oom_types` that a dataset
    that ran out of memory gets; those after it are larger still, and may stand in."""
    types = job.instance_types if first is None else job.oom_types[job.oom_types.index(first) :]
    markets = MARKETS[job.market]
    every = itertools.product(markets, types, _places(job, len(markets) * len(types)))
    return [Option(market, name, *place) for market, name, place in itertools.islice(every, LAUNCH_OPTIONS)]


def _places(job: Job, ways: int) -> Sequence[tuple[str | None, str | None]]:
    """Zone and subnet to try, in turn. In the default network AWS chooses the subnet, and the zone where the
    blueprint names none. Elsewhere somebody has to: of zones that nobody asked for only so many that each of
    the `ways` (market and type) has its turn."""
    if not job.subnets:
        return [(zone, None) for zone in job.zones or (None,)]
    if asked := [(zone, one.id) for zone in job.zones for one in job.subnets if one.zone == zone]:
        return asked
    return [(one.zone, one.id) for one in job.subnets][: max(1, LAUNCH_OPTIONS // ways)]


@dataclass
class LaunchResult:
    """`machines` so far; `next` is the index of the first dataset without one. It stopped there because of
    `error`, because there was no more room (`full`), or because the manager's time is nearly over (`late`).
    `refused` has the options without capacity."""

    machines: list[JobMachine] = field(default_factory=list)
    next: int = 0
    error: LaunchError | None = None
    full: bool = False
    late: bool = False
    refused: dict[Option, LaunchError] = field(default_factory=dict)


@dataclass
class Launcher:
    """The launch calls of one delivery. `say` takes lines for the log; `late` says whether the manager's time
    is too short for another call."""

    cloud: ManagerCloud
    job: Job
    owner_arn: str
    say: Callable[[str], None]
    late: Callable[[], bool]
    _most: int = field(default=LAUNCH_CHUNK, init=False)

    def launch(
        self, known: Iterable[JobMachine], started: int, room: int | None = None, paid: int | None = None
    ) -> LaunchResult:
        """Launch what is missing of the job. `known` are its machines that EC2 shows; the first `started` of
        its datasets have had theirs, shown or not; `room` is how many more there may be (None: any number);
        the first `paid` datasets are paid (None: all).
        """
        result = LaunchResult(machines=own_machines(self.job, known))
        result.next = max(started, next_dataset(result.machines))
        total, left = len(self.job.datasets) if paid is None else paid, options(self.job)
        while result.next < total:
            count = total - result.next if room is None else min(room, total - result.next)
            if count < 1:
                result.full = True
                break
            machines = self._chunk(result, left, result.next, count)
            if not machines:
                break
            result.machines += machines
            result.next += len(machines)
            room = None if room is None else room - len(machines)
        return result

    def another(self, dataset: int, attempt: int, ways: list[Option]) -> LaunchResult:
        """Launch the machine of a further attempt at a dataset, in one of these ways."""
        result = LaunchResult(next=dataset)
        result.machines = self._chunk(result, ways, dataset, 1, attempt)
        return result

    def _chunk(
        self, result: LaunchResult, left: list[Option], offset: int, wanted: int, attempt: int = 1
    ) -> list[JobMachine]:
        """Up to `wanted` machines, by one call that EC2 accepts: with the first of the options that it has.
        Those that it has not are dropped from `left`, and a limit that would be exceeded, or machines that
        EC2 does not start at once, make the calls smaller."""
        while left:
            option = left[0]
            if self.late():
                result.late = True
                return []
            count = min(wanted, self._most, SPOT_CHUNK if option.market == SPOT else LAUNCH_CHUNK)
            try:
                return self.cloud.run(request(self.job, self.owner_arn, offset, count, option, attempt))
            except LaunchError as error:
                result.error = error
                if refusals.smaller(error) and count > 1:
                    self._most = count // 2
                    continue
                if not refusals.elsewhere(error):
                    return []
                result.refused[option] = error
                self.say(f"No {option} available ({error.code}).")
                left.pop(0)
                if error.code == refusals.NO_SPOT_ROLE:
                    left[:] = [one for one in left if one.market != SPOT]
        return []


def request(
    job: Job, owner_arn: str, offset: int, count: int, option: Option, attempt: int = 1
) -> LaunchRequest:
    """The RunInstances call for `count` datasets from `offset` on. Pure: the same arguments give the same
    call, with the same token, and others another."""
    call = LaunchRequest(
        template_id=job.launch_template.launch_template_id,
        template_version=job.launch_template.launch_template_version,
        instance_type=option.instance_type,
        count=count,
        user_data=user_data(
            UserDataPayload(job.bucket, job.keys.job, job.code, offset, attempt, account_of(owner_arn))
        ),
        client_token="",
        tags=job_tags(job, owner_arn, offset, attempt),
        volume_gib=job.volume_gib if job.dataset_size_gib else None,
        market=option.market,
        zone=option.zone,
        subnet=option.subnet,
        root_device=job.image.root_device,
    )
    # the tags name the run of the job, the dataset and the attempt
    identity = json.dumps(asdict(call), sort_keys=True)
    return replace(call, client_token=hashlib.sha256(identity.encode()).hexdigest()[:64])


def account_of(arn: str) -> str:
    """The account in an ARN; "" for another text."""
    parts = arn.split(":")
    return parts[4] if len(parts) > 5 and parts[0] == "arn" else ""


def fair_room(cloud: ManagerCloud, settings: AnalysisSettings, me: Waiter, now: float) -> int | None:
    """The same for one job beside those that wait: its share (`protocol.waiting.shares`)."""
    room = room_for(cloud, settings)
    if not room:
        return room
    queue = [one for one in cloud.waiters(settings.bucket) if one.job != me.job and one.alive(now)]
    queue = [one for one in queue if one.kind == ROOM] + [replace(me, kind=ROOM)]
    groups = {one.job.group for one in queue}
    if len(groups) < 2 or sum(one.wants for one in queue) <= room:
        return shares(queue, room)[me.job]
    of = {PRICE_TRACKING: "On", ANALYSIS: settings.analysis}
    return shares(queue, room, {group: cloud.living({**of, GROUP: group}) for group in groups})[me.job]


def room_for(cloud: ManagerCloud, settings: AnalysisSettings) -> int | None:
    """How many more machines there may be now, None for any number. Two managers at once may both see the
    same room.
    """
    free, limits = [], settings.limits
    if limits.machines is not None:
        free.append(limits.machines - cloud.living({PRICE_TRACKING: "On", ANALYSIS: settings.analysis}))
    if limits.account_machines is not None:
        free.append(limits.account_machines - cloud.living({PRICE_TRACKING: "On"}))
    return max(0, min(free)) if free else None


def own_machines(job: Job, machines: Iterable[JobMachine]) -> list[JobMachine]:
    """Those of this run: an earlier job of the same name, whose records were deleted, has others. What a
    clock says does not count:
    that of the manager may be wrong, and a dataset would get two machines."""
    return [machine for machine in machines if machine.run == job.created]


def next_dataset(machines: Sequence[JobMachine]) -> int:
    """Index of the first dataset without a machine. Launch calls follow each other without gaps, and each
    gives launch indexes from 0, so the answer is the end of the last call's machines."""
    ends: dict[int, int] = defaultdict(int)
    for machine in machines:
        ends[machine.offset] = max(ends[machine.offset], machine.dataset + 1)
    return max(ends.values(), default=0)
