"""A configuration as a job gets it: one text that every reader reads alike, whatever the analyst's file was.

It is JSON, and it is YAML of both versions (YAML 1.2, "Relation to JSON"; YAML 1.1 differs in more than it
says): numbers with a fraction or an exponent have a `.` and the exponent's sign (YAML 1.1 takes `1e-05` for
text); what YAML does not print, and what it takes for a line break, is escaped; halves of characters beyond
U+FFFF are never written (YAML 1.1 does not join them).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def normal_text(values: Mapping[str, Any]) -> str:
    """The text, with the names in their order. Raises TypeError for what JSON cannot hold, ValueError for NaN
    and infinity.
    """
    return f"{_text(values, '')}\n"


def _text(value: Any, indent: str) -> str:
    if isinstance(value, str):
        return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    if isinstance(value, float):
        return _number(value)
    deeper = f"{indent}  "
    if isinstance(value, Mapping):
        wrong = next((name for name in value if not isinstance(name, str)), None)
        if wrong is not None:
            raise TypeError(f"a name of type {type(wrong).__name__} is none that JSON can hold")
        lines, (first, last) = (
            [f"{_text(name, '')}: {_text(child, deeper)}" for name, child in value.items()],
            "{}",
        )
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        lines, (first, last) = [_text(child, deeper) for child in value], "[]"
    else:
        raise TypeError(f"a value of type {type(value).__name__} is none that JSON can hold")
    between = f",\n{deeper}".join(lines)
    return f"{first}\n{deeper}{between}\n{indent}{last}" if lines else first + last


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"the number {value} is none that JSON can hold")
    digits, e, exponent = float.__repr__(value).partition("e")
    if e and "." not in digits:
        digits += ".0"
    return f"{digits}{e}{exponent}"  # Python's exponents have a sign always
