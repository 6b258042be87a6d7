"""The page's own sources: types, lint and tests of its logic, by its own tools."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neurocaas.protocol.keys import JobKeys, SubmissionKey
from portal_host.build import built, run_in, workshop
from portal_host.node import SOURCES, NodeMissing, program, ready

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment() -> Path:
    try:
        return ready()
    except NodeMissing as error:
        pytest.skip(f"no registry for Node or its packages: {error}")


@pytest.mark.parametrize(
    "command",
    [("tsc", "--noEmit"), ("eslint", "src", "tests", "--max-warnings", "0"), ("vitest", "run")],
    ids=lambda words: words[0],
)
def test_types_lint_and_logic(environment: Path, command: tuple[str, ...]) -> None:
    with workshop(environment) as work:
        done = run_in(work, [*program(environment, command[0]), *command[1:]])
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_first_view_is_small_and_has_nothing_inline(environment: Path) -> None:
    site = built()
    page = (site / "index.html").read_text()
    assert "<script>" not in page
    assert "<style" not in page
    assert " style=" not in page
    names = [path.name for path in (site / "assets").iterdir()]
    assert any(name.startswith("Submit-") for name in names), "the form is loaded when it is used"


def test_the_cases_that_both_languages_keep_are_those_of_the_service() -> None:
    cases = json.loads((ROOT / "docs/vectors/keys.json").read_text())
    assert len(cases) >= 2
    for case in cases:
        keys = JobKeys.of(case["group"], case["timestamp"])
        submission = SubmissionKey(case["group"], f"{case['timestamp']}_submit.json")
        assert case == {
            "group": case["group"],
            "timestamp": case["timestamp"],
            "job": keys.job,
            "certificate": keys.records.certificate,
            "end": keys.records.end,
            "status": keys.status("a b"),
            "submission": submission.key,
            "cancel": submission.key.replace("submit.json", "cancel.json"),
        }


def test_the_lock_names_no_address() -> None:
    lock = (SOURCES / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert all(one.get("integrity") for name, one in json.loads(lock)["packages"].items() if name)
