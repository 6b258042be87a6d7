"""Machine images: the public base images, and those that Image Builder or CreateImage made here.

The records are MiniStack's store; the file systems are the fleet's (``.local/images``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from localcloud.account_properties import Properties
from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2 import layers, records
from localcloud.aws.ec2.filters import Values, matches, page
from localcloud.aws.ec2.templates import merge_tags
from localcloud.aws.protocol.ec2query import Ec2Error
from localcloud.images.catalogue import BASE_IMAGES, BaseImage

PUBLISHERS = {"ubuntu": "099720109477", "Deep Learning": "898082745236"}
"""Accounts that publish the base images on AWS: Canonical, Amazon."""
NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")

Image = dict[str, Any]

FILTERS: dict[str, Values] = {
    "image-id": lambda i: [i["ImageId"]],
    "name": lambda i: [i["Name"]],
    "description": lambda i: [i.get("Description", "")],
    "owner-id": lambda i: [i["OwnerId"]],
    "owner-alias": lambda i: [i.get("ImageOwnerAlias")],
    "architecture": lambda i: [i["Architecture"]],
    "state": lambda i: [i["State"]],
    "is-public": lambda i: [i["Public"]],
    "root-device-type": lambda i: [i["RootDeviceType"]],
    "root-device-name": lambda i: [i["RootDeviceName"]],
    "virtualization-type": lambda i: [i["VirtualizationType"]],
    "image-type": lambda i: [i["ImageType"]],
    "creation-date": lambda i: [i["CreationDate"]],
    "platform-details": lambda i: [i["PlatformDetails"]],
    "source-instance-id": lambda i: [i.get("SourceInstanceId")],
}


def own() -> Any:
    """The account's own images, scoped to account and region."""
    return hooks.ec2._images


def _base(image: BaseImage, device: str, size_gib: int) -> Image:
    owner = next((account for part, account in PUBLISHERS.items() if image.name.startswith(part)), "amazon")
    return {
        "ImageId": image.image_id,
        "Name": image.name,
        "Description": image.description,
        "Architecture": image.architecture,
        "OwnerId": owner,
        "ImageOwnerAlias": "amazon",
        "Public": True,
        "CreationDate": "2025-10-22T00:00:00.000Z",
        **_common(device, size_gib),
    }


def _common(device: str, size: int, snapshot: str = "snap-00000000000000000") -> Image:
    ebs = {
        "SnapshotId": snapshot,
        "VolumeSize": size,
        "VolumeType": "gp3",
        "DeleteOnTermination": True,
        "Encrypted": False,
    }
    return {
        "State": "available",
        "ImageType": "machine",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "EnaSupport": True,
        "SriovNetSupport": "simple",
        "Hypervisor": "xen",
        "VirtualizationType": "hvm",
        "RootDeviceType": "ebs",
        "RootDeviceName": device,
        "BlockDeviceMappings": [{"DeviceName": device, "Ebs": ebs}],
    }


BASES = {image.image_id: _base(image, image.root_device, image.size_gib) for image in BASE_IMAGES}


def shape(properties: Properties) -> None:
    """Offer the public images with the root device and snapshot that the account's properties say."""
    for image in BASE_IMAGES:
        device, size = properties.root_device or image.root_device, properties.snapshot_gib or image.size_gib
        BASES[image.image_id] = _base(image, device, size)


def every() -> Iterator[Image]:
    """All images that the account can use."""
    yield from BASES.values()
    yield from own().values()


def find(image_id: str) -> Image:
    """An image that can be launched. Raises InvalidAMIID.Malformed or InvalidAMIID.NotFound."""
    if not re.fullmatch(r"ami-(?:[0-9a-f]{8}|[0-9a-f]{17})", image_id):
        raise Ec2Error("InvalidAMIID.Malformed", f'Invalid id: "{image_id}" (expecting "ami-...")')
    found = BASES.get(image_id) or own().get(image_id)
    if found is None:
        raise Ec2Error("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    return dict(found)


def register(name: str, parent: Image, tags: dict[str, str], image_id: str = "", **fields: Any) -> Image:
    """Add an image of the account that stands on ``parent``. Raises InvalidAMIName.Malformed or
    InvalidAMIName.Duplicate.
    """
    if not NAME.fullmatch(name):
        raise Ec2Error(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', "
            "')', '.', '-', '/' and '_'",
        )
    for image in own().values():
        if image["Name"] == name:
            raise Ec2Error(
                "InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {image['ImageId']}"
            )
    snapshot = records.new_id("snap")
    size = fields.pop("size_gib", None) or parent["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"]
    image = {
        "ImageId": image_id or records.new_id("ami"),
        "Name": name,
        "Description": "",
        "Architecture": parent["Architecture"],
        "OwnerId": hooks.account(),
        "ImageLocation": f"{hooks.account()}/{name}",
        "Public": False,
        "CreationDate": records.now(),
        **_common(parent["RootDeviceName"], size, snapshot),
        **fields,
    }
    hooks.ec2._snapshots[snapshot] = {
        "SnapshotId": snapshot, "VolumeId": "vol-ffffffff", "State": "completed", "StartTime": records.now(),
        "Progress": "100%",
        "OwnerId": hooks.account(), "Description": f"Created for {image['ImageId']}", "VolumeSize": size,
        "Encrypted": False,
    }  # fmt: skip
    own()[image["ImageId"]] = image
    records.set_tags(image["ImageId"], tags)
    records.set_tags(snapshot, tags)
    return image


def resolve(context: Context, reference: str) -> str:
    """An image id; ``resolve:ssm:NAME`` (with ``:VERSION`` or ``:LABEL``) is looked up in Parameter Store, as
    RunInstances does.
    """
    if not reference.startswith("resolve:ssm:"):
        return reference
    parameter, _ = hooks.ssm._select_parameter(reference.removeprefix("resolve:ssm:"))
    if not parameter:
        raise Ec2Error(
            "InvalidParameterValue", f"Unable to resolve {reference}: the parameter does not exist."
        )
    return str(parameter.get("OriginalValue") or parameter["Value"])


def describe_images(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DescribeImages."""
    wanted = request.get("ImageIds", [])
    chosen = [find(image_id) for image_id in wanted] if wanted else list(every())
    owners = set(request.get("Owners", []))
    if owners:
        owners = {hooks.account() if owner == "self" else owner for owner in owners}
        chosen = [i for i in chosen if i["OwnerId"] in owners or i.get("ImageOwnerAlias") in owners]
    chosen = [
        i for i in chosen if matches(i, records.tags(i["ImageId"]), request.get("Filters", []), FILTERS)
    ]
    shown = [{**i, "Tags": records.tags(i["ImageId"])} for i in chosen]
    items, token = page(shown, request)
    return {"Images": items, "NextToken": token}


def register_image(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """RegisterImage from a snapshot of an image that is here."""
    mappings = request.get("BlockDeviceMappings", [])
    snapshots = {mapping.get("Ebs", {}).get("SnapshotId") for mapping in mappings}
    source = next((i for i in every() if i["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"] in snapshots), None)
    if source is None:
        raise Ec2Error(
            "InvalidSnapshot.NotFound",
            "The snapshots of the block device mappings belong to no image of the local cloud.",
        )
    tags = merge_tags(request.get("TagSpecifications", [])).get("image", {})
    image = register(
        request.get("Name", ""),
        source,
        tags,
        Description=request.get("Description", ""),
        SourceImageId=source["ImageId"],
    )
    return {"ImageId": image["ImageId"]}


def deregister_image(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """DeregisterImage of an image of one's own; its layer goes with it, or later when machines or images
    stand on it.
    """
    image = find(request.get("ImageId", ""))
    if image["ImageId"] in BASES:
        raise Ec2Error("AuthFailure", f"Not authorized for image:{image['ImageId']}", 403)
    own().pop(image["ImageId"])
    records.set_tags(image["ImageId"], {})
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    deleted = []
    if request.get("DeleteAssociatedSnapshots") and hooks.ec2._snapshots.pop(snapshot, None):
        records.set_tags(snapshot, {})
        deleted = [{"SnapshotId": snapshot, "ReturnCode": "success"}]
    layers.sweep(context)
    context.checkpoint.mark("ec2")
    return {"Return": True, "DeleteSnapshotResults": deleted}
