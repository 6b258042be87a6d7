"""The public images that the local cloud pretends to offer.

Locally all of them are the same thing: the base root, which is made of the host's own system directories
(``localcloud.sandbox.base``). Names and public parameter paths are those of AWS, so that a launch template or
an image recipe that says ``resolve:ssm:/aws/service/canonical/…`` works unchanged in both places. Identifiers
are derived from the names and never change.

Sources: Ubuntu on AWS, "Find Ubuntu images with the SSM Parameter Store"; AWS Deep Learning AMIs, "Find the
AMI with a parameter".
"""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class BaseImage:
    """A public image. ``size_gib`` is the size of its root volume in GiB, ``ssm_parameters`` the public
    parameters that name it.
    """

    image_id: str
    name: str
    description: str
    ssm_parameters: tuple[str, ...]
    architecture: str
    root_device: str
    size_gib: int


def image_id(name: str) -> str:
    """The id of a base image: ``ami-`` and 17 hexadecimal digits of the SHA-256 of its name."""
    return "ami-" + hashlib.sha256(name.encode("utf-8")).hexdigest()[:17]


def _ubuntu(release: str, codename: str, volume: str) -> BaseImage:
    name = f"ubuntu/images/hvm-{volume}/ubuntu-{codename}-{release}-amd64-server-20251022"
    parameters = tuple(
        f"/aws/service/canonical/ubuntu/server/{release}/stable/current/amd64/hvm/{kind}/ami-id"
        for kind in ("ebs-gp3", "ebs-gp2")
    )
    return BaseImage(
        image_id(name),
        name,
        f"Ubuntu {release} LTS, amd64 (local stand-in)",
        parameters,
        "x86_64",
        "/dev/sda1",
        8,
    )


def _deep_learning(release: str) -> BaseImage:
    name = f"Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu {release}) 20251024"
    parameter = (
        f"/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-{release}/latest/ami-id"
    )
    return BaseImage(
        image_id(name),
        name,
        f"Deep Learning base, Ubuntu {release} (local stand-in)",
        (parameter,),
        "x86_64",
        "/dev/sda1",
        75,
    )


BASE_IMAGES: tuple[BaseImage, ...] = (
    _ubuntu("24.04", "noble", "ssd-gp3"),
    _ubuntu("22.04", "jammy", "ssd"),
    _deep_learning("24.04"),
    _deep_learning("22.04"),
)


def is_base_image(identifier: str) -> bool:
    """Whether ``identifier`` names a public image, which has no layer of its own."""
    return any(image.image_id == identifier for image in BASE_IMAGES)
