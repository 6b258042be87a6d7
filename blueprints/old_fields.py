"""How fields of a file of the first implementation are read: a table of fields, and a verdict for each, known
or not.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from blueprints.finding import Path
from blueprints.verdicts import Draft, as_json

DEAD = "nothing in the first implementation reads it"


@dataclass(frozen=True)
class ImportContext:
    """`types`: instance types on offer, with their prices if it is a mapping. `name`: what the analysis is to
    be called; `otherwise`: when its own name cannot be used; `taken`: names of others. `group`: of the
    affiliate that is being read."""

    types: Collection[str] = ()
    name: str | None = None
    otherwise: str | None = None
    taken: Collection[str] = ()
    group: str | None = None


Use = Callable[[Draft, Path, Any, ImportContext], None]


@dataclass(frozen=True)
class Field:
    """How a field is read: the type it must have, what is done with it, and what its absence means (None:
    nothing).
    """

    kind: str
    use: Use
    absent: tuple[str, str] | None = None
    """Where the default goes, and which it is."""
    required: bool = False


def is_kind(value: object, kind: str) -> bool:
    """`kind`: text, flag, number, amount (a number, also as text), texts, object or list."""
    match kind:
        case "text":
            return isinstance(value, str)
        case "flag":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int) and not isinstance(value, bool)
        case "amount":
            return isinstance(value, (int, float, str)) and not isinstance(value, bool)
        case "texts":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "object":
            return isinstance(value, Mapping)
        case _:
            return isinstance(value, list)


KINDS = {
    "text": "a text", "flag": "true or false", "number": "a whole number",
    "amount": "a number of US dollars", "texts": "a list of texts",
    "object": "an object", "list": "a list",
}  # fmt: skip


def drop(why: str) -> Use:
    def use(draft: Draft, path: Path, value: Any, context: ImportContext) -> None:
        draft.dropped(path, value, why)

    return use


def apply(
    draft: Draft,
    fields: Mapping[str, Field],
    given: Mapping[str, Any],
    above: Path,
    context: ImportContext,
    also: Collection[str] = (),
) -> None:
    """A verdict for each field of an object: those in the table, those that are missing, and those that
    nobody knows.

    `also`: fields that are read elsewhere."""
    for key, value in given.items():
        path = (*above, key)
        rule = fields.get(key)
        if rule is None:
            if key not in also:
                known = sorted({*fields, *also})
                draft.unknown(path, value, known, next(iter(difflib.get_close_matches(key, known, 1)), None))
        elif rule.kind == "flag" and isinstance(value, str) and value.strip().lower() in ("true", "false"):
            rule.use(draft, path, value.strip().lower() == "true", context)
        elif rule.kind != "any" and not is_kind(value, rule.kind):
            draft.impossible(
                path, as_json(value), KINDS[rule.kind], "Correct it, or import --anyway to leave it out"
            )
        else:
            rule.use(draft, path, value, context)
    for key, rule in fields.items():
        if key in given or rule.absent is None:
            continue
        path, (to, default) = (*above, key), rule.absent
        if rule.required:
            draft.impossible(
                path, "nothing", KINDS[rule.kind], f"Add it, or import --anyway with the default ({default})"
            )
        else:
            draft.defaulted(path, to, default)
