"""Lines of text for a screen: columns, bars, and what fits into a width. Nothing here writes.

What goes to a terminal may be cut at its edge; what goes to a file or a program never is, so that it is the
same whatever the width of a window was.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Any

from neurocaas.protocol.printable import printable

_BREAK = re.compile(r"[\t\r\n]+")
_LAST = 16
"""The last column of a table, a sentence mostly, is worth these columns at least."""


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


def alike(names: Sequence[str], width: int) -> list[str]:
    """Names in at most `width` columns. Those of one kind, which begin and end alike, lose that first: what
    tells them apart stays."""
    if len(names) < 2 or max(map(wide, names)) <= width:
        return [fitted(name, width, middle=True) for name in names]
    tail = os.path.commonprefix([name[::-1] for name in names])  # noqa: RUF071  (characters are meant)
    short = [f"{name[: len(name) - len(tail)]}…" if len(tail) > 1 else name for name in names]
    if max(map(wide, short)) > width:
        head = os.path.commonprefix(list(names)).rstrip("0123456789")  # noqa: RUF071
        short = [f"…{name[len(head) :]}" if len(head) > 1 else name for name in short]
    return [fitted(name, width) for name in short]


def bar(fraction: float, width: int, *, ascii_only: bool = False) -> str:
    """A bar that is full as far as `fraction` (0 to 1) says; it is full only when that is 1."""
    done = int(min(1.0, max(0.0, fraction)) * width)
    full, empty = ("#", "-") if ascii_only else ("█", "░")
    return full * done + empty * (width - done)


def edge(stream: Any = None) -> int | None:
    """Where lines end on the terminal that `stream` (by default standard output) is; else None."""
    return shutil.get_terminal_size().columns if (stream or sys.stdout).isatty() else None


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Rows with their cells below each other, two spaces apart; those of the columns `right` end below each
    other. On a terminal a line ends at its edge."""
    lines = _laid_out(rows, right)
    end = edge()
    return lines if end is None else [fitted(line, end) for line in lines]


def _laid_out(rows: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    widths = [max(map(wide, cells)) for cells in zip(*rows, strict=True)]

    def written(place: int, text: str) -> str:
        return " " * (widths[place] - wide(text)) + text if place in right else padded(text, widths[place])

    return ["  ".join(written(place, text) for place, text in enumerate(row)).rstrip() for row in rows]


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    less: Sequence[str] = (),
) -> list[str]:
    """Rows below their headers; the columns named in `right` are numbers. A column in which nothing stands
    is left out; on a terminal that is too narrow, so are those in `less`, one after the other, and what is
    left of the last column is cut. Nothing at all where there is no row."""
    if not rows:
        return []
    clean = [[cell(text) for text in row] for row in rows]
    kept = [place for place in range(len(headers)) if any(row[place] for row in clean)]
    end = edge()
    for name in ("", *less):
        kept = [place for place in kept if headers[place] != name]
        numbers = [number for number, place in enumerate(kept) if headers[place] in right]
        lines = _laid_out([[row[place] for place in kept] for row in (headers, *clean)], numbers)
        if end is None or max(map(wide, lines)) <= end:
            return lines
        before = _laid_out([[row[place] for place in kept[:-1]] for row in (headers, *clean)], numbers)
        if kept[-1] == len(headers) - 1 and max(map(wide, before)) + 2 + _LAST <= end:
            break
    return [fitted(line, end or 0) for line in lines]


def wrapped(text: str, width: int | None) -> str:
    """Sentences for a terminal: lines end between words, and what goes on is below the line's own text. None:
    as it is."""
    if width is None:
        return text
    return "\n".join(
        line
        if wide(line) <= width
        else textwrap.fill(
            line.strip(),
            max(20, width),
            initial_indent=" " * (len(line) - len(line.lstrip())),
            subsequent_indent=" " * (len(line) - len(line.lstrip()) + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )


def as_told(text: str, stream: Any) -> str:
    """A message for a person on `stream`: lines of a terminal end between words, the word error is red."""
    told = wrapped(printable(text), edge(stream))
    return re.sub(r"(?m)^error:", "\x1b[1;31merror:\x1b[0m", told) if coloured(stream) else told


def heading(text: str, stream: Any) -> str:
    """A line that begins a part, bold where words may be coloured."""
    return f"\x1b[1m{text}\x1b[0m" if coloured(stream) else text
