"""The scenarios of docs/scenarios.md that a smoke test goes through, in the cloud that the shell names: A2
(the shared stack), A11 and A12 (jobs, several datasets), A17 (budget), A23 (a bake), A10 (destroyed).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def told(*words: str) -> dict[str, Any]:
    """What a command says as JSON; its progress goes to this terminal."""
    command = [sys.executable, "-m", "invoke", *words]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """One run for all tests of this module."""
    return told("smoke", "--json")


def test_the_account_is_ready() -> None:
    checks = told("doctor", "--account", "--json")["checks"]
    assert [one for one in checks if one["verdict"] == "fail"] == []


@pytest.mark.parametrize(
    "step",
    [
        "account",
        "utils",
        "deploy",
        "jobs",
        "cancel",
        "budget",
        "bake",
        "deploy again",
        "spot",
        "launch index",
        "metrics",
        "destroy",
        "proof",
    ],
)
def test_the_step_is_done(report: dict[str, Any], step: str) -> None:
    states = {one["name"]: (one["state"], one["said"]) for one in report["steps"]}
    assert states[step][0] == "done", states[step][1]


def test_nothing_is_left(report: dict[str, Any]) -> None:
    assert (report["left"], report["ended"]) == ([], "")
