"""What all tests want of the process that runs them."""

import gc
import os
import shutil
import signal
import tempfile

from localcloud.tests import properties
from tests import descriptions

# Where tests run in the background, Ctrl-C is ignored, and so it would be by every program that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The settings of whoever runs the tests (`neurocaas login`) are not theirs.
os.environ["NEUROCAAS_CONFIG_FILE"] = os.path.join(os.sep, "nonexistent", "config.toml")
# What a test submits is not remembered among what the person at this computer has submitted.
os.environ["NEUROCAAS_STATE_FOLDER"] = tempfile.mkdtemp(prefix="neurocaas-tests-")


def pytest_collection_finish() -> None:
    """What is loaded by now stays, and tests leave little behind: to look for circles in all of it again and
    again is a third of the time of tests that make many objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


properties.load()
descriptions.read_once()  # each mocked account has sessions of its own


def pytest_unconfigure() -> None:
    """At the end of each process of tests, also of one that pytest-xdist ends without a goodbye."""
    shutil.rmtree(os.environ["NEUROCAAS_STATE_FOLDER"], ignore_errors=True)
