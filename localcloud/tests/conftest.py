"""What all tests of the local cloud want of the process that runs them, and the clouds that they share."""

import signal

from localcloud.tests import properties
from localcloud.tests.cloud_fixtures import (  # noqa: F401 (fixtures)
    client,
    cloud_home,
    emulator,
    emulator_home,
    local_cloud,
    local_cloud_home,
    no_account_of_the_caller,
)

# Where tests run in the background, Ctrl-C is ignored, and so it would be by every program that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

properties.load()
