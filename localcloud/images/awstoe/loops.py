"""Loops: which values a step is repeated with (source: Image Builder User Guide, "Looping constructs")."""

import re
from collections.abc import Iterable
from typing import Any

_DELIMITERS = {"\\n": "\n", "\\t": "\t", "space": " ", **{sign: sign for sign in ".,;: -_\n\t"}}
_NUMBER = re.compile(r"[-+]?\d+")


class BadLoop(Exception):
    """The loop is not one of the language."""


def check(loop: Any) -> None:
    """Whether this is a loop; a list that is still to be resolved is not looked into. Raises BadLoop."""
    if not isinstance(loop, dict) or ("for" in loop) == ("forEach" in loop):
        raise BadLoop("it has neither `for` nor `forEach`, or both")
    others = sorted(set(loop) - {"name", "for", "forEach"})
    if others:
        raise BadLoop(f"{', '.join(others)} is none of name, for, forEach")
    each = loop.get("forEach")
    if "for" in loop:
        _range(loop["for"])
    elif isinstance(each, dict):
        if not isinstance(each.get("list"), str) or str(each.get("delimiter", ",")) not in _DELIMITERS:
            raise BadLoop("forEach needs `list:`, and `delimiter:` one of . , ; : \\n \\t space - _")
    elif not isinstance(each, list) or not each or not all(isinstance(value, str) for value in each):
        raise BadLoop("forEach needs a list of values, or `list:` and `delimiter:`")


def values(loop: dict[str, Any]) -> Iterable[str]:
    """The values of a loop whose references are resolved. Raises BadLoop."""
    check(loop)
    if "for" in loop:
        return map(str, _range(loop["for"]))
    each = loop["forEach"]
    if isinstance(each, list):
        return (str(value) for value in each)
    parts = each["list"].split(_DELIMITERS[each.get("delimiter", ",")])
    return [part.strip() for part in parts if part.strip()]


def _range(counting: Any) -> range:
    given = (
        [str(counting.get(key)) for key in ("start", "end", "updateBy")] if isinstance(counting, dict) else []
    )
    if not given or not all(map(_NUMBER.fullmatch, given)):
        raise BadLoop("for needs the whole numbers start, end and updateBy")
    start, end, step = (int(number) for number in given)
    if step == 0:
        raise BadLoop("updateBy is 0; allowed: any other whole number")
    return range(start, end + (1 if step > 0 else -1), step)
