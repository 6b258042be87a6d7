"""`sweep:` in a configuration: one job over many sets of parameters.

A mapping of lists is a product, a list of mappings says each set:

```yaml
sweep: {threshold: [3, 4], rate: [0.5, 1]}
sweep: [{threshold: 3, rate: 0.5}, {threshold: 4}]
```
Each set (a *combination*) together with each dataset is a dataset of the job, with a machine and a plain
configuration of its own, in which nothing of the sweep is left. Results of a combination lie in a folder of
its own, whose name says its parameters (`label`) and can be read back (`parameters_of`).
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote

from neurocaas.protocol.names import bounded
from neurocaas.protocol.problems import Problem, shown

SWEEP = "sweep"
LABEL_BYTES = 100
"""Longest name of a combination's folder; a longer one is cut and ends in a digest of the whole."""

_SAFE = "-_.+ "
_FORM = "a list of values for each name, or a list of mappings, one for each combination"


@dataclass(frozen=True)
class Combination:
    """`parameters` as they were written; `places`: where each of them stands, as problems call it."""

    parameters: Mapping[str, Any]
    places: Mapping[str, str] = field(default_factory=dict)

    def told(self, problem: Problem) -> Problem:
        """A problem of a configuration with these parameters, at the place in the sweep that makes it."""
        for name, place in self.places.items():
            for plain in (f"config {name}", f"config {shown(name)}"):
                rest = problem.field.removeprefix(plain)
                if rest != problem.field and rest[:1] in ("", " ", "["):
                    return replace(problem, field=place + rest)
        return problem


def combinations(
    value: object, limit: int, problems: list[Problem], refused: Mapping[str, str]
) -> list[Combination]:
    """The combinations that a sweep's `value` means, up to `limit` of them; nothing where `problems` gets
    what is wrong with its form. `refused`: names that it may not have, and why."""
    found = list[Combination]()
    before = len(problems)
    if isinstance(value, Mapping) and value:
        found = _product(value, limit, problems)
    elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        if len(value) > limit:
            problems.append(_too_many(len(value), limit))
        found = [
            Combination(dict(one), {name: f"config {SWEEP}[{number}] {name}" for name in one})
            for number, one in enumerate(value[:limit])
        ]
        problems += [
            Problem(f"config {SWEEP}[{number}]", "{}", "at least one parameter", "Name one")
            for number, one in enumerate(value[:limit])
            if not one
        ]
    else:
        got = "nothing" if value in ({}, [], None) else shown(value)
        problems.append(Problem(f"config {SWEEP}", got, _FORM, f"Correct {SWEEP}"))
    for name in dict.fromkeys(name for one in found for name in one.parameters):
        if name in refused:
            problems.append(Problem(f"config {SWEEP} {name}", shown(name), refused[name], "Take it out"))
    return found if len(problems) == before else []


def _product(value: Mapping[str, Any], limit: int, problems: list[Problem]) -> list[Combination]:
    wrong = False
    for name, values in value.items():
        if not isinstance(values, list) or not values:
            wrong = True
            got = "[]" if isinstance(values, list) else shown(values)
            do = f"Write {name}: [{json.dumps(values, ensure_ascii=False)}]" if values != [] else "Give one"
            problems.append(Problem(f"config {SWEEP} {name}", got, "a list of values", do[:200]))
    if wrong:
        return []
    count = math.prod(len(values) for values in value.values())
    if count > limit:
        problems.append(_too_many(count, limit))
        return []
    axes = [[(name, number, one) for number, one in enumerate(values)] for name, values in value.items()]
    return [
        Combination(
            {name: one for name, _, one in point},
            {name: f"config {SWEEP} {name}[{number}]" for name, number, _ in point},
        )
        for point in itertools.product(*axes)
    ]


def _too_many(count: int, limit: int) -> Problem:
    return Problem(
        f"config {SWEEP}",
        f"{count} combinations",
        f"up to {limit} combinations (limits.sweep of the blueprint)",
        "Take fewer values, or split it into several jobs",
    )


def twice(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of the sets of parameters that were there before, with the same values in any order."""
    seen, again = set[str](), list[Mapping[str, Any]]()
    for row in rows:
        text = json.dumps(row, sort_keys=True)
        if text in seen:
            again.append(row)
        seen.add(text)
    return again


def label(parameters: Mapping[str, Any]) -> str:
    """`threshold=3,method=fast`: what a combination's folder is called. Values are JSON, texts without
    quotes where no JSON reads like them; characters that are not safe in every file's name are escaped as in
    URLs. `parameters_of` reads it, unless it was too long and ends in a digest."""
    return bounded(
        ",".join(f"{quote(name, safe=_SAFE)}={quote(_text(one), safe=_SAFE)}" for name, one in
                 parameters.items()),
        LABEL_BYTES,
    )  # fmt: skip


def parameters_of(text: str) -> dict[str, Any]:
    """The parameters that a `label` says. Raises ValueError for another text."""
    found: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{text!r} is not name=value,…")
        plain = unquote(value)
        try:
            found[unquote(name)] = json.loads(plain)
        except ValueError:
            found[unquote(name)] = plain
    return found


def _text(value: Any) -> str:
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
