"""Every resource can be told from those of others, and its costs be found: it has the stack's tags."""

from __future__ import annotations

import json
from collections.abc import Iterator

from checks.resource import Resource, StackResources
from checks.rule import Rule

PROVIDER = "pulumi:providers:aws"
REQUIRED = ("neurocaas:project", "neurocaas:stack")


def _tagged(resource: Resource, stack: StackResources) -> Iterator[str]:
    """Tags come from the provider: a resource has what its provider gives to all, and may add to it."""
    providers = [one for one in stack.of(PROVIDER) if one.urn == resource.provider]
    if not providers:
        yield "a resource of a provider without the stack's tags"
    for provider in providers:
        value = provider.get("defaultTags") or {}
        tags = (json.loads(value) if isinstance(value, str) else value).get("tags") or {}
        missing = [tag for tag in REQUIRED if not tags.get(tag)]
        if missing:
            yield f"no tag {', '.join(missing)}"


RULES = (
    Rule(
        "tagged", (), f"the tags {' and '.join(REQUIRED)} on every resource", "give the resource the "
            "provider of its stack", _tagged, False,
    ),
)  # fmt: skip
