"""The end of a pattern is the end of the text, for configurations and blueprints alike."""

from __future__ import annotations

import pytest

from neurocaas.protocol.pattern import matches
from neurocaas.protocol.schema import check


@pytest.mark.parametrize(
    ("pattern", "text", "does"),
    [
        ("^a$", "a", True),
        ("^a$", "a\n", False),
        ("a", "a\n", True),
        (r"^1\$", "1$", True),
        (r"^1\\$", "1\\", True),
        (r"^1\\$", "1\\\n", False),
    ],
)
def test_the_end_of_a_pattern_is_the_end_of_the_text(pattern: str, text: str, does: bool) -> None:
    assert matches(pattern, text) is does
    assert (check(text, {"pattern": pattern}, "config") == []) is does
