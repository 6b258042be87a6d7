"""botocore's descriptions of services, read and parsed once in a process.

Each session would read the same files again, of up to a megabyte: a third of the time of a test whose AWS is
moto, and of a command's that asks many services.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import botocore.session
from botocore.loaders import JSONFileLoader

_read = JSONFileLoader.load_file


@functools.cache
def _read_once(path: str) -> Any:
    return _read(JSONFileLoader(), path)


def _load_file(self: JSONFileLoader, file_path: str) -> Any:
    return _read_once(file_path)


def read_once(services: Iterable[str] = ()) -> None:
    """From now on; those of `services` at once, with the modules that their clients need."""
    JSONFileLoader.load_file = _load_file  # type: ignore[method-assign]
    session = botocore.session.Session()
    for service in services:
        session.create_client(service, "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
