"""Which instance types the drivers of a parent image do not know."""

from __future__ import annotations

from collections.abc import Iterator

from blueprints import finding
from blueprints.finding import BlueprintFinding
from blueprints.merge import Layers

_OPEN_DRIVER = ("dlami22", "dlami24")
"""Parents with NVIDIA's open kernel driver, which needs a GPU of the Turing generation or a later one."""

_OLDER = frozenset({"g2", "g3", "g3s", "p2", "p3", "p3dn"})
"""Families with older GPUs: on these images they have none (AWS Deep Learning AMIs developer guide,
"Important changes": the open source driver supports G4dn, G5, P4, P5 and later).
"""


def findings(layers: Layers, parent: str) -> Iterator[BlueprintFinding]:
    """The types of a blueprint whose GPUs do not work on an image that stands on `parent`."""
    if parent not in _OPEN_DRIVER:
        return
    instance = layers.data["instance"]
    listed = ("instance", "types") in layers.origins
    for index, name in enumerate(instance["types"]):
        if name.partition(".")[0] in _OLDER:
            path: finding.Path = ("instance", "types", index) if listed else ("instance", "type")
            yield layers.finding(
                path,
                "instance.driver",
                f"{name}, whose GPU the driver of {parent} does not know",
                f"types with newer GPUs (g4dn, g5, …) on {' and '.join(_OPEN_DRIVER)}",
                "Choose another type, or an image with NVIDIA's own driver as image.parent (ami-…)",
            )
