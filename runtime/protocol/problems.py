"""How a mistake is told to people: what was got, what is allowed, what to do. All mistakes of one document at
once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_SHOWN = 200


@dataclass(frozen=True)
class Problem:
    """One mistake. `field` names the place ("dataname", "config __duration__"); the rest are short
    phrases.
    """

    field: str
    got: str
    allowed: str
    do: str

    def text(self) -> str:
        """One line: `{field}: got {got}. Allowed: {allowed}. {do}.`"""
        return f"{self.field}: got {_stop(self.got)} Allowed: {_stop(self.allowed)} {_stop(self.do)}"

    def to_dict(self) -> dict[str, str]:
        return {"field": self.field, "got": self.got, "allowed": self.allowed, "do": self.do}


class InvalidInput(Exception):
    """A document of a user was refused; `problems` has every reason found (at least one)."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(problem.text() for problem in self.problems))


def shown(value: object) -> str:
    """A user's value as it may be printed in one line: quoted, control characters escaped, cut at 200
    characters.
    """
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _stop(phrase: str) -> str:
    return phrase if phrase.endswith((".", "…", "!", "?")) else phrase + "."
