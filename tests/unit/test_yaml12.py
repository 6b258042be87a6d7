"""Every form of a plain word of YAML 1.2.2 (table of its core schema, 10.3.2), and what is said of those that
1.1 reads otherwise.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol import yaml12
from neurocaas.protocol.config import parse_config
from neurocaas.protocol.problems import InvalidInput
from tests.unit.job_world import SETTINGS

digits = st.text("0123456789", min_size=1, max_size=8)
sign = st.sampled_from(["", "+", "-"])
exponent = st.builds(
    "{}{}{}".format, st.sampled_from("eE"), sign, st.text("0123456789", min_size=1, max_size=2)
)
mantissa = st.one_of(
    st.builds(".{}".format, digits),
    st.builds("{}.".format, digits),
    st.builds("{}.{}".format, digits, digits),
)

integers = st.one_of(
    st.tuples(sign, digits).map(lambda parts: ("".join(parts), int("".join(parts)))),
    st.tuples(st.just("0o"), st.text("01234567", min_size=1, max_size=8)).map(
        lambda parts: ("".join(parts), int(parts[1], 8))
    ),
    st.tuples(st.just("0x"), st.text("0123456789abcdefABCDEF", min_size=1, max_size=8)).map(
        lambda parts: ("".join(parts), int(parts[1], 16))
    ),
)
floats = st.one_of(
    st.builds("{}{}".format, sign, mantissa),
    st.builds("{}{}{}".format, sign, st.one_of(mantissa, digits), exponent),
).map(lambda word: (word, float(word)))
fixed = st.sampled_from([
    *((word, None) for word in ("~", "null", "Null", "NULL", "")),
    *((word, True) for word in ("true", "True", "TRUE")),
    *((word, False) for word in ("false", "False", "FALSE")),
    *((word, math.inf) for word in (".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF")),
    *((word, -math.inf) for word in ("-.inf", "-.Inf", "-.INF")),
])  # fmt: skip
WORDS = """
    yes Yes YES no No NO on On ON off Off OFF y n nULL tRUE 0X1F 0O17 0o8 0xg +0x1 -0o7 0b101 +.nan .iNF = 1e 1e+ . + 1.2.3
"""  # noqa: E501
texts_of_11 = st.one_of(
    st.sampled_from(WORDS.split()),
    st.builds("{}:{:02d}".format, st.integers(0, 99), st.integers(0, 59)),
    st.builds("{}:{:02d}:{:02d}".format, st.integers(0, 99), st.integers(0, 59), st.integers(0, 59)),
    st.builds("{}:{:02d}.{}".format, st.integers(1, 99), st.integers(0, 59), st.integers(0, 9)),
    st.builds("{}_{}".format, st.integers(1, 999), digits),
    st.dates().map(str),
    st.datetimes().map(lambda one: one.isoformat()),
).map(lambda word: (word, word))
cases = integers | floats | fixed | texts_of_11
words = cases.map(lambda case: case[0])


@settings(max_examples=examples(600), deadline=None)
@given(cases, st.sampled_from(["{}", "a: {}", "- {}", "[{}]", "{{a: {}}}", "a: {} # why"]))
def test_every_plain_word_is_what_the_core_schema_says(case: tuple[str, Any], frame: str) -> None:
    word, value = case
    got = yaml12.load(frame.format(word), "it")
    while isinstance(got, (dict, list)):
        if not got:
            return  # [] has no word in it
        (got,) = got.values() if isinstance(got, dict) else got
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize("word", [".nan", ".NaN", ".NAN"])
def test_no_number(word: str) -> None:
    assert math.isnan(yaml12.load(word, "it"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'010'", "010"),
        ('"true"', "true"),
        ("! 12", "12"),
        ("!!str 12", "12"),
        ('!!int "012"', 12),
        ("!!float 3", 3.0),
        ("!!bool true", True),
        ("|\n  1e3\n", "1e3\n"),
        ("a: &x 010\nb: *x", {"a": 10, "b": 10}),
        ("%YAML 1.2\n---\na: on", {"a": "on"}),
        ("%YAML 1.1\n---\na: on", {"a": "on"}),
        ("b: &b {x: 1}\nc: {<<: *b, y: 2}", {"b": {"x": 1}, "c": {"x": 1, "y": 2}}),
        ('{\n\t"a": 1,\n\t"b": {\n\t\t"c": [1e3]\n\t}\n}', {"a": 1, "b": {"c": [1000.0]}}),
        ('{"a":1,"b":[true,null,1.5e3]}', {"a": 1, "b": [True, None, 1500.0]}),
    ],
)
def test_quotes_tags_and_the_rest_of_the_language(text: str, value: Any) -> None:
    assert yaml12.load(text, "it") == value


@pytest.mark.parametrize(
    "text",
    [
        "!!int 1:30", "!!bool yes", "!!float abc", "!!python/name:os.system x", "a: 1\na: 2", "a: [",
        "x: *y", '{\n\t"a": NaN}',
        '{\n\t"a": 1,\n\t"a": 2}',
    ],
)  # fmt: skip
def test_what_is_no_value_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        yaml12.load(text, "settings")
    (problem,) = caught.value.problems
    assert problem.field == "settings"
    assert problem.allowed
    assert problem.do


@settings(max_examples=examples(400), deadline=None)
@given(cases)
def test_what_the_versions_read_otherwise_is_told_and_nothing_else(case: tuple[str, Any]) -> None:
    word, value = case
    told = yaml12.differences(f"\nwindow: {word}\n")
    try:
        before = yaml.safe_load(f"window: {word}")["window"]
    except (yaml.YAMLError, ValueError):
        before = math.nan
    alike = type(before) is type(value) and before == value
    assert [(one.line, one.name, one.word) for one in told] == ([] if alike else [(2, "window", word)])


def test_a_difference_says_the_line_and_both_values() -> None:
    text = "window: 010\nlist: [1, yes, 'no']\non: &a 2026-01-31\nagain: *a\n!!str off: !!str 1:30\n"
    assert yaml12.notes(yaml12.differences(text)) == [
        "line 1, window: 010 is 10 (YAML 1.2), which YAML 1.1 reads as 8",
        'line 2: yes is the text "yes" (YAML 1.2), which YAML 1.1 reads as true',
        'line 3: on is the text "on" (YAML 1.2), which YAML 1.1 reads as true',
        'line 3, on: 2026-01-31 is the text "2026-01-31" (YAML 1.2), which YAML 1.1 reads as a date',
    ]
    many = yaml12.notes(yaml12.differences("\n".join(f"- 0{number}" for number in range(10, 60))))
    assert len(many) == 21
    assert many[-1].endswith("more words that YAML 1.1 reads otherwise")


letters = st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp"))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(letters) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(300), deadline=None)
@given(plain)
def test_what_is_written_both_versions_read_alike(value: Any) -> None:
    text = yaml12.dump(value)
    assert yaml12.load(text, "it") == value
    assert yaml.safe_load(text) == value
    assert yaml12.differences(text) == []


@settings(max_examples=examples(300), deadline=None)
@given(cases)
def test_a_word_is_a_text_when_both_versions_say_so(case: tuple[str, Any]) -> None:
    word, value = case
    assert not yaml12.is_text(word) or value == word
    assert yaml12.is_text(word) == (yaml12.dump(word).strip().removesuffix("...").strip() == word)


def test_a_letter_that_json_writes_as_two_is_one_in_yaml_too() -> None:
    for name in ("c.yaml", "c.json"):
        assert (
            parse_config(
                b'{"wait": 1, "who": "\\ud83d\\ude00"}', name, replace(SETTINGS, parameters=None)
            ).values["who"]
            == "\U0001f600"
        )
        with pytest.raises(InvalidInput, match="half of a surrogate pair"):
            parse_config(b'{"who": "\\ud83d"}', name, replace(SETTINGS, parameters=None))


def test_a_configuration_says_what_its_words_are() -> None:
    parsed = parse_config(b"wait: 1e3\nday: 010\n", "c.yaml", replace(SETTINGS, parameters=None))
    assert parsed.values == {"wait": 1000.0, "day": 10}
    assert [note.partition(" is ")[0] for note in parsed.notes] == ["line 1, wait: 1e3", "line 2, day: 010"]
