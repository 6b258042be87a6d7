"""What a machine has, by its instance type: virtual CPUs, memory, GPUs. Of types on offer and of those that
AWS has retired.

Figures are those of AWS's tables of instance types ("Amazon EC2 instance types", and the same for previous
generations).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"([a-z]+\d[a-z0-9-]*)\.([a-z0-9-]+)")
_XLARGE = re.compile(r"(\d*)xlarge")
_ROUNDING = 0.95
"""61 GiB then are 64 GiB now: sizes of memory that differ by less are the same size."""


@dataclass(frozen=True)
class Kind:
    """What a machine has. `gib`: memory; `gpu_gib`: of each GPU."""

    vcpu: int
    gib: float
    gpus: int = 0
    gpu_gib: float = 0

    def covers(self, other: Kind) -> bool:
        """Whether it has at least what the other has of everything."""
        return (
            self.gpus >= other.gpus
            and self.gpu_gib >= other.gpu_gib
            and self.vcpu >= other.vcpu
            and self.gib >= other.gib * _ROUNDING
        )

    def __str__(self) -> str:
        gpus = (
            f", {self.gpus} GPU{'' if self.gpus == 1 else 's'} of {self.gpu_gib:g} GiB" if self.gpus else ""
        )
        return f"{self.vcpu} vCPU, {self.gib:g} GiB{gpus}"


# GiB of memory for each vCPU; the longest beginning of a family's name that is here counts.
_GIB_PER_VCPU = {
    "m3": 3.75, "m4": 4, "m5": 4, "m6": 4, "m7": 4, "m8": 4, "c3": 1.875, "c4": 1.875, "c5": 2, "c5n": 2.625,
    "c6": 2, "c7": 2, "c8": 2,
    "r3": 7.625, "r4": 7.625, "r5": 8, "r6": 8, "r7": 8, "r8": 8, "x1": 15.25, "x1e": 30.5, "x2": 16,
    "z1d": 8, "i2": 7.625, "i3": 7.625,
    "i3en": 8, "i4": 8, "i7": 8, "d2": 7.625, "d3": 8, "h1": 4, "a1": 2,
}  # fmt: skip
_BURSTABLE = {"nano": 0.5, "micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_BURSTABLE_VCPU = {
    "t2": (1, 1, 1, 2, 2, 4, 8),
    "t3": (2, 2, 2, 2, 2, 4, 8),
    "t3a": (2, 2, 2, 2, 2, 4, 8),
    "t4g": (2, 2, 2, 2, 2, 4, 8),
}
_ONE_GPU = {1: (4, 16), 2: (8, 32), 4: (16, 64), 8: (32, 128), 16: (64, 256)}
"""Sizes of g4dn, g5 and g6 with one GPU, as multiples of xlarge: vCPU and GiB."""


def _graphics(family: str, gpu_gib: float, **more: tuple[int, float, int]) -> dict[str, Kind]:
    one = {
        f"{family}.{size if size > 1 else ''}xlarge": Kind(vcpu, gib, 1, gpu_gib)
        for size, (vcpu, gib) in _ONE_GPU.items()
    }
    several = {
        f"{family}.{name[1:]}": Kind(vcpu, gib, gpus, gpu_gib) for name, (vcpu, gib, gpus) in more.items()
    }
    return {**one, **several}


_LISTED: dict[str, Kind] = {
    "t1.micro": Kind(1, 0.6), "m1.small": Kind(1, 1.7), "m1.medium": Kind(1, 3.75), "m1.large": Kind(2, 7.5),
    "m1.xlarge": Kind(4, 15),
    "m2.xlarge": Kind(2, 17.1), "m2.2xlarge": Kind(4, 34.2), "m2.4xlarge": Kind(8, 68.4),
    "c1.medium": Kind(2, 1.7),
    "c1.xlarge": Kind(8, 7), "cc2.8xlarge": Kind(32, 60.5), "cr1.8xlarge": Kind(32, 244),
    "hs1.8xlarge": Kind(16, 117),
    "c3.8xlarge": Kind(32, 60), "c4.8xlarge": Kind(36, 60), "m3.medium": Kind(1, 3.75),
    "g2.2xlarge": Kind(8, 15, 1, 4), "g2.8xlarge": Kind(32, 60, 4, 4), "cg1.4xlarge": Kind(16, 22.5, 2, 3),
    "g3s.xlarge": Kind(4, 30.5, 1, 8), "g3.4xlarge": Kind(16, 122, 1, 8), "g3.8xlarge": Kind(32, 244, 2, 8),
    "g3.16xlarge": Kind(64, 488, 4, 8),
    "p2.xlarge": Kind(4, 61, 1, 12), "p2.8xlarge": Kind(32, 488, 8, 12), "p2.16xlarge": Kind(64, 732, 16, 12),
    "p3.2xlarge": Kind(8, 61, 1, 16), "p3.8xlarge": Kind(32, 244, 4, 16), "p3.16xlarge": Kind(64, 488, 8, 16),
    "p3dn.24xlarge": Kind(96, 768, 8, 32), "p4d.24xlarge": Kind(96, 1152, 8, 40),
    "p4de.24xlarge": Kind(96, 1152, 8, 80),
    "p5.48xlarge": Kind(192, 2048, 8, 80), "p5.4xlarge": Kind(16, 256, 1, 80),
    **_graphics("g4dn", 16, _12xlarge=(48, 192, 4), _metal=(96, 384, 8)),
    **_graphics("g5", 24, _12xlarge=(48, 192, 4), _24xlarge=(96, 384, 4), _48xlarge=(192, 768, 8)),
    **_graphics("g6", 24, _12xlarge=(48, 192, 4), _24xlarge=(96, 384, 4), _48xlarge=(192, 768, 8)),
}  # fmt: skip


X86, ARM = "x86_64", "arm64"
_ATTRIBUTES = re.compile(r"[a-z]+\d+([a-z-]*)")
"""What stands behind the generation in a family's name: `g` is for AWS's own ARM processors (EC2 user guide,
"Amazon EC2 instance type naming conventions").
"""


def architecture(name: str) -> str:
    """Of a type's processors: `x86_64` or `arm64`, as EC2 calls them."""
    family = name.partition(".")[0]
    found = _ATTRIBUTES.match(family)
    return ARM if family == "a1" or (found and "g" in found[1]) else X86


def kind(name: str) -> Kind | None:
    """What a type has, on offer or not; None for a name that no type had, and for one whose figures are not
    known here.
    """
    if name in _LISTED:
        return _LISTED[name]
    found = _NAME.fullmatch(name)
    if not found:
        return None
    family, size = found.groups()
    if family in _BURSTABLE_VCPU:
        sizes = dict(zip(_BURSTABLE, _BURSTABLE_VCPU[family], strict=True))
        return Kind(sizes[size], _BURSTABLE[size]) if size in sizes else None
    known = [begin for begin in _GIB_PER_VCPU if family.startswith(begin)]
    times = _XLARGE.fullmatch(size)
    vcpu = 4 * int(times.group(1) or 1) if times else {"medium": 1, "large": 2}.get(size)
    if not known or vcpu is None:
        return None
    return Kind(vcpu, vcpu * _GIB_PER_VCPU[max(known, key=len)])
