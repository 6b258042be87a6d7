"""The normalised configuration: one text, and the same values for whoever reads it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol.normal import normal_text

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
NAMES = st.text(max_size=100)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Equal, and of equal types (1, 1.0 and True are equal in Python)."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and (
        not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other)
    )


@settings(deadline=None, max_examples=examples(60))
@given(st.dictionaries(NAMES, VALUES, max_size=5))
@example({"rate": 1e-05, "big": 1e16, "small": 5e-324, "minus": -0.0, "whole": 1.0})
@example({"yes": "no", "<<": "=", "12:30:00": "0x1F", "~": "null", "a: b": "# c", "-": "- d"})
@example({"text": '\x7f\x80\x85\u2028\ufeff\uffff\U0001f600\x00\r\n\t\\/"'})
def test_json_and_yaml_read_the_same(values: dict[str, Any]) -> None:
    text = normal_text(values)
    assert same(json.loads(text), values)
    assert same(yaml.safe_load(text), values)
    assert text.encode("utf-8").decode("utf-8-sig") == text


@settings(deadline=None, max_examples=examples(60))
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_as_both_versions_of_yaml_write_them(value: float) -> None:
    text = normal_text({"x": value})
    assert "." in text
    assert "e" not in text or "e+" in text or "e-" in text


@pytest.mark.parametrize("value", [math.nan, math.inf, {1: 2}, {1, 2}, b"x", object()])
def test_what_json_cannot_hold_is_no_configuration(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="JSON can hold"):
        normal_text({"x": [value]})
