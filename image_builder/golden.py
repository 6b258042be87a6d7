"""The golden test of an analysis: `provision/test/golden/` has a small dataset and the numbers that the
analysis must find in it.

- `expected.json`: `{"files": {"<path below process_results>": {…}}, "tolerance": 1e-6}`: members of JSON
  results, as many as wanted;
- `dataset/` with exactly one file or folder, or `dataset.sh`, which makes it in the folder that it is given;
- `config.json`: the configuration; the analysis's defaults when it is left out.

In the test phase a fresh machine runs the deployed code on it (`image_builder.golden_check`); other numbers,
and there is no image. Code and golden folder are the stack's, fetched when the test runs: a change of the
analysis, of a number or of a tolerance changes no recipe.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from image_builder import golden_check
from runtime.protocol.problems import Problem

FOLDER = "test/golden"
STEPS = (
    "golden-prepare",
    "golden-download",
    "golden-unpack",
    "golden-settings",
    "golden-code",
    "golden-fetch",
    "golden",
)
MACHINE_FOLDER = "/tmp/neurocaas-golden"  # noqa: S108  (of a machine that is thrown away)
"""Where the machine of the test has it."""
ARCHIVE = "golden.tar.gz"
"""Name of the folder's archive, beside the settings of its stack in the artifact bucket."""
PROGRAM = f"{FOLDER}/golden_check.py"

_DO = "Write it (see the section on golden tests in docs/images.md), or remove {}"


def program() -> Path:
    """The program of the test, which travels with the scripts."""
    return Path(golden_check.__file__)


def key_beside(settings: str) -> str:
    """The key of a stack's golden archive, from that of its settings."""
    return "/".join((*settings.split("/")[:-1], ARCHIVE))


def problems(folder: Path, where: str, *, expected: bool = True) -> Iterator[Problem]:
    """What is wrong with a golden folder before anything runs. `where`: its name for people. `expected`: it
    has to have numbers.
    """
    if not folder.is_dir():
        return
    if expected:
        yield from _number_problems(folder, where)
    do = _DO.format(where)
    made, ready = (folder / golden_check.SCRIPT).is_file(), folder / golden_check.DATASET
    entries = sorted(ready.iterdir()) if ready.is_dir() else []
    if not made and len(entries) != 1:
        got = f"{len(entries)} files or folders" if ready.is_dir() else "no dataset"
        yield Problem(where, got, f"dataset.sh, or exactly one file or folder in {golden_check.DATASET}/", do)
    if made and ready.exists():
        yield Problem(where, "dataset.sh and dataset/", "one of the two", "Remove one")


def _number_problems(folder: Path, where: str) -> Iterator[Problem]:
    expected = folder / golden_check.EXPECTED
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
        yield Problem(f"{where}/{golden_check.EXPECTED}", got, allowed, do)


def code_commands(folder: str) -> str:
    """Commands of the step that says where the code is; the next step fetches what it prints."""
    source = (
        'import json; code = json.load(open("settings.json"))["code"]; '
        'print(f\'s3://{code["bucket"]}/{code["key"]}\')'
    )
    return f"set -eu\ncd {folder}\npython3 -c {_quote(source)}\n"


def check_commands(folder: str) -> str:
    """Commands of the step that runs the analysis and compares."""
    return (
        f"set -eu\nexport HOME=/root\numask 022\ncd {folder}\npython3 -B {PROGRAM} settings.json "
        f"code.tar.gz {FOLDER}\n"
    )


def from_log(lines: Iterable[str]) -> dict[str, Any] | None:
    """The numbers that a build's golden test found; None when it had none."""
    for line in lines:
        _, mark, rest = line.partition(f"{golden_check.MARK} ")
        if mark:
            try:
                found = json.loads(rest)
            except ValueError:
                continue
            return found if isinstance(found, dict) else None
    return None


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
