"""Are two versions of one output the same? Identical, within a stated tolerance, or different, and by what.

How an output is compared is the blueprint's choice (`compare:`, by pattern of its path below
process_results/; the longest pattern that matches decides), else follows its extension. Equal bytes are
identical whatever the comparator.
"""

import csv
import fnmatch
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurocaas import arrays, images
from neurocaas.errors import AnalysisError

IDENTICAL, WITHIN, DIFFERENT = "identical", "within tolerance", "different"
RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Tolerances of numbers where the blueprint names none."""

_BY_EXTENSION = {
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".npy": "numpy",
    ".npz": "numpy",
    ".nii": "numpy",
    ".nii.gz": "numpy",
    ".png": "image",
    ".jpg": "image",
    ".jpeg": "image",
    ".tif": "image",
    ".tiff": "image",
    ".txt": "text",
    ".md": "text",
    ".log": "text",
}


@dataclass(frozen=True)
class CompareRule:
    """How outputs are compared. `relative` and `absolute`: numbers may differ by the larger of the two (for
    images: by `absolute` of 255 in each channel). `except_keys`: dotted names in JSON, or columns of a CSV,
    that may differ; `*` stands for any."""

    comparator: str
    relative: float = RELATIVE
    absolute: float = ABSOLUTE
    except_keys: tuple[str, ...] = ()

    def near(self, one: float, other: float) -> bool:
        if not (math.isfinite(one) and math.isfinite(other)):
            return _same_number(one, other)
        return one == other or abs(one - other) <= max(
            self.absolute, self.relative * max(abs(one), abs(other))
        )

    @property
    def tolerance(self) -> str:
        """As people read it."""
        if self.comparator in ("bytes", "text"):
            return {"bytes": "none", "text": "line ends and trailing spaces"}[self.comparator]
        if self.comparator == "image":
            return f"{self.absolute:g} of 255"
        beside = f", without {', '.join(self.except_keys)}" if self.except_keys else ""
        return f"relative {self.relative:g} or absolute {self.absolute:g}{beside}"


@dataclass(frozen=True)
class OutputVerdict:
    """`outcome` is IDENTICAL, WITHIN or DIFFERENT; `detail` says how large the difference is and where it
    begins.
    """

    path: str
    outcome: str
    comparator: str
    tolerance: str
    detail: str = ""


def rule_for(path: str, rules: Mapping[str, Mapping[str, Any]]) -> CompareRule:
    """The rule for an output. `rules` is the blueprint's `compare`."""
    matching = [pattern for pattern in rules if fnmatch.fnmatchcase(path, pattern)]
    if matching:
        chosen = rules[max(matching, key=len)]
        comparator = str(chosen["as"])
        absolute = float(chosen.get("absolute", 0.0 if comparator == "image" else ABSOLUTE))
        return CompareRule(
            comparator, float(chosen.get("relative", RELATIVE)), absolute, tuple(chosen.get("except", ()))
        )
    name = path.lower()
    ending = max((ending for ending in _BY_EXTENSION if name.endswith(ending)), key=len, default="")
    comparator = _BY_EXTENSION.get(ending, "bytes")
    return CompareRule(comparator, absolute=0.0 if comparator == "image" else ABSOLUTE)


def compare(path: str, old: bytes, new: bytes, rule: CompareRule) -> OutputVerdict:
    """The verdict for one output whose contents are at hand."""
    if old == new:
        return OutputVerdict(path, IDENTICAL, rule.comparator, rule.tolerance)
    if rule.comparator == "ignore":
        return OutputVerdict(path, WITHIN, "ignore", "any", "the blueprint says that it may differ")
    try:
        detail, same = _COMPARATORS[rule.comparator](path, old, new, rule)
    except _UnreadableError as error:
        detail, same = f"{error}; the bytes differ", False
    return OutputVerdict(path, WITHIN if same else DIFFERENT, rule.comparator, rule.tolerance, detail)


class _UnreadableError(Exception):
    """A file is not what its comparator expects."""


def _bytes(path: str, old: bytes, new: bytes, rule: CompareRule) -> tuple[str, bool]:
    place = next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )
    return f"{len(old)} and {len(new)} bytes, first difference at byte {place}", False


def _text(path: str, old: bytes, new: bytes, rule: CompareRule) -> tuple[str, bool]:
    before, after = (_lines(_decoded(raw)) for raw in (old, new))
    if before == after:
        return "only line ends or trailing spaces differ", True
    place = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )
    return f"{len(before)} and {len(after)} lines, first difference in line {place + 1}", False


def _json(path: str, old: bytes, new: bytes, rule: CompareRule) -> tuple[str, bool]:
    try:
        before, after = json.loads(_decoded(old)), json.loads(_decoded(new))
    except (ValueError, RecursionError) as error:
        raise _UnreadableError(f"not JSON ({error})") from error
    return _told(_differences(before, after, "", rule))


def _csv(path: str, old: bytes, new: bytes, rule: CompareRule) -> tuple[str, bool]:
    delimiter = "\t" if path.lower().endswith(".tsv") else ","
    try:
        before, after = (
            list(csv.reader(io.StringIO(_decoded(raw), newline=""), delimiter=delimiter))
            for raw in (old, new)
        )
    except csv.Error as error:
        raise _UnreadableError(f"not a table ({error})") from error
    if len(before) != len(after):
        return f"{len(before)} and {len(after)} rows", False
    names = before[0] if before else []
    return _told(
        difference
        for number, (one, other) in enumerate(zip(before, after, strict=True), 1)
        for difference in _cells(number, one, other, names, rule)
    )


def _cells(
    number: int, one: Sequence[str], other: Sequence[str], names: Sequence[str], rule: CompareRule
) -> Iterator["_Difference"]:
    if len(one) != len(other):
        yield _Difference(f"row {number}", f"{len(one)} and {len(other)} cells")
        return
    for column, (left, right) in enumerate(zip(one, other, strict=True)):
        name = names[column] if column < len(names) else str(column + 1)
        if left == right or any(fnmatch.fnmatchcase(name, pattern) for pattern in rule.except_keys):
            continue
        try:
            numbers = float(left), float(right)
        except ValueError:
            yield _Difference(f"row {number}, {name}", f"{left!r} and {right!r}")
        else:
            if not _same_number(*numbers):
                yield _number(f"row {number}, {name}", *numbers, rule)


def _numpy(path: str, old: bytes, new: bytes, rule: CompareRule) -> tuple[str, bool]:
    try:
        before, after = arrays.read(path, old), arrays.read(path, new)
    except arrays.UnreadableError as error:
        raise _UnreadableError(str(error)) from error
    if before.keys() != after.keys():
        return f"arrays {', '.join(before)} and {', '.join(after)}", False
    found: list[_Difference] = []
    for name, one in before.items():
        other = after[name]
        if (one.shape, one.kind) != (other.shape, other.kind):
            found.append(
                _Difference(name, f"shape {one.shape} of {one.kind} and {other.shape} of {other.kind}")
            )
            continue
        pairs = enumerate(zip(one.values, other.values, strict=True))
        found += [
            _number(f"{name}[{index}]", left, right, rule)
            for index, (left, right) in pairs
            if not _same_number(left, right)
        ]
    return _told(found)


def _image(path: str, old: bytes, new: bytes, rule: CompareRule) -> tuple[str, bool]:
    try:
        detail, largest = images.difference(old, new)
    except arrays.UnreadableError as error:
        raise _UnreadableError(str(error)) from error
    return detail, largest <= rule.absolute


_COMPARATORS: Mapping[str, Callable[[str, bytes, bytes, CompareRule], tuple[str, bool]]] = {
    "bytes": _bytes,
    "text": _text,
    "json": _json,
    "csv": _csv,
    "numpy": _numpy,
    "image": _image,
}


@dataclass(frozen=True)
class _Difference:
    """Two values that are not the same; `by` is how far numbers are apart, and `near` whether that is
    allowed.
    """

    place: str
    values: str
    by: float = math.inf
    near: bool = False


def _same_number(one: float, other: float) -> bool:
    """NaN is the same as NaN here."""
    return one == other or (one != one and other != other)


def _number(place: str, one: float, other: float, rule: CompareRule) -> _Difference:
    try:
        by, near = float(abs(one - other)), rule.near(one, other)
    except OverflowError:  # whole numbers in JSON may have any length
        return _Difference(place, f"{one!r} and {other!r}")
    return _Difference(place, f"{one!r} and {other!r}", math.inf if math.isnan(by) else by, near)


def _differences(one: Any, other: Any, place: str, rule: CompareRule) -> Iterator[_Difference]:
    if place and any(fnmatch.fnmatchcase(place, pattern) for pattern in rule.except_keys):
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            inner = f"{place}.{key}" if place else key
            if key in one and key in other:
                yield from _differences(one[key], other[key], inner, rule)
            elif not any(fnmatch.fnmatchcase(inner, pattern) for pattern in rule.except_keys):
                yield _Difference(inner, f"only in the {'first' if key in one else 'second'}")
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield _Difference(place, f"{len(one)} and {len(other)} items")
            return
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _differences(left, right, f"{place}[{index}]", rule)
    elif (
        isinstance(one, (int, float))
        and isinstance(other, (int, float))
        and not isinstance(one, bool)
        and not isinstance(other, bool)
    ):
        if not _same_number(one, other):
            yield _number(place, one, other, rule)
    elif one != other or type(one) is not type(other):
        yield _Difference(place, f"{one!r} and {other!r}")


def _told(differences: Any) -> tuple[str, bool]:
    found: list[_Difference] = list(differences)
    if not found:
        return "the values are the same", True
    worst = [one for one in found if not one.near]
    if not worst:
        return f"{len(found)} numbers differ, at most by {max(one.by for one in found):.3g}", True
    first = worst[0]
    place = " ".join(first.place[:120].split()) or "the top"
    return (
        f"{len(worst)} {'difference' if len(worst) == 1 else 'differences'}, the first at {place}: "
        f"{first.values[:120]}"
    ), False


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _UnreadableError(f"not UTF-8 ({error.reason})") from error


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def checked(rules: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """`rules`, when this version of the client knows their comparators; else AnalysisError."""
    unknown = sorted({str(rule.get("as")) for rule in rules.values()} - {*_COMPARATORS, "ignore"})
    if unknown:
        raise AnalysisError(
            f"comparator {', '.join(unknown)}",
            ", ".join([*_COMPARATORS, "ignore"]),
            "use the client of the deployed version",
        )
    return rules
