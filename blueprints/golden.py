"""The folder of an analysis's golden test, `provision/test/golden/`: what is in it, and what is wrong with
it.

What a machine does with it is in `image_builder.golden`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from neurocaas.protocol.problems import Problem

FOLDER = "test/golden"
EXPECTED, DATASET, SCRIPT = "expected.json", "dataset", "dataset.sh"
"""Its members. The program of the test, which travels without this package, has the same names."""

_DO = "Write it (see the section on golden tests in docs/images.md), or remove {}"


def problems(folder: Path, where: str, *, expected: bool = True) -> Iterator[Problem]:
    """What is wrong with a golden folder before anything runs. `where`: its name for people. `expected`: it
    has to have numbers.
    """
    if not folder.is_dir():
        return
    if expected:
        yield from _number_problems(folder, where)
    do = _DO.format(where)
    made, ready = (folder / SCRIPT).is_file(), folder / DATASET
    entries = sorted(ready.iterdir()) if ready.is_dir() else []
    if not made and len(entries) != 1:
        got = f"{len(entries)} files or folders" if ready.is_dir() else "no dataset"
        yield Problem(where, got, f"dataset.sh, or exactly one file or folder in {DATASET}/", do)
    if made and ready.exists():
        yield Problem(where, "dataset.sh and dataset/", "one of the two", "Remove one")


def _number_problems(folder: Path, where: str) -> Iterator[Problem]:
    expected = folder / EXPECTED
    try:
        stored = json.loads(expected.read_text(encoding="utf-8"))
        files = stored["files"]
        good = (
            isinstance(files, dict)
            and bool(files)
            and all(isinstance(one, dict) and one for one in files.values())
        )
        good = good and float(stored.get("tolerance", 0)) >= 0
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        good, got = False, f"what cannot be read ({error})"
    else:
        got = "no numbers, or others than numbers of results"
    if not good:
        allowed = '{"files": {"<result>.json": {"<member>": <value>}}, "tolerance": <relative>}'
        do = (
            f"`invoke golden {where.split('/')[1]} --accept` writes it; or "
            f"{_DO.format(where)[0].lower()}{_DO.format(where)[1:]}"
        )
        yield Problem(f"{where}/{EXPECTED}", got, allowed, do)
