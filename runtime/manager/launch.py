"""Launching the machines of a job: chunks, partial answers, other types, markets and zones when AWS has no
capacity.

Every RunInstances call is derived from job.json alone and has a ClientToken of job, offset, attempt and
option, so a call that is repeated after a crash is the same call. A manager that takes over a job looks first
at what is there already.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from runtime.manager.port import JobMachine, LaunchError, LaunchRequest, ManagerCloud
from runtime.protocol.job import Job
from runtime.protocol.limits import LAUNCH_CHUNK, LAUNCH_OPTIONS
from runtime.protocol.problems import Problem
from runtime.protocol.settings import MARKETS, SPOT, AnalysisSettings
from runtime.protocol.tags import ANALYSIS, PRICE_TRACKING, job_tags
from runtime.protocol.userdata import UserDataPayload, user_data

CAPACITY_CODES = frozenset(
    {
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientFreeAddressesInSubnet",
        "InsufficientVolumeCapacity",
        "InstanceLimitExceeded",
        "VcpuLimitExceeded",
        "VolumeLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "SpotMaxPriceTooLow",
        "Unsupported",
    }
)
"""EC2 has none of this type now (EC2 API reference, "Error codes"); `Unsupported` is a type that the zone
does not have.
"""

TRANSIENT_CODES = frozenset(
    {
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "InternalError",
        "InternalFailure",
        "ServiceUnavailable",
        "Unavailable",
    }
)
IMAGE_CODES = frozenset(
    {
        "InvalidAMIID.NotFound",
        "InvalidAMIID.Malformed",
        "InvalidAMIID.Unavailable",
        "InvalidSnapshot.NotFound",
        "InvalidLaunchTemplateId.VersionNotFound",
    }
)


class Option(NamedTuple):
    """One way to get a machine: where it is bought, its type, its zone (None: AWS chooses)."""

    market: str
    instance_type: str
    zone: str | None

    def __str__(self) -> str:
        words = [
            self.instance_type,
            *(["spot"] if self.market == SPOT else []),
            *([self.zone] if self.zone else []),
        ]
        return " ".join(words)


def options(job: Job, first: str | None = None) -> list[Option]:
    """The ways to get the machines of a job, best first. `first` is the one of its `oom_types` that a dataset
    that ran out of memory gets; those after it are larger still, and may stand in."""
    types = job.instance_types if first is None else job.oom_types[job.oom_types.index(first) :]
    every = itertools.product(MARKETS[job.market], types, job.zones or (None,))
    return [Option(*one) for one in itertools.islice(every, LAUNCH_OPTIONS)]


@dataclass
class LaunchResult:
    """`machines` so far; `next` is the index of the first dataset without one. It stopped there because of
    `error`, or because there was no more room (`full`). `refused` has the options without capacity."""

    machines: list[JobMachine] = field(default_factory=list)
    next: int = 0
    error: LaunchError | None = None
    full: bool = False
    refused: dict[Option, LaunchError] = field(default_factory=dict)


def launch(
    cloud: ManagerCloud,
    job: Job,
    owner_arn: str,
    known: Iterable[JobMachine],
    say: Callable[[str], None],
    room: int | None = None,
) -> LaunchResult:
    """Launch what is missing of `job`. `known` are its machines that exist already; `say` takes lines for the
    log; `room` is how many more machines there may be (None: any number)."""
    result = LaunchResult(machines=own_machines(job, known))
    result.next = next_dataset(result.machines)
    total, left = len(job.datasets), options(job)
    while result.next < total:
        count = min(LAUNCH_CHUNK, total - result.next)
        if room is not None:
            count = min(count, room)
        if count < 1:
            result.full = True
            break
        started = launch_chunk(cloud, result, left, say, partial(request, job, owner_arn, result.next, count))
        if not started:
            break
        result.machines += started
        result.next += len(started)
        room = None if room is None else room - len(started)
    return result


def launch_chunk(
    cloud: ManagerCloud,
    result: LaunchResult,
    left: list[Option],
    say: Callable[[str], None],
    ask: Callable[[Option], LaunchRequest],
) -> list[JobMachine]:
    """One chunk with the first of the options that EC2 has; options without capacity are dropped from
    `left`.
    """
    while left:
        try:
            return cloud.run(ask(left[0]))
        except LaunchError as error:
            result.error = error
            if error.code not in CAPACITY_CODES:
                return []
            result.refused[left[0]] = error
            say(f"No {left[0]} available ({error.code}).")
            left.pop(0)
    return []


def request(
    job: Job, owner_arn: str, offset: int, count: int, option: Option, attempt: int = 1
) -> LaunchRequest:
    """The RunInstances call for `count` datasets from `offset` on. Pure: the same arguments give the same
    call.
    """
    identity = "\n".join(
        [job.bucket, job.group, job.timestamp, job.created, str(offset), str(attempt), str(option)]
    )
    return LaunchRequest(
        template_id=job.launch_template.launch_template_id,
        template_version=job.launch_template.launch_template_version,
        instance_type=option.instance_type,
        count=count,
        user_data=user_data(UserDataPayload(job.bucket, job.keys.job, job.code, offset, attempt)),
        client_token=hashlib.sha256(identity.encode()).hexdigest()[:64],
        tags=job_tags(job, owner_arn, offset, attempt),
        volume_gib=job.volume_gib if job.dataset_size_gib else None,
        market=option.market,
        zone=option.zone,
    )


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


def explain(result: LaunchResult, job: Job) -> tuple[str, Problem, bool]:
    """Why a launch stopped: its exit class, the problem for people, and whether waiting may help."""
    missing, total = len(job.datasets) - result.next, len(job.datasets)
    if result.full:
        got = (
            f"no room for {missing} of {total} machines: as many are running as the analysis, or the "
            "account, may have"
        )
        do = "Submit again when other jobs have ended, or ask the analysis's developer for larger limits"
        return (
            "capacity",
            Problem(
                "machines", got, "the machines that limits.machines and limits.account_machines leave", do
            ),
            True,
        )
    error = result.error
    assert error is not None
    if error.code in CAPACITY_CODES:
        tried = ", ".join(f"{option} ({refusal.code})" for option, refusal in result.refused.items())
        got = (
            f"Instances not launched. AWS capacity reached: {missing} of {total} machines missing, tried "
            f"{tried}"
        )
        do = (
            "Submit again later, with fewer datasets or another instance_type; the administrator can raise "
            "the account's limits"
        )
        return "capacity", Problem("machines", got, "as many machines as AWS gives now", do), True
    if error.code in TRANSIENT_CODES:
        got = f"AWS ERROR. Transient AWS Communication Error ({error.code})"
        return "platform", Problem("machines", got, "a launch that AWS accepts", "Please Try Again"), True
    if error.code in IMAGE_CODES:
        got = f"machine image {job.image.id} that AWS does not have ({error.code})"
        do = "Ask the analysis's developer to bake its image again (invoke bake-ami) and to deploy"
        return "image", Problem("machine image", got, "an existing image", do), False
    got = f"AWS ERROR. RunInstances was refused ({error.code})"
    return (
        "platform",
        Problem("machines", got, "a launch that AWS accepts", "Please contact your NeuroCAAS administrator"),
        False,
    )
