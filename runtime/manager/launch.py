"""Launching the machines of a job: chunks, partial answers, other instance types when AWS has no capacity.

Every RunInstances call is derived from job.json alone and has a ClientToken of job, offset and type, so a call that is
repeated after a crash is the same call. A manager that takes over a job looks first at what is there already.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from runtime.manager.port import Cloud, LaunchError, LaunchRequest, Machine
from runtime.protocol.documents import moment
from runtime.protocol.job import Job
from runtime.protocol.limits import LAUNCH_CHUNK
from runtime.protocol.problems import Problem
from runtime.protocol.tags import job_tags
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
"""EC2 has none of this type now (EC2 API reference, "Error codes"); `Unsupported` is a type that the zone does not have."""

TRANSIENT_CODES = frozenset(
    {"RequestLimitExceeded", "Throttling", "ThrottlingException", "InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable"}
)
IMAGE_CODES = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable", "InvalidSnapshot.NotFound"})


@dataclass
class LaunchResult:
    """`machines` so far; `next` is the index of the first dataset without one. `error` is why it stopped there."""

    machines: list[Machine] = field(default_factory=list)
    next: int = 0
    error: LaunchError | None = None
    refused: dict[str, LaunchError] = field(default_factory=dict)


def launch(cloud: Cloud, job: Job, owner_arn: str, known: Iterable[Machine], say: Callable[[str], None]) -> LaunchResult:
    """Launch what is missing of `job`. `known` are its machines that exist already; `say` takes lines for the log."""
    result = LaunchResult(machines=own_machines(job, known))
    result.next = next_dataset(result.machines)
    total = len(job.datasets)
    types = list(job.instance_types)
    while result.next < total:
        count = min(LAUNCH_CHUNK, total - result.next)
        started = _launch_chunk(cloud, job, owner_arn, result, count, types, say)
        if not started:
            break
        result.machines += started
        result.next += len(started)
    return result


def _launch_chunk(
    cloud: Cloud, job: Job, owner_arn: str, result: LaunchResult, count: int, types: list[str], say: Callable[[str], None]
) -> list[Machine]:
    """One chunk with the first type of `types` that EC2 has; types without capacity are dropped for the whole launch."""
    while types:
        try:
            return cloud.run(request(job, owner_arn, result.next, count, types[0]))
        except LaunchError as error:
            result.error = error
            if error.code not in CAPACITY_CODES:
                return []
            result.refused[types[0]] = error
            say(f"No {types[0]} available ({error.code}).")
            types.pop(0)
    return []


def request(job: Job, owner_arn: str, offset: int, count: int, instance_type: str) -> LaunchRequest:
    """The RunInstances call for `count` datasets from `offset` on. Pure: the same arguments give the same call."""
    identity = "\n".join([job.bucket, job.group, job.timestamp, job.created, str(offset), instance_type])
    return LaunchRequest(
        template_id=job.launch_template.launch_template_id,
        template_version=job.launch_template.launch_template_version,
        instance_type=instance_type,
        count=count,
        user_data=user_data(UserDataPayload(job.bucket, job.keys.job, job.code, offset)),
        client_token=hashlib.sha256(identity.encode()).hexdigest()[:64],
        tags=job_tags(job, owner_arn, offset),
        volume_gib=job.volume_gib if job.dataset_size_gib else None,
    )


def own_machines(job: Job, machines: Iterable[Machine]) -> list[Machine]:
    """Those of this run: an earlier job of the same name, whose results were deleted, has older machines."""
    earliest = moment(job.created) - timedelta(seconds=2)  # EC2 gives launch times in whole seconds
    return [machine for machine in machines if machine.launched is None or machine.launched >= earliest]


def next_dataset(machines: Sequence[Machine]) -> int:
    """Index of the first dataset without a machine. Launch calls follow each other without gaps, and each gives launch
    indexes from 0, so the answer is the end of the last call's machines."""
    ends: dict[int, int] = defaultdict(int)
    for machine in machines:
        ends[machine.offset] = max(ends[machine.offset], machine.offset + machine.launch_index + 1)
    return max(ends.values(), default=0)


def explain(result: LaunchResult, job: Job) -> tuple[str, Problem, bool]:
    """Why a launch stopped: its exit class, the problem for people, and whether waiting may help."""
    error = result.error
    assert error is not None
    missing, total = len(job.datasets) - result.next, len(job.datasets)
    if error.code in CAPACITY_CODES:
        tried = ", ".join(f"{name} ({refusal.code})" for name, refusal in result.refused.items())
        got = f"Instances not launched. AWS capacity reached: {missing} of {total} machines missing, tried {tried}"
        do = "Submit again later, with fewer datasets or another instance_type; the administrator can raise the account's limits"
        return "capacity", Problem("machines", got, "as many machines as AWS gives now", do), True
    if error.code in TRANSIENT_CODES:
        got = f"AWS ERROR. Transient AWS Communication Error ({error.code})"
        return "platform", Problem("machines", got, "a launch that AWS accepts", "Please Try Again"), True
    if error.code in IMAGE_CODES:
        got = f"machine image {job.image.id} that AWS does not have ({error.code})"
        do = "Ask the analysis's developer to bake its image again (invoke bake-ami) and to deploy"
        return "image", Problem("machine image", got, "an existing image", do), False
    got = f"AWS ERROR. RunInstances was refused ({error.code})"
    return "platform", Problem("machines", got, "a launch that AWS accepts", "Please contact your NeuroCAAS administrator"), False
