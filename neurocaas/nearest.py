"""The name that may have been meant by one that there is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

ALIKE = 0.6
"""How alike two names are at least (`difflib`)."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is most likely a slip of; None when none is alike. Case, and whether words
    are joined by '-' or '_', do not count."""
    plain = {_letters(one): one for one in known}
    near = difflib.get_close_matches(_letters(name), plain, 1, ALIKE)
    return plain[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str, at: Path | None = None) -> str:
    """What to do about a wrong name; `otherwise` when no known one is alike. `at`: the folder in which they
    are."""
    near = nearest(name, known)
    if near is None:
        return otherwise
    return f"did you mean {str(near if at is None else at / near)!r}?"


def _letters(name: str) -> str:
    return name.replace("-", "_").lower()
