"""Machine images in an account, whether their stack is there or not: which there are, what they cost, and how
they end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neurocaas.protocol.tags import STACK_TAG

SNAPSHOT_USD_PER_GIB_MONTH = 0.05
"""Amazon EBS snapshots, standard tier, us-east-1 (the price page in 2025). Stored blocks count, so a volume's
size is an upper bound.
"""


@dataclass(frozen=True)
class KeptImage:
    """An image that carries a stack's tag, whether the stack is there or not. `snapshots`: what is paid for,
    `size_gib` in all at most.
    """

    image_id: str
    name: str
    created: str
    snapshots: tuple[str, ...]
    size_gib: int
    build_arn: str

    @property
    def usd_per_month(self) -> float:
        return round(self.size_gib * SNAPSHOT_USD_PER_GIB_MONTH, 2)

    def text(self) -> str:
        snapshots = ", ".join(self.snapshots) or "no snapshot"
        return (
            f"{self.image_id}  {self.created[:16]}  {self.size_gib} GiB ({snapshots})  at most "
            f"${self.usd_per_month:.2f} a month"
        )


def kept(stack: str, ec2: Any) -> list[KeptImage]:
    """The images of the account that are marked as the stack's, the newest first. They outlive it: they are
    no resources of the stack.
    """
    return by_stack(ec2, stack).get(stack, [])


def by_stack(ec2: Any, stack: str = "") -> dict[str, list[KeptImage]]:
    """The images of the account by the stack that they are marked as, those of stacks that are gone too; of
    one stack, when it is named. The newest first."""
    tag = {"Name": f"tag:{STACK_TAG}", "Values": [stack]}
    filters = [tag if stack else {"Name": "tag-key", "Values": [STACK_TAG]}]
    pages = ec2.get_paginator("describe_images").paginate(Owners=["self"], Filters=filters)
    found = defaultdict[str, list[KeptImage]](list)
    for image in (one for page in pages for one in page["Images"]):
        volumes = [
            one["Ebs"] for one in image.get("BlockDeviceMappings", ()) if one.get("Ebs", {}).get("SnapshotId")
        ]
        tags = {tag["Key"]: tag["Value"] for tag in image.get("Tags", ())}
        owner = tags.get(STACK_TAG, stack)
        if not owner:
            continue
        found[owner].append(
            KeptImage(
                image_id=image["ImageId"],
                name=image.get("Name", ""),
                created=str(image.get("CreationDate", "")),
                snapshots=tuple(one["SnapshotId"] for one in volumes),
                size_gib=sum(int(one.get("VolumeSize", 0)) for one in volumes),
                build_arn=tags.get("Ec2ImageBuilderArn", ""),
            )
        )
    return {
        name: sorted(some, key=lambda one: (one.created, one.image_id), reverse=True)
        for name, some in sorted(found.items())
    }


def remove(image_id: str, build_arn: str, clients: Callable[[str], Any]) -> list[str]:
    """Deregister an image, whoever needs it, delete its snapshots and, unless `build_arn` is "", the
    service's record of it. Returns lines that say so."""
    ec2 = clients("ec2")
    mappings = ec2.describe_images(ImageIds=[image_id])["Images"][0].get("BlockDeviceMappings", [])
    snapshots = {one["Ebs"]["SnapshotId"] for one in mappings if one.get("Ebs", {}).get("SnapshotId")}
    answer = ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    gone = {
        one["SnapshotId"]
        for one in answer.get("DeleteSnapshotResults", [])
        if one.get("ReturnCode") == "success"
    }
    if build_arn:
        clients("imagebuilder").delete_image(imageBuildVersionArn=build_arn)
    said = [f"{image_id} is deregistered", *(f"snapshot {snapshot} is deleted" for snapshot in sorted(gone))]
    left = sorted(snapshots - gone)
    return said + [
        f"snapshot {one} could not be deleted: `aws ec2 delete-snapshot --snapshot-id {one}`" for one in left
    ]
