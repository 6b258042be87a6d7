"""The JSON Schema of a config file, checked as what it is: all that is wrong with it, and words that no
schema has.

JSON Schema itself passes over unknown words: `minumum: 1`, or parameters that do not stand below
`properties`, would check nothing. Words that begin with `x-` may be added. Words that the manager does not
check by (`neurocaas.protocol.schema`) are refused as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from blueprints import wording
from blueprints.finding import Path, meant
from neurocaas.protocol.problems import shown
from neurocaas.protocol.schema import KNOWN_WORDS, check, pointed

_OF_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_A_SCHEMA = (
    "items",
    "additionalProperties",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "unevaluatedProperties",
)
_LIST_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_WORDS = frozenset({
    "$schema", "$id", "$anchor", "$ref", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "$comment", "$defs",
    "definitions", "type",
    "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern",
    "format", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "maxProperties",
    "minProperties", "required",
    "dependentRequired", "dependentSchemas", "dependencies", "allOf", "anyOf", "oneOf", "not", "if", "then",
    "else", "prefixItems",
    "items", "contains", "properties", "patternProperties", "additionalProperties", "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties", "title", "description", "default", "deprecated", "readOnly", "writeOnly",
    "examples", "contentEncoding",
    "contentMediaType", "contentSchema",
})  # fmt: skip
"""The vocabularies of draft 2020-12 (json-schema.org), and two words of older drafts that the metaschema
still has.
"""


@dataclass(frozen=True)
class Fault:
    """One mistake; `path` begins below `parameters`."""

    path: Path
    rule: str
    got: str
    allowed: str
    do: str


def faults(schema: Mapping[str, Any]) -> Iterator[Fault]:
    """All mistakes of the schema of a config file."""
    try:
        json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError) as error:
        yield Fault(
            (), "parameters.not-json", str(error), "values that JSON has", "Put dates and the like in quotes"
        )
        return
    wrong = list(_broken(schema))
    yield from wrong
    yield from _unknown(schema, ())
    if not wrong:
        astray = [*_pointing(schema, schema, ()), *_patterns(schema, ())]
        yield from astray or _defaults(schema, schema, ())
    if not wrong and schema.get("type", "object") != "object":
        got, allowed = shown(schema["type"]), "object: a config file is a mapping"
        yield Fault(("type",), "parameters.not-object", got, allowed, "Write type: object")


def _broken(schema: Mapping[str, Any]) -> Iterator[Fault]:
    from jsonschema import Draft202012Validator  # imported late: 0.1 s

    told: set[Path] = set()  # each vocabulary of the metaschema finds what is no schema at all once more
    for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema):
        path: Path = tuple(error.absolute_path)
        if path in told:
            continue
        told.add(path)
        limit: Any = error.validator_value
        allowed, do = wording.allowed(error), wording.remedy(error)
        if error.validator == "type" and "object" in limit:
            allowed, do = "a mapping that says what a value must be", "Write one, for instance {type: number}"
        yield Fault(
            path,
            "parameters.schema",
            wording.got(error),
            f"a JSON Schema (draft 2020-12), here {allowed}",
            do,
        )


def _inner(schema: object, path: Path) -> Iterator[tuple[object, Path]]:
    """The schemas directly in a schema."""
    if not isinstance(schema, Mapping):
        return
    for word, value in schema.items():
        inner = (*path, word)
        if word in _OF_SCHEMAS and isinstance(value, Mapping):
            yield from ((one, (*inner, name)) for name, one in value.items())
        elif word in _LIST_OF_SCHEMAS and isinstance(value, list):
            yield from ((one, (*inner, index)) for index, one in enumerate(value))
        elif word in _A_SCHEMA:
            yield value, inner


def _pointing(schema: object, root: Mapping[str, Any], path: Path) -> Iterator[Fault]:
    """References that point at nothing here, or round in a circle."""
    if isinstance(schema, Mapping) and "$ref" in schema:
        seen, at = set[str](), schema
        while isinstance(at, Mapping) and "$ref" in at:
            target = str(at["$ref"])
            try:
                at = pointed(root, target)
            except LookupError:
                target = ""
            if not target or target in seen:
                got = f"{shown(schema['$ref'])}, which {'leads back to itself' if target else 'is not there'}"
                do = "Put what it means below $defs, and write $ref: '#/$defs/NAME'"
                yield Fault(
                    (*path, "$ref"), "parameters.ref", got, "a place in this schema that says more", do
                )
                break
            seen.add(target)
    for one, inner in _inner(schema, path):
        yield from _pointing(one, root, inner)


def _patterns(schema: object, path: Path) -> Iterator[Fault]:
    """Patterns that are no regular expressions: the metaschema does not look into them."""
    if isinstance(schema, Mapping):
        every: list[tuple[Path, str]] = [(("pattern",), schema["pattern"])] if "pattern" in schema else []
        every += [
            (("patternProperties", pattern), pattern) for pattern in schema.get("patternProperties", {})
        ]
        for place, pattern in every:
            try:
                re.compile(pattern)
            except re.error as error:
                got = f"{shown(pattern)}: {error}"
                yield Fault(
                    (*path, *place),
                    "parameters.pattern",
                    got,
                    "a regular expression (Python's re)",
                    "Correct it",
                )
    for one, inner in _inner(schema, path):
        yield from _patterns(one, inner)


def _defaults(schema: object, root: Mapping[str, Any], path: Path) -> Iterator[Fault]:
    """Defaults that the schema itself would refuse."""
    if isinstance(schema, Mapping) and "default" in schema:
        for problem in check(schema["default"], schema, "it", root=root):
            yield Fault(
                (*path, "default"),
                "parameters.default",
                problem.got,
                problem.allowed,
                "Change the default, or the rule",
            )
    for one, inner in _inner(schema, path):
        yield from _defaults(one, root, inner)


def _unknown(schema: object, path: Path) -> Iterator[Fault]:
    """Words that are no part of JSON Schema, and those of it that would check nothing here."""
    if not isinstance(schema, Mapping):
        return
    for one, below in _inner(schema, path):
        yield from _unknown(one, below)
    for word, value in schema.items():
        inner = (*path, word)
        if word in _WORDS - KNOWN_WORDS:
            allowed = (
                "words by which configurations are checked, for instance properties, required, minimum, "
                "allOf, $ref"
            )
            yield Fault(
                inner,
                "parameters.unchecked-word",
                f"{word!r}, by which nothing is checked",
                allowed,
                "Say it with other words",
            )
        elif word not in _WORDS and not word.startswith("x-"):
            otherwise = (
                f"Put {word} below properties:"
                if isinstance(value, Mapping)
                else f"Remove it, or call it x-{word}"
            )
            allowed = "words of JSON Schema (type, properties, required, minimum, …), and what begins with x-"
            yield Fault(
                inner,
                "parameters.unknown-word",
                f"the unknown word {word!r}",
                allowed,
                meant(word, _WORDS, otherwise, 0.75),
            )
