"""The machine for an analysis that says what it needs and not which type it is: the cheapest type of a region
that has it. Pure functions over the table of prices and what is known of types.

Burstable types are left out: they compute at a part of what they have once their credits are used up. So are
types with processors or GPUs that the images on offer do not work with, and types with GPUs where none is
needed: what they cost is not for the analysis.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from blueprints import drivers
from blueprints.finding import BlueprintFinding
from blueprints.machine_kinds import X86, architecture, kind
from blueprints.merge import Layers
from blueprints.model import Blueprint
from blueprints.prices import REGION, Prices, regions, table
from neurocaas.protocol.cost import burstable
from neurocaas.protocol.need import Need
from neurocaas.protocol.settings import InstanceSettings

PARTS = ("cpu", "memory_gib", "gpu")
"""The settings of `instance` that say a need."""


def cheapest(
    need: Need, prices: Prices, among: Collection[str] | None = None, processors: str = X86
) -> str | None:
    """The cheapest type with a price, and such processors, that has what is needed (of `among`, if that is
    given); of several, the one with more memory, then by name. None where there is none."""
    found = [
        (usd, -known.gib, name)
        for name, usd in prices.usd_per_hour.items()
        if (among is None or name in among)
        and (known := kind(name)) is not None
        and known.vcpu >= need.cpu
        and known.gib >= need.memory_gib
        and known.gpus >= need.gpu
        and bool(known.gpus) == bool(need.gpu)
        and not burstable(name)
        and drivers.works(name, processors)
    ]
    return min(found)[2] if found else None


def settle(layers: Layers) -> Iterator[BlueprintFinding]:
    """Put the type that a need comes to (in the region whose types a blueprint may name) into settings that
    say a need; what is wrong with that."""
    instance = layers.data["instance"]
    said = [part for part in PARTS if ("instance", part) in layers.origins]
    if not said:
        return
    if ("instance", "type") in layers.origins:
        yield layers.finding(
            ("instance", said[0]),
            "instance.need-and-type",
            f"instance.type {instance['type']}, and {', '.join(said)}",
            "a type, or what a machine needs (cpu, memory_gib, gpu)",
            "Remove one of the two",
        )
        return
    need, among = Need(**{part: instance[part] for part in said}), instance.get("types")
    processors = instance.get("architecture", X86)
    found = cheapest(need, table(), among, processors)
    if found is not None:
        instance["type"] = found
        return
    instance["type"] = among[0] if among else instance["type"]
    where = "instance.types" if among else "blueprints/prices.json"
    yield layers.finding(
        ("instance", said[0]),
        "instance.need-unmet",
        f"a machine with {need}, which no type of {where} in {REGION} with {processors} processors has",
        "what a type has that is not burstable and works with the images on offer "
        "(docs/reference/blueprint.md lists them)",
        "Ask for less, or name a type as instance.type",
    )


def in_region(instance: InstanceSettings, region: str) -> InstanceSettings:
    """The machine with the type that its need comes to in a region; what names a type stays as it is. Raises
    KeyError for a region without prices, and LookupError where no type of it will do."""
    if instance.need is None:
        return instance
    listed = None if instance.family else instance.types
    name = cheapest(instance.need, table(region), listed, architecture(instance.type))
    if name is None:
        raise LookupError(f"no type with {instance.need}")
    if name == instance.type:
        return instance
    types = (name,) if instance.family else instance.types
    stand_in = tuple(instance.type if one == name else one for one in instance.fallback)
    return replace(instance, type=name, types=types, fallback=stand_in)


def told(blueprint: Blueprint) -> str | None:
    """What the need of a blueprint comes to, in words: in the region that blueprints are checked by, and
    where it is another type."""
    need = blueprint.instance.need
    if need is None:
        return None
    every = {region: _priced(blueprint.instance, region) for region in (REGION, *regions())}
    usual = every[REGION].split()[0]
    others = [f"{text} in {region}" for region, text in every.items() if text.split()[0] != usual]
    return "; ".join([f"a machine with {need} is {every[REGION]} in {REGION}", *others])


def _priced(instance: InstanceSettings, region: str) -> str:
    try:
        name = in_region(instance, region).type
    except LookupError:
        return "none"
    return f"{name} at ${table(region).usd_per_hour[name]:.4f} an hour"
