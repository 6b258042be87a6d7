"""The JSON Schema checker agrees with the jsonschema package on everything it supports."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.parameters import faults
from localcloud.tests.properties import examples
from neurocaas.protocol.schema import check, closed, with_defaults

values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([0.0, 0.5, 2.0, -1.5])
    | st.text("ab", max_size=4),
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
            "multipleOf": st.sampled_from([1, 2, 0.5]),
            "minProperties": count,
            "maxProperties": count,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1),
            "propertyNames": inner,
            "dependentRequired": st.just({"a": ["b"]}),
            "dependentSchemas": st.dictionaries(st.sampled_from("abc"), inner, max_size=1),
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "uniqueItems": st.booleans(),
            "contains": inner,
            "minContains": count,
            "maxContains": count,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "$ref": st.sampled_from(["#/$defs/one", "#/$defs/two"]),
        },
    )


schemas = st.recursive(st.booleans() | keywords(st.booleans()), keywords, max_leaves=4)


@settings(max_examples=examples(400), deadline=None)
@given(values, schemas)
def test_the_verdict_is_that_of_jsonschema(value: Any, schema: Any) -> None:
    if isinstance(schema, dict):
        schema = {
            **schema,
            "$defs": {
                "one": {"type": "array", "items": {"$ref": "#/$defs/two"}},
                "two": {"enum": [1, [], "a", None]},
            },
        }
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (check(value, schema, "value") == []) is expected


def test_problems_name_the_place_and_what_is_allowed() -> None:
    schema = {
        "type": "object",
        "required": ["b"],
        "additionalProperties": False,
        "properties": {
            "a": {"type": "array", "items": {"type": "integer", "minimum": 1}},
            "b": {"description": "what to fit"},
        },
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
    ("rule", "wanted"),
    [
        ({"unevaluatedProperties": False}, "'unevaluatedProperties', by which nothing is checked"),
        ({"dependencies": {"a": ["b"]}}, "'dependencies', by which nothing is checked"),
        ({"$ref": "#/$defs/none"}, "'#/$defs/none', which is not there"),
        ({"$ref": "https://example.org/x"}, "'https://example.org/x', which is not there"),
        ({"$ref": "#/properties/a"}, "'#/properties/a', which leads back to itself"),
        ({"pattern": "("}, "'(': missing )"),
        ({"patternProperties": {"[": {}}}, "'[': unterminated character set"),
        ({"type": "integer", "default": "x"}, "'x'"),
        ({"$ref": "#/$defs/small", "default": 9}, "9"),
        ({"items": {"properties": {"b": {"maximum": 3, "default": 4}}}}, "4"),
    ],
)
def test_rules_by_which_nothing_could_be_checked_are_refused(rule: dict[str, Any], wanted: str) -> None:
    schema = {"type": "object", "properties": {"a": rule}, "$defs": {"small": {"maximum": 5}}}
    found = list(faults(schema))
    assert [fault.got for fault in found] == [wanted] or wanted in found[0].got
    assert all(fault.path[:2] == ("properties", "a") for fault in found)


def test_a_schema_that_refers_to_itself_ends() -> None:
    tree = {
        "$defs": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}}}},
        "$ref": "#/$defs/tree",
    }
    assert check({"left": {"left": {}}}, tree, "config") == []
    assert check({"left": {"left": 3}}, tree, "config")[0].field == "config left left"
    assert check({}, {"allOf": [{"$ref": "#"}]}, "config")


def test_names_are_closed_where_one_place_says_them() -> None:
    low: dict[str, Any] = {"properties": {"low": {}}}
    schema = {
        "properties": {"a": {"$ref": "#/$defs/low"}, "b": {"allOf": [low, {"properties": {"high": {}}}]}},
        "$defs": {"low": low},
    }
    assert check({"b": {"low": 1, "high": 2}}, closed(schema), "config") == []
    assert [
        one.do
        for one in check(
            {"a": {"lov": 1}}, closed({**schema, "properties": {"a": {"$ref": "#/$defs/low"}}}), "config"
        )
    ] == ["Did you mean 'low'?"]
    patterned: dict[str, Any] = {"properties": {"a": {}}, "patternProperties": {"^x": {}}}
    assert check({"a": 1, "x1": 1, "y": 1}, closed(patterned), "config") == []
    assert closed({"additionalProperties": False}, ["mode"]) == {"additionalProperties": False}
    assert closed(True) is True


def test_a_choice_of_forms_is_told_by_the_nearest() -> None:
    forms = {"oneOf": [{"type": "number", "minimum": 0}, {"enum": ["auto"]}]}
    (problem,) = check(-1, forms, "config rate")
    assert (
        problem.text()
        == "config rate: got -1. Allowed: at least 0 (or another of 2 forms). Change config rate."
    )


def test_equality_is_that_of_json_at_any_depth() -> None:
    assert check([1.0], {"const": [1]}, "x") == []
    assert check({"a": [True]}, {"const": {"a": [1]}}, "x") != []
    assert check([0], {"enum": [[False]]}, "x") != []
