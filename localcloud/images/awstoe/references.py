"""``{{ … }}`` references: finding and resolving them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_BRACES = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_CHAIN = re.compile(r"^([^.\s]+)\.([^.\s]+)\.(inputs|outputs)(?:\[(\d+)\])?\.([A-Za-z0-9_-]+)$")
_LOOP = re.compile(r"^([A-Za-z0-9_-]+)\.(index|value)$")
_VALUE = re.compile(r"^[A-Za-z0-9_-]+$")
_CONTEXT = re.compile(r"^context:([A-Za-z]+)$")
_ENVIRONMENT = re.compile(r"^env:(.+)$")
# the guide: credentials cannot be read so
_METADATA = re.compile(r"^aws:imds:(?!/?(?:iam|identity-credentials)(?:/|$))(\S+)$")
_SSM = re.compile(r"^aws:ssm:(?:resolve\(\s*['\"]?([^'\"()]+?)['\"]?\s*\)|(\S+))$")


@dataclass(frozen=True)
class Reference:
    """One reference. ``kind``: value, chain, loop, ssm, env, imds, context or unknown. ``step`` is the loop's
    name for a loop, ``variable`` the name of the parameter (or of what holds its name: ``resolve``),
    environment variable, metadata path or context key.
    """

    text: str
    kind: str
    phase: str = ""
    step: str = ""
    direction: str = ""
    index: int | None = None
    variable: str = ""


def parse(text: str) -> Reference:
    """Classify the text between the braces."""
    if match := _CHAIN.match(text):
        return Reference(
            text, "chain", match[1], match[2], match[3], int(match[4]) if match[4] else None, match[5]
        )
    if match := _SSM.match(text):
        return Reference(text, "ssm", direction="resolve" if match[1] else "", variable=match[1] or match[2])
    for kind, pattern in (("env", _ENVIRONMENT), ("imds", _METADATA), ("context", _CONTEXT)):
        if match := pattern.match(text):
            return Reference(text, kind, variable=match[1])
    if match := _LOOP.match(text):
        return Reference(text, "loop", step=match[1], variable=match[2])
    if _VALUE.match(text):
        return Reference(text, "value")
    return Reference(text, "unknown")


def find(text: str) -> Iterator[Reference]:
    """All references in a text."""
    for match in _BRACES.finditer(text):
        yield parse(match[1])


def strings(value: Any) -> Iterator[str]:
    """All texts inside nested lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A copy of ``value`` with all texts inside nested lists and mappings changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    return value


def resolve(value: Any, look_up: Callable[[Reference], str]) -> Any:
    """A copy of ``value`` with all references replaced by what ``look_up`` gives for them."""
    return mapped(value, lambda text: _BRACES.sub(lambda match: look_up(parse(match[1])), text))
