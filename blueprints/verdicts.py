"""What an import says about each field of a file of the first implementation. Nothing of such a file is
passed over in silence.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from blueprints.finding import Path, dotted
from blueprints.old_command import OldCommand
from neurocaas.protocol.problems import shown


def as_json(value: object) -> str:
    """A value of a JSON file as it may be printed in one line, called as JSON calls it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else shown(value)


class Status(StrEnum):
    """What became of a field."""

    MAPPED = "mapped"
    """Its meaning is in the new blueprint."""
    DEFAULTED = "defaulted"
    """It was not there; the new blueprint has the value that the first implementation, or this one, takes
    then.
    """
    DROPPED = "dropped"
    """Nothing in the new blueprint says it; `why` tells what takes its place, or that nothing ever read
    it.
    """
    UNKNOWN = "unknown"
    """No version of the format has it."""
    DECIDE = "decide"
    """It is imported, but not as it was: whether what stands there now is right, only a person can say."""
    IMPOSSIBLE = "impossible"
    """Its value cannot mean anything here."""

    @property
    def stops(self) -> bool:
        """Whether the import of a single file needs a decision before it writes anything."""
        return self in (Status.UNKNOWN, Status.IMPOSSIBLE)

    @property
    def asks(self) -> bool:
        """Whether a person has to decide something, before or after the import."""
        return self.stops or self is Status.DECIDE


@dataclass(frozen=True)
class FieldVerdict:
    """One field: `path` in the old file, `got` its value, `to` the field of the new blueprint; `allowed` and
    `do` when it asks.
    """

    path: str
    status: Status
    got: str
    why: str
    to: str = ""
    allowed: str = ""
    do: str = ""

    def to_dict(self) -> dict[str, str]:
        every = {
            "path": self.path,
            "status": self.status.value,
            "got": self.got,
            "to": self.to,
            "why": self.why,
        }
        return every | ({"allowed": self.allowed, "do": self.do} if self.status.asks else {})


@dataclass
class Draft:
    """An import under way: the new blueprint's `data`, what is known of people, and a verdict for each field
    seen.

    `names`: what each group is called here. `command`: what COMMAND said, as it was (`command_text`), in the
    folder `directory`."""

    data: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    stage: str = "webdev"
    command: OldCommand = field(default_factory=OldCommand)
    command_text: str = ""
    directory: str = ""
    verdicts: list[FieldVerdict] = field(default_factory=list)

    def mapped(self, path: Path, value: object, to: str, why: str = "") -> None:
        self.verdicts.append(FieldVerdict(dotted(path), Status.MAPPED, as_json(value), why, to))

    def defaulted(self, path: Path, to: str, why: str) -> None:
        self.verdicts.append(FieldVerdict(dotted(path), Status.DEFAULTED, "nothing", why, to))

    def dropped(self, path: Path, value: object, why: str) -> None:
        self.verdicts.append(FieldVerdict(dotted(path), Status.DROPPED, as_json(value), why))

    def unknown(self, path: Path, value: object, known: Iterable[str], near: str | None) -> None:
        do = (
            f"Did you mean {near!r}? Correct it, remove it, or import --anyway"
            if near
            else "Remove it, or import --anyway"
        )
        why = "no version of the format has it"
        self.verdicts.append(
            FieldVerdict(dotted(path), Status.UNKNOWN, as_json(value), why, allowed=", ".join(known), do=do)
        )

    def impossible(self, path: Path, got: str, allowed: str, do: str, why: str = "") -> None:
        self.verdicts.append(FieldVerdict(dotted(path), Status.IMPOSSIBLE, got, why, allowed=allowed, do=do))

    def decide(self, path: Path, value: object, to: str, why: str, allowed: str, do: str) -> None:
        self.verdicts.append(FieldVerdict(dotted(path), Status.DECIDE, as_json(value), why, to, allowed, do))

    def set(self, to: str, value: object) -> None:
        """Put a value at `to` ("instance.type") of the new blueprint."""
        *above, last = to.split(".")
        place = self.data
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value

    @property
    def stops(self) -> list[FieldVerdict]:
        return [verdict for verdict in self.verdicts if verdict.status.stops]

    def counts(self) -> dict[str, int]:
        found = Counter(verdict.status for verdict in self.verdicts)
        return {status.value: found[status] for status in Status}


def duplicate_keys(text: str) -> tuple[Any, list[str]]:
    """The JSON value of `text`, and the keys that an object in it has twice (the last one counts). Raises
    ValueError.
    """
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        counted = Counter(key for key, _ in items)
        twice.extend(key for key, number in counted.items() if number > 1)
        return dict(items)

    return json.loads(text, object_pairs_hook=pairs), twice
