"""Rules between the arguments of a resource: each yields (path, what is wrong). Sources: the provider's
`CustomizeDiff` of each type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from localcloud.pulumi.provider.codec import contains_unknown

Relation = Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]]


def keyed_attributes(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The attributes of a table are exactly those that it has as a key."""
    attributes = inputs.get("attributes")
    keys = [inputs[key] for key in ("hashKey", "rangeKey") if inputs.get(key) is not None]
    if attributes is None or contains_unknown([attributes, keys]):
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
            f"got {', '.join(unused)}, which no key uses; allowed: attributes that are keys; remove it",
        )


RELATIONS: Mapping[str, Relation] = {
    "dynamodb.Table": keyed_attributes,
}
"""`module.Class` to its relation."""
