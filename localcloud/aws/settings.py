"""What the launcher is told: plain settings by environment, secrets by standard input (so that no child
inherits them).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.account_properties import VARIABLE, PropertiesError, given
from localcloud.paths import Paths
from localcloud.project import project

MINISTACK = "1.5.33"
"""The only MiniStack that the plugins were written for."""
LOOPBACK = "127.0.0.1"
LAMBDA_CONCURRENCY = 16
"""Lambda executions at once in the whole account: each is a process of some 45 MB."""
LAMBDA_WARM_SECONDS = 60
"""Idle time after which a surplus worker of a function ends."""
LAMBDA_IDLE_SECONDS = 300
"""Idle time after which its first worker ends: until then nobody waits for a cold start."""


class SettingsError(Exception):
    """The launcher was started in a way that it refuses."""


@dataclass(frozen=True)
class Settings:
    """One emulator."""

    paths: Paths
    port: int
    region: str
    account: str
    access_key_id: str
    secret_access_key: str
    admin_token: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    """What the account's file and setting say (``localcloud.account_properties``)."""


def read() -> Settings:
    """Settings from ``LOCALCLOUD_*`` variables and one JSON object on standard input.

    Raises:
        SettingsError: something is missing, or another address than loopback is asked for.
    """
    bind = os.environ.get("BIND_HOST", LOOPBACK)
    if bind != LOOPBACK:
        raise SettingsError(
            f"BIND_HOST is {bind!r}. The local cloud listens on {LOOPBACK} only. Unset BIND_HOST."
        )
    try:
        secrets = json.load(sys.stdin)
        paths = Paths(Path(os.environ["LOCALCLOUD_HOME"]))
        return Settings(
            paths=paths,
            port=int(os.environ["LOCALCLOUD_PORT"]),
            region=os.environ["LOCALCLOUD_REGION"],
            account=os.environ["LOCALCLOUD_ACCOUNT"],
            access_key_id=secrets["access_key_id"],
            secret_access_key=secrets["secret_access_key"],
            admin_token=secrets["admin_token"],
            properties=given(paths.account_file),
        )
    except PropertiesError as error:
        raise SettingsError(str(error)) from error
    except (KeyError, ValueError) as error:
        raise SettingsError(
            f"{error!r} while reading the settings. `python -m localcloud.aws` is started "
            f"by `{project().says('up')}`."
        ) from error


def check_state(paths: Paths) -> None:
    """Raises SettingsError when a file of the state is damaged: MiniStack would begin without it, and then
    write over it.
    """
    damaged = []
    for file in (paths.plugin_state, *sorted(paths.emulator_state.glob("*.json"))):
        try:
            if file.exists():
                json.loads(file.read_text())
        except ValueError as error:
            damaged.append(f"{file} ({error})")
    if damaged:
        raise SettingsError(
            f"The local cloud's state cannot be read: {'; '.join(damaged)}. Whole JSON files are needed. "
            "Move them away to go on without what they held, or delete everything: "
            f"{project().says('reset')}"
        )


def apply(settings: Settings) -> None:
    """Set the environment variables that MiniStack reads when it is imported. Call before the first import of
    ``hooks``.
    """
    for folder in (
        settings.paths.emulator_state,
        settings.paths.emulator_s3,
        settings.paths.emulator_tmp,
        settings.paths.consoles,
    ):
        folder.mkdir(parents=True, exist_ok=True)
    for name in (
        "PYTHONPATH",
        "LOCALCLOUD_HOME",
        "LOCALCLOUD_PORT",
        "LOCALCLOUD_REGION",
        "LOCALCLOUD_ACCOUNT",
        VARIABLE,
    ):
        # Lambda functions inherit the environment; they shall see their own archive only
        os.environ.pop(name, None)
    os.environ.update(
        GATEWAY_PORT=str(settings.port),
        BIND_HOST=LOOPBACK,
        MINISTACK_HOST="localhost",
        MINISTACK_ACCOUNT_ID=settings.account,
        MINISTACK_REGION=settings.region,
        AUTH="true",
        AWS_ACCESS_KEY_ID=settings.access_key_id,
        AWS_SECRET_ACCESS_KEY=settings.secret_access_key,
        PERSIST_STATE="1",
        STATE_DIR=str(settings.paths.emulator_state),
        S3_PERSIST="1",
        S3_DATA_DIR=str(settings.paths.emulator_s3),
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
        LAMBDA_EXECUTOR="local",
        LAMBDA_ACCOUNT_CONCURRENCY=str(LAMBDA_CONCURRENCY),
        LAMBDA_WARM_TTL_SECONDS=str(LAMBDA_WARM_SECONDS),
        # never talk to a container engine of the host
        DOCKER_HOST=f"unix://{settings.paths.emulator}/no-docker",
        LOG_LEVEL=os.environ.get("LOG_LEVEL", "WARNING"),
    )
