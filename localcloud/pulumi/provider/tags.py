"""Default tags, own tags, and the forms in which services want and report them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.pulumi.provider.errors import ProviderError


def default_tags(config: Mapping[str, Any]) -> dict[str, str]:
    """The ``defaultTags`` of a provider's configuration (the engine sends nested configuration as a JSON
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
    """The tags of ``live`` that are the resource's own: those given, and those that the provider's defaults
    do not explain.
    """
    return {key: value for key, value in live.items() if key in given or defaults.get(key) != value}


def pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """``[{Key: …, Value: …}]``, the form most services want."""
    return [{key: name, value: text} for name, text in tags.items()]


def from_pairs(
    items: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value"
) -> dict[str, str]:
    """The inverse of :func:`pairs`, without AWS's own ``aws:`` tags."""
    return {item[key]: item[value] for item in items or () if not item[key].startswith("aws:")}


def without_aws(tags: Mapping[str, str] | None) -> dict[str, str]:
    """``tags`` without AWS's own ``aws:`` tags."""
    return {key: value for key, value in (tags or {}).items() if not key.startswith("aws:")}


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """(tags to set, keys to remove) to get from ``old`` to ``new``."""
    return {key: value for key, value in new.items() if old.get(key) != value}, [
        key for key in old if key not in new
    ]
