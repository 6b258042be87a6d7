"""Default tags, own tags, and the forms in which services want and report them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from localcloud.pulumi.provider.errors import ProviderError


class HasClients(Protocol):
    """What is wanted of a `model.Call`."""

    def client(self, service: str) -> Any: ...


def default_tags(config: Mapping[str, Any]) -> dict[str, str]:
    """The `defaultTags` of a provider's configuration (the engine sends nested configuration as a JSON
    text).
    """
    raw = config.get("defaultTags")
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except ValueError as error:
            raise ProviderError(f"the provider's defaultTags are not JSON: {error}") from error
    tags = raw.get("tags") if isinstance(raw, Mapping) else None
    return {str(key): str(value) for key, value in (tags or {}).items()}


def own_tags(
    live: Mapping[str, str], defaults: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """The tags of `live` that are the resource's own: those given, and those that the provider's defaults
    do not explain.
    """
    return {key: value for key, value in live.items() if key in given or defaults.get(key) != value}


def pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """`[{Key: …, Value: …}]`, the form most services want."""
    return [{key: name, value: text} for name, text in tags.items()]


def from_pairs(
    items: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value"
) -> dict[str, str]:
    """The inverse of `pairs`, without AWS's own `aws:` tags."""
    return {item[key]: item[value] for item in items or () if not item[key].startswith("aws:")}


def without_aws(tags: Mapping[str, str] | None) -> dict[str, str]:
    """`tags` without AWS's own `aws:` tags."""
    return {key: value for key, value in (tags or {}).items() if not key.startswith("aws:")}


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """(tags to set, keys to remove) to get from `old` to `new`."""
    return {key: value for key, value in new.items() if old.get(key) != value}, [
        key for key in old if key not in new
    ]


@dataclass(frozen=True, kw_only=True)
class Tags:
    """How one service takes and tells the tags of a thing."""

    service: str
    argument: str
    """Names the thing in the calls; with `[]` behind it where the call takes several."""
    by: str = "id"
    """The output that is passed there."""
    tag: str = "tag_resource"
    untag: str = "untag_resource"
    listing: str = "list_tags_for_resource"
    listed: str = "Tags"
    """Where the tags are in the answer of `listing`."""
    member: str = "Tags"
    keys: str = "TagKeys"
    """The argument of `untag`; the same as `member` where it wants `[{Key: …}]`."""
    names: tuple[str, str] | None = ("Key", "Value")
    """The members of a pair; none where the service takes a map."""
    more: Mapping[str, str] = field(default_factory=dict)

    def form(self, tags: Mapping[str, str]) -> Any:
        """`tags` as the service wants them."""
        return pairs(tags, *self.names) if self.names else dict(tags)

    def told(self, found: Any) -> dict[str, str]:
        """The inverse of `form`, without AWS's own tags."""
        return from_pairs(found, *self.names) if self.names else without_aws(found)

    def given(self, tags: Mapping[str, str], member: str = "") -> dict[str, Any]:
        """The argument that tags a new thing; nothing without tags."""
        return {member or self.member: self.form(tags)} if tags else {}

    def read(self, call: HasClients, thing: str) -> dict[str, str]:
        """The tags of a thing."""
        answer = getattr(call.client(self.service), self.listing)(**self._of(thing))
        return self.told(answer.get(self.listed))

    def change(self, call: HasClients, thing: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        """Bring the tags of a thing from `old` to `new`."""
        changed, gone = changes(old, new)
        client = call.client(self.service)
        if gone:
            keys: Any = [{"Key": key} for key in gone] if self.keys == self.member else gone
            getattr(client, self.untag)(**self._of(thing), **{self.keys: keys})
        if changed:
            getattr(client, self.tag)(**self._of(thing), **{self.member: self.form(changed)})

    def _of(self, thing: str) -> dict[str, Any]:
        return {**self.more, **named(self.argument, thing)}


def named(argument: str, thing: str) -> dict[str, Any]:
    """The argument that names a thing in a call: as a list of one where `[]` stands behind the name."""
    name = argument.removesuffix("[]")
    return {name: thing if name == argument else [thing]}
