"""What is left of a run, asked of the cloud and not of any state: by its tags, and by its names where tags
are not listed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from account.developer_key import PRIVATE, PUBLIC
from blueprints.model import UTILS
from neurocaas.protocol.tags import STACK_TAG
from smoke.bench import Bench
from smoke.clean import machines_of
from smoke.jobs import limit_parameter

_PATIENCE_S = 120.0
"""AWS's lists show for a while what was deleted."""


@dataclass(frozen=True)
class LeftThing:
    """Something of the run that is still there, and the command that removes it."""

    kind: str
    name: str
    remove: str


def left(bench: Bench) -> list[LeftThing]:
    """All that is left after some patience; nothing is what it should be."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        found = list(_found(bench))
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(3)


def _found(bench: Bench) -> Iterator[LeftThing]:
    again = f"invoke smoke --remove {bench.place.record.run}"
    ec2, stack = bench.make("ec2"), bench.place.stack
    for machine in machines_of(bench):
        yield LeftThing("machine", machine, f"aws ec2 terminate-instances --instance-ids {machine}")
    tagged = [{"Name": f"tag:{STACK_TAG}", "Values": [stack]}]
    for volume in ec2.describe_volumes(Filters=tagged)["Volumes"]:
        name = volume["VolumeId"]
        yield LeftThing("volume", name, f"aws ec2 delete-volume --volume-id {name}")
    for image in ec2.describe_images(Owners=["self"], Filters=tagged)["Images"]:
        name = image["ImageId"]
        yield LeftThing("image", name, f"aws ec2 deregister-image --image-id {name}")
    for snapshot in ec2.describe_snapshots(OwnerIds=["self"], Filters=tagged)["Snapshots"]:
        name = snapshot["SnapshotId"]
        yield LeftThing("snapshot", name, f"aws ec2 delete-snapshot --snapshot-id {name}")
    for name in _parameters(bench):
        yield LeftThing("parameter", name, f"aws ssm delete-parameter --name {name}")
    for name in (stack, *((UTILS,) if bench.place.record.made_utils else ())):
        buckets = (bench.bucket,) if bench.outputs else ()
        for thing in bench.strays(name, *buckets):
            yield LeftThing(thing.type.rpartition(":")[2], thing.id, again)
        if name in bench.place.record.began and name in bench.engine.stack_names():
            yield LeftThing("stack", name, again)


def _parameters(bench: Bench) -> list[str]:
    """Parameters that no stack has: the group's limit, and the developers' key of the run's own `utils`."""
    names = [limit_parameter(bench.place.analysis)]
    if bench.place.record.made_utils:
        names += [PRIVATE, PUBLIC]
    return [str(one["Name"]) for one in bench.make("ssm").get_parameters(Names=names)["Parameters"]]
