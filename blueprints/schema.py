"""Checks against `schema.json`, with messages in three parts, and the defaults that it declares."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from blueprints.document import Document
from blueprints.finding import Finding, Path, dotted, meant
from runtime.protocol.problems import shown

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

SCHEMA_FILE = FilePath(__file__).with_name("schema.json")
OVERRIDES = "overrides"


@cache
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())
    return loaded


def check(document: Document, *, part: str | None = None, whole: Mapping[str, Any] | None = None) -> list[Finding]:
    """All the places where the document breaks the schema (`part`: a definition of it; `whole`: another schema), in the file's order."""
    from jsonschema import Draft202012Validator  # imported late: 0.1 s

    whole = schema() if whole is None else whole
    rules = whole if part is None else {"$ref": f"#/$defs/{part}", "$defs": whole["$defs"]}
    errors = Draft202012Validator(rules).iter_errors(document.data)
    found = [problem for error in errors for problem in _explain(document, error)]
    return sorted(found, key=lambda problem: problem.line or 0)


def defaults() -> dict[str, Any]:
    """The values of everything that a blueprint may leave out."""
    return _defaults(schema())


def _defaults(rules: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, rule in rules.get("properties", {}).items():
        target = _resolve(rule)
        if target.get("properties") and key != "stages":
            result[key] = _defaults(target)
        elif "default" in target:
            result[key] = target["default"]
    return result


def _resolve(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in rule:
        return rule
    target: Mapping[str, Any] = schema()["$defs"][rule["$ref"].rpartition("/")[2]]
    return {**target, **{key: value for key, value in rule.items() if key != "$ref"}}


def _explain(document: Document, error: ValidationError) -> Iterable[Finding]:
    path: Path = tuple(error.absolute_path)
    rule: Any = error.schema
    value: Any = error.instance
    limit: Any = error.validator_value
    described = rule.get("description", "") if isinstance(rule, dict) else ""
    if error.validator == "additionalProperties" and isinstance(value, dict):
        known = sorted(rule.get("properties", {}))
        for key in [key for key in value if key not in known]:
            do = meant(key, known, "Correct or remove the key")
            yield document.finding((*path, key), "schema.unknown-key", f"the unknown key {key!r}", ", ".join(known), do)
        return
    if error.validator == "required":
        # jsonschema reports one missing key at a time, and names it only in its message.
        for key in [key for key in limit if key not in value and f"'{key}'" in error.message]:
            allowed = _resolve(rule["properties"].get(key, {})).get("description", "").rstrip(".") or "a value"
            yield document.finding((*path, key), "schema.missing-key", "nothing", allowed, f"Add the key {dotted((key,))!r}")
        return
    do = described.rstrip(".") or "Correct the value"
    if error.validator == "enum":
        do = meant(value, map(str, limit), do)
    if "propertyNames" in error.absolute_schema_path and isinstance(value, str):
        path = (*path, value)
    yield document.finding(path, f"schema.{error.validator}", shown(value), _allowed(error, rule), do)


def _allowed(error: ValidationError, rule: Any) -> str:
    limit: Any = error.validator_value
    match error.validator:
        case "type":
            return f"{'an' if str(limit)[0] in 'aeiou' else 'a'} {limit}"
        case "enum":
            return ", ".join(map(str, limit))
        case "const":
            return str(limit)
        case "pattern":
            return f"text that matches {limit}"
        case "minimum" | "maximum":
            low, high = rule.get("minimum"), rule.get("maximum")
            return f"{low} to {high}" if low is not None and high is not None else f"at {'least' if high is None else 'most'} {limit}"
        case "minLength" | "maxLength":
            return f"{rule.get('minLength', 0)} to {rule.get('maxLength', 'any number of')} characters"
        case "minItems" | "maxItems":
            return f"{rule.get('minItems', 0)} to {rule.get('maxItems', 'any number of')} items"
        case "uniqueItems":
            return "items that differ from each other"
        case _:
            return f"{error.validator}: {limit}"
