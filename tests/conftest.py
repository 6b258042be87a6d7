"""What all tests want of the process that runs them."""

import signal

from localcloud.tests import properties
from tests import descriptions

# Where tests run in the background, Ctrl-C is ignored, and so it would be by every program that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

properties.load()
descriptions.read_once()  # each mocked account has sessions of its own
