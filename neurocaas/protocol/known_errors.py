"""Which of an author's known failures a script's last lines show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache

from neurocaas.protocol.line_pattern import LinePattern, PatternError, Steps
from neurocaas.protocol.runs import NamedError
from neurocaas.protocol.status import LINE_CHARS


def first_found(errors: Sequence[NamedError], lines: Iterable[str]) -> NamedError | None:
    """The first of `errors` that is found in one of the lines. The lines are cut as those of a status are,
    and all of it together has a limit (`line_pattern.Steps`): whoever looks does so for all groups."""
    known, steps = [line[:LINE_CHARS] for line in lines if line], Steps()
    for one in errors:
        with suppress(PatternError):  # a newer blueprint's: its check is not ours
            pattern = _read(one.match)
            if any(pattern.found(line, steps) for line in known):
                return one
    return None


@lru_cache(maxsize=256)
def _read(pattern: str) -> LinePattern:
    return LinePattern(pattern)
