"""How a mistake is told to people: what was got, what is allowed, what to do. All mistakes of one document at
once.

`UserFacingError` is the base of every exception of ours that is a message for a person. A command that meets
one prints its `told` without a traceback, and ends with its `exit_code`; the console knows it by that
attribute, so that a package that may not import this one says the same by having it.
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
        return f"{_stop(self.place())} Allowed: {_stop(self.allowed)} {_stop(self.do)}"

    def place(self) -> str:
        """Where it is, and what was got there."""
        return f"{self.field}: got {self.got}"

    def to_dict(self) -> dict[str, str]:
        return {"field": self.field, "got": self.got, "allowed": self.allowed, "do": self.do}


class UserFacingError(Exception):
    """A mistake that a person can put right, in three parts: what was got, what is allowed, what to do."""

    exit_code = 1

    def __init__(self, got: str, allowed: str, do: str) -> None:
        super().__init__(three_parts(got, allowed, do))
        self.got, self.allowed, self.do = got, allowed, do

    @property
    def told(self) -> str:
        """The message, each part on a line of its own."""
        return str(self)


class InvalidInput(UserFacingError):
    """A document of a user was refused; `problems` has every reason found (at least one). Its text has a line
    for each; `got`, `allowed` and `do` are of the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        first = self.problems[0]
        super().__init__(first.place(), first.allowed, first.do)

    def __str__(self) -> str:
        return "\n".join(problem.text() for problem in self.problems)

    @property
    def told(self) -> str:
        """The message, each part of each problem on a line of its own."""
        return "\n".join(three_parts(one.place(), one.allowed, one.do) for one in self.problems)


def three_parts(got: str, allowed: str, do: str) -> str:
    """A message for a person. A part is "" where `got` says it already, or there is nothing to choose."""
    parts = (("allowed", allowed), ("do", do))
    return "\n".join([got, *(f"  {name}: {text}" for name, text in parts if text)])


def shown(value: object) -> str:
    """A user's value as it may be printed in one line: quoted, control characters escaped, cut at 200
    characters.
    """
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _stop(phrase: str) -> str:
    return phrase if phrase.endswith((".", "…", "!", "?")) else phrase + "."
