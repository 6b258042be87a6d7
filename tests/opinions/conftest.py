"""Opinions of others: tools, data and implementations that nobody here wrote, on what this program makes."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # pulumi_aws warns of its own deprecated classes whenever one of its modules is imported, parliament
    # of the module by which it finds its data.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")
    config.addinivalue_line("filterwarnings", "ignore:pkg_resources is deprecated")
