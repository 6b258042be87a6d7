"""Local clouds for tests: each in a folder and on a port of its own, stopped when its tests are done."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from deployed import Deployed, deploy

from demo.playground import playground
from localcloud import cloud as cloud_module
from localcloud.cloud import Cloud
from localcloud.paths import HOME_VARIABLE, Paths


def free_port() -> int:
    """A port that is free now, and below those that the kernel gives to outgoing connections (a restart must find it free again)."""
    while True:
        port = random.randint(15000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class CloudHome:
    """A folder and a port for one local cloud; starts and stops it."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(folder / "local")
        self.port = free_port()

    def up(self, *, fleet: bool = False) -> Cloud:
        return cloud_module.up(self.paths, port=self.port, fleet=fleet)

    def down(self) -> None:
        cloud_module.down(self.paths)

    @property
    def variables(self) -> dict[str, str]:
        """What a command needs in its environment to mean this cloud."""
        return {HOME_VARIABLE: str(self.paths.home), "LOCALCLOUD_PORT": str(self.port)}


Client = Callable[..., Any]


def client_of(cloud: Cloud) -> Client:
    """A maker of boto3 clients; ``key``, ``secret`` and ``token`` replace the root key's. They never retry."""

    def client(service: str, key: str = "", secret: str = "", token: str | None = None, region: str = "") -> Any:
        make: Any = boto3.client
        return make(
            service,
            endpoint_url=cloud.endpoint,
            region_name=region or cloud.region,
            aws_access_key_id=key or cloud.access_key_id,
            aws_secret_access_key=secret or cloud.secret_access_key,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    return client


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
    """A running control plane without machines, shared by all tests: name your resources so that they cannot collide."""
    return emulator_home.up()


@pytest.fixture(scope="session")
def client(emulator: Cloud) -> Client:
    """``client(service)``: boto3 clients of :func:`emulator`, as root."""
    return client_of(emulator)


@pytest.fixture(scope="session")
def local_cloud_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudHome]:
    """The home of :func:`local_cloud`."""
    home = CloudHome(tmp_path_factory.mktemp("cloud"))
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


@pytest.fixture(scope="session")
def service() -> Iterator[Deployed]:
    """The deployed service with two groups in groups.yaml. Shared: a test that takes something away puts it back, or comes last."""
    with playground(Path(__file__).resolve().parents[2]) as ground:
        yield deploy(ground)
