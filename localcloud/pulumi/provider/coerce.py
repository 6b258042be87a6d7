"""Numbers and booleans given as texts, and texts given as numbers, as the real provider reads them."""

from __future__ import annotations

from typing import Any

from localcloud.pulumi.provider.model import Properties, ResourceType
from localcloud.pulumi.provider.sdk import load


def coerce_all(kind: ResourceType, properties: Properties) -> Properties:
    """`properties` with every value of the type that its argument has."""
    types = kind.schema.inputs
    return {key: _coerce(value, types.get(key, "any")) for key, value in properties.items()}


def _coerce(value: Any, kind: str) -> Any:
    if kind.startswith("[") and isinstance(value, list):
        return [_coerce(item, kind[1:-1]) for item in value]
    if kind.startswith("{") and isinstance(value, dict):
        return {key: _coerce(item, kind[1:-1]) for key, item in value.items()}
    if kind.startswith("#") and isinstance(value, dict):
        members = load().objects[kind[1:]].properties
        return {
            key: _coerce(item, members.get(key, "any")) for key, item in value.items() if item is not None
        }
    if kind == "string" and isinstance(value, bool):
        return str(value).lower()
    if kind == "string" and isinstance(value, (int, float)):
        return str(value)
    if kind == "boolean" and isinstance(value, str):
        return value == "true"
    if kind in ("integer", "number") and isinstance(value, str):
        return int(value) if value.lstrip("-").isdigit() else float(value)
    return value
