"""What all tests want of the process that runs them."""

import signal

# Where tests run in the background, Ctrl-C is ignored, and so it would be by every program that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
