"""A checker for JSON Schema (draft 2020-12) as blueprints use it for `parameters`.

The Lambda runtime has no jsonschema package, and importing one would cost more than the manager's whole warm
path. What it does not know is in no blueprint: `blueprints.parameters` refuses words outside of
`KNOWN_WORDS`, so nothing is ever silently unchecked. `format` and the like are notes, as the draft has it; a
`$ref` begins with `#`, that is, it points into the same schema.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from neurocaas.protocol import yaml12
from neurocaas.protocol.pattern import matches
from neurocaas.protocol.problems import Problem, shown

TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
ANNOTATIONS = frozenset({
    "title", "description", "examples", "default", "deprecated", "readOnly", "writeOnly", "format",
    "contentEncoding", "contentMediaType",
    "contentSchema", "$schema", "$id", "$comment", "$defs", "definitions",
})  # fmt: skip
ASSERTIONS = frozenset({
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength",
    "pattern", "required", "properties", "patternProperties", "additionalProperties", "propertyNames",
    "minProperties", "maxProperties",
    "dependentRequired", "dependentSchemas", "items", "prefixItems", "minItems", "maxItems", "uniqueItems",
    "contains", "minContains",
    "maxContains", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref",
})  # fmt: skip
KNOWN_WORDS = ANNOTATIONS | ASSERTIONS
_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "if", "dependentSchemas"})
"""Words by which several schemas hold for one value."""

_ELSEWHERE = _IN_PLACE | {"patternProperties", "$ref"}
"""Words by which the names of a mapping are said beside its `properties`."""

_LEVELS = 100
"""So deep may schemas refer to each other; one that refers to itself for the same value would never end."""


def closed(schema: Any, more: Iterable[str] = ()) -> Any:
    """`schema`, in which a mapping takes only the names of its `properties`, and `more` at the top: what it
    leaves open is a slip far more often than a wish. Left as it is: a mapping with `additionalProperties`,
    one whose schema names no property, and one whose names are said in several places (`allOf`,
    `patternProperties`, …)."""
    if not isinstance(schema, Mapping):
        return schema
    result = dict(schema)
    if isinstance(schema.get("properties"), Mapping):
        result["properties"] = {name: closed(child) for name, child in schema["properties"].items()}
        if is_closed(schema) and "additionalProperties" not in schema:
            result["properties"] |= {name: True for name in more if name not in schema["properties"]}
            result["additionalProperties"] = False
    for key in ("additionalProperties", "items"):
        if key in schema:
            result[key] = closed(schema[key])
    for key in ("$defs", "definitions"):
        if isinstance(schema.get(key), Mapping) and not _combines(schema):
            result[key] = {name: closed(child) for name, child in schema[key].items()}
    return result


def is_closed(schema: Any) -> bool:
    """Whether a mapping of this schema takes the names of its `properties` only (see `closed`)."""
    if not isinstance(schema, Mapping):
        return False
    return (
        schema.get("additionalProperties", "properties" not in schema or not _ELSEWHERE.isdisjoint(schema))
        is False
    )


def _combines(schema: Any) -> bool:
    """Whether several schemas hold for one value anywhere in it."""
    if isinstance(schema, Mapping):
        here = not _IN_PLACE.isdisjoint(schema) or ("$ref" in schema and "properties" in schema)
        return here or any(_combines(child) for child in schema.values())
    return isinstance(schema, list) and any(map(_combines, schema))


def as_whole(value: Any) -> int | None:
    """A number without a fraction as an int (`1e3` is 1000), None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if _is_integer(value) else None


def with_defaults(value: Any, schema: Any) -> Any:
    """A copy of `value` in which missing properties have their schema's default, at every depth that exists,
    and what the schema calls an integer is one (not 1000.0)."""
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


def check(value: Any, schema: Any, path: str, others: Iterable[str] = (), root: Any = None) -> list[Problem]:
    """All ways in which `value` breaks `schema`; `path` names the value in the problems. `others` are names
    that stand beside those of the schema, and may have been meant. `root`: the whole schema, where `schema`
    is a part of one."""
    return _Check(schema if root is None else root, tuple(others)).problems(value, schema, path, 0)


class _Check:
    """One check: `root` is the whole schema, into which `$ref` points."""

    def __init__(self, root: Any, others: tuple[str, ...]) -> None:
        self._root, self._others = root, others

    def problems(self, value: Any, schema: Any, path: str, depth: int) -> list[Problem]:
        if schema is True:
            return []
        if schema is False:
            return [Problem(path, shown(value), "nothing here", f"Remove {path}")]
        if depth > _LEVELS:
            return [Problem(path, shown(value), f"a value of up to {_LEVELS} levels", f"Change {path}")]
        kinds = schema.get("type")
        if kinds is not None:
            allowed = kinds if isinstance(kinds, list) else [kinds]
            if not any(_is_type(value, kind) for kind in allowed):
                return [
                    Problem(
                        path, shown(value), _articles(allowed), _instead(value, allowed) or f"Change {path}"
                    )
                ]
        found: list[Problem] = []

        def refuse(allowed: str, do: str = "") -> None:
            found.append(Problem(path, shown(value), allowed, do or f"Change {path}"))

        if "enum" in schema and not any(_same(value, choice) for choice in schema["enum"]):
            refuse("one of " + ", ".join(shown(choice) for choice in schema["enum"]), _meant(value, schema))
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
            found += self._list(value, schema, path, depth, refuse)
        elif isinstance(value, Mapping):
            found += self._mapping(value, schema, path, depth, refuse)
        return found + self._combined(value, schema, path, depth, refuse)

    def fits(self, value: Any, schema: Any, depth: int) -> bool:
        return not self.problems(value, schema, "", depth)

    def _combined(
        self, value: Any, schema: Mapping[str, Any], path: str, depth: int, refuse: Callable[[str], None]
    ) -> list[Problem]:
        """Schemas for the same value."""
        found: list[Problem] = []
        every = [*schema.get("allOf", ())]
        if "$ref" in schema:
            every.append(pointed(self._root, schema["$ref"]))
        if "if" in schema:
            every.append(schema.get("then" if self.fits(value, schema["if"], depth + 1) else "else", True))
        if isinstance(value, Mapping):
            every += [one for name, one in schema.get("dependentSchemas", {}).items() if name in value]
        for one in every:
            found += self.problems(value, one, path, depth + 1)
        if "anyOf" in schema and not any(self.fits(value, one, depth + 1) for one in schema["anyOf"]):
            found += self._nearest_of(value, schema["anyOf"], path, depth)
        if "oneOf" in schema:
            fit = sum(self.fits(value, one, depth + 1) for one in schema["oneOf"])
            if fit == 0:
                found += self._nearest_of(value, schema["oneOf"], path, depth)
            elif fit > 1:
                refuse(f"what only one of {len(schema['oneOf'])} forms takes, not {fit} of them")
        if "not" in schema and self.fits(value, schema["not"], depth + 1):
            refuse(f"anything but {shown(schema['not'])}")
        return found

    def _nearest_of(self, value: Any, forms: list[Any], path: str, depth: int) -> list[Problem]:
        """What is wrong with a value that fits none of several forms: by the form that it breaks least."""
        least = min((self.problems(value, one, path, depth + 1) for one in forms), key=len)
        return [replace(one, allowed=f"{one.allowed} (or another of {len(forms)} forms)") for one in least]

    def _list(
        self,
        value: list[Any],
        schema: Mapping[str, Any],
        path: str,
        depth: int,
        refuse: Callable[[str], None],
    ) -> list[Problem]:
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
            refuse(_range("items", schema.get("minItems", 0), schema.get("maxItems")))
        if schema.get("uniqueItems") and any(
            _same(one, other) for at, one in enumerate(value) for other in value[:at]
        ):
            refuse("items that differ")
        if "contains" in schema:
            fit, low = (
                sum(self.fits(child, schema["contains"], depth + 1) for child in value),
                schema.get("minContains", 1),
            )
            if not low <= fit <= schema.get("maxContains", math.inf):
                refuse(
                    f"{_range('items', low, schema.get('maxContains'))} that are {shown(schema['contains'])}"
                )
        found, first = [], schema.get("prefixItems", [])
        for number, child in enumerate(value):
            rule = first[number] if number < len(first) else schema.get("items", True)
            found += self.problems(child, rule, f"{path}[{number}]", depth + 1)
        return found

    def _mapping(
        self,
        value: Mapping[str, Any],
        schema: Mapping[str, Any],
        path: str,
        depth: int,
        refuse: Callable[[str], None],
    ) -> list[Problem]:
        properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        extra = schema.get("additionalProperties", True)
        if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", math.inf):
            refuse(_range("names", schema.get("minProperties", 0), schema.get("maxProperties")))
        needed = [(name, "") for name in schema.get("required", [])]
        needed += [(name, f", since {shown(of)} is there") for of,
            names in schema.get("dependentRequired", {}).items() if of in value
                   for name in names]  # fmt: skip
        found = [
            Problem(
                f"{path} {name}",
                f"nothing{why}",
                f"a value{_hint(properties.get(name))}",
                f"Add {shown(name)}",
            )
            for name, why in needed
            if name not in value
        ]
        for key, child in value.items():
            where = f"{path} {key}" if path else str(key)
            rules = [rule for pattern, rule in patterns.items() if matches(pattern, key)]
            rules += [properties[key]] if key in properties else []
            for rule in rules:
                found += self.problems(child, rule, where, depth + 1)
            if "propertyNames" in schema:
                found += [
                    replace(one, field=f"{path} {shown(key)}", do="Rename it")
                    for one in self.problems(key, schema["propertyNames"], where, depth + 1)
                ]
            if not rules and extra is False:
                found.append(_unknown(key, child, path, properties, self._others if depth == 0 else ()))
            elif not rules:
                found += self.problems(child, extra, where, depth + 1)
        return found


def _unknown(
    key: str, value: Any, path: str, properties: Mapping[str, Any], others: Iterable[str]
) -> Problem:
    known = ", ".join(shown(name) for name in properties) or "no parameters"
    near = _nearest(str(key), [*properties, *others])
    do = f"Did you mean {shown(near)}?" if near else f"Remove or rename {shown(key)}"
    return Problem(f"{path} {shown(key)}", f"{shown(value)}, but there is no such parameter", known, do)


def pointed(root: Any, reference: str) -> Any:
    """What a JSON pointer `#/$defs/…` points at in `root`. Raises LookupError when that is nothing."""
    if reference != "#" and not reference.startswith("#/"):
        raise LookupError(reference)
    here = root
    for part in reference.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(here, list) and name.isdigit():
            here = here[int(name)]
        elif isinstance(here, Mapping):
            here = here[name]
        else:
            raise LookupError(reference)
    return here


def _check_number(value: float, schema: Mapping[str, Any], refuse: Callable[[str], None]) -> None:
    if "minimum" in schema and value < schema["minimum"]:
        refuse(f"at least {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        refuse(f"at most {schema['maximum']}")
    if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
        refuse(f"more than {schema['exclusiveMinimum']}")
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        refuse(f"less than {schema['exclusiveMaximum']}")
    if "multipleOf" in schema and not _is_multiple(value, schema["multipleOf"]):
        refuse(f"a multiple of {schema['multipleOf']}")


def _is_multiple(value: float, of: float) -> bool:
    """0.3 is a multiple of 0.1, whatever their binary fractions say."""
    if isinstance(value, int) and isinstance(of, int):
        return value % of == 0
    times = value / of
    return math.isfinite(times) and abs(times - round(times)) <= 1e-9 * max(1.0, abs(times))


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is most likely a slip of: the same but for case, '-' and '_', or nearly the
    same letters.
    """
    plain = {_letters(one): one for one in known}
    near = get_close_matches(_letters(name), plain, 1, 0.6)
    return plain[near[0]] if near else None


def _meant(value: Any, schema: Mapping[str, Any]) -> str:
    """Which of the texts that may be there `value` is a slip of; "" for none."""
    texts = [one for one in schema["enum"] if isinstance(one, str)]
    near = _nearest(value, texts) if isinstance(value, str) else None
    return f"Did you mean {shown(near)}?" if near else ""


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
    return " or ".join(
        f"{'an' if kind[0] in 'aio' else 'a'} {kind}" if kind != "null" else "null" for kind in kinds
    )


def _range(unit: str, low: int, high: int | None) -> str:
    return f"{low} or more {unit}" if high is None else f"{low} to {high} {unit}"
