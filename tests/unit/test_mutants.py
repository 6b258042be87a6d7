"""The mutation program: what it changes, and that what it names is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks.mutants import TARGETS, mutants, mutated

ROOT = Path(__file__).resolve().parents[2]

SOURCE = """
from __future__ import annotations
LIMIT: tuple[str, int] = ("a", 3)
def f(a: int | None, b: dict[str, int], c: object) -> int | str:
    "Some text: 3."
    if a and not b:
        raise ValueError(f"{a - 1}")
    put(a, if_absent=True)
    change("attribute_exists(pk) AND #lease < :now", key={"Key": 1, "Condition": 2})
    return a - b["x"] if a < 3 else c * 2
"""


def test_each_kind_of_fault_is_made_and_nothing_else() -> None:
    changes = {mutant.what for mutant in mutants(SOURCE)}
    for expected in (
        "other operator: a and (not b)",
        "left out: a",
        "left out: not b",
        "other branch: a and (not b)",
        "never: a and (not b)",
        "argument left out: if_absent=True",
        "statement left out: put(a, if_absent=True)",
        "entry left out: 'Condition'",
        "left side alone: a - b['x']",
        "other operator: c * 2",
        "other comparison: a < 3",
        "element left out: 'a'",
        "other constant: True",
    ):
        assert expected in changes
    assert sum("attribute_exists(pk) AND #lease" in what for what in changes) == 4 + 1
    assert {
        "left side alone: a - 1",
        "entry left out: 'Key'",
        "other operator: int | None",
        "element left out: str",
    }.isdisjoint(changes)


@pytest.mark.parametrize(
    "path", ["neurocaas/protocol/ledger.py", "runtime/monitor/sweep.py", "components/policies/manager.py"]
)
def test_every_mutant_is_a_program_and_another_one(path: str) -> None:
    source = (ROOT / path).read_text()
    original = ast.dump(ast.parse(source))
    for mutant in mutants(source)[::5]:
        tree = mutated(source, mutant)
        compile(tree, path, "exec")
        assert ast.dump(tree) != original, mutant


def test_files_and_their_tests_are_there() -> None:
    for path, tests in TARGETS.items():
        assert (ROOT / path).is_file()
        assert tests
        for name in tests:
            assert (ROOT / "tests" / f"{name if '/' in name else f'unit/{name}'}.py").is_file(), name
