"""Rules between the arguments of a resource: each yields (path, what is wrong). Sources: the provider's
``CustomizeDiff`` of each type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from localcloud.pulumi.provider.codec import contains_unknown

Relation = Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]]


def fifo(switch: str) -> Relation:
    """The name of a FIFO queue or topic ends with .fifo and no other's does; only FIFO ones know contents by
    their hash.
    """

    def relation(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        name, is_fifo = inputs.get("name"), inputs.get(switch)
        if contains_unknown([name, is_fifo]):
            return
        if name and name.endswith(".fifo") != bool(is_fifo):
            allowed = (
                "a name that ends with .fifo"
                if is_fifo
                else f"a name without .fifo where {switch} is not true"
            )
            yield (
                "name",
                f"got {name!r} with {switch} {bool(is_fifo)}; allowed: {allowed}; set a name that fits",
            )
        if inputs.get("contentBasedDeduplication") is True and not is_fifo:
            yield (
                "contentBasedDeduplication",
                f"got True; allowed: with {switch} true only; set {switch}, or leave it out",
            )

    return relation


def indexed_attributes(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The attributes of a table are exactly those that it or an index of it has as a key."""
    indexes = [*(inputs.get("globalSecondaryIndexes") or ()), *(inputs.get("localSecondaryIndexes") or ())]
    holders = [inputs, *indexes]
    attributes = inputs.get("attributes")
    keys = [
        holder.get(key)
        for holder in holders
        for key in ("hashKey", "rangeKey")
        if holder.get(key) is not None
    ]
    if attributes is None or contains_unknown([attributes, keys, indexes]):
        return
    names = {attribute["name"] for attribute in attributes}
    if missing := sorted(set(keys) - names):
        yield (
            "attributes",
            f"got no attribute {', '.join(missing)}, which is a key; every key needs one; add it",
        )
    if unused := sorted(names - set(keys)):
        yield (
            "attributes",
            (
                f"got {', '.join(unused)}, which no key uses; allowed: attributes that are keys; remove it, "
                "or "
                "add an index"
            ),
        )


RELATIONS: Mapping[str, Relation] = {
    "sqs.Queue": fifo("fifoQueue"),
    "sns.Topic": fifo("fifoTopic"),
    "dynamodb.Table": indexed_attributes,
}
"""``module.Class`` to its relation."""
