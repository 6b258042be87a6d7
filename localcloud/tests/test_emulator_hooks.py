"""A new version of MiniStack cannot silently break the plugins: one contract for every name of it that they
touch.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from localcloud.emulator_env import emulator_python

pytestmark = pytest.mark.local
CONTRACTS = Path(__file__).with_name("emulator_contracts.py")
NAMES = re.findall(r"^def ((?:contract|every)_\w+)", CONTRACTS.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """All contracts, run once by the emulator's Python."""
    folder = tmp_path_factory.mktemp("contracts")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [str(emulator_python()), str(CONTRACTS)], env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_contract(outcomes: dict[str, str | None], name: str) -> None:
    assert outcomes[name] is None, outcomes[name]
