"""Patterns of schemas, as JSON Schema means them."""

from __future__ import annotations

import re

_END = re.compile(r"(?<!\\)((?:\\\\)*)\$\Z")
"""A `$` at the end of a pattern that is no character of it."""


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` is found in `text`. `$` at its end is the end of the text; Python's also stands
    before a last line break.
    """
    return re.search(_END.sub(r"\1\\Z", pattern), text) is not None
