"""What notebooks show in place of a plain `repr`: small tables in HTML, in which whatever others have named
or printed is text and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from neurocaas.layout import cell

_COLOURS = {
    "INITIALIZING": "#9a6700",
    "IN PROGRESS": "#0969da",
    "SUCCESS": "#1a7f37",
    "FAILED": "#cf222e",
    "SUBMITTED": "#9a6700",
    "WAITING": "#9a6700",
    "RUNNING": "#0969da",
    "DONE": "#1a7f37",
    "REJECTED": "#cf222e",
}


@dataclass(frozen=True)
class StateCell:
    """A word for how something is, in its colour."""

    word: str


@dataclass(frozen=True)
class ShareCell:
    """How far something is, 0 to 1, as a bar."""

    share: float


Cell = str | int | float | None | StateCell | ShareCell


def text(value: object) -> str:
    """Any text as HTML that shows it and obeys nothing of it."""
    return escape(cell(str(value)), quote=True)


def table(headers: Sequence[str], rows: Sequence[Sequence[Cell]], title: str = "", note: str = "") -> str:
    """A table with headers, below its `title`, and above a `note`; without rows no table."""
    parts = [f"<div><b>{text(title)}</b></div>"] if title else []
    if rows:
        head = "".join(f'<th style="text-align: left">{text(name)}</th>' for name in headers)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    if note:
        parts.append(f"<div>{text(note)}</div>")
    return "".join(parts)


def facts(rows: Sequence[tuple[str, Cell]], title: str = "", note: str = "") -> str:
    """A table of names and values."""
    body = "".join(f'<tr><th style="text-align: left">{text(name)}</th>{_cell(value)}</tr>'
                   for name, value in rows)  # fmt: skip
    head = f"<div><b>{text(title)}</b></div>" if title else ""
    tail = f"<div>{text(note)}</div>" if note else ""
    return f"{head}<table><tbody>{body}</tbody></table>{tail}"


def lines_as_html(lines: Sequence[str], title: str) -> str:
    """Lines such as `cost: $0.01` as a table of names and values; one without a name has an empty cell."""
    rows = [(name, value) if colon else ("", name)
            for name, colon, value in (line.partition(": ") for line in lines)]  # fmt: skip
    return facts(rows, title)


def _cell(value: Cell) -> str:
    if isinstance(value, StateCell):
        colour = _COLOURS.get(value.word)
        shown = f'<span style="color: {colour}">{text(value.word)}</span>' if colour else text(value.word)
    elif isinstance(value, ShareCell):
        share = min(1.0, max(0.0, value.share))
        shown = f'<progress value="{share:.3f}" max="1"></progress>'
    else:
        shown = "" if value is None else text(value)
    return f'<td style="text-align: left">{shown}</td>'
