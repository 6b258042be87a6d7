"""Which instance types an image is not made for: by their processors, and by what its drivers know."""

from __future__ import annotations

from collections.abc import Iterator

from blueprints import finding
from blueprints.finding import BlueprintFinding
from blueprints.machine_kinds import architecture
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
    for path, name in _types(layers):
        if name.partition(".")[0] in _OLDER:
            yield layers.finding(
                path,
                "instance.driver",
                f"{name}, whose GPU the driver of {parent} does not know",
                f"types with newer GPUs (g4dn, g5, …) on {' and '.join(_OPEN_DRIVER)}",
                "Choose another type, or an image with NVIDIA's own driver as image.parent (ami-…)",
            )


def works(name: str, processors: str) -> bool:
    """Whether a type has such processors, and no GPU that parent images on offer do not know."""
    return architecture(name) == processors and name.partition(".")[0] not in _OLDER


def architectures(layers: Layers) -> Iterator[BlueprintFinding]:
    """The types of a blueprint that have other processors than the first: one image, which is for one kind of
    processors, serves all machines of an analysis."""
    instance = layers.data["instance"]
    wanted = instance.get("architecture") or architecture(instance["type"])
    as_said = "instance.architecture says" if "architecture" in instance else f"{instance['type']} has"
    for path, name in _types(layers):
        if architecture(name) != wanted:
            yield layers.finding(
                path,
                "instance.architecture",
                f"{name}, which has {architecture(name)} processors",
                f"types with {wanted} processors, as {as_said}: an image is for one of them",
                "Choose types of one architecture: m7i and m7g, for instance, are of two",
            )


def _types(layers: Layers) -> Iterator[tuple[finding.Path, str]]:
    """Each type, and where it is said: a blueprint may name one and list none."""
    listed = ("instance", "types") in layers.origins
    for index, name in enumerate(layers.data["instance"]["types"]):
        yield (("instance", "types", index) if listed else ("instance", "type")), name
