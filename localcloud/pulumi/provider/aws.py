"""Clients for the one endpoint that this provider may talk to.

The endpoint comes from `AWS_ENDPOINT_URL` and must be on the loopback interface: a stand-in that reached a
real account would be a catastrophe. Credentials come from the environment only; `~/.aws`, profiles,
instance metadata and proxies are never looked at.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from localcloud.project import project
from localcloud.pulumi.provider.errors import EndpointRefused, ProviderError

if TYPE_CHECKING:
    from botocore.loaders import Loader

DEFAULT_REGION = "us-east-1"


def check_endpoint(url: str | None) -> str:
    """`url` when it is an http(s) URL whose host is `localhost` or a loopback address literal.

    Raises `EndpointRefused`: for everything else, with what was got, what is allowed and what to do.
    """
    parts = urlsplit(url or "")
    try:
        host = parts.hostname or ""
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        host, port_is_valid = "", False
    if (
        url
        and parts.scheme in ("http", "https")
        and port_is_valid
        and not parts.username
        and _is_loopback(host)
    ):
        return url
    got = f"AWS_ENDPOINT_URL is {url!r}" if url else "AWS_ENDPOINT_URL is not set"
    raise EndpointRefused(
        f"{got}.\nAllowed is only an address of this machine: http://127.0.0.1:PORT, http://[::1]:PORT or "
        "http://localhost:PORT. "
        "The local AWS provider is a stand-in and never talks to a real account.\n"
        f"Run `{project().says('up')}` and put the output of `{project().says('env')}` into the shell. "
        "For a real account, take this provider off PATH and use the real pulumi-resource-aws."
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@functools.cache
def models() -> Loader:
    """botocore's descriptions of services: read once in a process, for clients and for rules of values."""
    from botocore.loaders import create_loader  # 0.1 s: not before the port is printed

    return create_loader(os.environ.get("AWS_DATA_PATH"))


class Session:
    """Clients by service and region, made once each (making is not thread-safe, using is)."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Read endpoint, credentials and region from `environment` (default: the process's).

        Raises `EndpointRefused`: the endpoint is missing or not on this machine; `ProviderError`: there
        are no credentials.
        """
        environment = os.environ if environment is None else environment
        self.endpoint = check_endpoint(environment.get("AWS_ENDPOINT_URL"))
        self._key, self._secret = (
            environment.get("AWS_ACCESS_KEY_ID", ""),
            environment.get("AWS_SECRET_ACCESS_KEY", ""),
        )
        self._token = environment.get("AWS_SESSION_TOKEN") or None
        if not self._key or not self._secret:
            raise ProviderError(
                "AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set.\n"
                "The local AWS provider takes credentials from the environment only, "
                f"never from ~/.aws.\nPut the output of `{project().says('env')}` into the shell."
            )
        self.region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._botocore: Any = None
        self._identity: dict[str, str] | None = None

    def client(self, service: str, region: str | None = None) -> Any:
        """The client of `service` in `region` (default: the session's)."""
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make(*key)
            return self._clients[key]

    def _make(self, service: str, region: str) -> Any:
        import botocore.session  # 0.1 s: not before the port is printed
        from botocore.config import Config

        if self._botocore is None:
            nothing = (None, None, None, None)
            no_file = (None, None, os.devnull, None)
            self._botocore = botocore.session.Session(
                session_vars={"profile": nothing, "config_file": no_file, "credentials_file": no_file}
            )
            self._botocore.register_component("data_loader", models())
        return self._botocore.create_client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self._key,
            aws_secret_access_key=self._secret,
            aws_session_token=self._token,
            config=Config(
                # an empty mapping: a proxy from the environment would carry requests off this machine
                proxies={},
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "max_attempts": 5},
                connect_timeout=5,
                read_timeout=70,
                max_pool_connections=32,
            ),
        )

    def identity(self) -> dict[str, str]:
        """Account, ARN and user id of the caller (asked once)."""
        if self._identity is None:
            answer = self.client("sts").get_caller_identity()
            self._identity = {
                "accountId": answer["Account"],
                "arn": answer["Arn"],
                "userId": answer["UserId"],
            }
        return self._identity

    @property
    def account(self) -> str:
        """The caller's account id, 12 digits."""
        return self.identity()["accountId"]
