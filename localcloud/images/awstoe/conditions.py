"""Conditions: the ``if`` of a step and the ``Assert`` action (source: Image Builder User Guide, "Comparison operators", "Logical
operators").
"""

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAXIMUM_DEPTH = 4


class BadCondition(Exception):
    """The condition is not one of the language."""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _numbers(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def operator(value: str, other: str) -> bool:
        left, right = _number(value), _number(other)
        return left is not None and right is not None and compare(left, right)

    return operator


def _texts(compare: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    return lambda value, other: compare(value.lower(), other.lower())  # the guide: comparisons do not look at case


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
    "stringIsWhitespace": lambda text: text.strip() == "",
    "binaryExists": lambda text: shutil.which(text) is not None,
    "fileExists": lambda text: Path(text).is_file(),
    "folderExists": lambda text: Path(text).is_dir(),
}
# operand first as written after the operator, ``value`` second; `numberLessThan: 3, value: x` means x < 3
_TWO: dict[str, Callable[[str, str], bool]] = {
    "stringEquals": _texts(lambda operand, value: value == operand),
    "stringLessThan": _texts(lambda operand, value: value < operand),
    "stringLessThanEquals": _texts(lambda operand, value: value <= operand),
    "stringGreaterThan": _texts(lambda operand, value: value > operand),
    "stringGreaterThanEquals": _texts(lambda operand, value: value >= operand),
    "patternMatches": lambda pattern, value: re.search(pattern, value) is not None,
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
OPERATORS = frozenset({*_ONE, *_TWO, "and", "or", "not"})


def evaluate(condition: Any, depth: int = 1) -> bool:
    """Whether a condition (references already resolved) holds. Raises BadCondition when it is not one."""
    if depth > MAXIMUM_DEPTH:
        raise BadCondition(f"conditions nested more than {MAXIMUM_DEPTH} deep")
    if not isinstance(condition, dict):
        raise BadCondition(f"{condition!r} is not a mapping with an operator")
    names = [key for key in condition if key in OPERATORS]
    if len(names) != 1:
        raise BadCondition(f"{sorted(condition)} must hold exactly one operator of {', '.join(sorted(OPERATORS))}")
    name, operand = names[0], condition[names[0]]
    if name in ("and", "or"):
        if not isinstance(operand, list) or not operand:
            raise BadCondition(f"{name} needs a list of conditions")
        results = (evaluate(item, depth + 1) for item in operand)
        return all(results) if name == "and" else any(results)
    if name == "not":
        return not evaluate(operand, depth + 1)
    if name in _ONE:
        return _ONE[name](str(operand))
    if "value" not in condition:
        raise BadCondition(f"{name} needs `value:` beside it")
    try:
        return _TWO[name](str(operand), str(condition["value"]))
    except re.error as error:
        raise BadCondition(f"{name}: {error}") from error


def decide(condition: Any) -> str:
    """What an ``if`` says: Execute, Skip or Abort."""
    holds = evaluate(condition)
    answer = condition.get("then", "Execute") if holds else condition.get("else", "Skip")
    if answer not in ("Execute", "Skip", "Abort"):
        raise BadCondition(f"then/else {answer!r} is none of Execute, Skip, Abort")
    return str(answer)
