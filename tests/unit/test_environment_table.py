"""docs/reference/environment.md lists each environment variable of ours, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from localcloud.project import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "reference" / "environment.md"
NAME = re.compile(r"\b(?:NEUROCAAS|LOCALCLOUD)_[A-Z](?:[A-Z0-9_]*[A-Z0-9])?\b")
ROW = re.compile(rf"^\| `({NAME.pattern})` \|.+\|.+\|.+\|$", re.MULTILINE)
NOT_VARIABLES = {"NEUROCAAS_BOOT"}
"""The mark of the end of a text in a machine's user data."""
MADE = set(VARIABLES)
"""Names that are put together: one for each setting of the local cloud's project."""
KINDS = {".py", ".sh", ".yml", ".yaml", ""}
SKIPPED = {"tests", "build", "results", "__pycache__"}


def sources() -> Iterator[Path]:
    """The product's files: without tests, documents, and what is made here."""
    for top in ROOT.iterdir():
        if top.name in SKIPPED or (top.name.startswith(".") and top.name not in (".github", ".ci")):
            continue
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.suffix in KINDS and path.is_file() and SKIPPED.isdisjoint(path.relative_to(ROOT).parts):
                yield path


def used() -> set[str]:
    found = {name for path in sources() for name in NAME.findall(path.read_text(errors="replace"))}
    assert found >= NOT_VARIABLES
    return (found | MADE) - NOT_VARIABLES


def test_the_table_has_every_variable_of_the_sources_once_and_no_other() -> None:
    listed = ROW.findall(TABLE.read_text(encoding="utf-8"))
    assert len(listed) == len(set(listed))
    assert used() - set(listed) == set(), "used, but not in docs/reference/environment.md"
    assert set(listed) - used() == set(), "in docs/reference/environment.md, but nowhere used"


def test_the_local_clouds_readme_has_the_same_of_its_own() -> None:
    names = NAME.findall((ROOT / "localcloud" / "README.md").read_text(encoding="utf-8"))
    assert set(names) == {name for name in used() if name.startswith("LOCALCLOUD_")}


def test_a_variable_that_is_new_or_gone_is_seen() -> None:
    assert {"LOCALCLOUD_PORT", "NEUROCAAS_SETTINGS_KEY", "NEUROCAAS_RUN_FOLDER"} <= used()
    assert ROW.findall("| `NEUROCAAS_NEW` | x | y | z |\n| `NEUROCAAS_HALF` | x |\n") == ["NEUROCAAS_NEW"]
    assert NAME.findall("f'NEUROCAAS_SETTINGS_{name}'") == []
