"""A fresh machine for each test of the shell side."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell.machines import Machine, new_machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """With a dataset `lab/inputs/data.zip` and a configuration in its bucket."""
    made = new_machine(tmp_path)
    made.put("lab/inputs/data.zip", "the data")
    made.put("lab/configs/config.json", '{"wait": 0}')
    return made
