"""The list of scenarios that tests refer to by number (docs/scenarios.md) is whole, and its tests exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| (A\d+) \|(.*)\|$", (ROOT / "docs" / "scenarios.md").read_text(), re.MULTILINE)
FILES = {path.stem: path for path in ROOT.glob("**/tests/**/test_*.py") if ".venv" not in path.parts}


def test_all_scenarios_are_listed_in_order() -> None:
    assert [number for number, _ in ROWS] == [f"A{number}" for number in range(1, 26)]


def test_the_tests_of_each_scenario_exist() -> None:
    assert {
        number: re.findall(r"`(test_\w+)`", row.rpartition(" | ")[2])
        for number, row in ROWS
        if "test_" not in row
    } == {}
    wrong = [
        f"{number}: {name}"
        for number, row in ROWS
        for name in re.findall(r"`(test_\w+)`", row)
        if name not in FILES
    ]
    assert wrong == []


def test_numbers_in_names_of_tests_are_those_of_the_list() -> None:
    listed = {number.lower(): row for number, row in ROWS}
    for name in FILES:
        for number in re.findall(r"(?<=_)(a\d+)(?=_)", name):
            assert f"`{name}`" in listed[number], f"{name} is not beside {number.upper()}"
