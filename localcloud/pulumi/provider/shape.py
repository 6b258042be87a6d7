"""From Pulumi's nested objects to the service's and back, along the types of `sdk`.

Most services spell members as Pulumi does but with a capital first letter; exceptions are given as `names`
(Pulumi to service). Maps with free keys are left alone, members that the other side does not know are
dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from localcloud.pulumi.provider.sdk import load


@dataclass(frozen=True)
class Shape:
    """How one service spells members.

    `texts` are members that are texts for Pulumi (`"true"`) but booleans for the service.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    capital: bool = True
    texts: Set[str] = frozenset()

    def name(self, member: str) -> str:
        """The service's spelling of `member`."""
        return self.names.get(member) or (member[0].upper() + member[1:] if self.capital else member)

    def to_aws(self, value: Any, kind: str) -> Any:
        """`value` (of type `kind`) as the service wants it. Nulls and unknown members are dropped."""
        if kind.startswith("[") and isinstance(value, list):
            return [self.to_aws(item, kind[1:-1]) for item in value]
        if kind.startswith("#") and isinstance(value, dict):
            members = load().objects[kind[1:]].properties
            return {
                self.name(key): self._member_to_aws(key, item, members[key])
                for key, item in value.items()
                if item is not None and item != ""
            }
        return value

    def _member_to_aws(self, key: str, value: Any, kind: str) -> Any:
        if key in self.texts and isinstance(value, str):
            return value == "true"
        return self.to_aws(value, kind)

    def from_aws(self, value: Any, kind: str) -> Any:
        """The service's `value` as Pulumi has it (type `kind`)."""
        if value is None:
            return None
        if kind.startswith("[") and isinstance(value, (list, tuple)):
            return [self.from_aws(item, kind[1:-1]) for item in value]
        if kind.startswith("#") and isinstance(value, Mapping):
            members = load().objects[kind[1:]].properties
            return {
                key: self.from_aws(value[self.name(key)], item)
                for key, item in members.items()
                if value.get(self.name(key)) is not None
            }
        if kind == "string" and isinstance(value, bool):
            return str(value).lower()
        if kind == "string" and hasattr(value, "isoformat"):
            return iso(value)
        return value


def iso(value: Any) -> str | None:
    """A time as the provider writes it: RFC 3339, UTC, whole seconds."""
    if value is None or isinstance(value, str):
        return value
    return str(value.strftime("%Y-%m-%dT%H:%M:%SZ"))


def members(words: str, **others: str) -> dict[str, str]:
    """Property to member: those in `words` are spelled with a capital first letter, `others` as said."""
    return {word: word[0].upper() + word[1:] for word in words.split()} | others
