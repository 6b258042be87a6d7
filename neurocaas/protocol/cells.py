"""A value of a table or a command line, by the type that the analysis gives its parameter."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any


def typed(text: str, schema: Mapping[str, Any]) -> Any:
    """The value: text stays text where the schema wants text alone, else what JSON knows is that. Whether it
    is allowed is checked with the whole config."""
    kinds = schema.get("type", ())
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if kinds == {"string"}:
        with contextlib.suppress(ValueError):
            if isinstance(quoted := json.loads(text), str):
                return quoted
        return text
    if text.lower() in ("true", "false") and "string" not in kinds:
        return text.lower() == "true"
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text)
        if isinstance(value, float) and value.is_integer() and kinds == {"integer"}:
            return int(value)
        return value
    return text


def schema_of(parameters: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    """What the analysis says of the parameter of that name."""
    rule = (parameters or {}).get("properties", {}).get(name, {})
    return rule if isinstance(rule, Mapping) else {}
