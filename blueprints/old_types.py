"""Instance types of the first implementation's time: which type on offer is of the same kind as one that AWS,
or the price table, lacks.

Near is what a machine has (`blueprints.machine_kinds`), never how its name is spelled: GPUs and their memory,
then virtual CPUs and memory.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from blueprints.machine_kinds import X86, architecture, kind

MOST_TYPES = 20
"""In `instance.types` (schema.json)."""


def same_kind(name: str, offered: Collection[str]) -> str | None:
    """The type on offer in place of `name`: the cheapest that has as much of everything, with as many GPUs
    if there is one, else more; if there is none, the one that lacks least. Always one with x86_64
    processors, for which the old images and scripts were made. None when `name` is no type that is known
    here. `offered`: types, with their prices if it is a mapping."""
    was = kind(name)
    if was is None:
        return None
    kinds = {
        one: known
        for one in offered
        if (known := kind(one)) and bool(known.gpus) == bool(was.gpus) and architecture(one) == X86
    }
    steady = {one: known for one, known in kinds.items() if was.gpus or _burstable(one) == _burstable(name)}
    for choice in (steady, kinds):
        enough = [one for one, known in choice.items() if known.covers(was)]
        if enough:
            return min(enough, key=lambda one: (kinds[one].gpus, cost(one, offered), one))
    if not kinds:
        return None

    def lacks(one: str) -> tuple[float, ...]:
        now = kinds[one]
        parts = ((now.gpus, was.gpus), (now.gpu_gib, was.gpu_gib), (now.gib, was.gib), (now.vcpu, was.vcpu))
        return (*(max(0.0, 1 - has / had) if had else 0.0 for has, had in parts), cost(one, offered))

    return min(kinds, key=lambda one: (lacks(one), one))


def askable(name: str, offered: Collection[str]) -> list[str]:
    """`instance.types` of an import, since there a submission could ask for any: the type, its family, then
    those nearest in price.
    """
    family = name.partition(".")[0]
    price = cost(name, offered)
    others = sorted(
        {one for one in offered if one != name and architecture(one) == architecture(name)},
        key=lambda one: (one.partition(".")[0] != family, abs(cost(one, offered) - price), one),
    )
    return [name, *others][:MOST_TYPES]


def cost(name: str, offered: Collection[str]) -> float:
    """US dollars an hour; without prices, what orders types in the same way."""
    if isinstance(offered, Mapping):
        return float(offered[name])
    known = kind(name)
    return known.gpus * 1000 + known.vcpu * 10 + known.gib if known else 0.0


def _burstable(name: str) -> bool:
    return name[0] == "t"
