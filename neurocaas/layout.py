"""Lines of text for a screen: columns, bars, and what fits into a width. Nothing here writes.

What goes to a terminal may be cut at its edge; what goes to a file or a program never is, so that it is the
same whatever the width of a window was.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

from neurocaas.protocol.printable import printable

_BREAK = re.compile(r"[\t\r\n]+")


def cell(text: str) -> str:
    """What others have written, as it may stand in a row of a table."""
    return printable(_BREAK.sub(" ", text), keep="")


def animated(stream: Any) -> bool:
    """Whether something may be drawn again in place: a person sits at a terminal that can. A log of a machine
    (`CI`) and a terminal that knows no cursor (`TERM=dumb`) get lines."""
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb" and not _on_ci()


def coloured(stream: Any) -> bool:
    """Whether words may be coloured (https://no-color.org)."""
    return animated(stream) and not os.environ.get("NO_COLOR")


def _on_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def wide(text: str) -> int:
    """The columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        2 if unicodedata.east_asian_width(one) in "WF" else not unicodedata.combining(one) for one in text
    )


def padded(text: str, width: int) -> str:
    return text + " " * max(0, width - wide(text))


def fitted(text: str, width: int, *, middle: bool = False) -> str:
    """The text in at most `width` columns, cut at its end, or in its `middle`: names differ at both ends."""
    if wide(text) <= width:
        return text
    if width < 1:
        return ""
    tail = _last(text, (width - 1) // 2) if middle else ""
    return f"{_first(text, width - 1 - wide(tail))}…{tail}"


def _first(text: str, width: int) -> str:
    used = 0
    for place, one in enumerate(text):
        used += wide(one)
        if used > width:
            return text[:place]
    return text


def _last(text: str, width: int) -> str:
    return _first(text[::-1], width)[::-1]


def bar(fraction: float, width: int, *, ascii_only: bool = False) -> str:
    """A bar that is full as far as `fraction` (0 to 1) says; it is full only when that is 1."""
    done = int(min(1.0, max(0.0, fraction)) * width)
    full, empty = ("#", "-") if ascii_only else ("█", "░")
    return full * done + empty * (width - done)


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Rows with their cells below each other, two spaces apart; those of the columns `right` end below each
    other. On a terminal a line ends at its edge."""
    widths = [max(map(wide, cells)) for cells in zip(*rows, strict=True)]

    def written(place: int, text: str) -> str:
        return " " * (widths[place] - wide(text)) + text if place in right else padded(text, widths[place])

    lines = ["  ".join(written(place, text) for place, text in enumerate(row)).rstrip() for row in rows]
    if not sys.stdout.isatty():
        return lines
    edge = shutil.get_terminal_size().columns
    return [fitted(line, edge) for line in lines]


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> list[str]:
    """Rows below their headers; the columns named in `right` are numbers. A column in which nothing stands
    is left out; nothing at all where there is no row."""
    if not rows:
        return []
    kept = [place for place in range(len(headers)) if any(row[place] for row in rows)]
    names = [headers[place] for place in kept]
    numbers = [place for place, name in enumerate(names) if name in right]
    return columns([names, *([cell(row[place]) for place in kept] for row in rows)], right=numbers)
