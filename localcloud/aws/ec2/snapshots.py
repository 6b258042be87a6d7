"""Images of machines' disks: CreateImage registers a pending image, the fleet copies what the machine has
written, and reports.
"""

from __future__ import annotations

from typing import Any

from localcloud.aws import hooks
from localcloud.aws.admin import AdminError
from localcloud.aws.context import Context
from localcloud.aws.ec2 import images, records
from localcloud.aws.ec2.templates import merge_tags
from localcloud.aws.protocol.ec2query import Ec2Error


def copies(context: Context) -> dict[str, Any]:
    """The copies that the fleet is to make, by image id; they survive a restart."""
    return context.store.section("image-copies")


def create_image(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """CreateImage of a running or stopped machine. The image is pending until its disk has been copied."""
    record = records.find(request.get("InstanceId", ""))
    name = record["State"]["Name"]
    if name not in ("running", "stopped", "stopping"):
        raise Ec2Error(
            "IncorrectInstanceState",
            f"The instance '{record['InstanceId']}' is {name}, which does not allow this.",
        )
    if context.admin.fleet_age() is None:
        raise Ec2Error("UnsupportedOperation", "No fleet runs in this local cloud, so no machine has a disk.")
    parent = images.find(record["ImageId"])
    tags = merge_tags(request.get("TagSpecifications", [])).get("image", {})
    image = images.register(
        request.get("Name", ""),
        parent,
        tags,
        Description=request.get("Description", ""),
        SourceInstanceId=record["InstanceId"],
        State="pending",
    )
    copies(context)[image["ImageId"]] = {
        "image_id": image["ImageId"],
        "instance_id": record["InstanceId"],
        "parent": parent["ImageId"],
        "account": hooks.account(),
        "region": hooks.region(),
    }
    context.changed("ec2")
    return {"ImageId": image["ImageId"]}


async def report(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """POST images: what the fleet says of a copy; ``problem`` is empty when all is well."""
    copy = copies(context).pop(request["id"], None)
    if copy is None:
        raise AdminError(404, f"There is no image {request['id']} to be copied.")
    with hooks.scope(copy["account"], copy["region"]):
        image = images.own().get(copy["image_id"])
        if image is not None:
            image["State"] = "failed" if request["problem"] else "available"
            if request["problem"]:
                image["StateReason"] = {"Code": "Server.InternalError", "Message": request["problem"]}
    context.changed("ec2")
    return {}
