"""What all tests want of the process that runs them."""

import functools
import signal
from typing import Any

from botocore.loaders import JSONFileLoader

from localcloud.tests import properties

# Where tests run in the background, Ctrl-C is ignored, and so it would be by every program that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

properties.load()

# Each mocked account has sessions of its own, and each session would read the same descriptions of services
# from the same files: a third of the time of such a test. They are read once in a process.
_read = JSONFileLoader.load_file


@functools.cache
def _read_once(path: str) -> Any:
    return _read(JSONFileLoader(), path)


def _load_file(self: JSONFileLoader, file_path: str) -> Any:
    return _read_once(file_path)


JSONFileLoader.load_file = _load_file  # type: ignore[method-assign]
