"""Lines and columns of what is wrong in a config."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.configs import ConfigFile, checked
from neurocaas.positions import Position, positions
from neurocaas.protocol import yaml12
from neurocaas.protocol.config import ConfigRules

NAMES = st.text("abcxyz_", min_size=1, max_size=4)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-99, 99), st.floats(-9, 9), st.text('ab"\\ \n{}[]:,é', max_size=6)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
CONFIGS = st.dictionaries(NAMES, VALUES, max_size=4)


def leaves(value: Any, place: str = "config") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [one for name, inner in value.items() for one in leaves(inner, f"{place} {name}")]
    if isinstance(value, list):
        return [one for number, inner in enumerate(value) for one in leaves(inner, f"{place}[{number}]")]
    return [(place, value)]


def after(text: str, position: Position) -> str:
    return "\n".join(text.split("\n")[position.line - 1 :])[position.column - 1 :]


@settings(max_examples=examples(200), deadline=None)
@given(CONFIGS, st.sampled_from([None, 0, 1, 3, "\t"]))
@example({"a": {"b": [1, {"c": "\n"}]}}, "\t")
def test_each_value_of_a_json_file_is_found_where_it_stands(config: dict[str, Any], indent: Any) -> None:
    text = json.dumps(config, indent=indent, ensure_ascii=False)
    for name in ("c.json", "c.yaml"):
        if name == "c.yaml" and indent is None:
            continue  # YAML reads it by itself; what it finds is tested below
        found = positions(text, name)
        for place, value in leaves(config):
            decoded, _ = json.JSONDecoder().raw_decode(after(text, found.values[place]))
            assert decoded == value


@settings(max_examples=examples(200), deadline=None)
@given(CONFIGS)
def test_each_value_of_a_yaml_file_is_found_where_it_stands(config: dict[str, Any]) -> None:
    text = yaml12.dump(config)
    found = positions(text, "c.yaml")
    for place, value in leaves(config):
        assert place in found.values
        if isinstance(value, int) and not isinstance(value, bool):
            assert after(text, found.values[place]).startswith(str(value))


@settings(max_examples=examples(300), deadline=None)
@given(st.text('{}[]",:\\ ab1\n\t&*<-#', max_size=30), st.sampled_from(["c.json", "c.yaml"]))
@example("{", "c.json")
@example('{"a": "\\', "c.json")
@example("[" * 5000, "c.json")
@example("[" * 5000, "c.yaml")
def test_a_file_that_cannot_be_read_has_no_positions_and_is_told_all_the_same(text: str, name: str) -> None:
    rules = ConfigRules(60, 60, 1, 1, {"properties": {"a": {"type": "integer"}}})
    assert positions(text, name) is not None
    config, errors = checked(ConfigFile(name, text.encode()), rules)
    assert (config is None) == bool(errors)


def test_aliases_that_unfold_without_end_are_gone_through_once() -> None:
    lines = ["a0: &a0 [1]"] + [
        f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 25)
    ]
    text = "\n".join(lines)
    assert positions(text, "c.yaml").values["config a24"] == Position(25, 6)
    rules = ConfigRules(60, 60, 1, 1, {"properties": {"x": {"type": "integer"}}})
    assert "more than 100000 values" in str(checked(ConfigFile("c.yaml", text.encode()), rules)[1][0])
    circle = positions("a: &a {b: *a}\n", "c.yaml")
    assert circle.values["config a b"] == Position(1, 11) or circle.values["config a"] == Position(1, 4)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", '{"a": 1,\n "b": {"c": 1,\n "c": 2}, "a": "x"}'),
        ("c.yaml", "a: 1\nb: {c: 1,\n  c: 2}\na: x\n"),
    ],
)
def test_all_names_that_are_there_twice_are_told_and_the_last_ones_are_checked(name: str, text: str) -> None:
    schema = {
        "properties": {
            "a": {"type": "integer"},
            "b": {"properties": {"c": {"type": "integer", "maximum": 1}}},
        }
    }
    _, errors = checked(ConfigFile(name, text.encode()), ConfigRules(60, 60, 1, 1, schema))
    said = [error.got for error in errors]
    assert sum("twice" in one for one in said) == 2
    assert any("'c' twice in b" in one for one in said)
    assert any("a: got 'x'" in one for one in said)
    assert any("b c: got 2" in one for one in said)


def test_merged_mappings_are_no_second_names() -> None:
    text = "base: &b {a: 1}\nx:\n  <<: *b\n  a: 2\n"
    assert yaml.safe_load(text)["x"] == {"a": 2}
    assert positions(text, "c.yaml").twice == []
