"""The text of the JSON documents of the protocol, and the times in them. `typed_json` says what is in a
document.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime, timezone
from typing import Any

from neurocaas.protocol.problems import Problem, shown

_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""An escape of half a surrogate pair, or its bytes (alone, or as a part of a whole pair)."""


class DocumentError(ValueError):
    """A document that one side wrote for another is not what the protocol says."""


class TwiceError(Exception):
    """A mapping has a name twice; which value counts would depend on who reads it."""

    def problem(self, field: str) -> Problem:
        return Problem(
            field,
            f"the name {shown(self.args[0])} twice",
            "each name once in a mapping",
            "Remove one of the two",
        )


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The mapping of these names and values (an `object_pairs_hook` for JSON). Raises TwiceError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise TwiceError(Counter(name for name, _ in pairs).most_common(1)[0][0])
    return found


def dumps(value: Any) -> str:
    """Stable JSON text: the same value gives the same bytes."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def loads(text: str | bytes, what: str, version: int | None = None) -> dict[str, Any]:
    """The mapping that `text` holds. Raises DocumentError naming `what`, also for another `schema_version`
    than `version`, where one is given. What JSON cannot have is made harmless: NaN and Infinity are null,
    halves of surrogate pairs "?", so that whatever was read can be written again."""
    try:
        value = json.loads(text, parse_constant=lambda _: None)
        if _HALF.search(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")):
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise DocumentError(f"{what} is not a JSON object")
    if version is not None and value.get("schema_version") != version:
        raise DocumentError(f"{what}: schema_version is {value.get('schema_version')!r}, not {version}")
    return value


def iso(moment: datetime) -> str:
    """UTC, to the millisecond: `2026-01-31T12:00:00.000Z`."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """The time that `iso` (or EventBridge, or EC2) wrote. Raises DocumentError."""
    try:
        value = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise DocumentError(f"{text!r} is not a time") from error
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)
