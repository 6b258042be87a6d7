"""The grammar of conditions: a step's `if`, and what Assert asserts (user guide, "Comparison operators",
"Logical operators").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from awstoe.reading import Mistake, fields_of, line_of, text_of

MAXIMUM_DEPTH = 4
"""How deep and, or, not may be nested."""
_ALONE = frozenset(["stringIsEmpty", "stringIsWhitespace", "binaryExists", "fileExists", "folderExists"])
_WITH_VALUE = """
stringEquals stringLessThan stringLessThanEquals stringGreaterThan stringGreaterThanEquals patternMatches
numberEquals numberLessThan numberLessThanEquals numberGreaterThan numberGreaterThanEquals
"""
_WITH_PATH = "fileMD5Equals fileSHA1Equals fileSHA256Equals fileSHA512Equals"
BESIDE = dict.fromkeys(_WITH_VALUE.split(), "value") | dict.fromkeys(_WITH_PATH.split(), "path")
"""Operator -> the key that it needs beside it."""
OPERATORS = frozenset({"and", "or", "not", *_ALONE, *BESIDE})
_ANSWERS = ("then", "else")


def check(condition: Any, *, beside: frozenset[str] = frozenset(), depth: int = 1) -> Iterator[Mistake]:
    """Mistakes of a condition, without asking whether it holds. `beside`: further keys that may stand beside
    its operator.
    """
    given = fields_of(condition)
    names = [name for name in given if name in OPERATORS]
    if len(names) != 1:
        got = f"with {', '.join(names)}" if names else f"without an operator ({', '.join(given) or 'empty'})"
        yield _wrong(condition, f"a condition {got}", f"Write exactly one of {', '.join(sorted(OPERATORS))}")
        return
    name, operand = names[0], given[names[0]]
    if depth > MAXIMUM_DEPTH:
        got = f"conditions nested more than {MAXIMUM_DEPTH} deep"
        yield _wrong(condition, got, "Make it flatter, or ask in a script")
        return
    second = BESIDE.get(name, "value")
    if name in BESIDE and second not in given:
        yield _wrong(condition, f"`{name}` without `{second}:`", f"Add `{second}:` beside it")
    for key in sorted(set(given) - {name, second} - beside):
        yield _wrong(given[key], f"`{key}` beside `{name}`", "Remove it, or put both below `and:`")
    if name in ("and", "or"):
        if not isinstance(operand, list) or not operand:
            fix = "Write a list: `- ` before each condition"
            yield _wrong(operand, f"`{name}` without a list of conditions", fix)
            return
        for part in operand:
            yield from check(part, depth=depth + 1)
    elif name == "not":
        yield from check(operand, depth=depth + 1)
    elif not isinstance(operand, str) or not isinstance(given.get(second, ""), str):
        yield _wrong(operand, f"`{name}` of a list or a mapping", "Compare texts and numbers")


def check_decision(condition: Any) -> Iterator[Mistake]:
    """Mistakes of a step's `if`: a condition, and what follows from it."""
    yield from check(condition, beside=frozenset(_ANSWERS))
    for key in _ANSWERS:
        answer = fields_of(condition).get(key)
        if answer is not None and text_of(answer) not in ("Execute", "Skip", "Abort"):
            yield _wrong(answer, f"{key} `{answer}`", "Write Execute, Skip or Abort")


def _wrong(where: Any, got: str, fix: str) -> Mistake:
    return Mistake(line_of(where), "schema", got, fix)
