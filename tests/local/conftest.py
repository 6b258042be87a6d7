"""Local clouds for tests, and the service that is deployed to one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.playground import playground
from localcloud.tests.cloud_fixtures import (  # noqa: F401 (fixtures)
    client,
    cloud_home,
    emulator,
    emulator_home,
    local_cloud,
    local_cloud_home,
    no_account_of_the_caller,
)
from tests.local.deployed import Deployed, deploy


@pytest.fixture(scope="session")
def service() -> Iterator[Deployed]:
    """The deployed service with two groups in groups.yaml. Shared: a test that takes something away puts it
    back, or comes last.
    """
    with playground(Path(__file__).resolve().parents[2]) as ground:
        yield deploy(ground)
