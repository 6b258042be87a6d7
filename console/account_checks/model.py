"""A question to an account, and what is said of it: one line a thing, with a verdict of its own for what
could not be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from console.account_checks.at import At
from console.account_checks.wanted import Wanted


class CheckVerdict(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    WARN = "warn"
    """Something works with a restriction, or costs more than one would think."""
    FAIL = "fail"
    """A deploy or a job would fail: the exit code is 1."""
    UNKNOWN = "unknown"
    """It could not be asked (no right, no such call here), and `got` says why. It is never a success."""


@dataclass(frozen=True)
class AccountAnswer:
    """What was got, what is allowed, and what to do; the last two are empty when all is well."""

    verdict: CheckVerdict
    got: str
    allowed: str = ""
    do: str = ""


@dataclass(frozen=True)
class AccountCheck:
    """An answer with its question."""

    name: str
    looks_at: str
    verdict: CheckVerdict
    got: str
    allowed: str = ""
    do: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self) | {"verdict": self.verdict.value}


@dataclass(frozen=True)
class Question:
    """`looks_at`: in a few words, for people. `rights`: the actions that asking needs, told when they are
    denied. `before_deploy`: whether a deploy asks it as well; those take a second together."""

    name: str
    looks_at: str
    ask: Callable[[At, Wanted], Iterable[AccountAnswer]]
    rights: tuple[str, ...]
    before_deploy: bool = False

    def answered(self, answer: AccountAnswer) -> AccountCheck:
        return AccountCheck(self.name, self.looks_at, answer.verdict, answer.got, answer.allowed, answer.do)


def ok(got: str) -> AccountAnswer:
    return AccountAnswer(CheckVerdict.OK, got)


def warn(got: str, allowed: str, do: str) -> AccountAnswer:
    return AccountAnswer(CheckVerdict.WARN, got, allowed, do)


def fail(got: str, allowed: str, do: str) -> AccountAnswer:
    return AccountAnswer(CheckVerdict.FAIL, got, allowed, do)


def unknown(got: str, do: str, allowed: str = "an answer") -> AccountAnswer:
    return AccountAnswer(CheckVerdict.UNKNOWN, got, allowed, do)
