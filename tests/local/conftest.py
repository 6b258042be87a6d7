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
from tests.warm import VARIABLE, warm_python


@pytest.fixture(scope="session", autouse=True)
def warm() -> Iterator[None]:
    """Commands and plugins of these tests start fast, except in modules that use `cold`."""
    with warm_python() as python, pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(python))
        yield


@pytest.fixture
def cold(warm: None) -> Iterator[None]:
    """For a test that is about processes: each is one that its parent has started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(VARIABLE)
        yield


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
