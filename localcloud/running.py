"""The running local cloud as others see it: ``cloud.json``, its processes, its environment, its
administrative interface.
"""

from __future__ import annotations

import dataclasses
import json
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.paths import Paths
from localcloud.processes import Process

SCHEMA_VERSION = 1
DEFAULT_REGION = "us-east-1"
ACCOUNT = "000000000000"
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


class CloudError(Exception):
    """The local cloud cannot do what was asked; the text says what was found, what is allowed and what to do
    next.
    """

    exit_code = 1  # of a command that ends with it


@dataclass(frozen=True)
class Cloud:
    """A running local cloud (the content of ``cloud.json``)."""

    schema_version: int
    endpoint: str
    port: int
    region: str
    account: str
    access_key_id: str
    secret_access_key: str
    admin_token: str
    emulator_pid: int
    emulator_start: int
    fleet_pid: int | None
    fleet_start: int | None
    sandbox: str | None
    started: str
    code: str = ""
    """Digest of the code that it was started from (:mod:`localcloud.version`)."""

    @classmethod
    def read(cls, paths: Paths) -> Cloud | None:
        """What ``cloud.json`` says, whether or not it still runs; None when there is none or it is not
        ours.
        """
        try:
            document = json.loads(paths.cloud_file.read_text())
            return cls(**document) if document.get("schema_version") == SCHEMA_VERSION else None
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    @classmethod
    def load(cls, paths: Paths) -> Cloud | None:
        """The running cloud, or None when its emulator does not run."""
        cloud = cls.read(paths)
        return cloud if cloud is not None and cloud.emulator.alive() else None

    @property
    def emulator(self) -> Process:
        """The control plane's process."""
        return Process(self.emulator_pid, self.emulator_start)

    @property
    def fleet(self) -> Process | None:
        """The fleet's process, or None when it was started without one."""
        return (
            None
            if self.fleet_pid is None or self.fleet_start is None
            else Process(self.fleet_pid, self.fleet_start)
        )

    def environment(self) -> dict[str, str]:
        """Variables for any AWS tool. The value ``""`` means: this variable must not be set.

        Whatever else this process's environment or a profile says, requests go to this endpoint and with
        these keys.
        """
        # endpoints of single services
        elsewhere = [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL_")]
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            **dict.fromkeys(("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", *elsewhere), ""),
            **_past_proxies(os.environ),
        }

    def admin(
        self, method: str, name: str, body: dict[str, Any] | None = None, timeout: float = 5.0
    ) -> dict[str, Any]:
        """Call the administrative interface. Raises OSError when it does not answer or refuses."""
        request = urllib.request.Request(
            f"{self.endpoint}/_localcloud/{name}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.admin_token}", "Content-Type": "application/json"},
        )
        # loopback never goes through a proxy
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=timeout) as reply:
            answer: dict[str, Any] = json.load(reply)
            return answer

    def write(self, paths: Paths) -> None:
        """Write ``cloud.json`` atomically, readable by its owner only."""
        temporary = paths.cloud_file.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(dataclasses.asdict(self), file, indent=2)
        temporary.replace(paths.cloud_file)


def _past_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that keep what is on this machine off the shell's proxies; AWS tools and the engine's gRPC
    would use them for it.
    """
    given = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    names = [name for part in given.split(",") if (name := part.strip())]
    value = ",".join([*names, *(name for name in LOOPBACK_NAMES if name not in names)])
    return {"NO_PROXY": value, "no_proxy": value}
