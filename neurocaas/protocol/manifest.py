"""A manifest: a file that lists the datasets of a submission, named by its field `manifest` (never by
`dataname`, so a dataset that is a table is never taken for one).

A `.txt` has a dataset a line; blank lines and such that begin with `#` are passed over. A `.csv` has a header
with a column `dataset`; each other column is a parameter of the analysis, whose cells (typed by its schema;
empty: as the configuration says) are that dataset's own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neurocaas.protocol.cells import schema_of, typed
from neurocaas.protocol.problems import InvalidInput, Problem, shown

SUFFIXES = (".txt", ".csv")
COLUMN = "dataset"
MANIFEST_MAX_BYTES = 4 * 1024 * 1024
"""More than 10,000 lines with names of 300 characters."""
COLUMNS_MAX = 100
_SHOWN = 20


@dataclass(frozen=True)
class ManifestLine:
    """`number` of the line in the file, from 1; `parameters` are the dataset's own."""

    number: int
    dataset: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """What problems call it."""
        return f"manifest line {self.number}"


def parse_manifest(
    raw: bytes, key: str, parameters: Mapping[str, Any] | None, limit: int
) -> list[ManifestLine]:
    """The lines of a manifest, at least one and at most `limit`. Raises InvalidInput with all that is wrong
    with its form; what the datasets are is checked elsewhere."""
    if len(raw) > MANIFEST_MAX_BYTES:
        got, allowed = f"{len(raw)} bytes", f"up to {MANIFEST_MAX_BYTES} bytes"
        raise InvalidInput([Problem("manifest", got, allowed, "Split it")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput([Problem("manifest", "no text in UTF-8", "UTF-8", "Save it as that")]) from None
    problems = list[Problem]()
    lines = list(_csv(text, parameters, problems) if key.lower().endswith(".csv") else _plain(text))
    first: dict[str, int] = {}
    for line in lines:
        if line.dataset in first:
            got = f"{shown(line.dataset)}, which line {first[line.dataset]} has already"
            do = "Take it out; several sets of parameters for one dataset are a sweep"
            problems.append(Problem(line.place, got, "each dataset once", do))
        first.setdefault(line.dataset, line.number)
    if not problems and not 0 < len(lines) <= limit:
        got = f"{len(lines)} datasets" if lines else "no dataset"
        problems.append(Problem("manifest", got, f"1 to {limit} datasets", "Split it, or name one"))
    if problems:
        raise InvalidInput(told(problems))
    return lines


def told(problems: Sequence[Problem]) -> list[Problem]:
    """The first of many problems, and how many more there are."""
    more = len(problems) - _SHOWN
    if more <= 0:
        return list(problems)
    rest = Problem("manifest", f"{more} more wrong lines", "right ones", "Correct them too")
    return [*problems[:_SHOWN], rest]


def _plain(text: str) -> Iterator[ManifestLine]:
    for number, line in enumerate(text.split("\n"), 1):
        name = line.strip()
        if name and not name.startswith("#"):
            yield ManifestLine(number, name)


def _csv(text: str, parameters: Mapping[str, Any] | None, problems: list[Problem]) -> Iterator[ManifestLine]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] = []
    try:
        for cells in reader:
            number = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = [cell.strip() for cell in cells]
                if COLUMN not in names or not all(names) or not len(set(names)) == len(names) <= COLUMNS_MAX:
                    allowed = f"{COLUMN}, and names of parameters, each once"
                    problems.append(
                        Problem(f"manifest line {number}", shown(",".join(names)), allowed, "Correct it")
                    )
                    return
                continue
            if len(cells) != len(names):
                got, allowed = f"{len(cells)} cells", f"{len(names)}, as in the header"
                problems.append(Problem(f"manifest line {number}", got, allowed, "Correct it"))
                continue
            row = dict(zip(names, (cell.strip() for cell in cells), strict=True))
            dataset = row.pop(COLUMN)
            own = {name: typed(cell, schema_of(parameters, name)) for name, cell in row.items() if cell}
            if not dataset:
                problems.append(Problem(f"manifest line {number}", "no dataset", "a path", "Name one"))
                continue
            yield ManifestLine(number, dataset, own)
    except csv.Error as error:
        problems.append(Problem(f"manifest line {reader.line_num}", f"no CSV ({error})", "CSV", "Correct it"))
