"""A mistake in a file: a `Problem` that also knows which rule it breaks, and its file, line and path."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from neurocaas.protocol.problems import Problem

Path = tuple[str | int, ...]
"""Where a value stands in a document: keys and list indices from the top."""


@dataclass(frozen=True)
class BlueprintFinding(Problem):
    """One mistake. `rule` is a name that does not change ("schema.type", "script.missing"), for programs and
    for looking it up.

    `line` is 1-based, None where the file has no such line (a missing file, a value of the stack's config).
    """

    rule: str = ""
    source: str = ""
    line: int | None = None
    path: Path = ()

    def to_dict(self) -> dict[str, Any]:
        place = {"rule": self.rule, "file": self.source, "line": self.line, "path": dotted(self.path)}
        return {**place, "got": self.got, "allowed": self.allowed, "do": self.do}


def finding(
    source: str, line: int | None, path: Path, rule: str, got: str, allowed: str, do: str
) -> BlueprintFinding:
    """The mistake at a place; its `field` is written `file:line: dotted.path`."""
    start = f"{source}:{line}" if source and line else source
    field = f"{start}: {dotted(path)}" if start and path else start or dotted(path)
    return BlueprintFinding(field, got, allowed, do, rule, source, line, path)


def meant(got: object, known: Iterable[str], otherwise: str, alike: float = 0.6) -> str:
    """What to do about a word that is not known: the nearest of those that are `alike` (0 to 1), else
    `otherwise`.
    """
    names = sorted(known)
    near = difflib.get_close_matches(got, names, 1, alike) if isinstance(got, str) else []
    if isinstance(got, str) and not near:  # "instance_type" for "type", "production" for "prod"
        near = sorted(
            (name for name in names if min(len(name), len(got)) > 3 and (name in got or got in name)),
            key=len,
            reverse=True,
        )
    return f"Did you mean {near[0]!r}?" if near else otherwise


def some(names: Iterable[str]) -> str:
    """Names in a sentence: the first dozen, and how many more there are."""
    every = sorted(names)
    more = f", and {len(every) - 12} others" if len(every) > 12 else ""
    return ", ".join(every[:12]) + more or "none"


def dotted(path: Path) -> str:
    """`groups[1]`, `image.amis`: a path as people write it, with control characters escaped."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
