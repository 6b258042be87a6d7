"""What machines and builds start from, as EC2 knows it: asked before anything is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

from blueprints.model import Blueprint, Imaged
from blueprints.parents import ParentImage
from components.place import Place
from components.project import refused
from neurocaas.protocol.problems import InvalidInput, Problem
from neurocaas.protocol.settings import ROOT_DEVICE

DENIED = ("AccessDenied", "UnauthorizedOperation")


@dataclass(frozen=True)
class StartImage:
    """`root_device`: the image's name for its root volume; a volume under another name would be a second,
    empty one. `least_gib`: the size of its snapshot, which no volume may be smaller than. `architecture`: of
    the processors that it is for, None where it is not known.
    """

    root_device: str = ROOT_DEVICE
    least_gib: int = 0
    architecture: str | None = None


class RootDevices(NamedTuple):
    """What the image that machines start from, and the parent of what is baked, call their root volumes."""

    machines: str
    parent: str


UNKNOWN = StartImage()
"""What is taken where credentials may not ask (a preview by credentials that read little)."""


def parent_image(of: Imaged, parent: ParentImage, provider: aws.Provider) -> StartImage:
    """What EC2 says of the parent. Raises pulumi.RunError for one that is not there, that is for other
    processors, or that does not fit into the volume.
    """
    found = _look(parent, provider)
    if found is None:
        got = f"{parent.for_image_builder}, which is not there"
        do = "Correct image.parent, or choose another region (aws:region)"
        problem = Problem("image.parent", got, "an image of this region that this account may use", do)
        raise refused(f"{of.file}", InvalidInput([problem]))
    if found.architecture not in (None, of.architecture):
        got = f"{parent.for_image_builder}, which is for {found.architecture} processors"
        do = "Choose another image, or types of the other kind"
        allowed = f"an image for the {of.architecture} processors of the machines"
        raise refused(f"{of.file}", InvalidInput([Problem("image.parent", got, allowed, do)]))
    if of.volume_gib < found.least_gib:
        got, allowed = str(of.volume_gib), f"at least {found.least_gib}, the size of image.parent"
        do = f"Write {max(found.least_gib, 16)} or more; a part of it is the room for data"
        raise refused(f"{of.file}", InvalidInput([Problem("instance.volume_gib", got, allowed, do)]))
    return found


def baked_image(
    of: Blueprint, at: Place, parent: StartImage, provider: aws.Provider
) -> tuple[Blueprint, StartImage]:
    """The blueprint with the image that was baked for it here, if that can be used, and what machines start
    from. One that is gone, or is for other processors, is no fault of the deploy, which must make it possible
    to bake another: the facts are the parent's then, and one for other processors is none.
    """
    ami = of.image.baked(at.account, at.region)
    found = _look(ParentImage(ami=ami), provider) if ami else None
    if found is None or found.architecture in (None, of.architecture):
        return of, found or parent
    pulumi.log.warn(
        f"{of.file}: image {ami} is for {found.architecture} processors, and the machines have "
        f"{of.architecture}: no image is deployed until another is baked (invoke bake-ami)"
    )
    amis = {key: one for key, one in of.image.amis.items() if one != ami}
    return replace(of, image=replace(of.image, amis=amis)), parent


def _look(image: ParentImage, provider: aws.Provider) -> StartImage | None:
    opts = pulumi.InvokeOptions(provider=provider)
    try:
        ami = image.ami
        if ami is None:
            assert image.parameter is not None
            ami = aws.ssm.get_parameter(name=image.parameter, opts=opts).insecure_value
        wanted = [aws.ec2.GetAmiFilterArgs(name="image-id", values=[ami])]
        found = aws.ec2.get_ami(filters=wanted, include_deprecated=True, opts=opts)
    except Exception as error:  # noqa: BLE001  (pulumi raises a plain Exception with what the provider said)
        if any(code in str(error) for code in DENIED):
            pulumi.log.warn(
                f"{image.for_image_builder} was not looked at: the credentials may not "
                "(ssm:GetParameter, ec2:DescribeImages)"
            )
            return UNKNOWN
        return None
    gib = _root_gib(found.root_device_name, found.block_device_mappings)
    return StartImage(found.root_device_name, gib, found.architecture)


def _root_gib(root: str, mappings: Sequence[aws.ec2.outputs.GetAmiBlockDeviceMappingResult]) -> int:
    sizes = [one.ebs.get("volume_size", "0") for one in mappings if one.device_name == root and one.ebs]
    return max((int(size) for size in sizes), default=0)
