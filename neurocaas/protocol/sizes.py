"""What datasets have taken, learned from each job that has ended: `jobs/{group}/sizes.json` in the analysis's
bucket, one small file for each group and analysis, never across groups.

The monitor adds to it. Times, types and images are of its own reports; what a machine has used is of the
machine's word (`neurocaas.protocol.resources`), bounded. So it is a wish: forecasts, advice and warnings are
made of it, and no decision of the service.

For each machine type and size class (the inputs' bytes to a power of two) the newest CLASS_ROWS are kept, and
ROWS in all. Runs that have failed by their script say nothing about sizes and are not in it; those that
memory, disk or time were too small for are.

It is not locked: of jobs that end at the same moment one may be missing. Whoever writes reads again whether
its rows are there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from neurocaas.protocol.documents import DocumentError, iso, loads, moment
from neurocaas.protocol.keys import JOBS
from neurocaas.protocol.resources import Amounts, number
from neurocaas.protocol.status import SUCCESS

SCHEMA_VERSION = 1
CLASS_ROWS, ROWS = 40, 800
SAMPLED = 64
"""So many datasets of one job are looked at: of each size some."""

SIZES_MAX_BYTES = 2 * 1024 * 1024
"""More than the file has: a row has some 400 bytes."""

MEMORY, DISK, TIME = "memory", "disk", "time"
"""What was too small for a run. SUCCESS: nothing."""

OUTCOMES = (SUCCESS, MEMORY, DISK, TIME)
_WHAT = "sizes.json"
_TEXT = 100


def sizes_key(group: str) -> str:
    return f"{JOBS}/{group}/sizes.json"


@dataclass(frozen=True, kw_only=True)
class SizeRow(Amounts):
    """One machine of one dataset. `size`: bytes of its input; `seconds`: the life of its machine, which is
    paid; `minutes`: at which it would have been ended; `volume_gib`: of its disk; `outcome`: one of
    OUTCOMES."""

    job: str
    dataset: int
    attempt: int
    ended: str
    type: str
    image: str
    outcome: str
    seconds: float
    size: float | None = None
    minutes: float | None = None
    volume_gib: float | None = None

    @property
    def identity(self) -> tuple[str, int, int]:
        return self.job, self.dataset, self.attempt

    @property
    def size_class(self) -> int:
        """Inputs of 2^n to 2^(n+1) bytes are a class; -1 where the size is not known."""
        return -1 if self.size is None else int(self.size).bit_length()


_NUMBERS = tuple(one.name for one in fields(SizeRow) if one.type == "float | None")


def read_sizes(raw: bytes | str | None) -> list[SizeRow]:
    """The rows, oldest first; what cannot be read is left out."""
    if not raw or len(raw) > SIZES_MAX_BYTES:
        return []
    try:
        found = loads(raw, _WHAT, SCHEMA_VERSION).get("rows")
    except DocumentError:
        return []
    rows = found[-2 * ROWS :] if isinstance(found, list) else []
    return [row for one in rows if (row := _row(one)) is not None]


def _row(data: object) -> SizeRow | None:
    if not isinstance(data, dict):
        return None
    texts = {name: data.get(name) for name in ("job", "ended", "type", "image", "outcome")}
    counts = {name: data.get(name) for name in ("dataset", "attempt")}
    if not all(isinstance(one, str) and len(one) <= _TEXT for one in texts.values()):
        return None
    if not all(type(one) is int and 0 <= one < 10**6 for one in counts.values()):
        return None
    known: dict[str, Any] = {name: number(data.get(name)) for name in (*_NUMBERS, "seconds")}
    if texts["outcome"] not in OUTCOMES or known["seconds"] is None:
        return None
    try:
        texts["ended"] = iso(moment(str(texts["ended"])))
    except DocumentError:
        return None
    facts: dict[str, Any] = {**texts, **counts, **known}
    return SizeRow(**facts)


def with_rows(known: Iterable[SizeRow], more: Iterable[SizeRow]) -> list[SizeRow]:
    """The rows of a file that gets more: each machine once, of each type and size class the newest, and not
    too many in all; oldest first."""
    every = {row.identity: row for row in (*known, *more)}
    classes: dict[tuple[str, int], list[SizeRow]] = defaultdict(list)
    for row in sorted(every.values(), key=lambda row: (row.ended, row.identity)):
        classes[row.type, row.size_class].append(row)
    kept = [row for rows in classes.values() for row in rows[-CLASS_ROWS:]]
    return sorted(kept, key=lambda row: (row.ended, row.identity))[-ROWS:]


def run_times(rows: Iterable[SizeRow], types: Sequence[str]) -> list[float]:
    """The seconds of those that have succeeded on one of these machine types."""
    return [row.seconds for row in rows if row.outcome == SUCCESS and row.type in types]


def sizes_text(rows: Sequence[SizeRow]) -> str:
    """The file, without what is not known."""
    lines = [
        json.dumps(
            {name: value for name, value in asdict(row).items() if value is not None},
            ensure_ascii=False,
            separators=(",", ":"),
            allow_nan=False,
        )
        for row in rows
    ]
    return f'{{"schema_version":{SCHEMA_VERSION},"rows":[\n' + ",\n".join(lines) + "\n]}\n"
