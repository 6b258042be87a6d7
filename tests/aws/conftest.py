"""Acceptance on a real account, only when NEUROCAAS_TEST_AWS says so: it costs money."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "NEUROCAAS_TEST_AWS"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get(VARIABLE):
        asked = pytest.mark.skip(reason=f"{VARIABLE} is not set: this would cost money (docs/aws.md)")
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(asked)
