"""Parent images: the short codes of the developer guide, and what they stand for today."""

from __future__ import annotations

import re
from dataclasses import dataclass

from blueprints.machine_kinds import ARM, X86

_AMI = re.compile(r"ami-[0-9a-f]{8,17}")
_PARAMETER = re.compile(r"/aws/service(/[A-Za-z0-9_.-]+)+")
"""Public parameters of AWS. One of the account's own could not be read: Image Builder's service-linked role
may read only these (and `/imagebuilder/…`), and launching machines needs a right on each.
"""

# Parameters published by Canonical and by AWS (documentation: "Find AMIs with the SSM Parameter Store",
# "AWS Deep Learning AMIs: release notes"). The value is the newest image id of the region.
_UBUNTU = "/aws/service/canonical/ubuntu/server/{version}/stable/current/{processors}/hvm/ebs-gp{gp}/ami-id"
_DLAMI = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-{version}/latest/ami-id"


def _ubuntu(processors: str) -> dict[str, str]:
    return {
        "ubuntu22": _UBUNTU.format(version="22.04", gp=2, processors=processors),
        "ubuntu24": _UBUNTU.format(version="24.04", gp=3, processors=processors),
    }


PARENTS: dict[str, str] = {
    **_ubuntu("amd64"),
    "dlami22": _DLAMI.format(version="22.04"),
    "dlami24": _DLAMI.format(version="24.04"),
}
"""Code -> public SSM parameter that holds the image id, for x86_64."""

PARENTS_OF: dict[str, dict[str, str]] = {X86: PARENTS, ARM: _ubuntu("arm64")}
"""The same by architecture. The deep learning images are for GPUs, and no type on offer has both a GPU and an
arm64 processor.
"""

LARGE: dict[str, int] = {"dlami22": 100, "dlami24": 100}
"""Code -> GiB of a volume for it (what EC2's console proposes). All other images are taken to be small."""

BASE = "base"
"""The project's own base image, as a parent (`blueprints.base`)."""

RETIRED: dict[str, str] = {
    "ubuntu16": "ubuntu24",
    "ubuntu18": "ubuntu24",
    "dlami16": "dlami24",
    "dlami18": "dlami24",
}
"""Codes of the developer guide whose systems get no security updates any more -> their replacement."""


@dataclass(frozen=True)
class ParentImage:
    """A parent image, spelled for each service that wants it. Exactly one of the two fields is set."""

    ami: str | None = None
    parameter: str | None = None

    @property
    def for_image_builder(self) -> str:
        """As `parentImage` of an image recipe: an image id, or `ssm:<parameter>`."""
        return self.ami or f"ssm:{self.parameter}"

    @property
    def for_launch_template(self) -> str:
        """As `ImageId` of a launch template: an image id, or `resolve:ssm:<parameter>`."""
        return self.ami or f"resolve:ssm:{self.parameter}"


def parent_image(code: str, architecture: str = X86) -> ParentImage:
    """What a code stands for, but for `base` (`blueprints.base`), on machines of an architecture (of an image
    by its id or its parameter, nobody knows here). Raises ValueError for one that is not known, or not
    usable."""
    if code in PARENTS_OF[architecture]:
        return ParentImage(parameter=PARENTS_OF[architecture][code])
    if code in PARENTS:
        raise ValueError(f"{code!r}, of which there is no image for {architecture} processors")
    if _AMI.fullmatch(code):
        return ParentImage(ami=code)
    scheme, _, parameter = code.partition(":")
    if scheme == "ssm" and _PARAMETER.fullmatch(parameter):
        return ParentImage(parameter=parameter)
    if code in RETIRED:
        raise ValueError(
            f"{code!r}, which gets no security updates any more (its replacement is {RETIRED[code]})"
        )
    if scheme == "ssm":
        raise ValueError(f"{code!r}, which is no public parameter: neither a bake nor a launch could read it")
    raise ValueError(f"{code!r}, which is not known")
