"""What breaks a schema, in words for people who do not know JSON Schema: what is allowed, and what to do
about what is there.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from blueprints.finding import meant
from neurocaas.protocol import yaml12
from neurocaas.protocol.problems import shown

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_KINDS = {
    "object": "a mapping (lines of `key: value`)", "array": "a list ([a, b])", "string": "text",
    "integer": "a whole number",
    "number": "a number", "boolean": "true or false", "null": "nothing",
}  # fmt: skip


def got(error: ValidationError) -> str:
    """The value, as YAML calls it; of a list of the wrong length only that."""
    value: Any = error.instance
    match error.validator:
        case "minItems" | "maxItems":
            return f"{len(value)} item{'' if len(value) == 1 else 's'}"
        case "maxLength":
            return f"{len(value)} characters"
        case "uniqueItems":
            return f"{shown(_twice(value))} twice"
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case date():
            return str(value)
        case _:
            return shown(value)


def allowed(error: ValidationError) -> str:
    """The rule, and what the schema says that the value is for. A pattern is told by its description, if it
    has one.
    """
    rule: Any = error.schema
    about = rule.get("description", "").rstrip(".") if isinstance(rule, dict) else ""
    if error.validator == "pattern" and about:
        return about
    return f"{_limit(error, rule)}. {about}" if about else _limit(error, rule)


def _limit(error: ValidationError, rule: Any) -> str:
    limit: Any = error.validator_value
    match error.validator:
        case "type":
            return " or ".join(_KINDS[kind] for kind in ([limit] if isinstance(limit, str) else limit))
        case "enum" | "anyOf":
            return ", ".join(map(str, _choices(error)))
        case "const":
            return str(limit)
        case "pattern":
            return f"text that matches {limit}"
        case "minimum" | "maximum":
            low, high = rule.get("minimum"), rule.get("maximum")
            return (
                f"{low} to {high}"
                if low is not None and high is not None
                else f"at {'least' if high is None else 'most'} {limit}"
            )
        case "minLength" | "maxLength":
            return f"{rule.get('minLength', 0)} to {rule.get('maxLength', 'any number of')} characters"
        case "minItems" | "maxItems" | "minProperties" | "maxProperties":
            ending = error.validator[3:]
            return f"{rule.get(f'min{ending}', 0)} to {rule.get(f'max{ending}', 'any number of')} items"
        case "uniqueItems":
            return "items that differ from each other"
        case _:
            return f"{error.validator}: {limit}"


def remedy(error: ValidationError) -> str:
    """What to do, as an order."""
    value: Any = error.instance
    limit: Any = error.validator_value
    match error.validator:
        case "type":
            return _of_kind(value, limit if isinstance(limit, str) else limit[0], error.schema)
        case "enum" | "anyOf":
            return meant(value, map(str, _choices(error)), "Choose one of these")
        case "const":
            return f"Write {limit}"
        case "pattern":
            near = _fitting(value, str(limit))
            return f"Write {near!r}, for instance" if near else "Correct it"
        case "minItems" | "minProperties":
            return "Add one"
        case "maxItems" | "maxProperties":
            return "Remove some"
        case "uniqueItems":
            return "Remove one of the two"
        case "maxLength":
            return "Shorten it"
        case _:
            return "Correct the value"


def _of_kind(value: object, kind: str, rule: Any) -> str:
    if value is None:
        return "Write a value behind the colon, or remove the key if it may be left out"
    if kind in ("integer", "number"):
        return _number(value, kind) if isinstance(value, str) else f"Write {_KINDS[kind]}"
    if kind == "boolean" and isinstance(value, str) and yaml12.boolean(value) is not None:
        return f"Write {str(yaml12.boolean(value)).lower()}"  # yes, on, off: texts in YAML 1.2
    if kind == "string" and not isinstance(value, (list, dict)):
        return "Put it in quotes"
    if kind == "array" and isinstance(value, str):
        return (
            f"Write [{', '.join(part.strip() for part in value.split(','))}]"
            if len(value) < 60
            else "Put it in brackets: [a, b]"
        )
    if kind == "object":
        known = list(rule.get("properties", {}))
        if known:
            return (
                "Write one or more of these below it: "
                f"{', '.join(known[:6])}{', …' if len(known) > 6 else ''}"
            )
        first = value[0] if isinstance(value, list) and value else value
        return (
            f"Write each name as a key below it: `{first}:`"
            if isinstance(first, str) and len(first) < 60
            else "Write keys below it"
        )
    return f"Write {_KINDS[kind]}"


def _number(text: str, kind: str) -> str:
    number = yaml12.number(text)
    if number is None:
        return (
            "Write the number alone, without a unit"
            if re.match(r"\s*[-+]?[0-9]", text)
            else f"Write {_KINDS[kind]}"
        )
    if not math.isfinite(number) or (kind == "integer" and number != int(number)):
        return f"Write {_KINDS[kind]}"
    return f"Write {number:.15g} without quotes"


def _fitting(value: str, pattern: str) -> str | None:
    """The nearest text that matches, when it is easy to see which."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    dashed = re.sub(r"[^A-Za-z0-9._+=,@/-]+", "-", plain).strip("-")
    tries = (
        value.strip(), value.removeprefix("./"), value.removeprefix("s3://").partition("/")[0], f"{value}/",
        value.lower(), dashed,
        re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-"),
    )  # fmt: skip
    return next((one for one in tries if one and re.search(pattern, one)), None)


def _choices(error: ValidationError) -> Sequence[Any]:
    """Of an enum, also of one among several alternatives."""
    every: list[Any] = [error, *(error.context or ())]
    return next((one.validator_value for one in every if one.validator == "enum"), [])


def _twice(items: Sequence[Any]) -> Any:
    return next((item for index, item in enumerate(items) if item in items[:index]), items)


def missing(rule: Mapping[str, Any], key: str) -> tuple[str, str]:
    """What is allowed for a key that is not there, and what to do."""
    about = rule.get("description", "").rstrip(".") or "a value"
    return about, f"Add {key}: {rule['const']}" if "const" in rule else f"Add the key {key!r}"
