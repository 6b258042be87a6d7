"""Whether conditions hold: the ``if`` of a step and the ``Assert`` action. Their grammar is
``awstoe.conditions``.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from awstoe.conditions import BESIDE, OPERATORS, check, check_decision
from awstoe.reading import Mistake


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
FUNCTIONS = frozenset({*_ONE, *_TWO})
"""The operators that compare; and, or, not put their answers together."""


def evaluate(condition: Any) -> bool:
    """Whether a condition (references already resolved) holds. Raises BadCondition when it is not one."""
    _must_be(check(condition))
    return _holds(condition)


def _must_be(mistakes: Iterator[Mistake]) -> None:
    for mistake in mistakes:
        raise BadCondition(f"{mistake.got}. {mistake.fix}")


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
        return _TWO[name](operand, condition[BESIDE[name]])
    except re.error as error:
        raise BadCondition(f"{name}: {error}") from error


def decide(condition: Any) -> str:
    """What an ``if`` says: Execute, Skip or Abort."""
    _must_be(check_decision(condition))
    holds = _holds(condition)
    return str(condition.get("then", "Execute") if holds else condition.get("else", "Skip"))
