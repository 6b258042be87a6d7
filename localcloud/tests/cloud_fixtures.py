"""Local clouds for tests: each in a folder and on a port of its own, stopped when its tests are done.

A conftest.py that imports these names offers them to the tests beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.cloud import Cloud
from localcloud.tests.bases import share_base
from localcloud.tests.homes import Client, CloudHome, client_of

__all__ = [
    "client",
    "cloud_home",
    "emulator",
    "emulator_home",
    "local_cloud",
    "local_cloud_home",
    "no_account_of_the_caller",
]


@pytest.fixture
def cloud_home(tmp_path: Path) -> Iterator[CloudHome]:
    """A fresh home, not started; whatever a test starts in it is stopped."""
    home = CloudHome(tmp_path)
    yield home
    home.down()


@pytest.fixture(scope="session")
def emulator_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudHome]:
    """The home of :func:`emulator`."""
    home = CloudHome(tmp_path_factory.mktemp("emulator"))
    yield home
    home.down()


@pytest.fixture(scope="session")
def emulator(emulator_home: CloudHome) -> Cloud:
    """A running control plane without machines, shared by all tests: name your resources so that they cannot
    collide.
    """
    return emulator_home.up()


@pytest.fixture(scope="session")
def client(emulator: Cloud) -> Client:
    """``client(service)``: boto3 clients of :func:`emulator`, as root."""
    return client_of(emulator)


@pytest.fixture(scope="session")
def local_cloud_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudHome]:
    """The home of :func:`local_cloud`."""
    home = CloudHome(tmp_path_factory.mktemp("cloud"))
    share_base(home.paths.home)
    yield home
    home.down()


@pytest.fixture(scope="session")
def local_cloud(local_cloud_home: CloudHome) -> Cloud:
    """A running local cloud with machines, shared by all tests."""
    return local_cloud_home.up(fleet=True)


@pytest.fixture(autouse=True, scope="session")
def no_account_of_the_caller() -> Iterator[None]:
    """Credentials and endpoints of whoever runs the tests must not reach a client that a test makes."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    yield
    del os.environ["AWS_EC2_METADATA_DISABLED"]
    os.environ.update(kept)
