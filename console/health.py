"""What `invoke doctor` says: one line a check, and one that tells what to do where something is missing."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class CheckState(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    """Something is missing that can be done without, or that only some tasks need."""
    BAD = "BAD"
    """Without this nothing works: the exit code is 1."""


@dataclass(frozen=True)
class Check:
    """`found` is one line of what is there; `fix` one of what to do, "" when all is well; `allowed` what
    would do, where that is told.
    """

    name: str
    state: CheckState
    found: str
    fix: str = ""
    allowed: str = ""

    def to_dict(self) -> dict[str, str]:
        return {"name": self.name, "state": self.state.value, "found": self.found, "fix": self.fix}


def good(name: str, found: str) -> Check:
    return Check(name, CheckState.OK, found)


def note(name: str, found: str, fix: str, allowed: str = "") -> Check:
    return Check(name, CheckState.NOTE, found, fix, allowed)


def bad(name: str, found: str, fix: str, allowed: str = "") -> Check:
    return Check(name, CheckState.BAD, found, fix, allowed)


@dataclass(frozen=True)
class Surroundings:
    """Where a check looks: the project's folder, the user's home and the environment of the command."""

    root: Path
    home: Path
    environ: Mapping[str, str]

    @classmethod
    def here(cls, root: Path) -> "Surroundings":
        from localcloud.cache import user_home

        return cls(root, user_home(), dict(os.environ))


Checks = Iterable[Callable[[Surroundings], Check]]


def asked(check: Callable[[Surroundings], Check], around: Surroundings) -> Check:
    """What a check says. One that fails is a finding as well: something is in a state that nobody has thought
    of.
    """
    return next(all_asked(check.__name__, (one(around) for one in (check,))))


def all_asked(name: str, checks: Iterable[Check]) -> Iterator[Check]:
    """The same for checks that build on each other: those before the one that fails are told."""
    try:
        yield from checks
    except Exception as error:  # noqa: BLE001  (what it is, is the finding)
        said = " ".join(str(error).split()) or "no reason is given"
        yield bad(name, f"cannot be checked: {type(error).__name__}: {said}", "git status; make setup")


def text(checks: Iterable[Check]) -> str:
    """The report for people."""
    from console.layout import labelled

    lines = []
    for check in checks:
        lines.append(labelled(f"{check.state:<5} {check.name}", check.found, 24).removeprefix("  "))
        if check.fix:
            lines.append(labelled("", f"-> {check.fix}", 24))
    return "\n".join(lines)
