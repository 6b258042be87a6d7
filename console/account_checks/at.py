"""The account that is asked: who asks, the region, and one client a service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

_TIMEOUT = 10


class At:
    """Where is asked: `make` is `boto3.client`, `account` the caller's (the identity is asked first)."""

    def __init__(self, make: Callable[..., Any], region: str, identity: dict[str, Any]) -> None:
        self._make, self.region, self.identity = make, region, identity
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def account(self) -> str:
        return str(self.identity["Account"])

    @property
    def arn(self) -> str:
        return str(self.identity["Arn"])

    @property
    def partition(self) -> str:
        return self.arn.split(":")[1]

    def client(self, service: str) -> Any:
        """One client a service. boto3 makes clients in one thread at a time only."""
        from botocore.config import Config

        with self._lock:
            if service not in self._clients:
                settings = Config(
                    connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"total_max_attempts": 2}
                )
                self._clients[service] = self._make(service, region_name=self.region, config=settings)
            return self._clients[service]
