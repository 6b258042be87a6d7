"""Results of one name that several datasets of a job have written: one of them is left, and all of these
datasets say so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from neurocaas.protocol.certificate import DatasetOutcome
from neurocaas.protocol.printable import printable

_NAMED = 3


def with_shared(outcomes: Sequence[DatasetOutcome]) -> list[DatasetOutcome]:
    """The outcomes, with a note at each dataset of whose results another has written one under the same name,
    with other content.
    """
    written: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, outcome in enumerate(outcomes):
        for file in outcome.results:
            written[file.bucket, file.key][file.sha256].append(number)
    lost: dict[int, list[str]] = defaultdict(list)
    for (_, key), contents in written.items():
        if len(contents) > 1:
            for number in sorted({number for numbers in contents.values() for number in numbers}):
                lost[number].append(key.partition("/process_results/")[2] or key)
    return [
        replace(one, note=_note(lost[number], one.note)) if number in lost else one
        for number, one in enumerate(outcomes)
    ]


def _note(names: Sequence[str], other: str | None) -> str:
    shown = ", ".join(printable(name, keep="") for name in names[:_NAMED]) + (
        " and others" if len(names) > _NAMED else ""
    )
    text = (
        f"other datasets have written {shown} as well, and one content is left: name results by "
        "$NEUROCAAS_DATASET"
    )
    return f"{other}; {text}" if other else text
