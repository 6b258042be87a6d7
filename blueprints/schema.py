"""Checks against `schema.json`, with messages in three parts, and the defaults that it declares."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from blueprints import wording
from blueprints.document import YamlDocument
from blueprints.finding import BlueprintFinding, Path, meant
from neurocaas.protocol.pattern import matches

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

SCHEMA_FILE = FilePath(__file__).with_name("schema.json")
OVERRIDES = "overrides"


@cache
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())
    return loaded


def check(
    document: YamlDocument, *, part: str | None = None, whole: Mapping[str, Any] | None = None
) -> list[BlueprintFinding]:
    """All the places where the document breaks the schema (`part`: a definition of it; `whole`: another
    schema), in the file's order.
    """
    from jsonschema import Draft202012Validator, validators  # imported late: 0.1 s

    judge = validators.extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
    whole = schema() if whole is None else whole
    rules = whole if part is None else {"$ref": f"#/$defs/{part}", "$defs": whole["$defs"]}
    errors = judge(rules).iter_errors(document.data)
    found = [problem for error in errors for problem in _explain(document, error)]
    return sorted(found, key=lambda problem: problem.line or 0)


def _pattern(validator: object, pattern: str, value: object, rule: object) -> Iterable[ValidationError]:
    from jsonschema.exceptions import ValidationError

    if isinstance(value, str) and not matches(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern}")


def defaults(part: str | None = None) -> dict[str, Any]:
    """The values of everything that a blueprint (or `part`, as for `check`) may leave out."""
    return _defaults(schema() if part is None else schema()["$defs"][part])


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


def _explain(document: YamlDocument, error: ValidationError) -> Iterable[BlueprintFinding]:
    path: Path = tuple(error.absolute_path)
    rule: Any = error.schema
    value: Any = error.instance
    required: Any = error.validator_value
    if error.validator == "additionalProperties" and isinstance(value, dict):
        known = sorted(rule.get("properties", {}))
        for key in [key for key in value if key not in known]:
            do = meant(key, known, "Correct or remove the key")
            yield document.finding(
                (*path, key), "schema.unknown-key", f"the unknown key {key!r}", ", ".join(known), do
            )
        return
    if error.validator == "required":
        # jsonschema reports one missing key at a time, and names it only in its message.
        for key in [key for key in required if key not in value and f"'{key}'" in error.message]:
            allowed, do = wording.missing(_resolve(rule["properties"].get(key, {})), key)
            yield document.finding((*path, key), "schema.missing-key", "nothing", allowed, do)
        return
    if "propertyNames" in error.absolute_schema_path and isinstance(value, str):
        path = (*path, value)
    yield document.finding(
        path, f"schema.{error.validator}", wording.got(error), wording.allowed(error), wording.remedy(error)
    )
