"""What breaks a schema, in words for people who do not know JSON Schema: what is allowed, and what to do about what is there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blueprints.finding import meant
from runtime.protocol.problems import shown

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_KINDS = {
    "object": "a mapping (lines of `key: value`)", "array": "a list ([a, b])", "string": "text", "integer": "a whole number",
    "number": "a number", "boolean": "true or false", "null": "nothing",
}  # fmt: skip
_AMOUNT = re.compile(r"\s*(-?[0-9]+(\.[0-9]+)?)\s*(.*)", re.DOTALL)


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
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else shown(value)


def allowed(error: ValidationError) -> str:
    """The rule, and what the schema says that the value is for. A pattern is told by its description, if it has one."""
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
            return f"{low} to {high}" if low is not None and high is not None else f"at {'least' if high is None else 'most'} {limit}"
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
        amount = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
        if amount is None:
            return f"Write {_KINDS[kind]}"
        if amount[2] and kind == "integer":
            return "Write a whole number"
        return f"Write {amount[1]} without {'a unit' if amount[3] else 'quotes'}"
    if kind == "string" and not isinstance(value, (list, dict)):
        return "Put it in quotes"
    if kind == "array" and isinstance(value, str):
        return f"Write [{', '.join(part.strip() for part in value.split(','))}]" if len(value) < 60 else "Put it in brackets: [a, b]"
    if kind == "object":
        known = list(rule.get("properties", {}))
        if known:
            return f"Write one or more of these below it: {', '.join(known[:6])}{', …' if len(known) > 6 else ''}"
        first = value[0] if isinstance(value, list) and value else value
        return f"Write each name as a key below it: `{first}:`" if isinstance(first, str) and len(first) < 60 else "Write keys below it"
    return f"Write {_KINDS[kind]}"


def _fitting(value: str, pattern: str) -> str | None:
    """The nearest text that matches, when it is easy to see which."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    dashed = re.sub(r"[^A-Za-z0-9._+=,@/-]+", "-", plain).strip("-")
    tries = (value.strip(), value.removeprefix("./"), value.lower(), dashed, dashed.lower())
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
