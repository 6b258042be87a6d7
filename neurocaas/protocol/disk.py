"""How much disk the machines of a job need: sizes are known at submission, and a full disk after hours is
paid for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from neurocaas.protocol.problems import InvalidInput, Problem, shown
from neurocaas.protocol.typed_json import stored

_GIB = 1 << 30


@dataclass(frozen=True)
class DiskRules:
    """What an analysis says of its machines' disks: the blueprint's volume, by how much a job may enlarge it
    (`limits.dataset_size_gib`), and how many times the size of a dataset there should be room for.
    `besides`: that room is beside the volume, none of which counts as free (`instance.volume`)."""

    volume_gib: int
    limit_gib: int
    factor: float
    besides: bool = field(default=False, metadata=stored(added=True))

    @property
    def free_gib(self) -> int:
        """Of the blueprint's volume what counts as room for data: half, or none."""
        return 0 if self.besides else self.volume_gib // 2

    @property
    def largest_gib(self) -> int:
        """The largest dataset that there can be room for."""
        return self.free_gib + self.limit_gib


def room(rules: DiskRules, asked: int, sizes: Mapping[str, int]) -> int:
    """GiB by which the volumes are enlarged: the `asked` ones of `__dataset_size__`, or more where the
    largest of the datasets (bytes by path) needs it. All machines of a job have volumes of one size.

    Half of the volume of the blueprint is the image's, half is room for data (where it says `3x + 20 GiB`,
    all of the 20 GiB is for what there is besides). The largest dataset should have
    `factor` times its size, which is for itself and for what is made of it; it gets that as far as the limit
    goes, and must have room for itself. Raises InvalidInput.
    """
    path, largest = max(sizes.items(), key=lambda item: item[1])
    free, limit = rules.free_gib, rules.limit_gib
    least = _gib(largest * min(1.0, rules.factor)) - free
    if least > limit:
        got = (
            f"{shown(path)} of {largest / _GIB:.1f} GiB, more than the largest disk of a machine has room for"
        )
        allowed = (
            f"datasets of up to {limit} GiB (limits.dataset_size_gib)"
            if rules.besides
            else f"datasets of up to {free + limit} GiB (half of instance.volume_gib, and "
            "limits.dataset_size_gib)"
        )
        do = "Split it, or ask the analysis's developer for a larger limits.dataset_size_gib"
        raise InvalidInput([Problem("dataname", got, allowed, do)])
    return max(asked, min(limit, _gib(largest * rules.factor) - free), 0)


def _gib(size: float) -> int:
    return math.ceil(size / _GIB)
