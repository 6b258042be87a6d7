"""The JSON Schema checker agrees with the jsonschema package on everything it supports."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.protocol.schema import SUPPORTED_KEYWORDS, check, schema_faults, with_defaults

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.0, 0.5, 2.0, -1.5]) | st.text("ab", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
types = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"])


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    number = st.integers(-3, 3)
    count = st.integers(0, 3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": types | st.lists(types, min_size=1, max_size=2, unique=True),
            "enum": st.lists(values, min_size=1, max_size=3),
            "const": values,
            "minimum": number,
            "maximum": number,
            "exclusiveMinimum": number,
            "exclusiveMaximum": number,
            "minLength": count,
            "maxLength": count,
            "pattern": st.sampled_from(["^a", "b$", "a+b"]),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "additionalProperties": inner,
            "items": inner,
            "minItems": count,
            "maxItems": count,
        },
    )


schemas = st.recursive(st.booleans() | keywords(st.booleans()), keywords, max_leaves=4)


@settings(max_examples=1500, deadline=None)
@given(values, schemas)
def test_the_verdict_is_that_of_jsonschema(value: Any, schema: Any) -> None:
    assert schema_faults(schema) == []
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (check(value, schema, "value") == []) is expected


def test_problems_name_the_place_and_what_is_allowed() -> None:
    schema = {
        "type": "object",
        "required": ["b"],
        "additionalProperties": False,
        "properties": {"a": {"type": "array", "items": {"type": "integer", "minimum": 1}}, "b": {"description": "what to fit"}},
    }
    texts = [problem.text() for problem in check({"a": [1, 0, "x"], "z": 1}, schema, "config")]
    assert len(texts) == 4
    assert "config b: got nothing. Allowed: a value (what to fit). Add 'b'." in texts
    assert "config a[1]: got 0. Allowed: at least 1. Change config a[1]." in texts
    assert "config a[2]: got 'x'. Allowed: an integer. Change config a[2]." in texts


def test_defaults_are_filled_at_every_depth_that_exists() -> None:
    schema = {
        "properties": {
            "a": {"default": {"x": 1}, "properties": {"y": {"default": 2}}},
            "b": {"properties": {"c": {"default": [1]}}},
            "l": {"items": {"properties": {"d": {"default": 3}}}},
        }
    }
    value = {"b": {}, "l": [{}, {"d": 4}]}
    assert with_defaults(value, schema) == {"a": {"x": 1, "y": 2}, "b": {"c": [1]}, "l": [{"d": 3}, {"d": 4}]}
    assert value == {"b": {}, "l": [{}, {"d": 4}]}


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"oneOf": []}, "'oneOf' is not supported"),
        ({"properties": {"a": {"type": "int"}}}, "properties.a.type: got 'int'"),
        ({"type": {}}, "type: got {}"),
        ({"minimum": "1"}, "minimum: must be a number"),
        ({"minLength": -1}, "minLength: must be a whole number"),
        ({"pattern": "("}, "pattern: is no regular expression"),
        ({"enum": []}, "enum: must be a list"),
        ({"required": "a"}, "required: must be a list"),
        ({"properties": []}, "properties: must be a mapping"),
        ({"items": 3}, "items: a schema is a mapping"),
        ({"type": "integer", "default": "x"}, "default: value: got 'x'"),
    ],
)
def test_schemas_that_cannot_be_used(schema: dict[str, Any], wanted: str) -> None:
    assert any(wanted in fault for fault in schema_faults(schema))


def test_every_supported_keyword_is_accepted() -> None:
    assert "type" in SUPPORTED_KEYWORDS
    assert schema_faults({"title": "x", "description": "y", "examples": [], "$comment": "z"}) == []


def test_equality_is_that_of_json_at_any_depth() -> None:
    assert check([1.0], {"const": [1]}, "x") == []
    assert check({"a": [True]}, {"const": {"a": [1]}}, "x") != []
    assert check([0], {"enum": [[False]]}, "x") != []
