"""What all tests want of the process that runs them."""

import os
import signal

from hypothesis import settings

# Where tests run in the background, Ctrl-C is ignored, and so it would be by every program that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Properties: `ci` tries what a pipeline and `make test` must have tried, `dev` (`make check`, and pytest by
# hand) a fifth of it. A test that names a number of its own asks `tests.examples` for it.
settings.register_profile("ci", max_examples=100, deadline=None)
settings.register_profile("dev", parent=settings.get_profile("ci"), max_examples=20)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))
