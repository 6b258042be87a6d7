"""How much memory a machine has, by its type: on which larger ones a dataset that ran out of memory may be run again.

Source: AWS's tables of instance types ("Amazon EC2 instance types"): within a family, memory doubles with the size.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_XLARGE_GIB = {
    **dict.fromkeys(("c5", "c5a", "c6a", "c6i", "c7a", "c7i"), 8),
    **dict.fromkeys(("m4", "m5", "m5a", "m6a", "m6i", "m7a", "m7i", "t2", "t3", "t3a"), 16),
    **dict.fromkeys(("r5", "r5a", "r6a", "r6i", "r7a", "r7i"), 32),
    **dict.fromkeys(("g4dn", "g5", "g6"), 16),
    "p3": 30.5,
}
"""GiB of the size `xlarge`."""

_PARTS = {"large": 1 / 2, "medium": 1 / 4, "small": 1 / 8, "micro": 1 / 16, "nano": 1 / 32}
_SIZE = re.compile(r"([0-9]*)xlarge")


def gib(name: str) -> float | None:
    """Memory of an instance type in GiB; None for one that is not known here."""
    family, _, size = name.partition(".")
    times = _SIZE.fullmatch(size)
    factor = int(times[1] or 1) if times else _PARTS.get(size)
    return _XLARGE_GIB[family] * factor if family in _XLARGE_GIB and factor else None


def larger(name: str, types: Sequence[str], prices: Mapping[str, float], fallback: Sequence[str] = ()) -> tuple[str, ...]:
    """Those of `types` that have more memory than `name`, with GPUs if it has some and without if not: one of each amount, the next larger
    first. Of several with as much memory it is the first of `fallback`, which may have stood in already, else the cheapest."""
    own, found = gib(name), dict[float, str]()
    stand_in = {one: number for number, one in enumerate(fallback)}
    for one in sorted(types, key=lambda one: (stand_in.get(one, len(fallback)), prices.get(one, 0.0), one)):
        size = gib(one)
        if own is not None and size is not None and size > own and _has_gpu(one) == _has_gpu(name):
            found.setdefault(size, one)
    return tuple(found[size] for size in sorted(found))


def _has_gpu(name: str) -> bool:
    return name[0] in "gp"
