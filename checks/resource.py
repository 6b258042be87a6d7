"""A resource as rules see it: type, name, properties, and how others refer to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class Unknown:
    """The value of a property that is only known after a deployment."""

    def __repr__(self) -> str:
        return "(known after the deployment)"


UNKNOWN = Unknown()


class NotKnownError(Exception):
    """A rule needs a value that is not known yet, so it cannot say anything."""


@dataclass(frozen=True)
class Resource:
    """`type` is Pulumi's token, `properties` its inputs, with the names that go over the wire (camelCase).
    `provider` is the URN of its provider, `called` the values by which others may refer to it, `depends` the
    URNs that each property comes from."""

    type: str
    name: str
    properties: Mapping[str, Any]
    urn: str = ""
    provider: str = ""
    called: frozenset[str] = frozenset()
    depends: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def get(self, *path: str | int) -> Any:
        """The value at a path, None when there is none. Raises NotKnownError when it, or what holds it, is
        not known.
        """
        value: Any = self.properties
        for step in path:
            if value is UNKNOWN:
                break
            if isinstance(step, int):
                value = value[step] if isinstance(value, (list, tuple)) and step < len(value) else None
            else:
                value = value.get(step) if isinstance(value, Mapping) else None
        if value is UNKNOWN:
            raise NotKnownError(".".join(map(str, path)))
        return value

    def has(self, *path: str | int) -> bool:
        """Whether there is a value at a path, known or not."""
        try:
            return bool(self.get(*path))
        except NotKnownError:
            return True

    def all(self, *path: str | int) -> list[Any]:
        """The value at a path as a list: a single one is a list of it, none is empty. Raises NotKnownError
        when an entry is not known.
        """
        value = self.get(*path)
        found = list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]
        if any(entry is UNKNOWN for entry in found):
            raise NotKnownError(".".join(map(str, path)))
        return found

    def statements(self, key: str) -> list[Mapping[str, Any]]:
        """The statements of the policy document that a property holds; none when there is no such
        property.
        """
        text = self.get(key)
        if text is None:
            return []
        document = json.loads(text) if isinstance(text, str) else text
        found = document.get("Statement", []) if isinstance(document, Mapping) else []
        return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, Mapping)]

    def refers_to(self, other: Resource, key: str) -> bool:
        """Whether a property names another resource."""
        if other.urn and other.urn in self.depends.get(key, ()):
            return True
        value = self.properties.get(key)
        return isinstance(value, str) and value in other.called


@dataclass(frozen=True)
class StackResources:
    """All resources that a rule may look at."""

    resources: Sequence[Resource]

    def of(self, *types: str) -> Iterator[Resource]:
        return (resource for resource in self.resources if resource.type in types)

    def beside(self, resource: Resource, kind: str, key: str) -> list[Resource]:
        """The resources of a type whose property `key` names `resource`. Raises NotKnownError when there is
        none and some are not known.
        """
        every = list(self.of(kind))
        found = [one for one in every if one.refers_to(resource, key)]
        if not found and any(
            one.properties.get(key) is UNKNOWN and not one.depends.get(key) for one in every
        ):
            raise NotKnownError(f"{kind}.{key}")
        return found


def as_list(value: Any) -> list[Any]:
    """IAM writes one of something without a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]
