"""`instance.volume` of a blueprint: the disk follows the input, as `3x + 20 GiB`.

It says in one place what `instance.volume_gib` and `datasets.disk_factor` say in two: 20 GiB for the image
and the rest, and three times the size of the largest dataset of a job beside it, up to
`limits.dataset_size_gib`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from blueprints.finding import BlueprintFinding
from blueprints.merge import Layers
from neurocaas.protocol.problems import shown
from neurocaas.protocol.units import bytes_of

ALLOWED = "times the input and what there is besides, as '3x + 20 GiB': 0x to 100x, 8 GiB to 16384 GiB"

_RULE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?) ?x ?\+ ?([0-9.]+ ?[A-Za-z]+)")
_GIB = 1 << 30


def parse(text: str) -> tuple[float, int]:
    """How many times the input, and GiB besides. Raises ValueError."""
    found = _RULE.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    factor, besides = float(found[1]), bytes_of(found[2])
    gib = -(-besides // _GIB)
    if factor > 100 or not 8 <= gib <= 16384:
        raise ValueError(text)
    return factor, gib


def settle(layers: Layers) -> Iterator[BlueprintFinding]:
    """Put what the rule says into the settings that it stands for; what is wrong with that."""
    instance, path = layers.data["instance"], ("instance", "volume")
    if path not in layers.origins:
        return
    others = [
        one for one in (("instance", "volume_gib"), ("datasets", "disk_factor")) if one in layers.origins
    ]
    text = instance["volume"]
    if others:
        names = " and ".join(".".join(one) for one in others)
        allowed, do = "instance.volume, or instance.volume_gib and datasets.disk_factor", f"Remove {names}"
        yield layers.finding(path, "instance.volume-twice", f"{shown(text)}, and {names}", allowed, do)
        return
    try:
        factor, gib = parse(text)
    except ValueError:
        do = "Correct it, or say instance.volume_gib and datasets.disk_factor"
        yield layers.finding(path, "instance.volume", shown(text), ALLOWED, do)
        return
    instance["volume_gib"] = gib
    layers.data["datasets"] |= {"disk_factor": factor, "disk_rule": True}
