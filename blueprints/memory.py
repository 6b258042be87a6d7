"""On which larger machines a dataset that ran out of memory may be run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blueprints.machine_kinds import kind


def larger(
    name: str, types: Sequence[str], prices: Mapping[str, float], fallback: Sequence[str] = ()
) -> tuple[str, ...]:
    """Those of `types` that have more memory than `name`, with GPUs if it has some and without if not: one of
    each amount, the next larger first. Of several with as much memory it is the first of `fallback`, which
    may have stood in already, else the cheapest."""
    own, found = kind(name), dict[float, str]()
    stand_in = {one: number for number, one in enumerate(fallback)}
    for one in sorted(types, key=lambda one: (stand_in.get(one, len(fallback)), prices.get(one, 0.0), one)):
        other = kind(one)
        if own and other and other.gib > own.gib and bool(other.gpus) == bool(own.gpus):
            found.setdefault(other.gib, one)
    return tuple(found[size] for size in sorted(found))
