"""Patterns of known errors: found as Python's `re` finds them, in time that does not depend on what a line
says."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.protocol.line_pattern import LinePattern, PatternError, Steps

ATOMS = st.sampled_from(["a", "b", "1", " ", ".", r"\d", r"\w", r"\S", "[ab]", "[^a1]", "[a-c-]", r"\.", "é"])


def _more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?"])).map(
            lambda two: f"({two[0]}){two[1]}"
        ),
    )


PATTERNS = st.tuples(
    st.sampled_from(["", "^", "(?i)"]), st.recursive(ATOMS, _more, max_leaves=8), st.sampled_from(["", "$"])
).map("".join)


@settings(max_examples=examples(400), deadline=None)
@given(PATTERNS, st.lists(st.text("abcAB1 .-é", max_size=12), max_size=5))
def test_what_is_found_is_what_python_finds(pattern: str, lines: list[str]) -> None:
    wanted = re.compile(pattern)
    assume(not wanted.search(""))
    made = LinePattern(pattern)
    for line in lines:
        assert made.found(line) == bool(wanted.search(line)), line


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*a){20}", "(x+x+)+y", "(a|b)*a(a|b){40}c"])
def test_what_takes_python_for_ever_takes_a_line_s_length(pattern: str) -> None:
    steps = Steps()
    LinePattern(pattern).found(("ab" * 250)[:500].replace("b", "a") + "!", steps)
    assert steps.left >= 3_000_000 - 500 * 450


def test_what_is_too_much_is_not_looked_at() -> None:
    assert not LinePattern("b").found("a" * 100 + "b", Steps(50))
    assert LinePattern("b").found("a" * 10 + "b", Steps(50))


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", "fits every line"),
        ("a*", "fits every line"),
        ("^$", "fits every line"),
        ("(a", "not closed"),
        ("a)", "closes nothing"),
        ("[a", "not closed"),
        ("*a", "repeats nothing"),
        ("a**", "repeated already"),
        ("^*a", "cannot be repeated"),
        ("a{x}", "begins no"),
        ("a{5,2}", "smaller number first"),
        ("a{101}", "up to 100"),
        (r"(a)\1", "there is no \\\\1"),
        (r"\bword", "there is no \\\\b"),
        ("(?=a)b", "of groups there are"),
        ("[z-a]", "goes backwards"),
        ("a" * 201, "at most 200"),
        ("(abcde){90}", "more than 400 parts"),
        ("a\\", "there is no"),
    ],
)
def test_what_is_wrong_with_a_pattern_is_said(pattern: str, says: str) -> None:
    with pytest.raises(PatternError, match=says):
        LinePattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("CUDA out of memory", "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB"),
        (r"^ValueError: .* b-values", "ValueError: got 12 b-values"),
        (r"(?i)no gradient file|bvec.*missing", "error: BVEC is Missing"),
        (r"\[Errno 28\]", "OSError: [Errno 28] No space left on device"),
        (r"exit code [0-9]{1,3}$", "the tool ended with exit code 137"),
    ],
)
def test_patterns_as_people_write_them(pattern: str, line: str) -> None:
    assert LinePattern(pattern).found(line)
    assert not LinePattern(pattern).found("all is well")
