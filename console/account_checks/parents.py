"""Parent images: that they exist, fit on the machines' disk, and run on the machines' types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from blueprints import base
from blueprints.model import Blueprint
from blueprints.parents import BASE, parent_image
from console.account_checks.asking import code
from console.account_checks.at import At
from console.account_checks.model import AccountAnswer, fail, ok, warn
from console.account_checks.wanted import Wanted


def parents(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """One answer a parent that something is wrong with, else one for all."""
    found: list[AccountAnswer] = []
    seen: set[tuple[str, int, tuple[str, ...]]] = set()
    for one in wanted.blueprints:
        key = (one.image.parent, one.instance.volume_gib, one.instance.types)
        if key not in seen:
            seen.add(key)
            found += _of(at, one)
    yield from found
    if not found:
        count = len({parent for parent, _, _ in seen})
        yield ok(f"{count} parent image{'' if count == 1 else 's'}, each fits its machines")


def _of(at: At, blueprint: Blueprint) -> Iterator[AccountAnswer]:
    code_, where = blueprint.image.parent, f"image.parent of {blueprint.name}"
    image = _image(at, blueprint)
    if image is None and code_ == BASE:
        allowed = f"a base image of this account in {at.region}"
        yield warn(f"{where}: the base image was not baked here", allowed, f"after utils: {base.BAKE}")
        return
    if image is None:
        do = "correct it; an image of another account must be shared with this one"
        yield fail(f"{where}: {code_} is not there", f"an available image in {at.region}", do)
        return
    yield from _shape(image, where, blueprint)
    yield from _machines(at, image, where, blueprint)


def _image(at: At, blueprint: Blueprint) -> Mapping[str, Any] | None:
    name = blueprint.image.parent
    try:
        if name == BASE:
            ami = base.load(blueprint.root).image.baked(at.account, at.region)
        else:
            parent = parent_image(name, blueprint.architecture)
            ami = parent.ami or str(
                at.client("ssm").get_parameter(Name=parent.parameter)["Parameter"]["Value"]
            )
        images = at.client("ec2").describe_images(ImageIds=[ami])["Images"] if ami else []
    except Exception as error:
        if not code(error).startswith(("ParameterNotFound", "InvalidAMIID")):
            raise
        return None
    return next((one for one in images if one.get("State") == "available"), None)


def _shape(image: Mapping[str, Any], where: str, blueprint: Blueprint) -> Iterator[AccountAnswer]:
    name = f"{blueprint.image.parent} ({image['ImageId']})"
    root = str(image.get("RootDeviceName"))
    if image.get("RootDeviceType") != "ebs":
        yield fail(
            f"{where}: {name} has its root on {root} ({image.get('RootDeviceType')})",
            "an image whose root is an EBS volume",
            "take another parent",
        )
    size = next(
        (
            int(one["Ebs"].get("VolumeSize", 0))
            for one in image.get("BlockDeviceMappings", ())
            if one.get("DeviceName") == root and "Ebs" in one
        ),
        0,
    )
    if size > blueprint.instance.volume_gib:
        yield fail(
            f"{where}: {name} has {size} GiB, the machines' disk {blueprint.instance.volume_gib}",
            f"instance.volume_gib of at least {size}",
            f"set it in blueprints/{blueprint.name}/blueprint.yaml",
        )


def _machines(at: At, image: Mapping[str, Any], where: str, blueprint: Blueprint) -> Iterator[AccountAnswer]:
    """Types and architecture. What drivers a parent has, the blueprint's own check knows."""
    types = blueprint.instance.types
    filters = [{"Name": "instance-type", "Values": sorted(types)}]
    offered = at.client("ec2").describe_instance_types(Filters=filters)["InstanceTypes"]
    missing = sorted(set(types) - {one["InstanceType"] for one in offered})
    if missing:
        yield fail(
            f"{blueprint.name}: {at.region} has no {', '.join(missing)}",
            "types of the region",
            "take others in instance.type and instance.types, or another region",
        )
    wanted = str(image.get("Architecture"))
    other = sorted(
        one["InstanceType"]
        for one in offered
        if wanted not in one.get("ProcessorInfo", {}).get("SupportedArchitectures", [wanted])
    )
    if other:
        yield fail(
            f"{where}: an image for {wanted}, and machines of another kind: {', '.join(other)}",
            f"types for {wanted}",
            "take a parent of the types' architecture",
        )
