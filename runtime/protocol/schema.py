"""A checker for the part of JSON Schema that blueprints use for `parameters` (draft 2020-12 meanings).

The Lambda runtime has no jsonschema package, and importing one would cost more than the manager's whole warm path.
Blueprints that use a keyword outside `SUPPORTED_KEYWORDS` are refused when they are loaded (`schema_faults`), so nothing
is ever silently unchecked.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from runtime.protocol import yaml12
from runtime.protocol.pattern import matches
from runtime.protocol.problems import Problem, shown

TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
ANNOTATIONS = frozenset({"title", "description", "examples", "default", "$schema", "$id", "$comment"})
ASSERTIONS = frozenset(
    {
        "type",
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "pattern",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "minItems",
        "maxItems",
    }
)
SUPPORTED_KEYWORDS = ANNOTATIONS | ASSERTIONS
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems")


def schema_faults(schema: object, path: str = "parameters") -> list[str]:
    """Every reason why `schema` itself cannot be used, each starting with its path. Empty when it is fine."""
    if isinstance(schema, bool):
        return []
    if not isinstance(schema, Mapping):
        return [f"{path}: a schema is a mapping, got {shown(schema)}"]
    faults = [
        f"{path}: keyword {shown(key)} is not supported; supported are {', '.join(sorted(SUPPORTED_KEYWORDS))}"
        for key in schema
        if key not in SUPPORTED_KEYWORDS
    ]
    kinds = schema.get("type", [])
    faults += [
        f"{path}.type: got {shown(kind)}, allowed are {', '.join(TYPES)}"
        for kind in (kinds if isinstance(kinds, list) else [kinds])
        if kind not in TYPES
    ]
    faults += [
        f"{path}.{key}: must be a number, got {shown(schema[key])}" for key in _NUMBERS if key in schema and not _is_number(schema[key])
    ]
    faults += [
        f"{path}.{key}: must be a whole number from 0, got {shown(schema[key])}"
        for key in _COUNTS
        if key in schema and not (_is_integer(schema[key]) and schema[key] >= 0)
    ]
    if "enum" in schema and not (isinstance(schema["enum"], list) and schema["enum"]):
        faults.append(f"{path}.enum: must be a list with at least one value, got {shown(schema['enum'])}")
    if "pattern" in schema:
        try:
            re.compile(schema["pattern"])
        except (re.error, TypeError) as error:
            faults.append(f"{path}.pattern: is no regular expression: {error}")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        faults.append(f"{path}.required: must be a list of names, got {shown(required)}")
    properties = schema.get("properties", {})
    if isinstance(properties, Mapping):
        for name, child in properties.items():
            faults += schema_faults(child, f"{path}.properties.{name}")
    else:
        faults.append(f"{path}.properties: must be a mapping, got {shown(properties)}")
    for key in ("additionalProperties", "items"):
        if key in schema:
            faults += schema_faults(schema[key], f"{path}.{key}")
    if not faults and "default" in schema:
        plain = {key: value for key, value in schema.items() if key != "default"}
        faults += [f"{path}.default: {problem.text()}" for problem in check(schema["default"], plain, "value")]
    return faults


def closed(schema: Any, more: Iterable[str] = ()) -> Any:
    """`schema`, in which a mapping takes only the names of its `properties`, and `more` at the top: what it leaves open is a slip far
    more often than a wish. Left as it is: a mapping with `additionalProperties`, and one whose schema names no property."""
    if not isinstance(schema, Mapping):
        return schema
    result = dict(schema)
    if is_closed(schema):
        result["additionalProperties"] = False
        result["properties"] = {
            **{name: closed(child) for name, child in schema["properties"].items()},
            **{name: True for name in more if name not in schema["properties"]},
        }
    elif isinstance(schema.get("properties"), Mapping):
        result["properties"] = {name: closed(child) for name, child in schema["properties"].items()}
    for key in ("additionalProperties", "items"):
        if key in schema:
            result[key] = closed(schema[key])
    return result


def is_closed(schema: Any) -> bool:
    """Whether a mapping of this schema takes the names of its `properties` only (see `closed`)."""
    if not isinstance(schema, Mapping):
        return False
    return schema.get("additionalProperties", "properties" not in schema) is False


def as_whole(value: Any) -> int | None:
    """A number without a fraction as an int (`1e3` is 1000), None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if _is_integer(value) else None


def with_defaults(value: Any, schema: Any) -> Any:
    """A copy of `value` in which missing properties have their schema's default, at every depth that exists, and what the schema calls an
    integer is one (not 1000.0)."""
    if not isinstance(schema, Mapping):
        return copy.deepcopy(value)
    kinds = schema.get("type", ())
    if isinstance(value, float) and "integer" in kinds and "number" not in kinds:
        whole = as_whole(value)
        return value if whole is None else whole
    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        extra = schema.get("additionalProperties")
        result = {key: with_defaults(child, properties.get(key, extra)) for key, child in value.items()}
        for name, child in properties.items():
            if name not in result and isinstance(child, Mapping) and "default" in child:
                result[name] = with_defaults(child["default"], child)
        return result
    if isinstance(value, list):
        return [with_defaults(child, schema.get("items")) for child in value]
    return value


def check(value: Any, schema: Any, path: str, others: Iterable[str] = ()) -> list[Problem]:
    """All ways in which `value` breaks `schema`; `path` names the value in the problems. `others` are names that stand beside those of the
    schema, and may have been meant."""
    if schema is True:
        return []
    if schema is False:
        return [Problem(path, shown(value), "nothing here", f"Remove {path}")]
    kinds = schema.get("type")
    if kinds is not None:
        allowed = kinds if isinstance(kinds, list) else [kinds]
        if not any(_is_type(value, kind) for kind in allowed):
            return [Problem(path, shown(value), _articles(allowed), _instead(value, allowed) or f"Change {path}")]
    problems: list[Problem] = []

    def refuse(allowed: str) -> None:
        problems.append(Problem(path, shown(value), allowed, f"Change {path}"))

    if "enum" in schema and not any(_same(value, choice) for choice in schema["enum"]):
        refuse("one of " + ", ".join(shown(choice) for choice in schema["enum"]))
    if "const" in schema and not _same(value, schema["const"]):
        refuse(shown(schema["const"]))
    if _is_number(value):
        _check_number(value, schema, refuse)
    elif isinstance(value, str):
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf):
            refuse(_range("characters", schema.get("minLength", 0), schema.get("maxLength")))
        if "pattern" in schema and not matches(schema["pattern"], value):
            refuse(f"text matching {schema['pattern']}")
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
            refuse(_range("items", schema.get("minItems", 0), schema.get("maxItems")))
        for number, child in enumerate(value):
            problems += check(child, schema.get("items", True), f"{path}[{number}]")
    elif isinstance(value, Mapping):
        problems += _check_object(value, schema, path, others)
    return problems


def _check_number(value: float, schema: Mapping[str, Any], refuse: Any) -> None:
    if "minimum" in schema and value < schema["minimum"]:
        refuse(f"at least {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        refuse(f"at most {schema['maximum']}")
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        refuse(f"more than {schema['exclusiveMinimum']}")
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        refuse(f"less than {schema['exclusiveMaximum']}")


def _check_object(value: Mapping[str, Any], schema: Mapping[str, Any], path: str, others: Iterable[str]) -> list[Problem]:
    properties = schema.get("properties", {})
    extra = schema.get("additionalProperties", True)
    problems = [
        Problem(f"{path} {name}", "nothing", f"a value{_hint(properties.get(name))}", f"Add {shown(name)}")
        for name in schema.get("required", [])
        if name not in value
    ]
    for key, child in value.items():
        where = f"{path} {key}" if path else str(key)
        if key in properties:
            problems += check(child, properties[key], where)
        elif extra is False:
            known = ", ".join(shown(name) for name in properties) or "no parameters"
            near = _nearest(str(key), [*properties, *others])
            do = f"Did you mean {shown(near)}?" if near else f"Remove or rename {shown(key)}"
            problems.append(Problem(f"{path} {shown(key)}", f"{shown(child)}, but there is no such parameter", known, do))
        else:
            problems += check(child, extra, where)
    return problems


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is most likely a slip of: the same but for case, '-' and '_', or nearly the same letters."""
    plain = {_letters(one): one for one in known}
    near = get_close_matches(_letters(name), plain, 1, 0.6)
    return plain[near[0]] if near else None


def _letters(name: str) -> str:
    return name.strip("_").replace("-", "_").lower()


def _instead(value: Any, kinds: list[str]) -> str | None:
    """What to write in place of a text that people take for a number or a boolean: "12", 1_000, 1:30, yes."""
    if not isinstance(value, str):
        return None
    if "number" in kinds or "integer" in kinds:
        number = yaml12.number(value)
        number = number if number is None or "number" in kinds else as_whole(number)
        if number is not None and math.isfinite(number):
            return f"Write {number}"
    if "boolean" in kinds and yaml12.boolean(value) is not None:
        return f"Write {str(yaml12.boolean(value)).lower()}"
    return None


def _hint(schema: Any) -> str:
    description = schema.get("description") if isinstance(schema, Mapping) else None
    return f" ({description})" if isinstance(description, str) else ""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_type(value: object, kind: str) -> bool:
    if kind == "integer":
        return _is_integer(value) or (isinstance(value, float) and value.is_integer())
    if kind == "number":
        return _is_number(value)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "null":
        return value is None
    return isinstance(value, {"string": str, "array": list, "object": Mapping}[kind])


def _same(left: Any, right: Any) -> bool:
    """JSON equality: 1 equals 1.0, but True does not equal 1, at any depth."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_same(child, right[key]) for key, child in left.items())
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _articles(kinds: list[str]) -> str:
    return " or ".join(f"{'an' if kind[0] in 'aio' else 'a'} {kind}" if kind != "null" else "null" for kind in kinds)


def _range(unit: str, low: int, high: int | None) -> str:
    return f"{low} or more {unit}" if high is None else f"{low} to {high} {unit}"
