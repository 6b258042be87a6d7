"""The developer guide's listings, from its text (foreign/guide.md)."""

from __future__ import annotations

import re
from pathlib import Path

GUIDE = Path(__file__).with_name("foreign") / "guide.md"


def listing(section: str) -> str:
    """The code of a section, without its line numbers. (It is Markdown: a `\\_` is printed as `_`.)"""
    text = GUIDE.read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    lines = [
        line for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) for line in block.splitlines() if line
    ]
    numbered = [re.fullmatch(r"(\d+) ?(.*)", line) for line in lines]
    assert all(numbered)
    return "".join(f"{found[2]}\n" for found in numbered if found).replace(r"\_", "_")
