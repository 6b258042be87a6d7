"""What the real provider would refuse before it calls AWS: all problems at once, each with the path of its
property.

Problems are (path, reason); a reason says what was got, what is allowed, what to do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from localcloud.pulumi.provider import traits
from localcloud.pulumi.provider.codec import Archive, Asset, Unknown
from localcloud.pulumi.provider.coerce import coerce_all
from localcloud.pulumi.provider.model import Properties, ResourceType
from localcloud.pulumi.provider.sdk import load


@dataclass(frozen=True)
class Problem:
    """One refused property."""

    path: str
    reason: str


def check(kind: ResourceType, inputs: Properties) -> list[Problem]:
    """Every problem with `inputs` for `kind`. Unknown values (previews) are taken to be good."""
    schema = kind.schema
    given = {key: value for key, value in inputs.items() if not key.startswith("__")}
    problems = list(_object(given, schema.inputs, schema.required, "", kind.token))
    problems += [
        Problem(name, _unsupported(name, value, kind))
        for name, value in sorted(given.items())
        if name in schema.inputs and name not in kind.inputs and value != kind.defaults.get(name)
    ]
    for group in kind.conflicts:
        present = [name for name in group if _is_given(given.get(name))]
        if len(present) > 1:
            allowed = f"at most one of {', '.join(group)} is allowed"
            problems.append(
                Problem(present[1], f"got {' and '.join(present)} together; {allowed}; remove the others")
            )
    problems += [
        Problem(group[0], f"got none of {', '.join(group)}; one of them is needed; add it")
        for group in kind.one_of
        if not any(_is_given(given.get(name)) for name in group)
    ]
    refused = {re.split(r"[.\[]", problem.path)[0] for problem in problems}
    # rules may rely on the types being right
    sound = {key: value for key, value in given.items() if key not in refused}
    typed = coerce_all(kind, sound)
    problems.extend(_rules(kind, typed))
    told = {problem.path for problem in problems}
    problems.extend(
        Problem(path, reason) for path, reason in traits.problems(kind.handler, typed) if path not in told
    )
    if kind.relation is not None:
        problems.extend(Problem(path, reason) for path, reason in kind.relation(typed) if path not in refused)
    return problems


def _unsupported(name: str, value: Any, kind: ResourceType) -> str:
    return (
        f"got {_show(value)}; the local AWS provider does not implement {name} of {kind.token}, it knows: "
        f"{', '.join(sorted(kind.inputs))}; leave it out locally"
    )


def _is_given(value: Any) -> bool:
    return isinstance(value, Unknown) or value not in (None, "", [])


def _object(
    value: Properties, known: dict[str, str], required: frozenset[str], path: str, owner: str
) -> Iterator[Problem]:
    for name in sorted(required - {key for key, item in value.items() if item is not None}):
        yield Problem(
            _join(path, name), f"got nothing; {owner} needs {name} ({_describe(known[name])}); add it"
        )
    for name, item in value.items():
        if name not in known:
            yield Problem(_join(path, name), _unknown_argument(name, known, owner))
        else:
            yield from _value(item, known[name], _join(path, name))


def _unknown_argument(name: str, known: Iterable[str], owner: str) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    advice = f"did you mean {close[0]}?" if close else "remove it"
    return f"got the unknown argument {name}; {owner} knows: {', '.join(sorted(known))}; {advice}"


_SCALAR_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int, float),
    "number": (int, float),
}


def _value(value: Any, kind: str, path: str) -> Iterator[Problem]:
    if value is None or isinstance(value, Unknown) or kind == "any":
        return
    if kind.startswith("#"):
        schema = load().objects[kind[1:]]
        if isinstance(value, dict):
            yield from _object(value, schema.properties, schema.required, path, path)
            return
    elif kind.startswith("["):
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _value(item, kind[1:-1], f"{path}[{index}]")
            return
    elif kind.startswith("{"):
        if isinstance(value, dict):
            for key, item in value.items():
                yield from _value(item, kind[1:-1], _join(path, key))
            return
    elif any(_is_scalar(value, choice) for choice in kind.split("|")):
        return
    yield Problem(path, f"got {_show(value)}; {_describe(kind)} is needed; change the value")


def _is_scalar(value: Any, kind: str) -> bool:
    if kind == "asset":
        return isinstance(value, Asset)
    if kind == "archive":
        return isinstance(value, Archive)
    if kind == "document":
        return isinstance(value, (str, dict))
    if kind == "string" and isinstance(value, (bool, int, float)):
        return True  # the real provider turns these into texts
    if isinstance(value, str) and kind in ("boolean", "integer", "number"):
        return _reads_as(value, kind)
    return isinstance(value, _SCALAR_TYPES.get(kind, (object,))) and not (
        isinstance(value, bool) and kind in ("integer", "number")
    )


def _reads_as(text: str, kind: str) -> bool:
    """The real provider reads texts as numbers and booleans where these are wanted."""
    if kind == "boolean":
        return text in ("true", "false")
    try:
        float(text)
    except ValueError:
        return False
    return True


def _describe(kind: str) -> str:
    if kind.startswith("#"):
        return "an object"
    if kind.startswith("["):
        return "a list"
    if kind.startswith("{"):
        return "a map"
    return _WORDS.get(kind, f"a {kind}")


_WORDS = {
    "asset": "an asset",
    "archive": "an archive",
    "archive|asset": "an asset or an archive",
    "integer": "an integer",
    "document": "a JSON text (or the same as an object)",
}


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _rules(kind: ResourceType, inputs: Properties) -> Iterator[Problem]:
    for pattern, rules in kind.rules.items():
        for path, value in _walk(inputs, pattern):
            if value is None or isinstance(value, Unknown):
                continue
            for rule in rules:
                reason = rule(value)
                if reason:
                    yield Problem(path, reason)
                    break


def _walk(value: Any, pattern: str, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values at `pattern` (`rules[].status`) with their real paths (`rules[0].status`)."""
    head, _, rest = pattern.partition(".")
    name, is_list = head.removesuffix("[]"), head.endswith("[]")
    if not isinstance(value, dict) or value.get(name) is None:
        return
    here = _join(path, name)
    found: list[tuple[str, Any]] = [(here, value[name])]
    if is_list:
        found = (
            [(f"{here}[{index}]", item) for index, item in enumerate(value[name])]
            if isinstance(value[name], list)
            else []
        )
    for place, item in found:
        if rest:
            yield from _walk(item, rest, place)
        else:
            yield place, item
