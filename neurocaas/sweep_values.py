"""What a sweep goes over: values on the command line, or rows of a file, by the types of the analysis."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurocaas.errors import AnalysisError, raise_all
from neurocaas.protocol.cells import schema_of, typed

MOST = 500
"""Most jobs of a sweep."""

_OPEN, _CLOSED = "[{", "]}"


def rows_of(
    options: Sequence[str], file: str, parameters: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any], ...]:
    """The sets of parameters that are asked for: each combination of `NAME=VALUE,VALUE` options, for each row
    of a file (CSV with a header, or JSON: a list of mappings). `parameters` is the analysis's schema, by
    which values get their types. Raises AnalysisError with all that is wrong."""
    errors = list[AnalysisError]()
    axes = dict[str, list[Any]]()
    for option in options:
        name, equals, text = option.partition("=")
        if not equals or not name.strip() or not text.strip():
            errors.append(AnalysisError(f"--sweep {option!r}", "NAME=VALUE,VALUE,…", "write it like this"))
        elif name.strip() in axes:
            errors.append(
                AnalysisError(f"--sweep {name} twice", "each parameter once", "put its values into one")
            )
        else:
            axes[name.strip()] = [typed(part, schema_of(parameters, name.strip())) for part in split(text)]
    table: list[dict[str, Any]] = [{}]
    if file:
        try:
            table = _table(file, parameters)
        except AnalysisError as error:
            errors.append(error)
    twice = sorted(axes.keys() & {name for row in table for name in row})
    if twice:
        errors.append(
            AnalysisError(f"{', '.join(twice)} in {file} and in --sweep", "one of them", "leave one out")
        )
    raise_all(errors)
    points = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    rows = tuple({**row, **point} for row in table for point in points)
    if len(rows) > MOST:
        raise AnalysisError(f"a sweep of {len(rows)} jobs", f"up to {MOST} jobs", "split it")
    again = [row for number, row in enumerate(rows) if row in rows[:number]]
    if again:
        raise AnalysisError(
            f"the same parameters twice: {json.dumps(again[0])}", "each set once", "take one out"
        )
    return rows


def split(text: str) -> list[str]:
    """`a,b` in parts; commas inside brackets, braces and double quotes belong to a value."""
    parts, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == '"'
        if not quoted:
            depth += (character in _OPEN) - (character in _CLOSED)
        if character == "," and not quoted and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _table(file: str, parameters: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise AnalysisError(f"{file}: {why}", "a CSV or JSON file of parameters", "check the path") from error
    rows = _json_rows(text, file) if path.suffix.lower() == ".json" else _csv_rows(text, file, parameters)
    if not rows:
        raise AnalysisError(f"no parameters in {file}", "a row for each job", "write some")
    return rows


def _json_rows(text: str, file: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise AnalysisError(f"{file} is no JSON ({error})", "a list of mappings", "correct it") from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise AnalysisError(f"{file} is no list of mappings", '[{"NAME": VALUE, …}, …]', "correct it")
    return found


def _csv_rows(text: str, file: str, parameters: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Empty cells are parameters that the job's config leaves as they are."""
    lines = list(csv.reader(io.StringIO(text, newline="")))
    names, rows = [name.strip() for name in lines[0]] if lines else [], list[dict[str, Any]]()
    if len(set(names)) < len(names) or not all(names):
        raise AnalysisError(
            f"the header of {file}: {', '.join(names)}", "a name for each column", "correct it"
        )
    for number, cells in enumerate(lines[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            raise AnalysisError(
                f"{file}:{number}: {len(cells)} cells", f"{len(names)}, as in the header", "correct it"
            )
        rows.append(
            {
                name: typed(cell.strip(), schema_of(parameters, name))
                for name, cell in zip(names, cells, strict=True)
                if cell.strip()
            }
        )
    return rows
