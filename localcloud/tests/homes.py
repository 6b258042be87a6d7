"""Folders and ports for local clouds of tests, and boto3 clients for them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from localcloud import cloud as cloud_module
from localcloud import ports
from localcloud.cloud import Cloud
from localcloud.paths import HOME_VARIABLE, Paths


class CloudHome:
    """A folder and a port for one local cloud; starts and stops it."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(folder / "local")
        self.port = ports.lease()

    def up(self, *, fleet: bool = False) -> Cloud:
        return cloud_module.up(self.paths, port=self.port, fleet=fleet)

    def down(self) -> None:
        cloud_module.down(self.paths)

    @property
    def variables(self) -> dict[str, str]:
        """What a command needs in its environment to mean this cloud."""
        return {HOME_VARIABLE: str(self.paths.home), "LOCALCLOUD_PORT": str(self.port)}


def kill(cloud: Cloud) -> None:
    """``kill -9`` the control plane, and wait until it is gone."""
    os.kill(cloud.emulator_pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while cloud.emulator.alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not cloud.emulator.alive()


Client = Callable[..., Any]


def client_of(cloud: Cloud) -> Client:
    """A maker of boto3 clients; ``key``, ``secret`` and ``token`` replace the root key's. They never
    retry.
    """

    def client(
        service: str, key: str = "", secret: str = "", token: str | None = None, region: str = ""
    ) -> Any:
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
