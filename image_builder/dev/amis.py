"""Which image a development instance starts from: the guide's codes, an id, or what the blueprint says."""

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from blueprints import BASE, PARENTS, ParentImage, parent_at, parent_of
from blueprints.model import Blueprint
from blueprints.parents import RETIRED
from image_builder.dev.errors import DevelopmentError

_AMI = re.compile(r"ami-[0-9a-f]{8,17}")
NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")
"""Names of images."""
_ALLOWED = f"an id such as ami-0123456789abcdef0, or one of the codes {', '.join((*PARENTS, BASE))}"


def resolve(code: str | None, blueprint: Blueprint, account: str, region: str, ssm: Any) -> tuple[str, str]:
    """An image id and a line that says where it comes from. Raises DevelopmentError for a code that is
    unknown or retired.

    Without a code: the image that the blueprint records for this account and region, else its parent image.
    """
    if code is None:
        baked = blueprint.image.baked(account, region)
        if baked:
            return baked, f"{baked}, recorded in the blueprint for {account}/{region}"
        image = _today(parent_of(blueprint, account, region), ssm)
        return image, (
            f"{image}, the blueprint's parent '{blueprint.image.parent}': it records no image for "
            f"{account}/{region} yet"
        )
    if not isinstance(code, str):
        raise DevelopmentError(f"ami={code!r}", _ALLOWED, "give it as a text, in quotes")
    if code in (*PARENTS, BASE):
        image = _today(parent_at(code, blueprint.root, account, region, blueprint.architecture), ssm)
        return image, f"{image}, what '{code}' stands for in {region} today"
    if code in RETIRED:
        raise DevelopmentError(
            f"ami={code!r}: this system gets no security updates any more",
            _ALLOWED,
            f"use its replacement: ami={RETIRED[code]!r}",
        )
    if not _AMI.fullmatch(code):
        raise DevelopmentError(
            f"ami={code!r}",
            _ALLOWED,
            "correct it; ids of other systems are in the AWS console, EC2, AMI Catalog",
        )
    return code, code


def describe(image_id: str, ec2: Any) -> dict[str, Any]:
    """EC2's description of an image, once it is available (waits while it is being made). Raises
    DevelopmentError.
    """
    try:
        found: dict[str, Any] = ec2.describe_images(ImageIds=[image_id])["Images"][0]
    except (ClientError, IndexError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else "InvalidAMIID.NotFound"
        if not code.startswith("InvalidAMIID"):
            raise
        raise DevelopmentError(
            f"image {image_id}, which {ec2.meta.region_name} does not have",
            "an image that this account can use in this region",
            "correct the id; `invoke images.list` shows what was baked, the AWS console (EC2, AMI Catalog) "
            "the others",
        ) from None
    if found["State"] == "pending":
        with contextlib.suppress(WaiterError):  # what it became instead is told below
            ec2.get_waiter("image_available").wait(
                ImageIds=[image_id], WaiterConfig={"Delay": 2, "MaxAttempts": 1800}
            )
        found = ec2.describe_images(ImageIds=[image_id])["Images"][0]
    if found["State"] != "available":
        why = (found.get("StateReason") or {}).get("Message", "EC2 gives no reason")
        raise DevelopmentError(
            f"image {image_id}, which is {found['State']}: {why}",
            "an image that is available",
            "make it again",
        )
    return found


def create(instance_id: str, name: str, marks: Mapping[str, str], ec2: Any) -> str:
    """Begin to make an image of an instance's disk, tagged with `marks`; its id. Raises DevelopmentError for
    a name that is taken.
    """
    tags = tag_list(marks)
    try:
        answer = ec2.create_image(
            InstanceId=instance_id,
            Name=name,
            Description=f"AMI created at {datetime.now(UTC):%Y-%m-%d %H:%M:%S UTC}",
            TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")],
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidAMIName.Duplicate":
            raise
        raise DevelopmentError(
            f"name={name!r}: {error.response['Error']['Message']}",
            "a name that is free",
            "choose another name",
        ) from None
    return str(answer["ImageId"])


def root_volume(image: dict[str, Any], wanted_gib: int) -> dict[str, Any]:
    """The block device mapping of an encrypted root volume of at least `wanted_gib` and as large as the image
    needs.
    """
    device = image["RootDeviceName"]
    own = next(
        (
            one["Ebs"].get("VolumeSize", 8)
            for one in image["BlockDeviceMappings"]
            if one.get("DeviceName") == device
        ),
        8,
    )
    ebs = {
        "VolumeSize": max(wanted_gib, own),
        "VolumeType": "gp3",
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    return {"DeviceName": device, "Ebs": ebs}


def tag_list(marks: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as EC2 wants them."""
    return [{"Key": key, "Value": value} for key, value in marks.items()]


def _today(parent: ParentImage, ssm: Any) -> str:
    """The image that a parent stands for now. Raises DevelopmentError when its parameter cannot be read:
    AWS's answer does not name it.
    """
    if parent.ami:
        return parent.ami
    try:
        return str(ssm.get_parameter(Name=parent.parameter)["Parameter"]["Value"])
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in ("ParameterNotFound", "AccessDenied", "AccessDeniedException"):
            raise
        raise DevelopmentError(
            f"SSM parameter {parent.parameter} in region {ssm.meta.region_name}: {code}",
            "a public parameter of that region, and credentials that may read it (ssm:GetParameter)",
            "use another region or other credentials, or name an image by its id",
        ) from None
