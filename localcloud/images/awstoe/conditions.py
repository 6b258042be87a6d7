"""Conditions: the ``if`` of a step and the ``Assert`` action (source: Image Builder User Guide, "Comparison
operators", "Logical operators").
"""

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAXIMUM_DEPTH = 4
_ANSWERS = ("then", "else")


class BadCondition(Exception):
    """The condition is not one of the language."""


_NUMBER = re.compile(r"[-+]?([0-9]+[.])?[0-9]+([eE][-+]?[0-9]+)?")


def _numbers(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def operator(value: str, other: str) -> bool:
        return bool(_NUMBER.fullmatch(value) and _NUMBER.fullmatch(other)) and compare(
            float(value), float(other)
        )

    return operator


def _texts(compare: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    return lambda value, other: compare(value.lower(), other.lower())  # the guide: these do not look at case


def _digest(algorithm: str) -> Callable[[str, str], bool]:
    def operator(path: str, expected: str) -> bool:
        try:
            with open(path, "rb") as file:
                return hashlib.file_digest(file, algorithm).hexdigest().lower() == expected.strip().lower()
        except OSError:
            return False

    return operator


_ONE: dict[str, Callable[[str], bool]] = {
    "stringIsEmpty": lambda text: text == "",
    "stringIsWhitespace": lambda text: text.isspace(),
    "binaryExists": lambda text: shutil.which(text) is not None,
    "fileExists": lambda text: Path(text).is_file(),
    "folderExists": lambda text: Path(text).is_dir(),
}
# operand first as written after the operator, ``value`` (``path`` for files) second; `numberLessThan: 3,
# value: x` means x < 3
_TWO: dict[str, Callable[[str, str], bool]] = {
    # by the guide's examples the one comparison that looks at case
    "stringEquals": lambda operand, value: value == operand,
    "stringLessThan": _texts(lambda operand, value: value < operand),
    "stringLessThanEquals": _texts(lambda operand, value: value <= operand),
    "stringGreaterThan": _texts(lambda operand, value: value > operand),
    "stringGreaterThanEquals": _texts(lambda operand, value: value >= operand),
    "patternMatches": lambda pattern, value: re.search(pattern, value, re.IGNORECASE) is not None,
    "numberEquals": _numbers(lambda operand, value: value == operand),
    "numberLessThan": _numbers(lambda operand, value: value < operand),
    "numberLessThanEquals": _numbers(lambda operand, value: value <= operand),
    "numberGreaterThan": _numbers(lambda operand, value: value > operand),
    "numberGreaterThanEquals": _numbers(lambda operand, value: value >= operand),
    "fileMD5Equals": lambda expected, path: _digest("md5")(path, expected),
    "fileSHA1Equals": lambda expected, path: _digest("sha1")(path, expected),
    "fileSHA256Equals": lambda expected, path: _digest("sha256")(path, expected),
    "fileSHA512Equals": lambda expected, path: _digest("sha512")(path, expected),
}
_FILES = frozenset(name for name in _TWO if name.startswith("file"))
OPERATORS = frozenset({*_ONE, *_TWO, "and", "or", "not"})


def check(condition: Any, *, beside: frozenset[str] = frozenset(), depth: int = 1) -> None:
    """Whether this is a condition, without asking whether it holds. ``beside``: keys that may stand beside
    the operator.

    Raises BadCondition.
    """
    if not isinstance(condition, dict):
        raise BadCondition(f"{condition!r} is not a mapping with an operator")
    names = [key for key in condition if key in OPERATORS]
    if len(names) != 1:
        raise BadCondition(
            f"{sorted(condition)} must hold exactly one operator of {', '.join(sorted(OPERATORS))}"
        )
    if depth > MAXIMUM_DEPTH:
        raise BadCondition(f"conditions nested more than {MAXIMUM_DEPTH} deep")
    name, operand = names[0], condition[names[0]]
    second = "path" if name in _FILES else "value"
    others = sorted(set(condition) - {name, second} - beside)
    if others:
        raise BadCondition(f"{', '.join(others)} beside {name}; allowed there: {second}")
    if name in ("and", "or"):
        if not isinstance(operand, list) or not operand:
            raise BadCondition(f"{name} needs a list of conditions")
        for item in operand:
            check(item, depth=depth + 1)
    elif name == "not":
        check(operand, depth=depth + 1)
    elif not isinstance(operand, str) or not isinstance(condition.get(second, ""), str):
        raise BadCondition(f"{name} compares texts and numbers, not lists and mappings")
    elif name in _TWO and second not in condition:
        raise BadCondition(f"{name} needs `{second}:` beside it")


def evaluate(condition: Any) -> bool:
    """Whether a condition (references already resolved) holds. Raises BadCondition when it is not one."""
    check(condition)
    return _holds(condition)


def _holds(condition: dict[str, Any]) -> bool:
    name = next(key for key in condition if key in OPERATORS)
    operand = condition[name]
    if name in ("and", "or"):
        results = (_holds(item) for item in operand)
        return all(results) if name == "and" else any(results)
    if name == "not":
        return not _holds(operand)
    if name in _ONE:
        return _ONE[name](operand)
    try:
        return _TWO[name](operand, condition["path" if name in _FILES else "value"])
    except re.error as error:
        raise BadCondition(f"{name}: {error}") from error


def check_decision(condition: Any) -> None:
    """As ``check``, for the ``if`` of a step, which may say ``then`` and ``else``."""
    check(condition, beside=frozenset(_ANSWERS))
    for key in _ANSWERS:
        if condition.get(key, "Skip") not in ("Execute", "Skip", "Abort"):
            raise BadCondition(f"{key} {condition[key]!r} is none of Execute, Skip, Abort")


def decide(condition: Any) -> str:
    """What an ``if`` says: Execute, Skip or Abort."""
    check_decision(condition)
    holds = _holds(condition)
    return str(condition.get("then", "Execute") if holds else condition.get("else", "Skip"))
