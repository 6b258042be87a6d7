"""Local clouds for tests, and the service that is deployed to one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localcloud.tests.cloud_fixtures import (  # noqa: F401 (fixtures)
    client,
    cloud_home,
    emulator,
    emulator_home,
    local_cloud,
    local_cloud_home,
    no_account_of_the_caller,
)
from tests.local.deployed import Deployed
from tests.local.kept import services
from tests.local.states import States


@pytest.fixture(scope="session")
def states() -> States:
    """Deployed services, made once for all workers, and for all runs of these sources on a day."""
    return States(services())


@pytest.fixture(scope="module")
def service(states: States) -> Iterator[Deployed]:
    """The deployed service with two groups in groups.yaml, of this module alone. A test that takes something
    away puts it back, or comes last.
    """
    with states.service() as deployed:
        yield deployed
