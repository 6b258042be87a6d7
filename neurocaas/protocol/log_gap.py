"""What is kept of an output of a script that prints more than anybody reads: its beginning, its end, and
between them one line that says how much is not there.

Of `keep` bytes of each output (standard output, standard error) half are of the beginning. The agent on the
machine writes the line, `neurocaas logs` knows it again.
"""

from __future__ import annotations

import re

KEEP_MIB = 128
"""Of each output of a dataset, when the blueprint says nothing."""

_GAP = re.compile(
    rb"\[NeuroCAAS: ([0-9]{1,18}) bytes in (?:about )?([0-9]{1,18}) lines? (?:is|are) left out here[^\n]*\]"
)


def gap_line(count: int, lines: int, keep: int, *, exact: bool = True) -> bytes:
    """The line, with its end, that stands for `count` bytes in so many lines of an output of which `keep`
    bytes are kept; `exact`: the lines were counted."""
    number = f"{'' if exact else 'about '}{lines} line{'' if lines == 1 else 's'}"
    kept = f"{keep // (1 << 20)} MiB" if keep >= 1 << 20 else f"{keep} bytes"
    text = f"[NeuroCAAS: {count} bytes in {number} are left out here: {kept} of an output are kept]\n"
    return text.encode()


def lines_left_out(line: bytes) -> int | None:
    """How many lines such a line stands for; None for any other."""
    found = _GAP.fullmatch(line)
    return int(found[2]) if found else None
