"""Text for a terminal: lines that fit its width, and 80 columns when the output goes elsewhere."""

import shutil
import sys
import textwrap

MARGIN = 12
_LEAST, _MOST = 60, 120


def width() -> int:
    """Columns to write in."""
    columns = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80
    return max(_LEAST, min(_MOST, columns))


def labelled(label: str, text: str, margin: int = MARGIN) -> str:
    """`label`, and `text` beside it in a column of its own, wrapped. Words that are too long for a line stay
    whole, to be copied.
    """
    start = f"  {label}".ljust(margin)
    if not start.endswith(" "):
        start += " "
    wrapper = textwrap.TextWrapper(
        width(), start, " " * margin, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(wrapper.wrap(" ".join(text.split()))) or start.rstrip()


def fitted(text: str) -> str:
    """Text of several lines with the long ones wrapped, each a little further in than it begins."""

    def wrapped(line: str) -> str:
        begin = " " * (len(line) - len(line.lstrip()))
        wrapper = textwrap.TextWrapper(
            width(), begin, f"{begin}  ", break_long_words=False, break_on_hyphens=False
        )
        return wrapper.fill(line.strip()) if len(line) > width() else line

    return "\n".join(map(wrapped, text.split("\n")))
