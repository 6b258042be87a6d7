"""The page that compares says what is there: each place in the docs and each test that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/peers.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| what is")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_names_tests_that_are_there_or_says_not_yet(row: list[str]) -> None:
    _, here, tested, peer = row
    if here == "not yet":
        assert tested == ""
        return
    assert re.search(r"\]\([a-z]+\.md(#[a-z-]+)?\)", here), "a place in the docs"
    (name,) = re.findall(r"`(tests/[a-z_/0-9]+\.py)`", tested)
    assert re.search(r"def test_|\.TestCase", (ROOT / name).read_text())
    assert peer
