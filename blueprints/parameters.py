"""The JSON Schema of a config file, checked as what it is: all that is wrong with it, and words that no schema has.

JSON Schema itself passes over unknown words: `minumum: 1`, or parameters that do not stand below `properties`, would check nothing.
Words that begin with `x-` may be added.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from blueprints import wording
from blueprints.finding import Path, meant
from runtime.protocol.problems import shown

_OF_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_A_SCHEMA = ("items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else", "unevaluatedProperties")
_LIST_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_WORDS = frozenset({
    "$schema", "$id", "$anchor", "$ref", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "$comment", "$defs", "definitions", "type",
    "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern",
    "format", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "maxProperties", "minProperties", "required",
    "dependentRequired", "dependentSchemas", "dependencies", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "prefixItems",
    "items", "contains", "properties", "patternProperties", "additionalProperties", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties", "title", "description", "default", "deprecated", "readOnly", "writeOnly", "examples", "contentEncoding",
    "contentMediaType", "contentSchema",
})  # fmt: skip
"""The vocabularies of draft 2020-12 (json-schema.org), and two words of older drafts that the metaschema still has."""


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
        yield Fault((), "parameters.not-json", str(error), "values that JSON has", "Put dates and the like in quotes")
        return
    wrong = list(_broken(schema))
    yield from wrong
    yield from _unknown(schema, ())
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
        yield Fault(path, "parameters.schema", wording.got(error), f"a JSON Schema (draft 2020-12), here {allowed}", do)


def _unknown(schema: object, path: Path) -> Iterator[Fault]:
    """Words that are no part of JSON Schema."""
    if not isinstance(schema, Mapping):
        return
    for word, value in schema.items():
        inner = (*path, word)
        if word in _OF_SCHEMAS and isinstance(value, Mapping):
            for name, one in value.items():
                yield from _unknown(one, (*inner, name))
        elif word in _LIST_OF_SCHEMAS and isinstance(value, list):
            for index, one in enumerate(value):
                yield from _unknown(one, (*inner, index))
        elif word in _A_SCHEMA:
            yield from _unknown(value, inner)
        elif word not in _WORDS and not word.startswith("x-"):
            otherwise = f"Put {word} below properties:" if isinstance(value, Mapping) else f"Remove it, or call it x-{word}"
            allowed = "words of JSON Schema (type, properties, required, minimum, …), and what begins with x-"
            yield Fault(inner, "parameters.unknown-word", f"the unknown word {word!r}", allowed, meant(word, _WORDS, otherwise, 0.75))
