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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from blueprints.golden import FOLDER
from image_builder import golden_check

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


def program() -> Path:
    """The program of the test, which travels with the scripts."""
    return Path(golden_check.__file__)


def key_beside(settings: str) -> str:
    """The key of a stack's golden archive, from that of its settings."""
    return "/".join((*settings.split("/")[:-1], ARCHIVE))


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
