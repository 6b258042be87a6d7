"""Text of others as it may go to a terminal or into a line: nothing in it is obeyed.

What machines, scripts and names in a bucket say may have sequences that move the cursor, set the window's
title, or turn the direction of what follows (Unicode Technical Report 36, "Bidirectional text spoofing").
"""

from __future__ import annotations

import json
import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""What scripts colour their output with (ECMA-48, "SGR"): harmless, and of no use where it is not obeyed."""

_OBEYED = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Controls, separators of lines and paragraphs, marks of direction, halves of surrogate pairs."""


def printable(text: str, keep: str = "\n\t") -> str:
    """The text with what a terminal would obey written out (`\\x1b`), but for colours, which go, and the
    characters in `keep`.
    """
    return _OBEYED.sub(
        lambda found: found[0] if found[0] in keep else _written(found[0]), _COLOURS.sub("", text)
    )


def one_line(text: str, limit: int | None = None) -> str:
    """The text in one line: white space is a space, what a terminal would obey goes; cut at `limit`
    characters.
    """
    flat = " ".join(_OBEYED.sub("", " ".join(_COLOURS.sub("", text).split())).split())
    return flat if limit is None or len(flat) <= limit else flat[: limit - 1] + "…"


def printable_json(text: str) -> str:
    """A JSON text in which such characters are escapes. They can stand in its strings only; line breaks are
    its layout.
    """
    return _OBEYED.sub(lambda found: found[0] if found[0] in "\n\t" else json.dumps(found[0])[1:-1], text)


def _written(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
