"""The grammar of loops, and the values that a step is repeated with (user guide, "Looping constructs")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from awstoe.reading import Mistake, fields_of, line_of, text_of

_DELIMITERS = {"\\n": "\n", "\\t": "\t", "space": " ", **{sign: sign for sign in ".,;: -_\n\t"}}
_NUMBER = re.compile(r"[-+]?\d{1,18}")


def check(loop: Any) -> Iterator[Mistake]:
    """Mistakes of a step's `loop`; a list that is still to be resolved is not looked into."""
    given = fields_of(loop)
    for key in sorted(set(given) - {"name", "for", "forEach"}):
        yield _wrong(given[key], f"`{key}` in a loop", "Known: name, for, forEach")
    if ("for" in given) == ("forEach" in given):
        both = "with `for` and `forEach`" if "for" in given else "without `for` or `forEach`"
        yield _wrong(loop, f"a loop {both}", "Write one of them")
    elif "for" in given:
        yield from _counting(given["for"])
    else:
        yield from _listing(given["forEach"])


def _counting(counting: Any) -> Iterator[Mistake]:
    given = fields_of(counting)
    for key in ("start", "end", "updateBy"):
        value = given.get(key)
        if value is None:
            yield _wrong(counting, f"`for` without `{key}`", f"Add `{key}:`")
        elif not _NUMBER.fullmatch(text_of(value)):
            yield _wrong(value, f"{key} `{value}`", "Write a whole number; references are not read here")
        elif key == "updateBy" and int(value) == 0:
            yield _wrong(value, "updateBy `0`, which never ends", "Write another whole number")


def _listing(each: Any) -> Iterator[Mistake]:
    if isinstance(each, list):
        if not each or not all(isinstance(value, str) for value in each):
            fix = "Give it values, or remove the step"
            yield _wrong(each, "`forEach` of nothing, or of lists and mappings", fix)
        return
    given = fields_of(each)
    if not isinstance(given.get("list"), str):
        yield _wrong(each, "`forEach` without values", "Write a list, or `list:` and `delimiter:`")
    delimiter = given.get("delimiter")
    if delimiter is not None and text_of(delimiter) not in _DELIMITERS:
        yield _wrong(delimiter, f"the delimiter `{delimiter}`", "Write one of . , ; : \\n \\t space - _")


def _wrong(where: Any, got: str, fix: str) -> Mistake:
    return Mistake(line_of(where), "schema", got, fix)


def names(loop: Any) -> frozenset[str]:
    """What references to a loop may call it; nothing for a step without one."""
    return frozenset({"loop", text_of(loop.get("name"))} - {""}) if isinstance(loop, dict) else frozenset()


def values(loop: dict[str, Any]) -> Iterable[str]:
    """The values of a loop that was checked and whose references are resolved."""
    if "for" in loop:
        start, end, step = (int(loop["for"][key]) for key in ("start", "end", "updateBy"))
        return map(str, range(start, end + (1 if step > 0 else -1), step))
    each = loop["forEach"]
    if isinstance(each, list):
        return each
    parts = each["list"].split(_DELIMITERS[each.get("delimiter", ",")])
    return [part.strip() for part in parts if part.strip()]
